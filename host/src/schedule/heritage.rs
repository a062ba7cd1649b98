//! Jobs of processes that are gone. Each process holds a place in the store for as long as it lives; whoever can take
//! another's place knows that it does not live any more, and takes over what it left: what waited, syncs that were cut
//! off, and applies that it handed over as it stopped. An apply in the middle of which a process died is ended, and says
//! what to do: the process may have died of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::control::JobControl;
use super::embedded::Inner;
use super::{EngineError, Runner, TriggerAnswer};
use crate::store::service::{Actor, JobRecord, JobState, NewAuditEntry, Trigger, Work};
use crate::store::{RunEnd, RunResult};

/// How long a process is taken to live without saying so.
const LIFE: Duration = Duration::from_secs(60);
/// How often it says so, and looks for others that are gone.
const BEAT: Duration = Duration::from_secs(15);
/// How long a stop waits for tasks that it has dropped.
const LAST_WORD: Duration = Duration::from_secs(1);

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
            // What the list says may be old: its process may have ended it, or left it, before it let go of its place.
            let ids: BTreeSet<String> = jobs.into_iter().map(|job| job.id).collect();
            let cancelled: BTreeSet<String> = self.kept.asked_to_cancel().await?.into_iter().collect();
            for job in self.kept.unfinished_jobs().await? {
                if job.host == host && ids.contains(&job.id) {
                    let is_cancelled = cancelled.contains(&job.id);
                    self.inherit(job, is_cancelled).await?;
                }
            }
            self.kept.leave_place(&place).await?;
        }
        Ok(())
    }

    async fn inherit(self: &Arc<Self>, mut job: JobRecord, is_cancelled: bool) -> Result<(), EngineError> {
        // Only what this process serves is its business.
        let is_busy = match self.table().slot(&job.connection) {
            Ok(slot) => slot.active.is_some(),
            Err(_) => return Ok(()),
        };
        let cut_off = job.state == JobState::Running;
        let from = std::mem::replace(&mut job.host, self.host.clone());
        if is_cancelled {
            let why = "somebody cancelled it, and the process that had it is gone";
            return self.end_inherited(job, RunResult::Refused, why).await;
        }
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
        let is_apply = matches!(job.work, Work::Apply { .. });
        if is_apply {
            // Somebody approved this: it is not lost to a sync that came first, it comes after it.
            if is_busy {
                return Ok(());
            }
            if let Some(why) = self.forbidden_since(&job).await? {
                return self.end_inherited(job, RunResult::Refused, &why).await;
            }
            // Before it begins: what nobody wrote down must not be.
            self.kept.append_audit(&self.handed_over(&job, &from)).await?;
        }
        job.state = JobState::Queued;
        job.began_at = None;
        tracing::info!(connection = %job.connection, job = job.id, "taken over from a process that is gone");
        match self.begin(job.clone()).await? {
            TriggerAnswer::Begun { .. } => Ok(()),
            TriggerAnswer::AlreadyRunning { .. } if is_apply => Ok(()),
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

    /// What somebody did since an apply was asked for that means: not by itself. Whoever asks for one in a pause has
    /// seen the pause; one that comes from another process has not seen a pause that came later.
    async fn forbidden_since(&self, job: &JobRecord) -> Result<Option<String>, EngineError> {
        let shown = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        let state = self.kept.run_state(&job.connection).await?;
        let asked = job.queued_at;
        let because = if let Some(pause) = state.paused.filter(|pause| pause.at > asked) {
            format!(
                "{} was paused by {} at {}",
                job.connection,
                pause.by,
                shown(pause.at)
            )
        } else if let Some(quarantine) = state.quarantine.filter(|quarantine| quarantine.at > asked) {
            format!(
                "{} is in quarantine since {}: {}",
                job.connection,
                shown(quarantine.at),
                quarantine.reason
            )
        } else if self
            .kept
            .suspended_since(&job.connection.tenant)
            .await?
            .is_some_and(|at| at > asked)
        {
            format!("tenant {} was suspended", job.connection.tenant)
        } else {
            return Ok(None);
        };
        Ok(Some(format!(
            "it was left by a process that stopped, and does not go on by itself: {because}, after it was asked for. \
             What was begun is settled by the next run; apply the same plan again once it may"
        )))
    }

    /// The audit log's entry of an apply that goes on here: in the name of whoever asked for it.
    fn handed_over(&self, job: &JobRecord, from: &str) -> NewAuditEntry {
        let by = match &job.trigger {
            Trigger::Request { by } => by.clone(),
            Trigger::Schedule | Trigger::Event => "schedule".to_owned(),
        };
        NewAuditEntry {
            actor: Actor {
                subject: by.clone(),
                name: by,
                address: None,
            },
            tenant: Some(job.connection.tenant.clone()),
            action: "work.handed-over".to_owned(),
            subject: job.id.clone(),
            before: Some(serde_json::json!({ "host": from, "runs": job.runs })),
            after: Some(serde_json::json!({
                "host": self.host, "connection": job.connection.to_string(), "work": job.work,
            })),
            request: None,
        }
    }

    /// Leaves applies that did not end in time, as this process stops, to whoever comes next: their vendor is slow. None
    /// of them writes any more, and their directories are free once their leases have run out.
    pub(super) async fn leave_dropped(&self, dropped: &[(String, JobControl)]) {
        tokio::select! {
            biased;
            () = self.tasks.wait() => {}
            () = self.time.sleep(LAST_WORD) => {}
        }
        let unfinished = match self.kept.unfinished_jobs().await {
            Ok(unfinished) => unfinished,
            Err(error) => {
                tracing::warn!(%error, "what did not end in time could not be handed over");
                return;
            }
        };
        for mut job in unfinished {
            let Some((_, control)) = dropped.iter().find(|(id, _)| *id == job.id) else {
                continue;
            };
            // Written down as ended, or as left, in its last moment: then it is.
            if job.state == JobState::Running && job.can_be_handed_over() && control.is_only_stopped() {
                job.runs.extend(control.runs());
                self.leave(&mut job);
                self.note(&job).await;
            }
        }
    }

    /// Makes of a job that was cut off by this process's stop one that waits for the next.
    pub(super) fn leave(&self, job: &mut JobRecord) {
        job.state = JobState::Queued;
        job.began_at = None;
        if matches!(job.work, Work::Apply { .. }) {
            job.handed_over = job.handed_over.saturating_add(1);
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
