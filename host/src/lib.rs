//! To be filled.

pub mod config;
pub mod ledger;
pub mod schedule;
pub mod secrets;
pub mod store;
