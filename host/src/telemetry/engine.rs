//! An engine that is watched: each connection that it knows is told of, whether the configuration or the store names it,
//! and that its scheduler lives.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Telemetry, Watched};
use crate::schedule::{Engine, EngineError, Load, Served, Status, Timetable, TriggerAnswer};
use crate::store::ConnectionId;
use crate::store::service::{JobRecord, NewAuditEntry, Pause, Trigger, Work};

/// How often the scheduler says that it lives.
const BEAT: Duration = Duration::from_secs(15);

/// An engine and who watches it.
pub struct WatchedEngine {
    inner: Arc<dyn Engine>,
    telemetry: Telemetry,
    max_age: Option<Duration>,
}

impl WatchedEngine {
    /// Watches an engine. `max_age` is after how long without success each of its connections is late; none: as the
    /// schedules say.
    pub fn new(inner: Arc<dyn Engine>, telemetry: Telemetry, max_age: Option<Duration>) -> Self {
        Self {
            inner,
            telemetry,
            max_age,
        }
    }
}

#[async_trait]
impl Engine for WatchedEngine {
    async fn put_schedule(
        &self,
        connection: &ConnectionId,
        timetable: Option<Timetable>,
    ) -> Result<(), EngineError> {
        let runs = timetable.as_ref().filter(|timetable| timetable.enabled);
        let watched = Watched {
            schedule: runs.map(|timetable| timetable.schedule.clone()),
            max_age: self.max_age.filter(|_| runs.is_some()),
        };
        self.inner.put_schedule(connection, timetable).await?;
        self.telemetry.watch(connection, watched);
        Ok(())
    }

    async fn changed(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        self.inner.changed(connection).await
    }

    async fn remove(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        self.inner.remove(connection).await?;
        self.telemetry.forget(connection);
        Ok(())
    }

    async fn trigger(
        &self,
        connection: &ConnectionId,
        work: Work,
        trigger: Trigger,
    ) -> Result<TriggerAnswer, EngineError> {
        self.inner.trigger(connection, work, trigger).await
    }

    async fn cancel(&self, job: &str) -> Result<(), EngineError> {
        self.inner.cancel(job).await
    }

    async fn pause(
        &self,
        connection: &ConnectionId,
        pause: Pause,
        audit: &NewAuditEntry,
    ) -> Result<(), EngineError> {
        self.inner.pause(connection, pause, audit).await
    }

    async fn resume(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError> {
        self.inner.resume(connection, audit).await
    }

    async fn release(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError> {
        self.inner.release(connection, audit).await
    }

    async fn status(&self, connection: &ConnectionId) -> Result<Status, EngineError> {
        self.inner.status(connection).await
    }

    async fn statuses(&self, connections: &[ConnectionId]) -> Result<Vec<Status>, EngineError> {
        self.inner.statuses(connections).await
    }

    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>, EngineError> {
        self.inner.jobs(connection, limit).await
    }

    fn load(&self) -> Load {
        self.inner.load()
    }

    async fn serve(&self, stop: CancellationToken) -> Served {
        let beating = async {
            loop {
                self.telemetry.beat();
                tokio::time::sleep(BEAT).await;
            }
        };
        tokio::select! {
            served = self.inner.serve(stop) => served,
            () = beating => Served::default(),
        }
    }
}
