//! Whose turn it is: a connection never overlaps itself, and nobody takes another's place.

use super::*;

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
