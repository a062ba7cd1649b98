//! Applies that a stop cut off: who goes on with them, how often, and when nobody does.

use super::*;
use crate::store::service::{JobRecord, Quarantine};

fn apply() -> Work {
    Work::Apply {
        plan: "abc".to_owned(),
        groups: Some(vec!["g1".to_owned()]),
        release_held: true,
    }
}

async fn asked(scene: &Scene, id: &ConnectionId) -> String {
    let answer = scene.engine().trigger(id, apply(), request()).await.unwrap();
    scene.settle().await;
    match answer {
        TriggerAnswer::Begun { job } => job,
        TriggerAnswer::AlreadyRunning { job } => panic!("{job} is under way"),
    }
}

/// Another process on the same store, that knows these connections.
async fn next(scene: &Scene, connections: &[&ConnectionId]) -> Process {
    let next = Process::start(&scene.script, &scene.kept, EngineLimits::of(1, 1));
    for id in connections {
        next.engine.put_schedule(id, None).await.unwrap();
    }
    scene.settle().await;
    scene.steps(4, TimeDelta::seconds(15)).await;
    next
}

/// An apply was asked for, and its host stopped in the middle of it.
async fn stopped(name: &str) -> (Scene, ConnectionId, String) {
    let scene = Scene::with(EngineLimits::of(1, 1));
    let id = scene.with_timetable("one", name, None).await;
    let job = asked(&scene, &id).await;
    scene.process.stop.cancel();
    scene.settle().await;
    scene.forward(1).await;
    assert!(scene.process.served.is_finished());
    (scene, id, job)
}

#[tokio::test]
async fn a_stopped_process_hands_over_applies_that_were_cut_off_and_that_waited() {
    let scene = Scene::with(EngineLimits::of(1, 1));
    let running = scene.with_timetable("one", "apply-1", None).await;
    let waiting = scene.with_timetable("two", "apply-2", None).await;
    let jobs = [asked(&scene, &running).await, asked(&scene, &waiting).await];
    assert_eq!(scene.begun(), 1);
    scene.process.stop.cancel();
    scene.settle().await;
    let left: Vec<(JobState, u32)> = jobs
        .iter()
        .map(|id| scene.job(id))
        .map(|job| (job.state, job.handed_over))
        .collect();
    assert_eq!(left, [(JobState::Queued, 1), (JobState::Queued, 0)]);
    let _next = next(&scene, &[&running, &waiting]).await;
    for _ in 0..2 {
        scene.script.let_go.notify_one();
        scene.settle().await;
    }
    for (id, runs) in jobs.iter().zip([2, 1]) {
        let job = scene.job(id);
        assert_eq!(job.end, Some(RunEnd::new(RunResult::Done, "done")), "{job:?}");
        assert_eq!(job.runs.len(), runs, "{job:?}");
        assert_eq!((job.work, job.trigger), (apply(), request()));
    }
    // In the name of whoever asked.
    let mut told: Vec<String> = jobs
        .iter()
        .map(|id| format!("work.handed-over email:alice@example.com {id}"))
        .collect();
    told.sort();
    let mut audited = scene.kept.audited.lock().unwrap().clone();
    audited.sort();
    assert_eq!(audited, told);
}

#[tokio::test]
async fn an_apply_that_does_not_end_in_time_is_handed_over_with_its_run() {
    let (scene, id, job) = stopped("deaf").await;
    let left = scene.job(&job);
    assert_eq!((left.state, left.handed_over), (JobState::Queued, 1));
    assert_eq!(left.runs, [format!("run-of-{job}")]);
    let _next = next(&scene, &[&id]).await;
    assert_eq!(scene.begun(), 2);
}

#[tokio::test]
async fn an_apply_is_handed_over_a_few_times_and_never_for_ever() {
    let (scene, id, job) = stopped("deaf").await;
    for hand_overs in 2..=JobRecord::MOST_HAND_OVERS + 1 {
        let process = next(&scene, &[&id]).await;
        process.stop.cancel();
        scene.settle().await;
        scene.forward(1).await;
        let expected = hand_overs.min(JobRecord::MOST_HAND_OVERS);
        assert_eq!(scene.job(&job).handed_over, expected);
    }
    let _next = next(&scene, &[&id]).await;
    let ended = scene.job(&job);
    assert_eq!(ended.end.unwrap().result, RunResult::Failed);
    let begun = usize::try_from(JobRecord::MOST_HAND_OVERS).unwrap() + 1;
    assert_eq!(scene.begun(), begun);
}

#[tokio::test]
async fn an_apply_that_somebody_cancelled_goes_on_nowhere() {
    // Before its host stopped.
    let scene = Scene::new();
    let id = scene.with_timetable("one", "deaf", None).await;
    let job = asked(&scene, &id).await;
    scene.engine().cancel(&job).await.unwrap();
    scene.process.stop.cancel();
    scene.settle().await;
    scene.forward(1).await;
    let _next = next(&scene, &[&id]).await;
    assert_eq!(scene.job(&job).state, JobState::Ended);
    assert_eq!(scene.begun(), 1);

    // While it waited for another.
    let (scene, id, job) = stopped("apply").await;
    scene.kept.cancelled.lock().unwrap().push(job.clone());
    let _next = next(&scene, &[&id]).await;
    let ended = scene.job(&job).end.unwrap();
    assert!(ended.message.contains("cancelled"), "{ended:?}");
    assert_eq!(scene.begun(), 1);
}

#[tokio::test]
async fn an_apply_does_not_go_on_in_a_pause_or_quarantine_that_came_after_it() {
    for quarantine in [false, true] {
        let (scene, id, job) = stopped("apply").await;
        let at = scene.kept.time.now();
        let change = |state: &mut RunState| {
            if quarantine {
                state.quarantine = Some(Quarantine {
                    at,
                    reason: "the key was refused".to_owned(),
                    way_out: "enter a new key".to_owned(),
                });
            } else {
                state.paused = Some(Pause {
                    by: "email:bob@example.com".to_owned(),
                    at,
                    reason: String::new(),
                });
            }
        };
        scene.kept.change_run_state(&id, &change, None).await.unwrap();
        let _next = next(&scene, &[&id]).await;
        let ended = scene.job(&job).end.unwrap();
        assert_eq!(ended.result, RunResult::Refused);
        assert!(ended.message.contains("apply the same plan again"), "{ended:?}");
        assert_eq!(scene.begun(), 1);
    }
}

#[tokio::test]
async fn an_apply_that_is_handed_over_waits_for_what_is_under_way_in_the_next_process() {
    let scene = Scene::with(EngineLimits::of(1, 1));
    let id = scene.with_timetable("one", "apply", None).await;
    let job = asked(&scene, &id).await;
    let other = Process::start(&scene.script, &scene.kept, EngineLimits::of(1, 1));
    other.engine.put_schedule(&id, None).await.unwrap();
    scene.settle().await;
    scene.process.stop.cancel();
    scene.settle().await;
    assert_eq!((scene.job(&job).state, scene.begun()), (JobState::Queued, 1));
    other.engine.trigger(&id, SYNC, Trigger::Schedule).await.unwrap();
    scene.settle().await;
    scene.steps(4, TimeDelta::seconds(15)).await;
    assert_eq!((scene.job(&job).state, scene.begun()), (JobState::Queued, 2));
    scene.script.let_go.notify_one();
    scene.settle().await;
    scene.steps(4, TimeDelta::seconds(15)).await;
    assert_eq!((scene.job(&job).state, scene.begun()), (JobState::Running, 3));
}
