//! When runs happen, who is next, and that they never happen twice at once.
//!
//! [`Timetable`] says when a connection's runs begin by themselves: a cron pattern in a time zone ([`Schedule`]), quiet
//! hours, missed runs. [`Engine`] is what a scheduler and queue must be able to do, embedded ([`EmbeddedEngine`]) or
//! elsewhere; the embedded one shares its places fairly among tenants ([`fair`]). What a job does is none of this room's
//! business: it is a [`Runner`]'s.

mod control;
mod cron;
#[cfg(test)]
mod elsewhere_tests;
mod embedded;
mod engine;
#[cfg(test)]
mod engine_tests;
pub mod fair;
mod heritage;
mod judge;
mod kept;
mod limits;
mod quiet;
mod table;
mod time;
mod timetable;

pub use control::JobControl;
pub use cron::{Schedule, ScheduleError};
pub use embedded::EmbeddedEngine;
pub use engine::{
    Engine, EngineError, JobEnd, JobWatcher, Load, Runner, Served, Status, TriggerAnswer, Trouble,
};
pub use kept::{Kept, ScheduleStore, mended};
pub use limits::EngineLimits;
pub use quiet::QuietHours;
pub use time::{SystemTime, Time};
pub use timetable::{Beginning, Missed, QUARANTINE_AFTER, QuietFor, Timetable, pause_after};
