//! The planner held against the requirements, on a small world with a directory that can be written to.

mod eligibility;
mod explaining;
mod lab;
mod limits;
mod membership;
mod properties;
mod safety;
mod snapshots;
mod streamed;
mod ties;
