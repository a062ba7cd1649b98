//! The component as a file: what it asks for and what its contract says; and components of somebody else's, broken or
//! hostile, in the bundled host.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod contract;
mod foreign;
mod forge;
mod hostile;
mod intruders;
mod limits;
mod misdeeds;
mod neighbours;
mod processes;
mod requests;
mod services;
