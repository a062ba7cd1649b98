//! Copies without people.

use std::sync::{Arc, Mutex};

use groupcast::recording::{Kind, Recording, Redacted};
use groupcast_simulators::organisation::Size;
use groupcast_tests::{BOTH, Lab, Target, component};
use tokio_util::sync::CancellationToken;

use crate::recorded::{apply, plan, read, recording, recordings, replay};

/// People with names, one of them in letters that URLs and JSON spell in their own ways.
const PEOPLE: &[(&str, &str, &str)] = &[
    ("zoe.angstrom", "Zoë", "Ångström"),
    ("ferdinand", "Ferdinand", "Mbeki"),
    ("xiulan42", "Xiulan", "O'Quigley"),
];

async fn lab() -> Lab {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |organisation| {
        for (at, (account, first, last)) in PEOPLE.iter().enumerate() {
            let address = format!("{account}@example.com");
            let user = &mut organisation.jumpcloud.users[at];
            user.username = (*account).to_owned();
            user.email = Some(address.clone());
            user.first_name = (*first).to_owned();
            user.last_name = (*last).to_owned();
            let user = &mut organisation.google.users[at];
            user.primary_email = address.clone();
            user.name = format!("{first} {last}");
            let user = &mut organisation.entra.users[at];
            user.user_principal_name = address.clone();
            user.mail = Some(address);
            user.display_name = format!("{first} {last}");
        }
    })
    .await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2, 3]);
    lab.group("Finance", Some("finance@example.com"), &[1, 4]);
    lab
}

/// What a copy is written to.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn redacted(original: &Recording) -> (Redacted, Recording) {
    let (engine, plugin) = component();
    let out = Shared::default();
    let redacted =
        groupcast::recording::redact(&engine, &plugin, original, out.clone(), &CancellationToken::new())
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    let bytes = out.0.lock().unwrap().clone();
    (
        redacted,
        Recording::from_reader(bytes.as_slice(), "copy.gz").unwrap(),
    )
}

fn text(recording: &Recording) -> String {
    let mut text = serde_json::to_string(&recording.head).unwrap();
    for call in &recording.calls {
        text.push_str(&serde_json::to_string(call).unwrap());
    }
    text.push_str(&serde_json::to_string(&recording.ending).unwrap());
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_copy_names_nobody_and_replays_bit_for_bit() {
    for target in BOTH {
        let lab = lab().await;
        let planned = plan(&lab, target).await;
        apply(&lab, target, &planned.plan.hash).await;
        recording(&lab)
            .await
            .why(
                &target.connection(),
                Some("zoe.angstrom@example.com"),
                "Sales",
                &CancellationToken::new(),
            )
            .await
            .unwrap();
        let runs = recordings(&lab).runs();
        assert_eq!(runs.len(), 3);
        for run in runs {
            let original = read(&lab, &run);
            let kind = original.head.kind;
            let before = text(&original).to_lowercase();
            let (redacted, copy) = redacted(&original).await;
            assert!(copy.head.redacted && !original.head.redacted);
            let after = text(&copy).to_lowercase();
            assert!(before.contains("ferdinand"), "the original has people");
            for word in [
                "zoe",
                "zoë",
                "%c3%ab",
                "angstrom",
                "ångström",
                "ferdinand",
                "mbeki",
                "xiulan42",
                "quigley",
            ] {
                let at = after.find(word);
                let around = at.map(|at| {
                    after[at.saturating_sub(80)..]
                        .chars()
                        .take(160)
                        .collect::<String>()
                });
                assert_eq!(around, None, "{target:?} {kind}: {word}");
            }
            if (target, kind) == (Target::Entra, Kind::Apply) {
                // Its batches are packed in the order of what was renamed: the copy says that it is not the same.
                assert!(!redacted.same_end || !redacted.unknown.is_empty());
                continue;
            }
            assert_eq!(redacted.unknown, Vec::<String>::new(), "{target:?} {kind}");
            assert!(
                redacted.same_end,
                "{target:?} {kind}: {:?} {:?}",
                original.ending, copy.ending
            );
            let replayed = replay(copy).await;
            assert_eq!(replayed.difference, None, "{target:?} {kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_has_the_same_groups_and_as_many_operations() {
    let lab = lab().await;
    let planned = plan(&lab, BOTH[0]).await;
    let (_, copy) = redacted(&read(&lab, &planned.run)).await;
    let parts: Vec<groupcast_guest::plan::part::Part> = copy
        .parts()
        .map(|part| groupcast_guest::plan::part::Part::from_bytes(part).unwrap())
        .collect();
    assert_eq!(parts.len(), planned.plan.parts.len());
    for (copied, original) in parts.iter().zip(&planned.plan.parts) {
        assert_eq!(copied.group.id, original.group.id);
        assert_eq!(copied.group.name, original.group.name);
        assert_eq!(copied.operations.len(), original.operations.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_had_moved_has_moved_in_the_copy_as_well() {
    let lab = lab().await;
    let target = BOTH[0];
    let planned = plan(&lab, target).await;
    let finance = planned
        .plan
        .parts
        .iter()
        .find(|part| part.group.name == "Finance")
        .unwrap()
        .group
        .id
        .clone();
    // Somebody leaves between plan and apply: one group has moved, the other has not.
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&finance, &groupcast_tests::user(4)));
    let applied = apply(&lab, target, &planned.plan.hash).await;
    let moved: Vec<&str> = applied
        .report
        .moved
        .iter()
        .map(|(group, _)| group.as_str())
        .collect();
    assert_eq!(moved, [finance.as_str()]);
    let (_, copy) = redacted(&read(&lab, &applied.run)).await;
    let groupcast::recording::Outcome::Returned(report) = &copy.ending.outcome else {
        panic!("{:?}", copy.ending);
    };
    assert_eq!(report["applied"], applied.report.applied, "{report}");
    assert_eq!(report["moved"][0][0], finance.as_str(), "{report}");
    assert_eq!(replay(copy).await.difference, None);
}
