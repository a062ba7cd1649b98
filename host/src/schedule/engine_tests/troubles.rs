//! What fails, and what somebody stops on purpose: repetitions, quarantine, pauses.

use super::*;

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
