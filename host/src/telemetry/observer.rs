//! What runs tell those who watch them.

use std::path::Path;
use std::sync::Arc;

use groupcast_guest::engine::PlanSummary;
use groupcast_guest::plan::part::GroupState;

use super::{Telemetry, Waiting};
use crate::egress::recorder::{Refused, Sent};
use crate::plugin::{Event, LogLevel, Usage, Violation};
use crate::run::{Observer, RequestCounts, RunRef, StoredPlan};
use crate::store::{RunEnd, RunKind};

/// The target of lines that a component logs.
const COMPONENT: &str = "groupcast::component";

impl Observer for Telemetry {
    fn event(&self, run: &RunRef, event: &Event) {
        let (tenant, connection) = (&run.connection.tenant, &run.connection.name);
        tracing::trace!(
            target: COMPONENT, tenant, connection, run = run.run, phase = event.phase, done = event.done, "progress"
        );
    }

    /// A component's words go into the log with the run that they are of. What it says for its own sake shows from
    /// `debug` on: it may name people.
    fn log(&self, run: &RunRef, level: LogLevel, message: &str) {
        let (tenant, connection) = (&run.connection.tenant, &run.connection.name);
        let (run, job) = (&run.run, run.job.as_deref());
        match level {
            LogLevel::Warn | LogLevel::Error => {
                tracing::warn!(target: COMPONENT, tenant, connection, run, job, "{message}");
            }
            LogLevel::Info | LogLevel::Debug => {
                tracing::debug!(target: COMPONENT, tenant, connection, run, job, "{message}");
            }
        }
    }

    fn sent(&self, run: &RunRef, sent: &Sent) {
        let shared = self.shared();
        shared.metrics.request(sent);
        shared.connections.sent(&run.connection, sent);
    }

    fn refused(&self, _: &RunRef, _: &Refused) {
        self.shared().metrics.refused.inc();
    }

    fn planned(&self, run: &RunRef, plan: &StoredPlan, summary: &PlanSummary) {
        let mut waiting = Waiting {
            groups: plan.parts.len() as u64 + summary.at_rest,
            ..Waiting::default()
        };
        for part in &plan.parts {
            waiting.held += part.held.len() as u64;
            waiting.people += part.waiting.len() as u64;
            waiting.frozen += u64::from(part.state == GroupState::Frozen);
        }
        self.shared().connections.waits(&run.connection, waiting);
    }

    fn violated(&self, _: &RunRef, _: &str, violation: &Violation) {
        // A label of few values.
        Telemetry::violated(self, violation.code());
    }
}

/// Several who watch.
pub struct Watchers(pub Vec<Arc<dyn Observer>>);

impl Observer for Watchers {
    fn event(&self, run: &RunRef, event: &Event) {
        for one in &self.0 {
            one.event(run, event);
        }
    }

    fn log(&self, run: &RunRef, level: LogLevel, message: &str) {
        for one in &self.0 {
            one.log(run, level, message);
        }
    }

    fn began(&self, run: &RunRef, kind: RunKind) {
        for one in &self.0 {
            one.began(run, kind);
        }
    }

    fn ended(&self, run: &RunRef, end: &RunEnd, requests: &RequestCounts, usage: &Usage) {
        for one in &self.0 {
            one.ended(run, end, requests, usage);
        }
    }

    fn sent(&self, run: &RunRef, sent: &Sent) {
        for one in &self.0 {
            one.sent(run, sent);
        }
    }

    fn recorded(&self, run: &RunRef, file: &Path) {
        for one in &self.0 {
            one.recorded(run, file);
        }
    }

    fn refused(&self, run: &RunRef, refused: &Refused) {
        for one in &self.0 {
            one.refused(run, refused);
        }
    }

    fn planned(&self, run: &RunRef, plan: &StoredPlan, summary: &PlanSummary) {
        for one in &self.0 {
            one.planned(run, plan, summary);
        }
    }

    fn violated(&self, run: &RunRef, plugin: &str, violation: &Violation) {
        for one in &self.0 {
            one.violated(run, plugin, violation);
        }
    }
}
