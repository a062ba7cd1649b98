//! `groupcast serve`: every connection on its schedule, several tenants side by side, until told to stop.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::front::Fronted;
use super::problem::Problem;
use crate::config::Config;
use crate::run::{Groupcast, JobRunner, engine_limits};
use crate::schedule::{EmbeddedEngine, Engine, JobWatcher};
use crate::service::EventHub;
use crate::store::ConnectionId;
use crate::store::service::{JobRecord, JobState};
use crate::telemetry::{QueuedJob, RunningJob, Telemetry, Watch, WatchedEngine};

/// What stands around the runs.
pub(super) struct Around<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What those who watch the host are told.
    pub telemetry: &'a Telemetry,
    /// What serves beside the runs.
    pub watch: &'a Watch,
    /// What people who watch are told.
    pub events: Arc<EventHub>,
}

/// How often the scheduler says that it lives.
const BEAT: Duration = Duration::from_secs(15);

/// Says that the scheduler lives while it is polled, and that the host stops once it does.
async fn beating(telemetry: &Telemetry, watch: &Watch, stop: &CancellationToken) -> Infallible {
    loop {
        telemetry.beat();
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
    watch.stopping();
    std::future::pending().await
}

/// Counts jobs that wait and are at work.
struct Counted {
    telemetry: Telemetry,
    jobs: Mutex<HashMap<String, Counts>>,
}

/// What is counted of one job, until it is dropped.
enum Counts {
    Queued(QueuedJob),
    Running(#[expect(dead_code, reason = "counts while it is held")] RunningJob),
}

impl JobWatcher for Counted {
    fn job(&self, job: &JobRecord) {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = jobs.remove(&job.id);
        match (job.state, known) {
            // Put back into the queue by a stop: it waits for another process.
            (JobState::Queued, Some(Counts::Running(_))) | (JobState::Ended, _) => {}
            (JobState::Queued, _) => {
                jobs.insert(job.id.clone(), Counts::Queued(self.telemetry.queued()));
            }
            (JobState::Running, Some(Counts::Queued(queued))) => {
                jobs.insert(job.id.clone(), Counts::Running(queued.begins()));
            }
            (JobState::Running, _) => {}
        }
    }
}

/// Serves these connections until `stop`; then no new run begins, those under way end before their next write, and it returns.
///
/// # Errors
/// If no connection has a schedule, or one cannot be set.
pub(super) async fn serve(
    groupcast: Arc<Groupcast>,
    connections: &[ConnectionId],
    around: Around<'_>,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let Around {
        config,
        telemetry,
        watch,
        ..
    } = around;
    let store = Arc::clone(groupcast.store());
    let counted = Arc::new(Counted {
        telemetry: telemetry.clone(),
        jobs: Mutex::default(),
    });
    let engine = EmbeddedEngine::new(
        Arc::new(JobRunner::new(Arc::clone(&groupcast))),
        store,
        engine_limits(config),
        Some(counted as Arc<dyn JobWatcher>),
    );
    let max_age = config.telemetry.max_age_seconds.map(Duration::from_secs);
    let engine: Arc<dyn Engine> = Arc::new(WatchedEngine::new(Arc::new(engine), telemetry.clone(), max_age));
    let failed = |error: crate::schedule::EngineError| Problem::failed(error.to_string());
    let mut scheduled = 0u32;
    for connection in config.connections() {
        if !connections.contains(&connection.id) {
            continue;
        }
        let timetable = connection.schedule.clone();
        let enabled = timetable.as_ref().filter(|timetable| timetable.enabled);
        scheduled += u32::from(enabled.is_some());
        engine
            .put_schedule(&connection.id, timetable)
            .await
            .map_err(failed)?;
        // Whoever starts the service may have mended what a connection was put aside for.
        engine.changed(&connection.id).await.map_err(failed)?;
        let status = engine.status(&connection.id).await.map_err(failed)?;
        match (status.next, status.why) {
            (Some(next), why) => {
                tracing::info!(connection = %connection.id, %next, why, "scheduled");
            }
            (None, why) => tracing::info!(connection = %connection.id, why, "nothing begins by itself"),
        }
    }
    // Tenants of the store may come at any time, and people ask for runs.
    if scheduled == 0 && config.service.is_none() {
        return Err(Problem::refused(
            "no connection has a schedule, so there is nothing to serve; give one, such as \
             schedule = { cron = \"*/15 * * * *\", timezone = \"UTC\" }",
        ));
    }
    let front = match &config.service {
        Some(section) => {
            let (of, told) = ((config, section), (telemetry, &around.events));
            let fronted = Fronted::open(&groupcast, &engine, of, told, stop).await?;
            let front = &fronted.front;
            tracing::info!(address = %front.address(), url = front.url(), "serving the API and the console");
            Some(fronted)
        }
        None => None,
    };
    let serving = async {
        match front {
            Some(front) => tokio::join!(engine.serve(stop.clone()), front.serve(stop)).0,
            None => engine.serve(stop.clone()).await,
        }
    };
    let served = tokio::select! {
        served = serving => served,
        never = beating(telemetry, watch, stop) => match never {},
    };
    for connection in &served.dropped {
        tracing::warn!(%connection, "its run did not end in time and was dropped; the next run settles what is open");
    }
    Ok(Exit::Done)
}
