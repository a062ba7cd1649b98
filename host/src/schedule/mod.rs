//! When runs happen, and that they never happen twice at once.
//!
//! [`Schedule`] is a cron pattern in a time zone. [`Engine`] is what a scheduler and queue must be able to do,
//! embedded ([`EmbeddedEngine`]) or elsewhere. What a run does is none of this room's business: it is a
//! [`Runner`]'s.

mod cron;
mod embedded;
mod engine;
#[cfg(test)]
mod engine_tests;

pub use cron::{Schedule, ScheduleError};
pub use embedded::{EmbeddedEngine, EngineLimits, SystemTime, Time};
pub use engine::{Engine, EngineError, Runner, Served, Status, Trigger, TriggerAnswer};
