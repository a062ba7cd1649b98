//! The embedded engine in virtual time.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::service::{
    Actor, JobRecord, JobState, NewAuditEntry, Pause, RunState, RunStateChange, Trigger, Work,
};
use crate::store::{ConnectionId, Lease, Result, RunEnd, RunResult, StoreError};

mod handing_over;

const SYNC: Work = Work::Sync { full: false };

fn request() -> Trigger {
    Trigger::Request {
        by: "email:alice@example.com".to_owned(),
    }
}

/// Time that stands until the test moves it.
struct VirtualTime(watch::Sender<DateTime<Utc>>);

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
struct Script {
    begun: Mutex<Vec<JobRecord>>,
    under_way: Mutex<HashMap<ConnectionId, usize>>,
    most_at_once: AtomicUsize,
    let_go: Notify,
    mended: AtomicUsize,
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
struct InMemory {
    time: Arc<VirtualTime>,
    jobs: Mutex<BTreeMap<String, JobRecord>>,
    states: Mutex<BTreeMap<ConnectionId, RunState>>,
    places: Mutex<BTreeMap<String, DateTime<Utc>>>,
    audited: Mutex<Vec<String>>,
    cancelled: Mutex<Vec<String>>,
    looks: AtomicUsize,
    /// Above 0 nothing can be read.
    ill: AtomicUsize,
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
struct Process {
    engine: Arc<EmbeddedEngine<Script>>,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<Served>,
}

impl Process {
    fn start(script: &Arc<Script>, kept: &Arc<InMemory>, limits: EngineLimits) -> Self {
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
    fn die(&self) {
        self.served.abort();
        for slot in self.engine.inner.table().slots.values() {
            if let Some(task) = slot.active.as_ref().and_then(|active| active.task.as_ref()) {
                task.abort();
            }
        }
    }
}

struct Scene {
    process: Process,
    script: Arc<Script>,
    kept: Arc<InMemory>,
}

impl Scene {
    fn new() -> Self {
        Self::with(EngineLimits::of(8, 2))
    }

    fn with(limits: EngineLimits) -> Self {
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

    fn engine(&self) -> &EmbeddedEngine<Script> {
        &self.process.engine
    }

    /// Lets every task go as far as it can.
    async fn settle(&self) {
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
    }

    async fn forward(&self, minutes: i64) {
        self.steps(minutes, TimeDelta::minutes(1)).await;
    }

    async fn steps(&self, steps: i64, each: TimeDelta) {
        for _ in 0..steps {
            self.kept.time.0.send_modify(|now| *now += each);
            self.settle().await;
        }
    }

    fn quarter_hours() -> Timetable {
        Timetable::of("*/15 * * * *", "UTC", Duration::ZERO).unwrap()
    }

    async fn quarterly(&self, tenant: &str, name: &str) -> ConnectionId {
        self.with_timetable(tenant, name, Some(Self::quarter_hours()))
            .await
    }

    async fn with_timetable(&self, tenant: &str, name: &str, timetable: Option<Timetable>) -> ConnectionId {
        let id = ConnectionId::new(tenant, name);
        self.engine().put_schedule(&id, timetable).await.unwrap();
        self.settle().await;
        id
    }

    async fn ask(&self, id: &ConnectionId) -> TriggerAnswer {
        let answer = self.engine().trigger(id, SYNC, request()).await.unwrap();
        self.settle().await;
        answer
    }

    async fn begin(&self, id: &ConnectionId) -> String {
        match self.ask(id).await {
            TriggerAnswer::Begun { job } => job,
            TriggerAnswer::AlreadyRunning { job } => panic!("{job} is under way"),
        }
    }

    async fn status(&self, id: &ConnectionId) -> Status {
        self.engine().status(id).await.unwrap()
    }

    fn begun(&self) -> usize {
        self.script.begun.lock().unwrap().len()
    }

    fn job(&self, id: &str) -> JobRecord {
        self.kept.jobs.lock().unwrap().get(id).cloned().unwrap()
    }
}

fn audit(action: &str) -> NewAuditEntry {
    NewAuditEntry {
        actor: Actor {
            subject: "email:alice@example.com".to_owned(),
            name: "Alice".to_owned(),
            address: None,
        },
        tenant: Some("one".to_owned()),
        action: action.to_owned(),
        subject: "one/quick".to_owned(),
        before: None,
        after: None,
        request: None,
    }
}

#[tokio::test]
async fn runs_begin_when_their_time_comes_and_not_before() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "quick").await;
    let next = scene.status(&id).await.next.unwrap();
    assert_eq!(next.to_rfc3339(), "2026-03-01T10:15:00+00:00");
    scene.forward(7).await;
    assert_eq!(scene.begun(), 0);
    scene.forward(1).await;
    assert_eq!(scene.begun(), 1);
    scene.forward(60).await;
    assert_eq!(scene.begun(), 5);
    let begun = scene.script.begun.lock().unwrap().clone();
    assert!(
        begun
            .iter()
            .all(|job| job.trigger == Trigger::Schedule && job.work == SYNC)
    );
    assert_eq!(
        scene.status(&id).await.last,
        Some(RunEnd::new(RunResult::Done, "done"))
    );
    let jobs = scene.engine().jobs(&id, 10).await.unwrap();
    assert_eq!(jobs.len(), 5);
    assert!(
        jobs.iter()
            .all(|job| job.state == JobState::Ended && job.runs.len() == 1)
    );
}

#[tokio::test]
async fn after_a_machine_slept_one_run_makes_up_for_all() {
    let scene = Scene::new();
    scene.quarterly("one", "quick").await;
    scene.kept.time.0.send_modify(|now| *now += TimeDelta::hours(9));
    scene.settle().await;
    assert_eq!(scene.begun(), 1);
    scene.forward(9).await;
    assert_eq!(scene.begun(), 2, "and then it goes on as before");
}

#[tokio::test]
async fn what_was_missed_while_no_host_was_there_is_made_up_for_as_the_policy_says() {
    for (missed, begun) in [(Missed::Once, 1), (Missed::Skip, 0)] {
        let scene = Scene::new();
        let timetable = Timetable {
            missed,
            ..Scene::quarter_hours()
        };
        let last = "2026-02-27T00:00:00Z".parse().unwrap();
        let id = ConnectionId::new("one", "quick");
        assert!(scene.kept.claim_due(&id, last).await.unwrap());
        scene.with_timetable("one", "quick", Some(timetable)).await;
        assert_eq!(scene.begun(), begun, "{missed:?}");
        scene.forward(9).await;
        assert_eq!(scene.begun(), begun + 1, "{missed:?}");
    }
}

#[tokio::test]
async fn of_several_hosts_on_one_store_one_takes_a_scheduled_run() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "quick").await;
    let other = Process::start(&scene.script, &scene.kept, EngineLimits::default());
    other
        .engine
        .put_schedule(&id, Some(Scene::quarter_hours()))
        .await
        .unwrap();
    scene.settle().await;
    scene.forward(60).await;
    assert_eq!(scene.begun(), 4);
}

#[tokio::test]
async fn a_connection_never_overlaps_itself() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "slow").await;
    scene.forward(60).await;
    assert_eq!(scene.begun(), 1);
    let job = scene.status(&id).await.job.unwrap();
    assert_eq!((job.state, job.trigger), (JobState::Running, Trigger::Schedule));
    assert_eq!(
        scene.ask(&id).await,
        TriggerAnswer::AlreadyRunning { job: job.id }
    );
    scene.script.let_go.notify_one();
    scene.settle().await;
    assert_eq!(scene.status(&id).await.job, None);
    scene.begin(&id).await;
    assert_eq!(scene.begun(), 2);
}

#[tokio::test]
async fn a_tenant_waits_for_its_own_runs_and_for_nobody_elses() {
    let scene = Scene::new();
    for name in ["slow-1", "slow-2", "slow-3", "slow-4"] {
        let id = scene.with_timetable("busy", name, None).await;
        scene.begin(&id).await;
    }
    assert_eq!(scene.begun(), 2);
    let load = scene.engine().load();
    assert_eq!((load.queued, load.running), (2, 2));
    let other = scene.with_timetable("other", "quick", None).await;
    scene.begin(&other).await;
    assert_eq!(
        scene.status(&other).await.last,
        Some(RunEnd::new(RunResult::Done, "done"))
    );
    // One that waits for its turn can be cancelled without ever beginning.
    let waiting = ConnectionId::new("busy", "slow-4");
    let job = scene.status(&waiting).await.job.unwrap();
    assert_eq!(job.state, JobState::Queued);
    scene.engine().cancel(&job.id).await.unwrap();
    scene.settle().await;
    assert_eq!(
        scene.status(&waiting).await.last.unwrap().result,
        RunResult::Refused
    );
    let ended = scene.job(&job.id);
    assert_eq!((ended.state, ended.began_at), (JobState::Ended, None));
    scene.script.let_go.notify_one();
    scene.settle().await;
    assert_eq!(scene.begun(), 4);
    assert!(scene.script.most_at_once.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn runs_that_turn_out_to_take_long_leave_places_for_others() {
    let scene = Scene::with(EngineLimits::of(2, 2));
    for tenant in ["huge-1", "huge-2"] {
        let id = scene.with_timetable(tenant, "slow", None).await;
        scene.begin(&id).await;
    }
    let small = scene.with_timetable("small", "quick", None).await;
    scene.begin(&small).await;
    assert_eq!(scene.begun(), 2, "both places are taken");
    scene.forward(1).await;
    assert_eq!(scene.begun(), 3);
    assert_eq!(scene.engine().load().long, 2);
}

#[tokio::test]
async fn what_somebody_asks_for_takes_the_place_of_a_scheduled_job_that_waits() {
    let scene = Scene::with(EngineLimits::of(1, 1));
    let busy = scene.with_timetable("one", "slow", None).await;
    scene.begin(&busy).await;
    let id = scene.quarterly("one", "quick").await;
    scene.forward(8).await;
    let scheduled = scene.status(&id).await.job.unwrap();
    assert_eq!(
        (scheduled.state, &scheduled.trigger),
        (JobState::Queued, &Trigger::Schedule)
    );
    let asked = scene.begin(&id).await;
    assert_eq!(scene.job(&scheduled.id).end.unwrap().result, RunResult::Refused);
    scene.script.let_go.notify_one();
    scene.settle().await;
    assert_eq!(scene.job(&asked).end, Some(RunEnd::new(RunResult::Done, "done")));
    assert_eq!(scene.begun(), 2);
}

#[tokio::test]
async fn a_run_that_panics_is_its_own_end_only() {
    let scene = Scene::new();
    let broken = scene.quarterly("one", "broken").await;
    let slow = scene.quarterly("one", "slow").await;
    scene.quarterly("one", "quick").await;
    scene.forward(8).await;
    let status = scene.status(&broken).await;
    assert_eq!(status.last.unwrap().result, RunResult::Failed);
    assert_eq!(status.state.failures, 1);
    assert!(scene.status(&slow).await.job.is_some());
    scene.forward(15).await;
    let begun = scene.script.begun.lock().unwrap().clone();
    let count = |name: &str| begun.iter().filter(|job| job.connection.name == name).count();
    assert!(
        count("broken") >= 2,
        "it is tried again, and its turn was given back each time"
    );
    assert_eq!((count("quick"), count("slow")), (2, 1));
}

#[tokio::test]
async fn failures_are_tried_again_with_growing_pauses_and_end_in_quarantine() {
    let scene = Scene::new();
    let timetable = Timetable {
        quarantine_after: 4,
        ..Scene::quarter_hours()
    };
    let id = scene.with_timetable("one", "ill", Some(timetable)).await;
    scene.forward(8).await;
    assert_eq!(scene.begun(), 1);
    let status = scene.status(&id).await;
    assert!(status.why.unwrap().contains("tried again at"));
    assert!(status.next.unwrap() < "2026-03-01T10:17:00Z".parse::<DateTime<Utc>>().unwrap());
    scene.forward(3 * 60).await;
    let begun = scene.script.begun.lock().unwrap().clone();
    let moments: Vec<i64> = begun
        .iter()
        .map(|job| (job.queued_at - begun[0].queued_at).num_minutes())
        .collect();
    assert_eq!(moments.len(), 4, "{moments:?}");
    let pauses: Vec<i64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
    let status = scene.status(&id).await;
    assert_eq!(status.next, None);
    let why = status.why.unwrap();
    assert!(
        why.contains("quarantine") && why.contains("the vendor is down"),
        "{why}"
    );
    // Asked for by hand it runs, and a success is the way out.
    scene.script.mended.store(1, Ordering::SeqCst);
    scene.begin(&id).await;
    let status = scene.status(&id).await;
    assert_eq!(
        (status.state.quarantine, status.state.failures, status.why),
        (None, 0, None)
    );
    assert!(status.next.is_some());
}

#[tokio::test]
async fn a_second_try_that_takes_long_is_waited_for_and_not_asked_for_again_and_again() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "limp").await;
    scene.forward(10).await;
    assert_eq!(scene.begun(), 2);
    assert!(scene.status(&id).await.job.is_some());
    let looks = scene.kept.looks.load(Ordering::SeqCst);
    scene.forward(20).await;
    let looks = scene.kept.looks.load(Ordering::SeqCst) - looks;
    assert!(looks < 20, "{looks} looks at the store in 20 minutes");
    scene.script.let_go.notify_one();
    scene.settle().await;
    assert_eq!(scene.status(&id).await.state.failures, 0);
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_stops_nobody_for_good() {
    let scene = Scene::new();
    scene.quarterly("one", "quick").await;
    scene.kept.ill.store(1, Ordering::SeqCst);
    let looks = scene.kept.looks.load(Ordering::SeqCst);
    scene.forward(30).await;
    assert_eq!(scene.begun(), 0);
    let looks = scene.kept.looks.load(Ordering::SeqCst) - looks;
    assert!(looks < 100, "{looks} looks at a store that fails");
    scene.kept.ill.store(0, Ordering::SeqCst);
    scene.forward(17).await;
    assert!(scene.begun() >= 1);
}

#[tokio::test]
async fn what_no_repetition_mends_is_quarantined_at_once_until_it_is_released_or_changed() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "locked").await;
    scene.forward(60).await;
    assert_eq!(scene.begun(), 1);
    let why = scene.status(&id).await.why.unwrap();
    assert!(why.contains("enter a new key"), "{why}");
    scene
        .engine()
        .release(&id, &audit("connection.released"))
        .await
        .unwrap();
    scene.forward(15).await;
    assert_eq!(scene.begun(), 2);
    scene.engine().changed(&id).await.unwrap();
    scene.forward(15).await;
    assert_eq!(scene.begun(), 3);
    assert_eq!(*scene.kept.audited.lock().unwrap(), ["connection.released"]);
}

#[tokio::test]
async fn a_pause_lets_nothing_begin_by_itself_and_what_came_due_is_not_made_up_for() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "quick").await;
    scene.forward(8).await;
    let pause = Pause {
        by: "email:alice@example.com".to_owned(),
        at: scene.kept.time.now(),
        reason: "we move offices".to_owned(),
    };
    let entry = audit("connection.paused");
    scene.engine().pause(&id, pause, &entry).await.unwrap();
    scene.forward(58).await;
    assert_eq!(scene.begun(), 1);
    let status = scene.status(&id).await;
    assert!(status.next.is_none() && status.why.unwrap().contains("we move offices"));
    scene.begin(&id).await;
    assert_eq!(scene.begun(), 2, "asked for by hand it runs");
    let entry = audit("connection.resumed");
    scene.engine().resume(&id, &entry).await.unwrap();
    scene.settle().await;
    assert_eq!(scene.begun(), 2);
    scene.forward(15).await;
    assert_eq!(scene.begun(), 3);
}

#[tokio::test]
async fn a_pause_in_another_process_is_seen() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "quick").await;
    let pause = Pause {
        by: "email:bob@example.com".to_owned(),
        at: scene.kept.time.now(),
        reason: String::new(),
    };
    let entry = audit("connection.paused");
    scene
        .kept
        .change_run_state(&id, &|state| state.paused = Some(pause.clone()), Some(&entry))
        .await
        .unwrap();
    scene.forward(60).await;
    assert_eq!(scene.begun(), 0);
    let entry = audit("connection.resumed");
    let resumed = RunState {
        last_due: Some(scene.kept.time.now()),
        ..RunState::default()
    };
    scene
        .kept
        .change_run_state(&id, &|state| *state = resumed.clone(), Some(&entry))
        .await
        .unwrap();
    scene.forward(16).await;
    assert_eq!(scene.begun(), 1);
}

#[tokio::test]
async fn between_scheduled_runs_it_is_looked_whether_anything_changed() {
    let scene = Scene::new();
    let timetable = Timetable {
        watch: Some(Duration::from_secs(300)),
        ..Scene::quarter_hours()
    };
    scene.with_timetable("one", "quick", Some(timetable)).await;
    scene.forward(60).await;
    let begun = scene.script.begun.lock().unwrap().clone();
    let events = begun.iter().filter(|job| job.trigger == Trigger::Event).count();
    let scheduled = begun
        .iter()
        .filter(|job| job.trigger == Trigger::Schedule)
        .count();
    // A look that is under way when the time comes is as good as a run.
    assert!((3..=4).contains(&scheduled), "{scheduled}");
    assert!((11..=12).contains(&events), "{events}");
}

#[tokio::test]
async fn in_quiet_hours_for_writes_runs_only_plan() {
    let scene = Scene::new();
    let quiet = QuietHours {
        days: Vec::new(),
        from: chrono::NaiveTime::from_hms_opt(10, 0, 0).unwrap(),
        until: chrono::NaiveTime::from_hms_opt(10, 30, 0).unwrap(),
        zone: chrono_tz::UTC,
    };
    let timetable = Timetable {
        quiet: vec![quiet],
        quiet_for: QuietFor::Writes,
        ..Scene::quarter_hours()
    };
    let id = scene.with_timetable("one", "quick", Some(timetable)).await;
    assert!(scene.status(&id).await.why.unwrap().contains("quiet hours"));
    scene.forward(25).await;
    let begun = scene.script.begun.lock().unwrap().clone();
    let works: Vec<Work> = begun.into_iter().map(|job| job.work).collect();
    assert_eq!(works, [Work::Plan, SYNC]);
}

#[tokio::test]
async fn a_stop_cancels_waits_and_drops_what_does_not_listen() {
    let scene = Scene::new();
    let slow = scene.with_timetable("one", "slow", None).await;
    let deaf = scene.with_timetable("one", "deaf", None).await;
    for id in [&slow, &deaf] {
        scene.begin(id).await;
    }
    scene.process.stop.cancel();
    scene.settle().await;
    assert_eq!(
        scene.status(&slow).await.last,
        Some(RunEnd::new(RunResult::Refused, "cancelled"))
    );
    assert!(matches!(
        scene.engine().trigger(&slow, SYNC, request()).await,
        Err(EngineError::Stopping)
    ));
    assert!(!scene.process.served.is_finished());
    scene.forward(1).await;
    assert_eq!(scene.process.served.await.unwrap().dropped, [deaf]);
}

#[tokio::test]
async fn a_stop_with_nothing_under_way_ends_at_once() {
    let scene = Scene::new();
    scene.quarterly("one", "quick").await;
    scene.process.stop.cancel();
    assert_eq!(scene.process.served.await.unwrap(), Served::default());
    assert!(scene.kept.places.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stopped_process_hands_over_what_waits_and_what_was_cut_off() {
    let scene = Scene::with(EngineLimits::of(1, 1));
    let running = scene.with_timetable("one", "slow-1", None).await;
    let waiting = scene.with_timetable("two", "slow-2", None).await;
    let jobs = [scene.begin(&running).await, scene.begin(&waiting).await];
    assert_eq!(scene.begun(), 1);
    scene.process.stop.cancel();
    scene.process.served.await.unwrap();
    let next = Process::start(&scene.script, &scene.kept, EngineLimits::default());
    for id in [&running, &waiting] {
        next.engine.put_schedule(id, None).await.unwrap();
    }
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
    scene.kept.time.0.send_modify(|now| *now += TimeDelta::minutes(1));
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        scene.script.begun.lock().unwrap().len(),
        3,
        "both are at work again"
    );
    scene.script.let_go.notify_waiters();
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
    for job in &jobs {
        let job = scene.kept.jobs.lock().unwrap().get(job).cloned().unwrap();
        assert_eq!(job.end, Some(RunEnd::new(RunResult::Done, "done")), "{job:?}");
    }
}

#[tokio::test]
async fn a_process_that_died_is_inherited_once_it_has_been_silent_and_not_before() {
    let scene = Scene::new();
    let id = scene.with_timetable("one", "slow", None).await;
    let apply = Work::Apply {
        plan: "abc".to_owned(),
        groups: None,
        release_held: false,
    };
    let other = scene.with_timetable("two", "slow", None).await;
    let TriggerAnswer::Begun { job: sync } = scene.ask(&id).await else {
        panic!("it begins")
    };
    let TriggerAnswer::Begun { job: cut } = scene.engine().trigger(&other, apply, request()).await.unwrap()
    else {
        panic!("it begins")
    };
    scene.settle().await;
    let next = Process::start(&scene.script, &scene.kept, EngineLimits::default());
    for id in [&id, &other] {
        next.engine.put_schedule(id, None).await.unwrap();
    }
    scene.steps(30, TimeDelta::seconds(10)).await;
    assert_eq!(scene.begun(), 2, "the first one lives");
    scene.process.die();
    scene.steps(12, TimeDelta::seconds(10)).await;
    let inherited = scene.job(&sync);
    assert_eq!(inherited.state, JobState::Running);
    assert_eq!(scene.begun(), 3);
    let ended = scene.job(&cut);
    assert_eq!(ended.end.unwrap().result, RunResult::Failed);
}

#[tokio::test]
async fn a_removed_connection_is_cancelled_and_forgotten() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "slow").await;
    scene.forward(8).await;
    scene.engine().remove(&id).await.unwrap();
    scene.settle().await;
    assert!(matches!(
        scene.engine().status(&id).await,
        Err(EngineError::NoConnection(_))
    ));
    scene.forward(60).await;
    assert_eq!(scene.begun(), 1);
    assert!(matches!(
        scene.engine().trigger(&id, SYNC, request()).await,
        Err(EngineError::NoConnection(_))
    ));
}
