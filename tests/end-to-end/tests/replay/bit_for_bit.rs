//! The same component, the same answers: the same run.

use std::time::{Duration, Instant};

use groupcast::plugin::journal::Call;
use groupcast::recording::{Kind, Outcome};
use groupcast_simulators::faults::Faults;
use groupcast_tests::{BOTH, Lab, Target};
use tokio_util::sync::CancellationToken;

use crate::recorded::{apply, file, plan, read, recording, recordings, replay, trouble};

/// Plans and applies with trouble on the way; the two runs.
async fn troubled(lab: &mut Lab, target: Target) -> [String; 2] {
    trouble(lab, target);
    let planned = plan(lab, target).await;
    trouble(lab, target);
    let applied = apply(lab, target, &planned.plan.hash).await;
    lab.simulators.faults(Faults::clear);
    [planned.run, applied.run]
}

async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    lab.group("Finance", Some("finance@example.com"), &[3, 4]);
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_and_an_apply_with_trouble_on_the_way_are_reproduced_bit_for_bit_in_no_time() {
    for target in BOTH {
        let mut lab = lab().await;
        let runs = troubled(&mut lab, target).await;
        lab.simulators.faults(Faults::clear);
        let before = lab.simulators.requests().len();
        for (run, kind) in runs.iter().zip([Kind::Plan, Kind::Apply]) {
            let recording = read(&lab, run);
            assert_eq!((recording.head.kind, &recording.head.run.id), (kind, run));
            let slept: u64 = recording
                .calls
                .iter()
                .filter_map(|(call, _)| match call {
                    Call::SleepFor(_, nanoseconds) => Some(*nanoseconds),
                    _ => None,
                })
                .sum();
            assert!(
                slept >= 1_000_000_000,
                "{target:?} {kind}: the vendor asked for a pause"
            );
            let begun = Instant::now();
            let replayed = replay(recording.clone()).await;
            let took = begun.elapsed();
            assert_eq!(replayed.difference, None, "{target:?} {kind}");
            assert_eq!(replayed.calls, recording.calls.len() as u64);
            assert!(replayed.calls > 50, "{} calls", replayed.calls);
            assert!(
                took < Duration::from_millis(900),
                "a replay waits for nothing: {took:?}"
            );
            assert_eq!(
                replay(recording).await,
                replayed,
                "a replay is deterministic itself"
            );
        }
        assert_eq!(
            lab.simulators.requests().len(),
            before,
            "{target:?}: a replay sends nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replayed_plan_has_the_hash_that_was_approved() {
    let lab = lab().await;
    let planned = plan(&lab, Target::Google).await;
    let replayed = replay(read(&lab, &planned.run)).await;
    assert_eq!(replayed.plan, Some(planned.plan.hash));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_and_why_are_reproduced_with_what_they_said() {
    let lab = lab().await;
    let target = Target::Entra;
    let host = recording(&lab).await;
    let report = host
        .check(&target.connection(), &CancellationToken::new())
        .await
        .unwrap();
    let explanation = host
        .why(
            &target.connection(),
            Some("user-000000@example.com"),
            "Sales",
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    let runs = recordings(&lab).runs();
    assert_eq!(runs.len(), 2);
    assert!(runs.contains(&report.run));
    for run in runs {
        let recording = read(&lab, &run);
        if recording.head.kind == Kind::Why {
            let Outcome::Returned(said) = &recording.ending.outcome else {
                panic!("{:?}", recording.ending);
            };
            // What the host adds of its own is no part of the component's answer.
            assert_eq!(said["conclusion"], explanation.conclusion);
            let steps = said["steps"].as_array().unwrap();
            for (step, shown) in steps.iter().zip(&explanation.steps) {
                assert_eq!(step["message"], shown.message);
            }
        }
        assert_eq!(replay(recording).await.difference, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_and_one_that_was_stopped_are_reproduced_to_their_end() {
    let lab = lab().await;
    let target = Target::Google;
    let host = recording(&lab).await;
    // A password that no longer holds: the run fails, and says so.
    std::fs::write(lab.folder.path().join("jumpcloud-key"), "expired-key").unwrap();
    let failing = recording(&lab).await;
    failing
        .plan(&target.connection(), &CancellationToken::new())
        .await
        .unwrap_err();
    let [failed] = &recordings(&lab).runs()[..] else {
        panic!("one run");
    };
    let recorded = read(&lab, failed);
    assert!(
        matches!(recorded.ending.outcome, Outcome::Failed(_)),
        "{:?}",
        recorded.ending
    );
    assert_eq!(replay(recorded).await.difference, None);

    // Somebody presses Ctrl-C while a vendor keeps it waiting.
    let cancel = CancellationToken::new();
    let soon = cancel.clone();
    lab.simulators.faults(|faults| {
        faults.clear();
        faults.add(groupcast_simulators::faults::Rule {
            vendor: groupcast_simulators::Vendor::Jumpcloud,
            method: None,
            path: None,
            query: None,
            skip: 2,
            times: None,
            fault: groupcast_simulators::faults::Fault::Delay { ms: 20_000 },
        });
    });
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        soon.cancel();
    });
    host.plan(&target.connection(), &cancel).await.unwrap_err();
    let stopped = recordings(&lab).runs()[0].clone();
    assert_ne!(&stopped, failed);
    let replayed = replay(read(&lab, &stopped)).await;
    assert_eq!(replayed.difference, None);
    assert!(replayed.stopped.unwrap().contains("cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_recordings_are_kept_and_only_their_owner_reads_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut lab = lab().await;
    lab.section("recording").insert("keep".to_owned(), 2.into());
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(plan(&lab, Target::Google).await.run);
    }
    runs.reverse();
    assert_eq!(recordings(&lab).runs(), runs[..2]);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file(&lab, &runs[0])), 0o600);
    assert_eq!(mode(&recordings(&lab).folder), 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_grows_too_large_is_dropped_and_the_run_goes_on() {
    let lab = lab().await;
    let mut small = recordings(&lab);
    small.largest = 2_000;
    let host = lab.groupcast().await.recording(small);
    let planned = host
        .plan(&Target::Google.connection(), &CancellationToken::new())
        .await
        .unwrap();
    assert!(planned.plan.has_work());
    let left: Vec<_> = std::fs::read_dir(recordings(&lab).folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_recording() {
    let mut lab = lab().await;
    let mut runs = Vec::new();
    for target in BOTH {
        runs.extend(troubled(&mut lab, target).await);
    }
    // A vendor that repeats what it was sent.
    lab.simulators.faults(|faults| {
        faults.add(groupcast_simulators::faults::Rule {
            vendor: groupcast_simulators::Vendor::Jumpcloud,
            method: Some("GET".to_owned()),
            path: None,
            query: None,
            skip: 0,
            times: None,
            fault: groupcast_simulators::faults::Fault::Answer {
                status: 401,
                headers: vec![("x-request-id".to_owned(), "generated-jumpcloud-key".to_owned())],
                body: "{\"message\": \"bad key generated-jumpcloud-key\"}".to_owned(),
                content_type: "application/json".to_owned(),
            },
        });
    });
    let host = recording(&lab).await;
    host.plan(&Target::Google.connection(), &CancellationToken::new())
        .await
        .unwrap_err();
    runs.push(recordings(&lab).runs()[0].clone());
    let mut secrets = vec![
        "generated-jumpcloud-key".to_owned(),
        "generated-entra-secret".to_owned(),
    ];
    let key = std::fs::read_to_string(lab.folder.path().join("google-key.json")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    secrets.extend(
        key["private_key"]
            .as_str()
            .unwrap()
            .lines()
            .filter(|line| line.len() > 20)
            .map(ToOwned::to_owned),
    );
    secrets.extend(
        [
            "Bearer",
            "eyJhbGciOi",
            "ya29.",
            "access_token",
            "x-api-key",
            "authorization",
        ]
        .map(ToOwned::to_owned),
    );
    assert_eq!(runs.len(), 5);
    for run in runs {
        let recording = read(&lab, &run);
        let mut text = serde_json::to_string(&recording.head).unwrap();
        for call in &recording.calls {
            text.push_str(&serde_json::to_string(call).unwrap());
        }
        assert!(text.contains("/api/v2/"), "the recording has the requests");
        for secret in &secrets {
            assert!(
                !text.to_lowercase().contains(&secret.to_lowercase()),
                "{} in the recording of {run}",
                &secret[..6]
            );
        }
    }
}
