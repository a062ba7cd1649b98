//! R49: people who are deleted or suspended in the source. R41: nobody comes and goes in one run.

use std::collections::BTreeSet;

use groupcast::run::SyncOutcome;
use groupcast_guest::plan::part::{GroupState, Operation, RemovalReason};
use groupcast_simulators::faults::Fault;
use groupcast_tests::{BOTH, Lab, part, people, user};

use crate::support::{exported, ledger_agrees, members_of, principal, put_by_hand, removals, sales, strike};

#[tokio::test(flavor = "multi_thread")]
async fn r49_people_deleted_in_the_source_are_removed_before_anything_else_is_written() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        let gone = principal(&lab, target, 1);
        let left = principal(&lab, target, 2);
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(1)));
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(2)));
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        lab.group("Another", Some("another@example.com"), &[5]);
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[0, 3, 4]), "{target:?}");
        let writes = lab.writes(target.vendor());
        let position = |of: &str| {
            writes
                .iter()
                .position(|write| write.starts_with("DELETE ") && write.contains(of))
                .unwrap_or_else(|| panic!("no removal of {of}: {writes:#?}"))
        };
        assert_eq!(position(&gone), 0, "{target:?}: {writes:#?}");
        assert_eq!(position(&left), writes.len() - 1, "{target:?}: {writes:#?}");
        ledger_agrees(&lab, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r49_r42_a_deleted_person_goes_although_the_rest_of_the_group_is_frozen() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(1)));
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(2)));
        // The list claims to be whole and is not: its count gives it away.
        strike(&lab, members_of(&id, Fault::LoopPage));
        let outcome = lab.sync(target).await;
        let SyncOutcome::Applied { plan, .. } = outcome else {
            panic!("{target:?}: {outcome:#?}");
        };
        let frozen = part(&plan, "Sales");
        assert_eq!(frozen.state, GroupState::Frozen, "{target:?}: {frozen:#?}");
        assert!(
            matches!(
                frozen.operations.as_slice(),
                [Operation::RemoveMember {
                    why: RemovalReason::UserDeleted,
                    ..
                }]
            ),
            "{target:?}: {frozen:#?}"
        );
        assert_eq!(removals(&lab, target), 1, "{target:?}");
        assert_eq!(sales(&lab, target), people(&[0, 2, 3]), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r49_suspended_people_stay_unless_the_settings_say_remove() {
    for target in BOTH {
        let (mut lab, _) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.set_suspended(&user(1), true));
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]), "{target:?}");

        lab.set(target, "suspended", "remove");
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[0, 2, 3]), "{target:?}");

        lab.jumpcloud(|jumpcloud| jumpcloud.set_suspended(&user(1), false));
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]), "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r49_a_person_whose_record_cannot_be_read_is_not_taken_for_deleted() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        // Away from the list of people, away from the group, and the record answers with a proxy's page.
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(1)));
        strike(&lab, members_of(&id, Fault::LoopPage));
        strike(
            &lab,
            crate::support::rule(
                groupcast_simulators::Vendor::Jumpcloud,
                "GET",
                &format!("/api/systemusers/{}", user(1)),
                crate::support::answer(404, &[], "text/html", "<html>no such page</html>"),
            ),
        );
        lab.sync(target).await;
        assert_eq!(removals(&lab, target), 0, "{target:?}");
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]), "{target:?}");
    }
}

/// Who is added and who is removed, by (group, principal).
fn comings_and_goings(lab: &Lab, target: groupcast_tests::Target) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut added, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for request in lab.simulators.requests() {
        if request.vendor != target.vendor() || !request.is_mutation() {
            continue;
        }
        let body = request.body.map(|body| body.to_string()).unwrap_or_default();
        for number in 0..8 {
            let (id, address) = (principal(lab, target, number), groupcast_tests::address(number));
            if request.method == "DELETE" && (request.path.contains(&id) || request.path.contains(&address)) {
                removed.insert(id);
            } else if body.contains(&id) || body.contains(&address) {
                added.insert(id);
            }
        }
    }
    (added, removed)
}

#[tokio::test(flavor = "multi_thread")]
async fn r41_nobody_is_both_added_and_removed_in_one_run() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        lab.set(target, "policy", "authoritative");
        // Everything at once: one leaves, one comes, one is deleted, one was put in by hand, and two source users
        // answer to one person of the target.
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(1)));
        put_by_hand(&lab, target, "Sales", "sales@example.com", 5);
        put_by_hand(&lab, target, "Sales", "sales@example.com", 6);
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(6)));
        lab.jumpcloud(|jumpcloud| jumpcloud.set_user_email(&user(7), Some(&groupcast_tests::address(2))));
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(7)));
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(2)));
        lab.sync(target).await;
        let (added, removed) = comings_and_goings(&lab, target);
        assert!(
            !added.is_empty() && !removed.is_empty(),
            "{target:?}: {added:?} {removed:?}"
        );
        assert_eq!(
            added.intersection(&removed).count(),
            0,
            "{target:?}: {added:?} {removed:?}"
        );
        assert_eq!(sales(&lab, target), people(&[2, 3, 4, 6]), "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}
