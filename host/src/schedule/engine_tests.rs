//! The embedded engine in virtual time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::{ConnectionId, NewRun, Result, RunEnd, RunQuery, RunRecord, RunResult, RunStore};

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

/// Runs that do what their connection's name says.
#[derive(Default)]
struct Script {
    begun: Mutex<Vec<(String, Trigger)>>,
    under_way: Mutex<HashMap<ConnectionId, usize>>,
    most_at_once: AtomicUsize,
    let_go: Notify,
}

#[async_trait]
impl Runner for Script {
    async fn run(&self, connection: &ConnectionId, trigger: Trigger, cancel: CancellationToken) -> RunEnd {
        self.begun.lock().unwrap().push((connection.to_string(), trigger));
        {
            let mut under_way = self.under_way.lock().unwrap();
            let count = under_way.entry(connection.clone()).or_default();
            *count += 1;
            assert_eq!(*count, 1, "{connection} overlaps itself");
            let all: usize = under_way.values().sum();
            self.most_at_once.fetch_max(all, Ordering::SeqCst);
        }
        let done = || *self.under_way.lock().unwrap().get_mut(connection).unwrap() -= 1;
        let end = match connection.name.split('-').next().unwrap() {
            "quick" => RunEnd::new(RunResult::Done, "done"),
            "slow" => {
                tokio::select! {
                    () = self.let_go.notified() => RunEnd::new(RunResult::Done, "done"),
                    () = cancel.cancelled() => RunEnd::new(RunResult::Refused, "cancelled"),
                }
            }
            "deaf" => std::future::pending().await,
            "broken" => {
                done();
                panic!("this run is broken on purpose")
            }
            other => panic!("{other}"),
        };
        done();
        end
    }
}

struct NoHistory;

#[async_trait]
impl RunStore for NoHistory {
    async fn start_run(&self, _: &NewRun) -> Result<()> {
        Ok(())
    }
    async fn set_run_plan(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }
    async fn end_run(&self, _: &str, _: &RunEnd, _: &serde_json::Value) -> Result<()> {
        Ok(())
    }
    async fn run(&self, _: &str) -> Result<Option<RunRecord>> {
        Ok(None)
    }
    async fn runs(&self, _: &RunQuery) -> Result<Vec<RunRecord>> {
        Ok(Vec::new())
    }
}

struct Scene {
    engine: Arc<EmbeddedEngine<Script>>,
    script: Arc<Script>,
    time: Arc<VirtualTime>,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<Served>,
}

impl Scene {
    fn new() -> Self {
        let start = "2026-03-01T10:07:00Z".parse().unwrap();
        let time = Arc::new(VirtualTime(watch::Sender::new(start)));
        let script = Arc::new(Script::default());
        let engine = Arc::new(EmbeddedEngine::with_time(
            Arc::clone(&script),
            Arc::new(NoHistory),
            EngineLimits::default(),
            1,
            Arc::clone(&time) as Arc<dyn Time>,
        ));
        let stop = CancellationToken::new();
        let (serving, token) = (Arc::clone(&engine), stop.clone());
        let served = tokio::spawn(async move { serving.serve(token).await });
        Self {
            engine,
            script,
            time,
            stop,
            served,
        }
    }

    /// Lets every task go as far as it can.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn forward(&self, minutes: i64) {
        for _ in 0..minutes {
            self.time.0.send_modify(|now| *now += TimeDelta::minutes(1));
            self.settle().await;
        }
    }

    async fn quarterly(&self, tenant: &str, name: &str) -> ConnectionId {
        let id = ConnectionId::new(tenant, name);
        let schedule = Schedule::parse("*/15 * * * *", "UTC", Duration::ZERO).unwrap();
        self.engine.put_schedule(&id, Some(schedule)).await.unwrap();
        self.settle().await;
        id
    }

    fn begun(&self) -> usize {
        self.script.begun.lock().unwrap().len()
    }
}

#[tokio::test]
async fn runs_begin_when_their_time_comes_and_not_before() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "quick").await;
    let next = scene.engine.status(&id).await.unwrap().next.unwrap();
    assert_eq!(next.to_rfc3339(), "2026-03-01T10:15:00+00:00");
    scene.forward(7).await;
    assert_eq!(scene.begun(), 0);
    scene.forward(1).await;
    assert_eq!(scene.begun(), 1);
    scene.forward(60).await;
    assert_eq!(scene.begun(), 5);
    assert!(
        scene
            .script
            .begun
            .lock()
            .unwrap()
            .iter()
            .all(|(_, trigger)| *trigger == Trigger::Schedule)
    );
    assert_eq!(
        scene.engine.status(&id).await.unwrap().last,
        Some(RunEnd::new(RunResult::Done, "done"))
    );
}

#[tokio::test]
async fn after_a_machine_slept_one_run_makes_up_for_all() {
    let scene = Scene::new();
    scene.quarterly("one", "quick").await;
    scene.time.0.send_modify(|now| *now += TimeDelta::hours(9));
    scene.settle().await;
    assert_eq!(scene.begun(), 1);
}

#[tokio::test]
async fn a_connection_never_overlaps_itself() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "slow").await;
    scene.forward(60).await;
    assert_eq!(scene.begun(), 1);
    assert_eq!(
        scene.engine.trigger(&id).await.unwrap(),
        TriggerAnswer::AlreadyRunning
    );
    assert_eq!(
        scene.engine.status(&id).await.unwrap().trigger,
        Some(Trigger::Schedule)
    );
    scene.script.let_go.notify_one();
    scene.settle().await;
    assert_eq!(scene.engine.status(&id).await.unwrap().running_since, None);
    assert_eq!(scene.engine.trigger(&id).await.unwrap(), TriggerAnswer::Begun);
    scene.settle().await;
    assert_eq!(scene.begun(), 2);
}

#[tokio::test]
async fn a_tenant_waits_for_its_own_runs_and_for_nobody_elses() {
    let scene = Scene::new();
    for name in ["slow-1", "slow-2", "slow-3", "slow-4"] {
        let id = ConnectionId::new("busy", name);
        scene.engine.put_schedule(&id, None).await.unwrap();
        assert_eq!(scene.engine.trigger(&id).await.unwrap(), TriggerAnswer::Begun);
    }
    scene.settle().await;
    assert_eq!(scene.begun(), 2);
    let other = ConnectionId::new("other", "quick");
    scene.engine.put_schedule(&other, None).await.unwrap();
    scene.engine.trigger(&other).await.unwrap();
    scene.settle().await;
    assert_eq!(
        scene.engine.status(&other).await.unwrap().last,
        Some(RunEnd::new(RunResult::Done, "done"))
    );
    // One that waits for its turn can be cancelled without ever beginning.
    let waiting = ConnectionId::new("busy", "slow-4");
    assert!(scene.engine.cancel(&waiting).await.unwrap());
    scene.settle().await;
    assert_eq!(
        scene.engine.status(&waiting).await.unwrap().last.unwrap().result,
        RunResult::Refused
    );
    scene.script.let_go.notify_one();
    scene.settle().await;
    assert_eq!(scene.begun(), 4);
    assert!(scene.script.most_at_once.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn a_run_that_panics_is_its_own_end_only() {
    let scene = Scene::new();
    let broken = scene.quarterly("one", "broken").await;
    let slow = scene.quarterly("one", "slow").await;
    scene.quarterly("one", "quick").await;
    scene.forward(8).await;
    let last = scene.engine.status(&broken).await.unwrap().last.unwrap();
    assert_eq!(last.result, RunResult::Failed);
    assert!(scene.engine.status(&slow).await.unwrap().running_since.is_some());
    scene.forward(15).await;
    // The broken one comes again, and its turn was given back each time.
    let begun = scene.script.begun.lock().unwrap().clone();
    let count = |name: &str| begun.iter().filter(|(id, _)| id == name).count();
    assert_eq!(
        (count("one/broken"), count("one/quick"), count("one/slow")),
        (2, 2, 1)
    );
}

#[tokio::test]
async fn a_stop_cancels_waits_and_drops_what_does_not_listen() {
    let scene = Scene::new();
    let (slow, deaf) = (ConnectionId::new("one", "slow"), ConnectionId::new("one", "deaf"));
    for id in [&slow, &deaf] {
        scene.engine.put_schedule(id, None).await.unwrap();
        scene.engine.trigger(id).await.unwrap();
    }
    scene.settle().await;
    scene.stop.cancel();
    scene.settle().await;
    assert_eq!(
        scene.engine.status(&slow).await.unwrap().last,
        Some(RunEnd::new(RunResult::Refused, "cancelled"))
    );
    assert!(matches!(
        scene.engine.trigger(&slow).await,
        Err(EngineError::Stopping)
    ));
    assert!(!scene.served.is_finished());
    scene.forward(1).await;
    assert_eq!(scene.served.await.unwrap().dropped, [deaf]);
}

#[tokio::test]
async fn a_stop_with_nothing_under_way_ends_at_once() {
    let scene = Scene::new();
    scene.quarterly("one", "quick").await;
    scene.stop.cancel();
    assert_eq!(scene.served.await.unwrap(), Served::default());
}

#[tokio::test]
async fn a_removed_connection_is_cancelled_and_forgotten() {
    let scene = Scene::new();
    let id = scene.quarterly("one", "slow").await;
    scene.forward(8).await;
    scene.engine.remove(&id).await.unwrap();
    scene.settle().await;
    assert!(matches!(
        scene.engine.status(&id).await,
        Err(EngineError::NoConnection(_))
    ));
    scene.forward(60).await;
    assert_eq!(scene.begun(), 1);
    assert!(matches!(
        scene.engine.trigger(&id).await,
        Err(EngineError::NoConnection(_))
    ));
    assert!(scene.engine.history(&id, 10).await.unwrap().is_empty());
}
