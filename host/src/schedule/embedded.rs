//! The engine in this process: tokio tasks, and the store for the history.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Engine, EngineError, Runner, Schedule, Served, Status, Trigger, TriggerAnswer};
use crate::store::{ConnectionId, RunEnd, RunQuery, RunRecord, RunResult, RunStore};

/// The longest that the engine sleeps without looking at the clock: a machine that slept, or whose clock
/// was set, notices within this.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(60);

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
    /// Runs of one tenant at the same time; others of it wait, and nobody else's do.
    pub runs_per_tenant: usize,
    /// How long a stop waits for the runs under way.
    pub stop_deadline: Duration,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            runs_per_tenant: 2,
            stop_deadline: Duration::from_secs(30),
        }
    }
}

/// An engine in this process.
pub struct EmbeddedEngine<R> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    runner: Arc<R>,
    runs: Arc<dyn RunStore>,
    time: Arc<dyn Time>,
    limits: EngineLimits,
    /// Of all jitter.
    seed: u64,
    table: Mutex<Table>,
    /// A schedule changed, so the next beginning may be an earlier one.
    changed: Notify,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Table {
    stopping: bool,
    slots: BTreeMap<ConnectionId, Slot>,
    tenants: HashMap<String, Arc<Semaphore>>,
    /// Counts runs, so that the end of one is never taken for the end of another of the same connection.
    last_run: u64,
}

#[derive(Default)]
struct Slot {
    schedule: Option<Schedule>,
    next: Option<DateTime<Utc>>,
    running: Option<Running>,
    last: Option<RunEnd>,
    /// The configuration no longer names it; it goes when its run has ended.
    removed: bool,
}

struct Running {
    number: u64,
    since: DateTime<Utc>,
    trigger: Trigger,
    cancel: CancellationToken,
    task: Option<AbortHandle>,
}

impl<R: Runner> EmbeddedEngine<R> {
    /// An engine that knows no connection yet. `seed` is of all jitter: machines that share it agree.
    pub fn new(runner: Arc<R>, runs: Arc<dyn RunStore>, limits: EngineLimits, seed: u64) -> Self {
        Self::with_time(runner, runs, limits, seed, Arc::new(SystemTime))
    }

    /// The same with a time of the caller's.
    pub fn with_time(
        runner: Arc<R>,
        runs: Arc<dyn RunStore>,
        limits: EngineLimits,
        seed: u64,
        time: Arc<dyn Time>,
    ) -> Self {
        let inner = Inner {
            runner,
            runs,
            time,
            limits,
            seed,
            table: Mutex::default(),
            changed: Notify::new(),
            tasks: TaskTracker::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl<R: Runner> Inner<R> {
    /// No code that can panic runs under the lock, so a poisoned one holds nothing half done.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each connection has its own jitter, so that the many of one tenant spread too.
    fn next(&self, connection: &ConnectionId, schedule: Option<&Schedule>) -> Option<DateTime<Utc>> {
        let mut seed = self.seed;
        for byte in connection.to_string().bytes() {
            seed = seed.rotate_left(5) ^ u64::from(byte);
            seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        schedule.and_then(|schedule| schedule.next_after(self.time.now(), seed))
    }

    fn begin(
        self: &Arc<Self>,
        connection: &ConnectionId,
        trigger: Trigger,
    ) -> Result<TriggerAnswer, EngineError> {
        let mut table = self.table();
        if table.stopping {
            return Err(EngineError::Stopping);
        }
        table.last_run += 1;
        let number = table.last_run;
        let slot = table.slots.get_mut(connection).filter(|slot| !slot.removed);
        let Some(slot) = slot else {
            return Err(EngineError::NoConnection(connection.clone()));
        };
        if slot.running.is_some() {
            return Ok(TriggerAnswer::AlreadyRunning);
        }
        let cancel = CancellationToken::new();
        slot.running = Some(Running {
            number,
            since: self.time.now(),
            trigger,
            cancel: cancel.clone(),
            task: None,
        });
        let turn = Arc::clone(
            table
                .tenants
                .entry(connection.tenant.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(self.limits.runs_per_tenant.max(1)))),
        );
        let (inner, id) = (Arc::clone(self), connection.clone());
        let task = self.tasks.spawn(async move {
            let end = inner.attend(&id, trigger, cancel, turn).await;
            inner.ended(&id, number, end);
        });
        // Still under the lock, so the task cannot have ended in the table before it is entered there.
        if let Some(running) = table
            .slots
            .get_mut(connection)
            .and_then(|slot| slot.running.as_mut())
        {
            running.task = Some(task.abort_handle());
        }
        Ok(TriggerAnswer::Begun)
    }

    async fn attend(
        &self,
        connection: &ConnectionId,
        trigger: Trigger,
        cancel: CancellationToken,
        turn: Arc<Semaphore>,
    ) -> RunEnd {
        let cancelled = || RunEnd::new(RunResult::Refused, "the run was cancelled before its turn came");
        let permit = tokio::select! {
            biased;
            () = cancel.cancelled() => return cancelled(),
            permit = turn.acquire_owned() => permit,
        };
        let Ok(_permit) = permit else { return cancelled() };
        let (runner, id) = (Arc::clone(&self.runner), connection.clone());
        // A task of its own: its panic is this run's end and nobody else's.
        let run = tokio::spawn(async move { runner.run(&id, trigger, cancel).await });
        let _guard = AbortOnDrop(run.abort_handle());
        match run.await {
            Ok(end) => end,
            Err(error) if error.is_panic() => {
                tracing::error!(%connection, "a run stopped on a defect of groupcast");
                RunEnd::new(
                    RunResult::Failed,
                    "the run stopped on a defect of groupcast; other runs go on. Please report it, with the log",
                )
            }
            Err(_) => RunEnd::new(
                RunResult::Failed,
                "the run was dropped at the end of the stop's deadline",
            ),
        }
    }

    fn ended(&self, connection: &ConnectionId, number: u64, end: RunEnd) {
        let mut table = self.table();
        let Some(slot) = table.slots.get_mut(connection) else {
            return;
        };
        if slot
            .running
            .as_ref()
            .is_none_or(|running| running.number != number)
        {
            return;
        }
        slot.running = None;
        slot.last = Some(end);
        if slot.removed {
            table.slots.remove(connection);
        }
    }

    /// Begins what is due and answers how long nothing else is.
    fn begin_due(self: &Arc<Self>) -> Duration {
        let now = self.time.now();
        let due: Vec<ConnectionId> = {
            let mut table = self.table();
            let mut due = Vec::new();
            for (id, slot) in &mut table.slots {
                if slot.next.is_some_and(|next| next <= now) {
                    slot.next = self.next(id, slot.schedule.as_ref());
                    due.push(id.clone());
                }
            }
            due
        };
        for id in due {
            match self.begin(&id, Trigger::Schedule) {
                Ok(TriggerAnswer::Begun) => {}
                Ok(TriggerAnswer::AlreadyRunning) => {
                    tracing::warn!(connection = %id, "its time came while its last run is still under way; skipped");
                }
                Err(error) => tracing::warn!(connection = %id, %error, "a scheduled run did not begin"),
            }
        }
        let next = self.table().slots.values().filter_map(|slot| slot.next).min();
        next.and_then(|next| (next - self.time.now()).to_std().ok().or(Some(Duration::ZERO)))
            .unwrap_or(LOOK_AT_THE_CLOCK)
            .min(LOOK_AT_THE_CLOCK)
    }

    async fn stop(&self) -> Served {
        {
            let mut table = self.table();
            table.stopping = true;
            for running in table.slots.values().filter_map(|slot| slot.running.as_ref()) {
                running.cancel.cancel();
            }
        }
        self.tasks.close();
        tokio::select! {
            biased;
            () = self.tasks.wait() => return Served::default(),
            () = self.time.sleep(self.limits.stop_deadline) => {}
        }
        let mut served = Served::default();
        for (id, slot) in &self.table().slots {
            if let Some(task) = slot.running.as_ref().and_then(|running| running.task.as_ref()) {
                task.abort();
                served.dropped.push(id.clone());
            }
        }
        // Aborted tasks end at their next await; one that computes without end is left to the process's exit.
        served
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl<R: Runner> Engine for EmbeddedEngine<R> {
    async fn put_schedule(
        &self,
        connection: &ConnectionId,
        schedule: Option<Schedule>,
    ) -> Result<(), EngineError> {
        let next = self.inner.next(connection, schedule.as_ref());
        let mut table = self.inner.table();
        let slot = table.slots.entry(connection.clone()).or_default();
        slot.schedule = schedule;
        slot.next = next;
        slot.removed = false;
        drop(table);
        self.inner.changed.notify_one();
        Ok(())
    }

    async fn remove(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        let mut table = self.inner.table();
        let Some(slot) = table.slots.get_mut(connection) else {
            return Err(EngineError::NoConnection(connection.clone()));
        };
        slot.schedule = None;
        slot.next = None;
        slot.removed = true;
        match &slot.running {
            Some(running) => running.cancel.cancel(),
            None => {
                table.slots.remove(connection);
            }
        }
        Ok(())
    }

    async fn trigger(&self, connection: &ConnectionId) -> Result<TriggerAnswer, EngineError> {
        self.inner.begin(connection, Trigger::Request)
    }

    async fn cancel(&self, connection: &ConnectionId) -> Result<bool, EngineError> {
        let table = self.inner.table();
        let slot = table
            .slots
            .get(connection)
            .ok_or_else(|| EngineError::NoConnection(connection.clone()))?;
        if let Some(running) = &slot.running {
            running.cancel.cancel();
        }
        Ok(slot.running.is_some())
    }

    async fn status(&self, connection: &ConnectionId) -> Result<Status, EngineError> {
        let table = self.inner.table();
        let slot = table
            .slots
            .get(connection)
            .ok_or_else(|| EngineError::NoConnection(connection.clone()))?;
        Ok(Status {
            next: slot.next,
            running_since: slot.running.as_ref().map(|running| running.since),
            trigger: slot.running.as_ref().map(|running| running.trigger),
            last: slot.last.clone(),
        })
    }

    async fn history(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<RunRecord>, EngineError> {
        let query = RunQuery {
            tenant: Some(connection.tenant.clone()),
            connection: Some(connection.name.clone()),
            unfinished: false,
            limit,
        };
        Ok(self.inner.runs.runs(&query).await?)
    }

    async fn serve(&self, stop: CancellationToken) -> Served {
        loop {
            let quiet = self.inner.begin_due();
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.inner.stop().await,
                () = self.inner.changed.notified() => {}
                () = self.inner.time.sleep(quiet) => {}
            }
        }
    }
}
