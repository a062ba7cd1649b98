//! What the tests share: time that stands until it is moved, jobs that do what their connection's name says, a store in
//! memory, and hosts over them. What may not enter: what is expected of an engine.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::super::*;
use super::{SYNC, request};
use crate::store::service::{JobRecord, JobState, NewAuditEntry, RunState, RunStateChange};
use crate::store::{ConnectionId, Lease, Result, RunEnd, RunResult, StoreError};

/// Time that stands until the test moves it.
pub struct VirtualTime(pub watch::Sender<DateTime<Utc>>);

#[async_trait]
impl Time for VirtualTime {
    fn now(&self) -> DateTime<Utc> {
        *self.0.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let end = self.now() + duration;
        let _ = self.0.subscribe().wait_for(|now| *now >= end).await;
    }
}

/// Jobs that do what their connection's name says.
#[derive(Default)]
pub struct Script {
    pub begun: Mutex<Vec<JobRecord>>,
    pub under_way: Mutex<HashMap<ConnectionId, usize>>,
    pub most_at_once: AtomicUsize,
    pub let_go: Notify,
    pub mended: AtomicUsize,
}

/// Goes with its job, however that ends.
struct UnderWay<'a>(&'a Script, &'a ConnectionId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        *self.0.under_way.lock().unwrap().get_mut(self.1).unwrap() -= 1;
    }
}

#[async_trait]
impl Runner for Script {
    async fn run(&self, job: &JobRecord, control: JobControl) -> JobEnd {
        let connection = &job.connection;
        self.begun.lock().unwrap().push(job.clone());
        {
            let mut under_way = self.under_way.lock().unwrap();
            let count = under_way.entry(connection.clone()).or_default();
            *count += 1;
            assert_eq!(*count, 1, "{connection} overlaps itself");
            let all: usize = under_way.values().sum();
            self.most_at_once.fetch_max(all, Ordering::SeqCst);
        }
        let _under_way = UnderWay(self, connection);
        let (result, message, trouble) = match connection.name.split('-').next().unwrap() {
            "quick" => (RunResult::Done, "done", None),
            "slow" => {
                tokio::select! {
                    () = self.let_go.notified() => (RunResult::Done, "done", None),
                    () = control.token().cancelled() => (RunResult::Refused, "cancelled", None),
                }
            }
            "deaf" => {
                control.began(&format!("run-of-{}", job.id));
                std::future::pending().await
            }
            "apply" => {
                tokio::select! {
                    () = self.let_go.notified() => (RunResult::Done, "done", None),
                    () = control.token().cancelled() => (RunResult::HandedOver, "handed over", None),
                }
            }
            "ill" if self.mended.load(Ordering::SeqCst) > 0 => (RunResult::Done, "done", None),
            "ill" => (
                RunResult::Failed,
                "the vendor is down",
                Some(Trouble::Passing { pause: None }),
            ),
            "locked" => (
                RunResult::Refused,
                "the key was refused",
                Some(Trouble::Lasting {
                    way_out: "enter a new key".to_owned(),
                }),
            ),
            "limp" if self.begun.lock().unwrap().len() > 1 => {
                self.let_go.notified().await;
                (RunResult::Done, "done", None)
            }
            "limp" => (
                RunResult::Failed,
                "the vendor is down",
                Some(Trouble::Passing { pause: None }),
            ),
            "broken" => panic!("this run is broken on purpose"),
            other => panic!("{other}"),
        };
        JobEnd {
            end: RunEnd::new(result, message),
            runs: vec![format!("run-of-{}", job.id)],
            plan: None,
            trouble,
        }
    }
}

/// What the engine keeps, in memory, so that nothing but virtual time passes; every real store passes its own suite.
pub struct InMemory {
    pub time: Arc<VirtualTime>,
    pub jobs: Mutex<BTreeMap<String, JobRecord>>,
    pub states: Mutex<BTreeMap<ConnectionId, RunState>>,
    pub places: Mutex<BTreeMap<String, DateTime<Utc>>>,
    pub audited: Mutex<Vec<String>>,
    pub cancelled: Mutex<Vec<String>>,
    pub looks: AtomicUsize,
    /// Above 0 nothing can be read.
    pub ill: AtomicUsize,
}

#[async_trait]
impl ScheduleStore for InMemory {
    async fn put_job(&self, job: &JobRecord) -> Result<()> {
        self.jobs.lock().unwrap().insert(job.id.clone(), job.clone());
        Ok(())
    }

    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>> {
        let jobs = self.jobs.lock().unwrap();
        let of = jobs.values().rev().filter(|job| job.connection == *connection);
        Ok(of.take(limit as usize).cloned().collect())
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobRecord>> {
        let jobs = self.jobs.lock().unwrap();
        Ok(jobs
            .values()
            .filter(|job| job.state != JobState::Ended)
            .cloned()
            .collect())
    }

    async fn run_state(&self, id: &ConnectionId) -> Result<RunState> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        if self.ill.load(Ordering::SeqCst) > 0 {
            return Err(StoreError::NoRun("the disk is full".to_owned()));
        }
        Ok(self.states.lock().unwrap().get(id).cloned().unwrap_or_default())
    }

    async fn run_states(&self) -> Result<Vec<(ConnectionId, RunState)>> {
        Ok(self.states.lock().unwrap().clone().into_iter().collect())
    }

    async fn change_run_state(
        &self,
        id: &ConnectionId,
        change: &RunStateChange<'_>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<RunState> {
        let mut states = self.states.lock().unwrap();
        let kept = states.entry(id.clone()).or_default();
        let last_due = kept.last_due;
        change(kept);
        kept.last_due = kept.last_due.max(last_due);
        if let Some(audit) = audit {
            self.audited.lock().unwrap().push(audit.action.clone());
        }
        Ok(kept.clone())
    }

    async fn asked_to_cancel(&self) -> Result<Vec<String>> {
        Ok(self.cancelled.lock().unwrap().clone())
    }

    async fn append_audit(&self, entry: &NewAuditEntry) -> Result<()> {
        let told = format!("{} {} {}", entry.action, entry.actor.subject, entry.subject);
        self.audited.lock().unwrap().push(told);
        Ok(())
    }

    async fn claim_due(&self, id: &ConnectionId, due: DateTime<Utc>) -> Result<bool> {
        let mut states = self.states.lock().unwrap();
        let kept = states.entry(id.clone()).or_default();
        let earlier = kept.last_due.is_none_or(|last| last < due);
        if earlier {
            kept.last_due = Some(due);
        }
        Ok(earlier)
    }

    async fn take_place(&self, process: &str, life: TimeDelta) -> Result<Option<Lease>> {
        let now = self.time.now();
        let mut places = self.places.lock().unwrap();
        if places.get(process).is_some_and(|until| *until > now) {
            return Ok(None);
        }
        places.insert(process.to_owned(), now + life);
        Ok(Some(Lease {
            key: process.to_owned(),
            holder: process.to_owned(),
            token: 1,
            expires_at: now + life,
        }))
    }

    async fn keep_place(&self, lease: &Lease, life: TimeDelta) -> Result<Lease> {
        let now = self.time.now();
        let mut places = self.places.lock().unwrap();
        match places.get_mut(&lease.holder).filter(|until| **until > now) {
            Some(until) => *until = now + life,
            None => {
                return Err(StoreError::LeaseLost {
                    key: lease.key.clone(),
                    token: lease.token,
                });
            }
        }
        Ok(lease.clone())
    }

    async fn leave_place(&self, lease: &Lease) -> Result<()> {
        self.places.lock().unwrap().remove(&lease.holder);
        Ok(())
    }
}

/// One process of the host.
pub struct Process {
    pub engine: Arc<EmbeddedEngine<Script>>,
    pub stop: CancellationToken,
    pub served: tokio::task::JoinHandle<Served>,
}

impl Process {
    pub fn start(script: &Arc<Script>, kept: &Arc<InMemory>, limits: EngineLimits) -> Self {
        let engine = Arc::new(EmbeddedEngine::with_time(
            Arc::clone(script),
            Arc::clone(kept) as Arc<dyn ScheduleStore>,
            limits,
            None,
            Arc::clone(&kept.time) as Arc<dyn Time>,
        ));
        let stop = CancellationToken::new();
        let (serving, token) = (Arc::clone(&engine), stop.clone());
        let served = tokio::spawn(async move { serving.serve(token).await });
        Self { engine, stop, served }
    }

    /// It dies without a word: what it would do next never happens.
    pub fn die(&self) {
        self.served.abort();
        for slot in self.engine.inner.table().slots.values() {
            if let Some(task) = slot.active.as_ref().and_then(|active| active.task.as_ref()) {
                task.abort();
            }
        }
    }
}

pub struct Scene {
    pub process: Process,
    pub script: Arc<Script>,
    pub kept: Arc<InMemory>,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(EngineLimits::of(8, 2))
    }

    pub fn with(limits: EngineLimits) -> Self {
        let start = "2026-03-01T10:07:00Z".parse().unwrap();
        let kept = Arc::new(InMemory {
            time: Arc::new(VirtualTime(watch::Sender::new(start))),
            jobs: Mutex::default(),
            states: Mutex::default(),
            places: Mutex::default(),
            audited: Mutex::default(),
            cancelled: Mutex::default(),
            looks: AtomicUsize::default(),
            ill: AtomicUsize::default(),
        });
        let script = Arc::new(Script::default());
        Self {
            process: Process::start(&script, &kept, limits),
            script,
            kept,
        }
    }

    pub fn engine(&self) -> &EmbeddedEngine<Script> {
        &self.process.engine
    }

    /// Lets every task go as far as it can.
    pub async fn settle(&self) {
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
    }

    pub async fn forward(&self, minutes: i64) {
        self.steps(minutes, TimeDelta::minutes(1)).await;
    }

    pub async fn steps(&self, steps: i64, each: TimeDelta) {
        for _ in 0..steps {
            self.kept.time.0.send_modify(|now| *now += each);
            self.settle().await;
        }
    }

    pub fn quarter_hours() -> Timetable {
        Timetable::of("*/15 * * * *", "UTC", Duration::ZERO).unwrap()
    }

    pub async fn quarterly(&self, tenant: &str, name: &str) -> ConnectionId {
        self.with_timetable(tenant, name, Some(Self::quarter_hours()))
            .await
    }

    pub async fn with_timetable(
        &self,
        tenant: &str,
        name: &str,
        timetable: Option<Timetable>,
    ) -> ConnectionId {
        let id = ConnectionId::new(tenant, name);
        self.engine().put_schedule(&id, timetable).await.unwrap();
        self.settle().await;
        id
    }

    pub async fn ask(&self, id: &ConnectionId) -> TriggerAnswer {
        let answer = self.engine().trigger(id, SYNC, request()).await.unwrap();
        self.settle().await;
        answer
    }

    pub async fn begin(&self, id: &ConnectionId) -> String {
        match self.ask(id).await {
            TriggerAnswer::Begun { job } => job,
            TriggerAnswer::AlreadyRunning { job } => panic!("{job} is under way"),
        }
    }

    pub async fn status(&self, id: &ConnectionId) -> Status {
        self.engine().status(id).await.unwrap()
    }

    pub fn begun(&self) -> usize {
        self.script.begun.lock().unwrap().len()
    }

    pub fn job(&self, id: &str) -> JobRecord {
        self.kept.jobs.lock().unwrap().get(id).cloned().unwrap()
    }
}
