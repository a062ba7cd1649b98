//! Planning: desired x observed x ledger -> plan. Pure: no clock, no network, no vendor's word. The same
//! views always give the same bytes.

pub mod model;
pub mod part;
