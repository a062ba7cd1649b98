//! Two processes on one store: a job of one is ended by whoever asks the other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::kept::Kept;
use super::time::Time;
use super::{
    EmbeddedEngine, Engine as _, EngineError, EngineLimits, JobControl, JobEnd, Runner, TriggerAnswer,
};
use crate::store::service::{JobRecord, JobState, Trigger, Work};
use crate::store::{ConnectionId, RunEnd, RunResult, SqliteStore, Store};

/// Waits a hundredth of the time.
struct Hasty;

#[async_trait]
impl Time for Hasty {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / 100).await;
    }
}

/// Is at work until it is cancelled.
struct Endless;

#[async_trait]
impl Runner for Endless {
    async fn run(&self, _: &JobRecord, control: JobControl) -> JobEnd {
        control.token().cancelled().await;
        JobEnd {
            end: RunEnd::new(RunResult::Refused, "it was cancelled"),
            runs: Vec::new(),
            plan: None,
            trouble: None,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_process_ends_by_the_request_that_is_kept_in_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("groupcast.db");
    let stop = CancellationToken::new();
    let (acme, beta) = (
        ConnectionId::new("acme", "google"),
        ConnectionId::new("beta", "google"),
    );
    let mut processes = Vec::new();
    for _ in 0..2 {
        // A store of its own, as each process has.
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&place).await.unwrap());
        let engine = Arc::new(EmbeddedEngine::with_time(
            Arc::new(Endless),
            Arc::new(Kept(Arc::clone(&store))),
            EngineLimits::of(1, 1),
            None,
            Arc::new(Hasty),
        ));
        for id in [&acme, &beta] {
            engine.put_schedule(id, None).await.unwrap();
        }
        let (served, stop) = (Arc::clone(&engine), stop.clone());
        let serving = tokio::spawn(async move { served.serve(stop).await });
        processes.push((store, engine, serving));
    }
    let [(store, mine, _), (_, other, _)] = processes.as_slice() else {
        panic!("two processes");
    };
    let ask = async |id: &ConnectionId| {
        let by = Trigger::Request {
            by: "token:t".to_owned(),
        };
        match other.trigger(id, Work::Check, by).await.unwrap() {
            TriggerAnswer::Begun { job } => job,
            TriggerAnswer::AlreadyRunning { job } => panic!("{job} is under way"),
        }
    };
    // One at work, and one that waits for its turn.
    let jobs = [ask(&acme).await, ask(&beta).await];
    for job in jobs.iter().rev() {
        assert!(
            matches!(mine.cancel(job).await, Err(EngineError::NoJob(_))),
            "it is the other's"
        );
        assert!(store.ask_to_cancel(job).await.unwrap());
    }
    for job in &jobs {
        let mut looks = 0;
        loop {
            let kept = store.job(job).await.unwrap().unwrap();
            if kept.state == JobState::Ended {
                assert!(kept.end.unwrap().message.contains("cancelled"));
                break;
            }
            looks += 1;
            assert!(looks < 500, "it does not end: {kept:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(store.asked_to_cancel().await.unwrap(), Vec::<String>::new());
    stop.cancel();
    for (_, _, serving) in processes {
        serving.await.unwrap();
    }
}
