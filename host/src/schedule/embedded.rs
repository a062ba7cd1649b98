//! The engine in this process: tokio tasks, and the store for everything that must outlive it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::control::JobControl;
use super::judge;
use super::kept::{Kept, ScheduleStore};
use super::limits::EngineLimits;
use super::table::{Entered, LONG, Table, Turn};
use super::time::{SystemTime, Time};
use super::timetable::{Beginning, QUARANTINE_AFTER};
use super::{EngineError, JobEnd, JobWatcher, Runner, Served, TriggerAnswer, Trouble};
use crate::store::service::{JobRecord, JobState, NewAuditEntry, RunState, RunStateChange, Trigger, Work};
use crate::store::{ConnectionId, RunEnd, RunResult, Store};
use crate::telemetry::job_span;

mod verbs;

/// The longest that the engine sleeps without looking at the clock: a machine that slept, or whose clock
/// was set, notices within this. So does it what other processes changed in the store.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(60);

/// How long nothing is begun of a connection whose beginning failed in the store.
const AFTER_AN_ERROR: Duration = Duration::from_secs(5);

/// An engine in this process.
pub struct EmbeddedEngine<R> {
    pub(super) inner: Arc<Inner<R>>,
}

pub(super) struct Inner<R> {
    runner: Arc<R>,
    pub(super) kept: Arc<dyn ScheduleStore>,
    pub(super) time: Arc<dyn Time>,
    limits: EngineLimits,
    watcher: Option<Arc<dyn JobWatcher>>,
    /// Names this process among all on the store.
    pub(super) host: String,
    table: Mutex<Table>,
    /// Something is due earlier than thought.
    changed: Notify,
    pub(super) tasks: TaskTracker,
}

impl<R: Runner> EmbeddedEngine<R> {
    /// An engine that knows no connection yet.
    pub fn new(
        runner: Arc<R>,
        store: Arc<dyn Store>,
        limits: EngineLimits,
        watcher: Option<Arc<dyn JobWatcher>>,
    ) -> Self {
        Self::with_time(
            runner,
            Arc::new(Kept(store)),
            limits,
            watcher,
            Arc::new(SystemTime),
        )
    }

    /// The same with a time of the caller's.
    pub fn with_time(
        runner: Arc<R>,
        kept: Arc<dyn ScheduleStore>,
        limits: EngineLimits,
        watcher: Option<Arc<dyn JobWatcher>>,
        time: Arc<dyn Time>,
    ) -> Self {
        let inner = Inner {
            runner,
            kept,
            time,
            limits,
            watcher,
            host: format!("{}-{:08x}", std::process::id(), rand::rng().random::<u32>()),
            table: Mutex::new(Table::new(limits.places)),
            changed: Notify::new(),
            tasks: TaskTracker::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

/// Each connection has its own jitter, so that the many of one tenant spread too; all hosts agree on it.
pub(super) fn seed(connection: &ConnectionId) -> u64 {
    connection.to_string().bytes().fold(0, |seed: u64, byte| {
        (seed.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

impl<R: Runner> Inner<R> {
    /// No code that can panic runs under the lock, so a poisoned one holds nothing half done.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, job: &JobRecord) {
        if let Some(watcher) = &self.watcher {
            watcher.job(job);
        }
    }

    /// Writes down what became of a job. A store that fails then must not hide what happened.
    pub(super) async fn note(&self, job: &JobRecord) {
        if let Err(error) = self.kept.put_job(job).await {
            tracing::warn!(job = job.id, connection = %job.connection, %error, "what became of a job could not be written down");
        }
        self.tell(job);
    }

    fn record(&self, connection: &ConnectionId, work: Work, trigger: Trigger) -> JobRecord {
        let now = self.time.now();
        JobRecord {
            id: format!(
                "{}-{:08x}",
                now.format("%Y%m%dT%H%M%S%3f"),
                rand::rng().random::<u32>()
            ),
            connection: connection.clone(),
            work,
            trigger,
            state: JobState::Queued,
            queued_at: now,
            began_at: None,
            ended_at: None,
            end: None,
            runs: Vec::new(),
            plan: None,
            handed_over: 0,
            host: self.host.clone(),
        }
    }

    /// A job that never began has ended.
    async fn end_unbegun(&self, mut job: JobRecord, why: &str) {
        job.state = JobState::Ended;
        job.ended_at = Some(self.time.now());
        job.end = Some(RunEnd::new(RunResult::Refused, why));
        self.note(&job).await;
    }

    /// Enters a job, writes it down, and begins it if it is its turn.
    pub(super) async fn begin(self: &Arc<Self>, record: JobRecord) -> Result<TriggerAnswer, EngineError> {
        let job = record.id.clone();
        let entered = self.table().enter(record.clone())?;
        let (key, displaced) = match entered {
            Entered::Busy(job) => return Ok(TriggerAnswer::AlreadyRunning { job }),
            Entered::New(key, displaced) => (key, displaced),
        };
        if let Some(displaced) = displaced {
            self.end_unbegun(
                *displaced,
                "somebody asked for work before its turn came, which took its place",
            )
            .await;
        }
        if let Err(error) = self.kept.put_job(&record).await {
            self.table().gone(key, None, None);
            return Err(error.into());
        }
        self.tell(&record);
        self.table().wait(key);
        self.dispatch();
        Ok(TriggerAnswer::Begun { job })
    }

    /// Begins every job whose turn it is.
    fn dispatch(self: &Arc<Self>) {
        let mut table = self.table();
        while let Some(turn) = table.begin_next(self.time.now()) {
            let Turn { job, key, control } = turn;
            let inner = Arc::clone(self);
            let span = job_span(&job);
            let attended = async move { inner.attend(job, key, control).await };
            let task = self.tasks.spawn(attended.instrument(span));
            // Still under the lock, so the task cannot have ended in the table before it is entered there.
            table.began(key, task.abort_handle());
        }
    }

    async fn attend(self: &Arc<Self>, mut job: JobRecord, key: u64, control: JobControl) {
        let begun = self.time.now();
        self.note(&job).await;
        let mut end = self.work(&job, key, control.clone()).await;
        let now = self.time.now();
        let took = (now - begun).to_std().unwrap_or_default();
        // What an earlier process did of it stays on record.
        job.runs.extend(end.runs.iter().cloned());
        job.plan.clone_from(&end.plan);
        job.host.clone_from(&self.host);
        let stopped = self.table().stopping;
        let cut_off = match job.work {
            Work::Sync { .. } => {
                end.trouble.is_none() && end.end.result == RunResult::Refused
                    || end.end.result == RunResult::Failed
            }
            // The runner alone knows whether anything else was in the way.
            _ => end.end.result == RunResult::HandedOver,
        };
        if stopped && cut_off && !control.is_unwanted() {
            // The stop cut it off: whoever comes next takes it over.
            self.leave(&mut job);
        } else {
            if end.end.result == RunResult::HandedOver {
                // Cancelled in the very moment: then nobody goes on with it.
                end.end = RunEnd::new(
                    RunResult::Failed,
                    "it was cancelled while its host stopped; apply the same plan again to go on",
                );
            }
            job.state = JobState::Ended;
            job.ended_at = Some(now);
            job.end = Some(end.end.clone());
        }
        self.note(&job).await;
        if !stopped {
            self.remember(&job, &end).await;
        }
        self.table().gone(key, Some(end.end), Some(took));
        self.dispatch();
        self.plan_next(&job.connection).await;
    }

    async fn work(self: &Arc<Self>, job: &JobRecord, key: u64, control: JobControl) -> JobEnd {
        let (runner, told) = (Arc::clone(&self.runner), job.clone());
        // A task of its own: its panic is this job's end and nobody else's.
        let mut run = tokio::spawn(async move { runner.run(&told, control).await }.in_current_span());
        let _guard = AbortOnDrop(run.abort_handle());
        let ended = tokio::select! {
            biased;
            ended = &mut run => ended,
            () = self.time.sleep(LONG) => {
                self.table().fair.takes_long(key);
                self.dispatch();
                run.await
            }
        };
        ended.unwrap_or_else(|error| {
            let message = if error.is_panic() {
                tracing::error!(connection = %job.connection, job = job.id, "a job stopped on a defect of groupcast");
                "the job stopped on a defect of groupcast; others go on. Please report it, with the log"
            } else {
                "the job was dropped at the end of the stop's deadline"
            };
            JobEnd {
                end: RunEnd::new(RunResult::Failed, message),
                runs: Vec::new(),
                plan: None,
                trouble: Some(Trouble::Passing { pause: None }),
            }
        })
    }

    /// Ends a job of this process before its next write; one that waits for its turn, at once.
    pub(super) async fn cancel_job(&self, job: &str) -> Result<(), EngineError> {
        let why = "it was cancelled before its turn came";
        let waiting = {
            let mut table = self.table();
            let waiting = table.withdraw(job)?;
            if let Some((key, _)) = &waiting {
                table.gone(*key, Some(RunEnd::new(RunResult::Refused, why)), None);
            }
            waiting
        };
        if let Some((_, job)) = waiting {
            self.end_unbegun(job, why).await;
        }
        Ok(())
    }

    /// What the end means for the next.
    async fn remember(&self, job: &JobRecord, end: &JobEnd) {
        let id = &job.connection;
        let quarantine_after = {
            let table = self.table();
            let timetable = table.slots.get(id).and_then(|slot| slot.timetable.as_ref());
            timetable.map_or(QUARANTINE_AFTER, |timetable| timetable.quarantine_after)
        };
        let kept = async {
            let (now, seed) = (self.time.now(), seed(id));
            let judged = |state: &mut RunState| {
                *state = judge::after(state.clone(), &job.work, end, now, quarantine_after, seed);
            };
            let before = self.kept.run_state(id).await?;
            let mut after = before.clone();
            judged(&mut after);
            // Most runs end as the one before did, and a write is not for nothing.
            if after == before {
                return Ok(());
            }
            // Of what is there by then: a person may have paused or released it meanwhile.
            let after = self.kept.change_run_state(id, &judged, None).await?;
            if let (None, Some(quarantine)) = (&before.quarantine, &after.quarantine) {
                tracing::error!(
                    connection = %id, reason = quarantine.reason, way_out = quarantine.way_out,
                    "put in quarantine: it no longer runs by itself"
                );
            }
            Ok::<_, EngineError>(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(connection = %id, %error, "what a job's end means for the next could not be written down");
        }
    }

    /// Sets what begins next by itself, of what the store remembers.
    pub(super) async fn plan_next(&self, id: &ConnectionId) {
        match self.kept.run_state(id).await {
            Ok(state) => self.set_next(id, state),
            Err(error) => {
                tracing::warn!(connection = %id, %error, "what is remembered of it cannot be read; looked for again within a minute")
            }
        }
    }

    fn set_next(&self, id: &ConnectionId, state: RunState) {
        let now = self.time.now();
        let mut table = self.table();
        let Ok(slot) = table.slot(id) else { return };
        slot.next = if state.paused.is_some() || state.quarantine.is_some() {
            None
        } else {
            let last = state.last_due.or(slot.since);
            let next = slot
                .timetable
                .as_ref()
                .and_then(|timetable| timetable.next(now, last, state.not_before, seed(id)));
            // A look whose moment has come and that nobody took yet: the timetable has only the one after it.
            let due = slot
                .next
                .filter(|next| !next.scheduled && next.at <= now && last.is_none_or(|last| last < next.due));
            due.or(next)
        };
        slot.state = state;
        drop(table);
        self.changed.notify_one();
    }

    /// Begins what is due.
    fn begin_due(self: &Arc<Self>) {
        let due = self.table().take_due(self.time.now());
        for (id, beginning) in due {
            let inner = Arc::clone(self);
            self.tasks.spawn(async move {
                if let Err(error) = inner.begin_scheduled(&id, beginning).await {
                    tracing::warn!(connection = %id, %error, "a scheduled run did not begin");
                    // What failed may fail for a while; it is not asked again and again.
                    inner.time.sleep(AFTER_AN_ERROR).await;
                }
                inner.plan_next(&id).await;
            });
        }
    }

    async fn begin_scheduled(
        self: &Arc<Self>,
        id: &ConnectionId,
        beginning: Beginning,
    ) -> Result<(), EngineError> {
        let state = self.kept.run_state(id).await?;
        if state.paused.is_some() || state.quarantine.is_some() {
            return Ok(());
        }
        let now = self.time.now();
        let (due, work) = {
            let mut table = self.table();
            let Some(timetable) = table.slot(id)?.timetable.as_ref() else {
                return Ok(());
            };
            // One run stands for all that came due since.
            let due = match timetable.schedule.occurrence_until(now) {
                Some(latest) if beginning.scheduled => beginning.due.max(latest),
                _ => beginning.due,
            };
            let work = if timetable.only_plans(now) {
                Work::Plan
            } else {
                Work::Sync { full: false }
            };
            (due, work)
        };
        if state.last_due.is_some_and(|last| last >= due) || !self.kept.claim_due(id, due).await? {
            return Ok(());
        }
        let trigger = if beginning.scheduled {
            Trigger::Schedule
        } else {
            Trigger::Event
        };
        let scheduled = beginning.scheduled;
        match self.begin(self.record(id, work, trigger)).await? {
            TriggerAnswer::AlreadyRunning { job } if scheduled => {
                tracing::warn!(connection = %id, job, "its time came while its last job is still under way; skipped");
            }
            TriggerAnswer::Begun { .. } | TriggerAnswer::AlreadyRunning { .. } => {}
        }
        Ok(())
    }

    /// How long nothing is due.
    fn quiet(&self) -> Duration {
        let next = self.table().next_at();
        next.and_then(|next| (next - self.time.now()).to_std().ok().or(Some(Duration::ZERO)))
            .unwrap_or(LOOK_AT_THE_CLOCK)
            .min(LOOK_AT_THE_CLOCK)
    }

    /// What other processes changed: pauses, releases, quarantines.
    async fn look_at_the_store(&self) {
        match self.kept.run_states().await {
            Ok(states) => {
                let mut states: BTreeMap<ConnectionId, RunState> = states.into_iter().collect();
                let known: Vec<ConnectionId> = {
                    let table = self.table();
                    let at_rest = table.slots.iter().filter(|(_, slot)| slot.active.is_none());
                    at_rest.map(|(id, _)| id.clone()).collect()
                };
                for id in known {
                    let state = states.remove(&id).unwrap_or_default();
                    self.set_next(&id, state);
                }
            }
            Err(error) => tracing::warn!(%error, "what is remembered of connections cannot be read"),
        }
    }

    async fn stop(&self) -> Served {
        self.table().stop();
        self.tasks.close();
        tokio::select! {
            biased;
            () = self.tasks.wait() => return Served::default(),
            () = self.time.sleep(self.limits.stop_deadline) => {}
        }
        let mut served = Served::default();
        let mut dropped = Vec::new();
        for (id, slot) in &self.table().slots {
            let Some(active) = &slot.active else { continue };
            if let Some(task) = &active.task {
                task.abort();
                served.dropped.push(id.clone());
                dropped.push((active.record.id.clone(), active.control.clone()));
            }
        }
        // Aborted tasks end at their next await; one that computes without end is left to the process's exit. What is
        // not an apply stays written down as running: whoever comes next sees that this process is gone.
        if !dropped.is_empty() {
            self.leave_dropped(&dropped).await;
        }
        served
    }

    /// Changes what is remembered, and what follows from it.
    async fn change_state(
        &self,
        id: &ConnectionId,
        audit: Option<&NewAuditEntry>,
        change: &RunStateChange<'_>,
    ) -> Result<(), EngineError> {
        self.table().slot(id)?;
        let state = self.kept.change_run_state(id, change, audit).await?;
        self.set_next(id, state);
        Ok(())
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
