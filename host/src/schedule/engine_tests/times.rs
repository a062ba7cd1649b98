//! When runs begin by themselves: at their time, after it was missed, between times, and in quiet hours.

use super::*;

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
