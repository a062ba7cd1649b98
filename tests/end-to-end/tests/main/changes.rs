//! A sync that reads what changed: how many requests it takes, and what makes it read everything after all. Requests are
//! counted on the wire, a batch as one; those for tokens are not.

use groupcast::run::SyncOutcome;
use groupcast::store::DirectoryKey;
use groupcast_simulators::Vendor;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{BOTH, Lab, Target, people, user};
use serde_json::Value;

const SMALL: Size = Size {
    users: 40,
    groups: 12,
    memberships: 48,
};

/// Requests since the log was cleared: to JumpCloud, and to the target.
fn sent(lab: &Lab, target: Target) -> (usize, usize) {
    let count = |vendor| {
        lab.simulators
            .requests()
            .iter()
            .filter(|request| {
                request.vendor == vendor && !request.in_batch && !request.path.ends_with("/token")
            })
            .count()
    };
    (count(Vendor::Jumpcloud), count(target.vendor()))
}

fn listing(lab: &Lab, target: Target) -> String {
    let lines: Vec<String> = lab
        .simulators
        .requests()
        .iter()
        .filter(|request| request.vendor == Vendor::Jumpcloud || request.vendor == target.vendor())
        .map(|request| {
            format!(
                "{} {}?{} -> {}",
                request.method, request.path, request.query, request.status
            )
        })
        .collect();
    lines.join("\n")
}

/// An organisation in step with a target, and remembered as at rest.
async fn at_rest(size: Size, target: Target) -> Lab {
    let mut lab = Lab::with(size, |_| ()).await;
    let events = lab.simulators.addresses().jumpcloud.clone();
    lab.section("jumpcloud")
        .insert("events_url".to_owned(), events.into());
    lab.plan_and_apply(target).await;
    // The feed must have shown something once, or its silence would prove nothing.
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(0), Some("user-000000@example.com")));
    for _ in 0..2 {
        lab.sync(target).await;
    }
    lab.simulators.clear_requests();
    lab
}

/// What became of a sync: groups looked at, operations applied, whether it read everything.
async fn sync(lab: &Lab, target: Target) -> (u64, u64, bool) {
    match lab.sync(target).await {
        SyncOutcome::Nothing(plan) | SyncOutcome::Planned { plan, .. } => {
            (plan.summary.groups, 0, plan.summary.verified_at.is_none())
        }
        SyncOutcome::Applied { plan, apply } => {
            assert_eq!(apply.report.failed, 0);
            assert!(apply.report.moved.is_empty(), "{:?}", apply.report.moved);
            (
                plan.summary.groups,
                apply.report.applied,
                plan.summary.verified_at.is_none(),
            )
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_without_changes_a_sync_costs_the_same_few_requests_whatever_the_size() {
    for (size, target) in [
        (SMALL, Target::Google),
        (SMALL, Target::Entra),
        (
            Size {
                users: 800,
                groups: 500,
                memberships: 2_000,
            },
            Target::Google,
        ),
        (
            Size {
                users: 800,
                groups: 500,
                memberships: 2_000,
            },
            Target::Entra,
        ),
    ] {
        let lab = at_rest(size, target).await;
        assert_eq!(sync(&lab, target).await, (0, 0, false));
        let expected = match target {
            Target::Google => (1, 0),
            Target::Entra => (1, 1),
        };
        assert_eq!(sent(&lab, target), expected, "{}", listing(&lab, target));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_one_new_member_costs_a_few_requests_whatever_the_size() {
    for size in [
        SMALL,
        Size {
            users: 800,
            groups: 500,
            memberships: 2_000,
        },
    ] {
        for target in BOTH {
            let lab = at_rest(size, target).await;
            let group = format!("b{:023x}", 7);
            let there = lab.jumpcloud(|jumpcloud| {
                Ok::<_, ()>(
                    jumpcloud
                        .organisation()
                        .groups
                        .iter()
                        .find(|candidate| candidate.id == group)
                        .unwrap()
                        .users
                        .clone(),
                )
            });
            let new = (0..40).map(user).find(|user| !there.contains(user)).unwrap();
            lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&group, &new));
            assert_eq!(sync(&lab, target).await, (1, 1, false));
            let counts = sent(&lab, target);
            let expected = match target {
                Target::Google => (13, 7),
                Target::Entra => (15, 8),
            };
            assert_eq!(counts, expected, "{}", listing(&lab, target));
            lab.simulators.clear_requests();
            // Our own write is looked at once more, where a feed tells of it twice, and then nothing is.
            let again = match target {
                Target::Google => 1,
                Target::Entra => 2,
            };
            for _ in 0..again {
                assert_eq!(sync(&lab, target).await, (1, 0, false));
            }
            assert_eq!(sync(&lab, target).await, (0, 0, false));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r49_whoever_is_deleted_or_leaves_is_taken_out_without_reading_everything() {
    for target in BOTH {
        let mut lab = at_rest(SMALL, target).await;
        let id = lab.group("Three", Some("three@example.com"), &[1, 2, 3]);
        sync(&lab, target).await;
        sync(&lab, target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(1)));
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(2)));
        let (_, applied, whole) = sync(&lab, target).await;
        assert!(applied >= 2 && !whole, "{applied} {whole}");
        assert_eq!(lab.people(target, "Three", "three@example.com"), people(&[3]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r05_a_change_in_a_nested_group_reaches_the_groups_around_it() {
    let target = Target::Google;
    let mut lab = at_rest(SMALL, target).await;
    let outer = lab.group("Outer", Some("outer@example.com"), &[1]);
    let inner = lab.group("Inner", None, &[]);
    lab.jumpcloud(|jumpcloud| jumpcloud.unbind_group(&inner, groupcast_tests::GOOGLE_DIRECTORY));
    lab.jumpcloud(|jumpcloud| jumpcloud.nest(&outer, &inner));
    sync(&lab, target).await;
    sync(&lab, target).await;
    sync(&lab, target).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&inner, &user(5)));
    assert_eq!(sync(&lab, target).await, (1, 1, false));
    assert_eq!(lab.people(target, "Outer", "outer@example.com"), people(&[1, 5]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proven_leads_to_reading_everything() {
    // An event whose kind asks for it; a directory's own settings are one.
    let target = Target::Google;
    let lab = at_rest(SMALL, target).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.set_groups_enabled(groupcast_tests::GOOGLE_DIRECTORY, false));
    assert_eq!(sync(&lab, target).await, (12, 0, true));
    assert_eq!(sync(&lab, target).await, (0, 0, false), "once");

    // Settings that changed.
    let mut lab = lab;
    lab.set(target, "suspended", "remove");
    assert_eq!(sync(&lab, target).await, (12, 0, true));

    // The feed lost the newest event that it showed: whatever else it lost is not known.
    edit(&lab, target, |memory| {
        memory["cursor"]["newest"] = "ffffffffffffffffffffffff".into();
    })
    .await;
    assert_eq!(sync(&lab, target).await, (12, 0, true));

    // It is time.
    edit(&lab, target, |memory| {
        let at = memory["verified_at"].as_u64().unwrap();
        memory["verified_at"] = (at - 6 * 3_600).into();
    })
    .await;
    assert_eq!(sync(&lab, target).await, (12, 0, true));

    // Entra's feed cannot be gone on from: 410.
    let target = Target::Entra;
    let lab = at_rest(SMALL, target).await;
    edit(&lab, target, |memory| {
        let mark = memory["marks"]["from"].as_str().unwrap();
        let (before, _) = mark.split_once("$deltatoken=").unwrap_or((mark, ""));
        memory["marks"]["from"] = format!("{before}$deltatoken=forgotten").into();
    })
    .await;
    assert_eq!(sync(&lab, target).await, (12, 0, true));
    assert_eq!(sync(&lab, target).await, (0, 0, false), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_drift_is_found_by_the_feed_in_entra_and_by_reading_everything_in_google() {
    for target in BOTH {
        let mut lab = at_rest(SMALL, target).await;
        lab.group("Three", Some("three@example.com"), &[1, 2, 3]);
        for _ in 0..3 {
            sync(&lab, target).await;
        }
        match target {
            Target::Google => {
                assert!(
                    lab.google(|google| google.remove_member("three@example.com", "user-000002@example.com"))
                );
            }
            Target::Entra => {
                let group = lab.entra_groups("Three").remove(0);
                let member = group.members[1].id.clone();
                assert!(lab.entra(|entra| entra.remove_member(&group.id, &member)));
            }
        }
        let found = sync(&lab, target).await;
        if target == Target::Google {
            assert_eq!(found, (0, 0, false), "Google has no feed of membership changes");
            edit(&lab, target, |memory| memory["verified_at"] = 0.into()).await;
            assert!(sync(&lab, target).await.2);
        } else {
            assert_eq!(found, (1, 1, false));
        }
        assert_eq!(
            lab.people(target, "Three", "three@example.com"),
            people(&[1, 2, 3])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_shows_late_is_seen_when_it_shows() {
    let target = Target::Google;
    let lab = at_rest(SMALL, target).await;
    lab.simulators.with_jumpcloud(|jumpcloud| {
        jumpcloud.behaviour_mut().events_late_ms = 1_500;
        jumpcloud.behaviour_mut().events_late_every = 1;
    });
    let group = format!("b{:023x}", 3);
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_description(&group, Some("late")));
    lab.simulators
        .with_jumpcloud(|jumpcloud| jumpcloud.behaviour_mut().events_late_ms = 0);
    // One that happened after it shows before it.
    lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(0), Some("user-000000@example.com")));
    sync(&lab, target).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    let (_, applied, whole) = sync(&lab, target).await;
    assert_eq!((applied, whole), (1, false));
}

/// Changes what the component remembers.
async fn edit(lab: &Lab, target: Target, change: impl FnOnce(&mut Value)) {
    let groupcast = lab.groupcast().await;
    let store = groupcast.store();
    let identity = match target {
        Target::Google => "example.com",
        Target::Entra => "aaaaaaaa-0000-4000-8000-000000000000",
    };
    let key = DirectoryKey::new("default", target.name(), identity);
    let entry = store.state_get(&key, "changes").await.unwrap().unwrap();
    let mut memory: Value = serde_json::from_slice(&entry.value).unwrap();
    change(&mut memory);
    let bytes = serde_json::to_vec(&memory).unwrap();
    store
        .state_put(&key, "changes", &bytes, Some(entry.version))
        .await
        .unwrap()
        .unwrap();
}
