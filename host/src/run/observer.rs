//! Who watches a run: a terminal, an API, a log.

use std::path::Path;

use groupcast_guest::engine::PlanSummary;

use crate::egress::recorder::{Refused, Sent};
use crate::plugin::{Event, LogLevel, Usage, Violation};
use crate::store::{RunEnd, RunKind};

use super::{ConnectionName, RequestCounts, StoredPlan};

/// Which run something happened in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunRef {
    /// Of which connection.
    pub connection: ConnectionName,
    /// The run's ID.
    pub run: String,
    /// The job that it belongs to; none where a command began it.
    pub job: Option<String>,
}

/// Is told what happens in runs. Must not block.
pub trait Observer: Send + Sync {
    /// A step of the run.
    fn event(&self, run: &RunRef, event: &Event);
    /// A line that the component logs.
    fn log(&self, run: &RunRef, level: LogLevel, message: &str);
    /// A run begins.
    fn began(&self, _run: &RunRef, _kind: RunKind) {}
    /// A run ended: how, what it asked of the vendors, and what it used of the machine.
    fn ended(&self, _run: &RunRef, _end: &RunEnd, _requests: &RequestCounts, _usage: &Usage) {}
    /// A request was sent.
    fn sent(&self, _run: &RunRef, _sent: &Sent) {}
    /// A run was recorded, into this file.
    fn recorded(&self, _run: &RunRef, _file: &Path) {}
    /// A request was refused by the gate.
    fn refused(&self, _run: &RunRef, _refused: &Refused) {}
    /// A plan was made.
    fn planned(&self, _run: &RunRef, _plan: &StoredPlan, _summary: &PlanSummary) {}
    /// A component broke its bounds; `plugin` is its digest. Whether that ended the run, its end tells.
    fn violated(&self, _run: &RunRef, _plugin: &str, _violation: &Violation) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn event(&self, _: &RunRef, _: &Event) {}
    fn log(&self, _: &RunRef, _: LogLevel, _: &str) {}
}
