//! The Groupcast host.
//!
//! Runs the sync component in a sandbox ([`plugin`]) and gives it what its world names. The binary is a thin shell
//! over this library; tests drive the library.

pub mod config;
pub mod ledger;
pub mod schedule;
pub mod secrets;
pub mod store;
