//! What those who watch the host are told: logs, traces, metrics, health, the dead man's switch.
//!
//! [`Telemetry`] is the handle that everybody else holds: runs tell it what they do as their
//! [`Observer`](crate::run::Observer), the store through [`WatchedStore`], the engine by [`Telemetry::queued`] and
//! [`Telemetry::beat`]; the API asks it for [`Telemetry::metrics_text`] and [`Telemetry::ready`]. [`Watch`] is what
//! serves beside the runs.
//!
//! What may not enter: people's names and addresses, secrets, and anything that a run waits for.

mod client;
mod connections;
mod dead_man;
#[cfg(test)]
mod dead_man_tests;
mod engine;
mod exporter;
mod handle;
mod health;
mod jobs;
mod listener;
mod log;
mod metrics;
mod observer;
#[cfg(test)]
mod operations_tests;
mod path;
mod quota;
mod refresh;
mod secrets;
mod service_store;
mod store;
mod supervisor;
#[cfg(test)]
mod trace_tests;
pub(crate) mod traces;
mod watch;

pub use client::client;
pub use connections::{Late, MOST_CONNECTIONS, Waiting, Watched};
pub use dead_man::{DeadMan, DeadManError};
pub use engine::WatchedEngine;
pub use handle::Telemetry;
pub use health::{Health, Probe};
pub use jobs::{QueuedJob, RunningJob};
pub use listener::{ListenError, Listener, routes};
pub use log::{Form, LogLayer, Sink};
pub use observer::Watchers;
pub use path::template;
pub use refresh::refresh;
pub use store::WatchedStore;
pub use traces::{TraceError, Traces, job_span};
pub use watch::{DeadManOptions, Watch, WatchError, WatchOptions};

use handle::Shared;
