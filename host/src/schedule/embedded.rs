//! The engine in this process: tokio tasks, and the store for everything that must outlive it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng as _;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use super::fair::Places;
use super::judge;
use super::kept::{Kept, ScheduleStore};
use super::table::{Entered, LONG, Slot, Table, Turn};
use super::timetable::{Beginning, QUARANTINE_AFTER, Timetable};
use super::{Engine, EngineError, JobEnd, JobWatcher, Load, Runner, Served, Status, TriggerAnswer, Trouble};
use crate::store::service::{JobRecord, JobState, NewAuditEntry, Pause, RunState, Trigger, Work};
use crate::store::{ConnectionId, RunEnd, RunResult, Store};
use crate::telemetry::job_span;

/// The longest that the engine sleeps without looking at the clock: a machine that slept, or whose clock
/// was set, notices within this. So does it what other processes changed in the store.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(60);

/// How long nothing is begun of a connection whose beginning failed in the store.
const AFTER_AN_ERROR: Duration = Duration::from_secs(5);

/// So many connections are asked of the store one by one; of more, all are.
const FEW: usize = 8;

/// Tells the time and waits. Injected, so that tests of a year take a second.
#[async_trait]
pub trait Time: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTime;

#[async_trait]
impl Time for SystemTime {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// How much the engine does at once.
#[derive(Debug, Clone, Copy)]
pub struct EngineLimits {
    /// Runs at the same time, of all tenants and of one.
    pub places: Places,
    /// How long a stop waits for the runs under way.
    pub stop_deadline: Duration,
}

impl EngineLimits {
    /// So many runs of all tenants at once, and so many of one. A quarter of the places, at least one where there are
    /// several, is kept for runs that do not take long.
    pub fn of(runs_at_once: usize, per_tenant: usize) -> Self {
        Self {
            places: Places {
                all: runs_at_once,
                kept_for_short: runs_at_once.div_ceil(4).min(runs_at_once.saturating_sub(1)),
                per_tenant,
            },
            stop_deadline: Duration::from_secs(30),
        }
    }

    /// How many runs a machine does at once, where nothing is said: most of a run is waiting for vendors, so four for
    /// each processor; but no more than half of the memory holds if all of them take what one may (`each`, bytes).
    pub fn runs_at_once(each: usize) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let by_memory = memory().map_or(usize::MAX, |memory| memory / 2 / each.max(1));
        (4 * processors).min(by_memory).clamp(2, 256)
    }
}

/// The machine's memory in bytes, as far as Linux says it; a container's limit is its own.
fn memory() -> Option<usize> {
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    if let Some(limit) = limit.and_then(|text| text.trim().parse().ok()) {
        return Some(limit);
    }
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1_024)
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self::of(8, 2)
    }
}

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
    tasks: TaskTracker,
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
            let Turn { job, key, cancel } = turn;
            let inner = Arc::clone(self);
            let span = job_span(&job);
            let attended = async move { inner.attend(job, key, cancel).await };
            let task = self.tasks.spawn(attended.instrument(span));
            // Still under the lock, so the task cannot have ended in the table before it is entered there.
            table.began(key, task.abort_handle());
        }
    }

    async fn attend(self: &Arc<Self>, mut job: JobRecord, key: u64, cancel: CancellationToken) {
        let begun = self.time.now();
        self.note(&job).await;
        let end = self.work(&job, key, cancel).await;
        let now = self.time.now();
        let took = (now - begun).to_std().unwrap_or_default();
        job.runs.clone_from(&end.runs);
        job.plan.clone_from(&end.plan);
        job.host.clone_from(&self.host);
        let stopped = self.table().stopping;
        let unfinished = end.trouble.is_none() && end.end.result == RunResult::Refused
            || end.end.result == RunResult::Failed;
        if stopped && unfinished && matches!(job.work, Work::Sync { .. }) {
            // The stop cut it off: whoever comes next takes it over.
            job.state = JobState::Queued;
            job.began_at = None;
        } else {
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

    async fn work(self: &Arc<Self>, job: &JobRecord, key: u64, cancel: CancellationToken) -> JobEnd {
        let (runner, told) = (Arc::clone(&self.runner), job.clone());
        // A task of its own: its panic is this job's end and nobody else's.
        let mut run = tokio::spawn(async move { runner.run(&told, cancel).await }.in_current_span());
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

    /// What the end means for the next.
    async fn remember(&self, job: &JobRecord, end: &JobEnd) {
        let id = &job.connection;
        let quarantine_after = {
            let table = self.table();
            let timetable = table.slots.get(id).and_then(|slot| slot.timetable.as_ref());
            timetable.map_or(QUARANTINE_AFTER, |timetable| timetable.quarantine_after)
        };
        let kept = async {
            let before = self.kept.run_state(id).await?;
            let after = judge::after(
                before.clone(),
                &job.work,
                end,
                self.time.now(),
                quarantine_after,
                seed(id),
            );
            if let (None, Some(quarantine)) = (&before.quarantine, &after.quarantine) {
                tracing::error!(
                    connection = %id, reason = quarantine.reason, way_out = quarantine.way_out,
                    "put in quarantine: it no longer runs by itself"
                );
            }
            if after != before {
                self.kept.put_run_state(id, &after, None).await?;
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
        for (id, slot) in &self.table().slots {
            if let Some(task) = slot.active.as_ref().and_then(|active| active.task.as_ref()) {
                task.abort();
                served.dropped.push(id.clone());
            }
        }
        // Aborted tasks end at their next await; one that computes without end is left to the process's exit. Their
        // jobs are written down as running: whoever comes next sees that this process is gone.
        served
    }

    /// Changes what is remembered, and what follows from it.
    async fn change_state(
        &self,
        id: &ConnectionId,
        audit: Option<&NewAuditEntry>,
        change: impl FnOnce(&mut RunState),
    ) -> Result<(), EngineError> {
        self.table().slot(id)?;
        let mut state = self.kept.run_state(id).await?;
        change(&mut state);
        self.kept.put_run_state(id, &state, audit).await?;
        self.set_next(id, self.kept.run_state(id).await?);
        Ok(())
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn released(state: &mut RunState) {
    state.failures = 0;
    state.not_before = None;
    state.quarantine = None;
}

fn status_of(slot: &Slot, state: RunState, now: DateTime<Utc>) -> Status {
    Status {
        next: slot.next.map(|next| next.at),
        job: slot.active.as_ref().map(|active| active.record.clone()),
        last: slot.last.clone(),
        why: why(slot.timetable.as_ref(), &state, now),
        state,
    }
}

/// Why nothing begins by itself, or later than the pattern says.
fn why(timetable: Option<&Timetable>, state: &RunState, now: DateTime<Utc>) -> Option<String> {
    let shown = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    if let Some(quarantine) = &state.quarantine {
        return Some(format!(
            "in quarantine since {}: {}. To get out: {}",
            shown(quarantine.at),
            quarantine.reason.trim_end_matches('.'),
            quarantine.way_out
        ));
    }
    if let Some(pause) = &state.paused {
        let reason = if pause.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", pause.reason)
        };
        return Some(format!(
            "paused by {} since {}{reason}",
            pause.by,
            shown(pause.at)
        ));
    }
    let Some(timetable) = timetable else {
        return Some("it has no schedule, so runs begin only when asked for".to_owned());
    };
    if !timetable.enabled {
        return Some("its schedule is switched off".to_owned());
    }
    if let Some(again) = state.not_before.filter(|again| *again > now) {
        return Some(format!(
            "{} in a row failed; it is tried again at {}",
            if state.failures == 1 {
                "the last run".to_owned()
            } else {
                format!("{} runs", state.failures)
            },
            shown(again)
        ));
    }
    timetable.quiet_until(now).map(|until| {
        let what = if timetable.only_plans(now) {
            "runs only plan"
        } else {
            "nothing begins by itself"
        };
        format!("quiet hours: {what} until {}", shown(until))
    })
}

#[async_trait]
impl<R: Runner> Engine for EmbeddedEngine<R> {
    async fn put_schedule(
        &self,
        connection: &ConnectionId,
        timetable: Option<Timetable>,
    ) -> Result<(), EngineError> {
        self.inner
            .table()
            .put(connection, timetable, self.inner.time.now());
        let state = self.inner.kept.run_state(connection).await?;
        self.inner.set_next(connection, state);
        Ok(())
    }

    async fn changed(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        let state = self.inner.kept.run_state(connection).await?;
        if state.quarantine.is_none() && state.not_before.is_none() {
            return Ok(());
        }
        tracing::info!(%connection, "what it depends on was changed, so it runs by itself again");
        self.inner.change_state(connection, None, released).await
    }

    async fn remove(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        let waiting = {
            let mut table = self.inner.table();
            let waiting = table.remove(connection)?;
            if let Some((key, _)) = &waiting {
                table.gone(*key, None, None);
            }
            waiting
        };
        if let Some((_, job)) = waiting {
            self.inner
                .end_unbegun(job, "its connection was removed before its turn came")
                .await;
        }
        Ok(())
    }

    async fn trigger(
        &self,
        connection: &ConnectionId,
        work: Work,
        trigger: Trigger,
    ) -> Result<TriggerAnswer, EngineError> {
        self.inner
            .begin(self.inner.record(connection, work, trigger))
            .await
    }

    async fn cancel(&self, job: &str) -> Result<(), EngineError> {
        let why = "it was cancelled before its turn came";
        let waiting = {
            let mut table = self.inner.table();
            let waiting = table.withdraw(job)?;
            if let Some((key, _)) = &waiting {
                table.gone(*key, Some(RunEnd::new(RunResult::Refused, why)), None);
            }
            waiting
        };
        if let Some((_, job)) = waiting {
            self.inner.end_unbegun(job, why).await;
        }
        Ok(())
    }

    async fn pause(
        &self,
        connection: &ConnectionId,
        pause: Pause,
        audit: &NewAuditEntry,
    ) -> Result<(), EngineError> {
        self.inner
            .change_state(connection, Some(audit), |state| state.paused = Some(pause))
            .await
    }

    async fn resume(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError> {
        // A second ago, so that what is due at this very moment is not taken for missed.
        let now = self.inner.time.now() - TimeDelta::seconds(1);
        self.inner
            .change_state(connection, Some(audit), |state| {
                state.paused = None;
                state.last_due = Some(state.last_due.map_or(now, |last| last.max(now)));
            })
            .await
    }

    async fn release(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError> {
        self.inner.change_state(connection, Some(audit), released).await
    }

    async fn status(&self, connection: &ConnectionId) -> Result<Status, EngineError> {
        let state = self.inner.kept.run_state(connection).await?;
        let now = self.inner.time.now();
        Ok(status_of(self.inner.table().slot(connection)?, state, now))
    }

    async fn statuses(&self, connections: &[ConnectionId]) -> Result<Vec<Status>, EngineError> {
        let mut states = HashMap::new();
        if connections.len() <= FEW {
            for connection in connections {
                states.insert(connection.clone(), self.inner.kept.run_state(connection).await?);
            }
        } else {
            states.extend(self.inner.kept.run_states().await?);
        }
        let now = self.inner.time.now();
        let mut table = self.inner.table();
        Ok(connections
            .iter()
            .map(|connection| {
                let state = states.remove(connection).unwrap_or_default();
                let slot = table.slot(connection);
                slot.map_or_else(|_| Status::default(), |slot| status_of(slot, state, now))
            })
            .collect())
    }

    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>, EngineError> {
        Ok(self.inner.kept.jobs(connection, limit).await?)
    }

    fn load(&self) -> Load {
        let table = self.inner.table();
        let (running, long) = table.fair.at_work();
        Load {
            queued: table.fair.waiting(),
            running,
            long,
            places: table.fair.most(),
        }
    }

    async fn serve(&self, stop: CancellationToken) -> Served {
        let life = CancellationToken::new();
        let living = {
            let (inner, life) = (Arc::clone(&self.inner), life.clone());
            tokio::spawn(async move { inner.live(life).await })
        };
        // Whoever drops this future has died, as far as others are concerned.
        let _guard = AbortOnDrop(living.abort_handle());
        let mut looked = self.inner.time.now();
        let served = loop {
            self.inner.begin_due();
            let quiet = self.inner.quiet();
            tokio::select! {
                biased;
                () = stop.cancelled() => break self.inner.stop().await,
                () = self.inner.changed.notified() => {}
                () = self.inner.time.sleep(quiet) => {}
            }
            let now = self.inner.time.now();
            if (now - looked)
                .to_std()
                .is_ok_and(|since| since >= LOOK_AT_THE_CLOCK)
            {
                looked = now;
                self.inner.look_at_the_store().await;
            }
        };
        life.cancel();
        let _ = living.await;
        served
    }
}
