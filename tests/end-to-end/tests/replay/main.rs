//! Recorded runs of the real component against the simulated vendors, and their replay: what happened once happens
//! again, with no vendor, no store and no time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod against;
mod bit_for_bit;
mod recorded;
mod redacted;
mod refused;
