//! Planning: desired x observed x ledger -> plan. Pure: no clock, no network, no vendor's word. The same
//! views always give the same bytes.
//!
//! The way through it: [`transition::lookup`] says what to look for in the target; [`planner::second_reads`]
//! says whose membership must be read again before it may be removed (R42); [`planner`] makes the
//! parts, one group after the other; [`fingerprint`] says at apply time whether a group moved since (R44).

pub mod address;
pub mod conflicts;
mod desired;
mod draft;
pub mod eligibility;
pub mod fingerprint;
mod finish;
mod limits;
mod merge;
pub mod model;
mod moving;
pub mod part;
pub mod planner;
pub mod summary;
mod takeover;
#[cfg(test)]
mod tests;
pub mod transition;
pub mod undo;

pub use fingerprint::{fingerprint, what_moved};
pub use planner::{Claims, SecondReads, Survey, Verdict, plan, removal_candidates, second_reads};
pub use summary::{Summary, summary};
pub use transition::{Lookup, lookup};
pub use undo::undo_parts;
