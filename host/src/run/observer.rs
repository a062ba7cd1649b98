//! Who watches a run: a terminal, an API, a log.

use std::path::Path;

use crate::egress::recorder::{Refused, Sent};
use crate::plugin::{Event, LogLevel};

use super::ConnectionName;

/// Is told what happens in runs. Must not block.
pub trait Observer: Send + Sync {
    /// A step of the run.
    fn event(&self, connection: &ConnectionName, event: &Event);
    /// A line that the component logs.
    fn log(&self, connection: &ConnectionName, level: LogLevel, message: &str);
    /// A request was sent.
    fn sent(&self, _connection: &ConnectionName, _sent: &Sent) {}
    /// A run was recorded, into this file.
    fn recorded(&self, _connection: &ConnectionName, _run: &str, _file: &Path) {}
    /// A request was refused by the gate.
    fn refused(&self, _connection: &ConnectionName, _refused: &Refused) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn event(&self, _: &ConnectionName, _: &Event) {}
    fn log(&self, _: &ConnectionName, _: LogLevel, _: &str) {}
}
