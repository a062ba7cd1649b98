//! To be filled.

pub mod credentials;
pub mod egress;
