//! How an engine ends: it stops, it dies, and another takes over what it had; and how a connection does.

use super::*;

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
