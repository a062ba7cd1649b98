//! End to end: the real component in the bundled host, over real sockets, against the simulated vendors. Test names
//! begin with the number of the requirement that they prove.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod changes;
mod first_sync;
