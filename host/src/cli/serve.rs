//! `groupcast serve`: every connection on its schedule, several tenants side by side, until told to stop.

use std::sync::Arc;

use async_trait::async_trait;
use groupcast_guest::engine::Extent;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::problem::Problem;
use crate::config::Config;
use crate::run::{Groupcast, RunFailureKind, SyncOutcome};
use crate::schedule::{EmbeddedEngine, Engine, EngineLimits, Runner, Trigger};
use crate::store::{ConnectionId, RunEnd, RunResult, RunStore};

/// Runs a connection's sync when its time comes.
struct Syncs(Arc<Groupcast>);

#[async_trait]
impl Runner for Syncs {
    async fn run(&self, connection: &ConnectionId, trigger: Trigger, cancel: CancellationToken) -> RunEnd {
        tracing::info!(%connection, ?trigger, "sync begins");
        let synced = match self.0.prepare(connection).await {
            Ok(()) => self.0.sync(connection, Extent::Changes, &cancel).await,
            Err(failure) => Err(failure),
        };
        let end = match synced {
            Ok(SyncOutcome::Nothing(plan) | SyncOutcome::Applied { plan, .. }) if plan.plan.frozen() > 0 => {
                let frozen = plan.plan.frozen();
                let message = format!(
                    "{frozen} groups could not be read whole and were left alone; `groupcast plan` says why"
                );
                RunEnd::new(RunResult::Failed, message)
            }
            Ok(SyncOutcome::Nothing(_)) => RunEnd::new(RunResult::Done, "source and target are in step"),
            Ok(SyncOutcome::Planned { why, .. }) => RunEnd::new(RunResult::ChangesPending, why),
            Ok(SyncOutcome::Applied { apply, .. }) => {
                let report = &apply.report;
                let message = format!("{} operations applied, {} refused", report.applied, report.failed);
                let clean = report.failed == 0 && report.moved.is_empty();
                RunEnd::new(
                    if clean {
                        RunResult::Done
                    } else {
                        RunResult::ChangesPending
                    },
                    message,
                )
            }
            Err(failure) => {
                let result = match failure.kind {
                    RunFailureKind::Refused => RunResult::Refused,
                    RunFailureKind::Failed => RunResult::Failed,
                };
                RunEnd::new(result, failure.to_string())
            }
        };
        match end.result {
            RunResult::Done => tracing::info!(%connection, message = end.message, "sync ended"),
            RunResult::ChangesPending => {
                tracing::warn!(%connection, message = end.message, "sync ended, changes wait")
            }
            RunResult::Refused | RunResult::Failed => {
                tracing::error!(%connection, message = end.message, "sync ended badly");
            }
        }
        end
    }
}

/// Serves these connections until `stop`; then no new run begins, those under way end before their next write, and it returns.
///
/// # Errors
/// If no connection has a schedule, or one cannot be set.
pub(super) async fn serve(
    groupcast: Arc<Groupcast>,
    config: &Config,
    connections: &[ConnectionId],
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let runs: Arc<dyn RunStore> = Arc::clone(groupcast.store()) as Arc<dyn RunStore>;
    let engine = EmbeddedEngine::new(
        Arc::new(Syncs(groupcast)),
        runs,
        EngineLimits::default(),
        rand::random(),
    );
    let mut scheduled = 0u32;
    for connection in config.connections() {
        if !connections.contains(&connection.id) {
            continue;
        }
        scheduled += u32::from(connection.schedule.is_some());
        engine
            .put_schedule(&connection.id, connection.schedule.clone())
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        match engine
            .status(&connection.id)
            .await
            .ok()
            .and_then(|status| status.next)
        {
            Some(next) => tracing::info!(connection = %connection.id, %next, "scheduled"),
            None => tracing::info!(connection = %connection.id, "has no schedule"),
        }
    }
    if scheduled == 0 {
        return Err(Problem::refused(
            "no connection has a schedule, so there is nothing to serve; give one, such as \
             schedule = { cron = \"*/15 * * * *\", timezone = \"UTC\" }",
        ));
    }
    let served = engine.serve(stop.clone()).await;
    for connection in &served.dropped {
        tracing::warn!(%connection, "its run did not end in time and was dropped; the next run settles what is open");
    }
    Ok(Exit::Done)
}
