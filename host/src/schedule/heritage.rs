//! Jobs of processes that are gone. Each process holds a place in the store for as long as it lives; whoever can take
//! another's place knows that it does not live any more, and takes over what it left: what waited, and syncs that were
//! cut off. What else was cut off is ended, and says what to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::embedded::Inner;
use super::{EngineError, Runner, TriggerAnswer};
use crate::store::service::{JobRecord, JobState, Work};
use crate::store::{RunEnd, RunResult};

/// How long a process is taken to live without saying so.
const LIFE: Duration = Duration::from_secs(60);
/// How often it says so, and looks for others that are gone.
const BEAT: Duration = Duration::from_secs(15);

impl<R: Runner> Inner<R> {
    /// Says that this process lives, until it is to stop; takes over what others left.
    pub(super) async fn live(self: Arc<Self>, stop: CancellationToken) {
        let life = chrono::Duration::from_std(LIFE).unwrap_or(chrono::Duration::seconds(60));
        let mut place = None;
        loop {
            let kept = match &place {
                Some(lease) => self.kept.keep_place(lease, life).await.map(Some),
                None => self.kept.take_place(&self.host, life).await,
            };
            place = kept.unwrap_or_else(|error| {
                tracing::warn!(%error, "that this process lives could not be written down; trying again");
                None
            });
            if place.is_some()
                && let Err(error) = self.take_over(life).await
            {
                tracing::warn!(%error, "jobs of processes that are gone could not be taken over; trying again");
            }
            if let Err(error) = self.cancel_as_asked().await {
                tracing::warn!(%error, "jobs that are to be cancelled could not be looked for; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.time.sleep(BEAT) => {}
            }
        }
        if let Some(lease) = place
            && let Err(error) = self.kept.leave_place(&lease).await
        {
            tracing::debug!(%error, "this process's place could not be given back; it runs out by itself");
        }
    }

    /// Ends what somebody asked another process to end, as though they had asked this one.
    async fn cancel_as_asked(&self) -> Result<(), EngineError> {
        for job in self.kept.asked_to_cancel().await? {
            match self.cancel_job(&job).await {
                // Another process has it, or it has just ended.
                Ok(()) | Err(EngineError::NoJob(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn take_over(self: &Arc<Self>, life: chrono::Duration) -> Result<(), EngineError> {
        let mut left: BTreeMap<String, Vec<JobRecord>> = BTreeMap::new();
        for job in self.kept.unfinished_jobs().await? {
            if job.host != self.host {
                left.entry(job.host.clone()).or_default().push(job);
            }
        }
        for (host, jobs) in left {
            // Held: it lives. Taken: it is gone, and nobody else takes over meanwhile.
            let Some(place) = self.kept.take_place(&host, life).await? else {
                continue;
            };
            for job in jobs {
                self.inherit(job).await?;
            }
            self.kept.leave_place(&place).await?;
        }
        Ok(())
    }

    async fn inherit(self: &Arc<Self>, mut job: JobRecord) -> Result<(), EngineError> {
        // Only what this process serves is its business.
        if self.table().slot(&job.connection).is_err() {
            return Ok(());
        }
        let cut_off = job.state == JobState::Running;
        job.host.clone_from(&self.host);
        if cut_off && !matches!(job.work, Work::Sync { .. }) {
            return self
                .end_inherited(
                    job,
                    RunResult::Failed,
                    "the process that was at it is gone; what it had begun is settled by the next run, and the same \
                     can be asked for again",
                )
                .await;
        }
        job.state = JobState::Queued;
        job.began_at = None;
        tracing::info!(connection = %job.connection, job = job.id, "taken over from a process that is gone");
        match self.begin(job.clone()).await? {
            TriggerAnswer::Begun { .. } => Ok(()),
            TriggerAnswer::AlreadyRunning { .. } => {
                self.end_inherited(
                    job,
                    RunResult::Refused,
                    "the process that had it is gone, and by now another job of this connection is under way",
                )
                .await
            }
        }
    }

    async fn end_inherited(
        &self,
        mut job: JobRecord,
        result: RunResult,
        why: &str,
    ) -> Result<(), EngineError> {
        job.state = JobState::Ended;
        job.ended_at = Some(self.time.now());
        job.end = Some(RunEnd::new(result, why));
        self.note(&job).await;
        Ok(())
    }
}
