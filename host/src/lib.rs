//! To be filled.

pub mod ledger;
pub mod store;
