//! End to end, safety: what must not happen, whatever the vendors answer, people click or machines do. The real
//! component in the bundled host, over real sockets, against the simulated vendors, for both targets. Test names begin
//! with the number of the requirement that they prove.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod crashes;
mod credentials;
mod direction;
mod doctor;
mod empty;
mod leases;
mod limits;
mod people;
mod plans;
mod preflight;
mod proof;
mod quota;
mod success;
mod support;
mod switching;
mod trouble;
mod undo;
mod why;
