//! The whole engine, native, on virtual time, against the simulated vendors: no socket and no second of real waiting,
//! so that thousands of schedules of faults and every point of a crash are tried. One seed is one story, the same each
//! time.
//!
//! What may not enter: decisions of the engine's own. What should be is said by [`truth`] from the requirements alone,
//! in the simplest way that can be read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support fails by panicking"
)]

mod clicks;
pub mod cloud;
pub mod host;
pub mod story;
pub mod time;
pub mod truth;
