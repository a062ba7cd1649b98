//! R6: an empty source is the signature of a broken read.

use groupcast::run::{Selection, SyncOutcome};
use groupcast_guest::plan::part::GroupState;
use groupcast_tests::{BOTH, changes, part, people, user};

use crate::support::{exported, ledger_agrees, removals, sales, says};

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_group_that_becomes_empty_keeps_its_target_and_its_members_until_that_part_is_approved() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        for number in 0..4 {
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(number)));
        }
        lab.group("Support", Some("support@example.com"), &[5]);

        let outcome = lab.sync(target).await;
        let SyncOutcome::Applied { plan, .. } = outcome else {
            panic!("the other group goes on: {outcome:#?}");
        };
        let emptied = part(&plan, "Sales");
        assert_eq!(changes(emptied), (0, 0), "{target:?}: {emptied:#?}");
        assert_eq!(emptied.held.len(), 4, "{target:?}: {emptied:#?}");
        assert_eq!(emptied.state, GroupState::Held);
        assert!(says(emptied, "empty-source"));
        assert_eq!(removals(&lab, target), 0, "{target:?}");
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]), "{target:?}");
        assert_eq!(lab.people(target, "Support", "support@example.com"), people(&[5]));

        // Approving the plan as it stands does not release what is held.
        let plan = lab.plan(target).await;
        lab.apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap();
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]), "{target:?}");
        assert_eq!(removals(&lab, target), 0, "{target:?}");

        // Approving exactly that part, with what it holds, does.
        let plan = lab.plan(target).await;
        let chosen = Selection {
            groups: Some(vec!["Sales".to_owned()]),
            release_held: true,
        };
        let outcome = lab.apply(target, &plan.plan.hash, chosen).await.unwrap();
        assert_eq!((outcome.report.failed, outcome.report.moved.len()), (0, 0));
        assert_eq!(
            sales(&lab, target),
            people(&[]),
            "{target:?}: the group stays, empty"
        );
        ledger_agrees(&lab, target).await;
        lab.simulators.clear_requests();
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_r49_people_whose_own_record_is_gone_leave_a_group_that_is_empty_now() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(0)));
        for number in 1..4 {
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(number)));
        }
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[1, 2, 3]), "{target:?}");
        assert_eq!(removals(&lab, target), 1, "{target:?}");
    }
}
