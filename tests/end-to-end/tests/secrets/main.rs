//! End to end, secrets: signing in to the targets with no long-lived secret, rotating what there is while the host goes on,
//! and warnings before an end. The real component in the bundled host, over real sockets, against the simulated vendors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod federation;
mod rotation;
