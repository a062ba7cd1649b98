//! R36 to R38: off means that nothing more changes, at once; nothing is lost by it; and on again begins with a plan.

use std::time::Duration;

use groupcast::run::{RunFailureKind, Selection, SyncOutcome};
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{BOTH, Lab, Target, people, user};

use crate::support::{
    exported, groups, heal, ledger, ledger_agrees, put_by_hand, rule, sales, state, strike, writes_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn r36_r37_switched_off_nothing_changes_and_nothing_is_lost() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        let plan_before = {
            lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
            lab.plan(target).await
        };
        let (before, ledger_before) = (state(&lab, target.name()), ledger(&lab, target).await);
        assert!(!ledger_before.is_empty());
        lab.set(target, "managed", false);
        lab.sync(target).await;
        let refused = lab
            .apply(target, &plan_before.plan.hash, Selection::default())
            .await
            .expect_err("refused");
        assert_eq!(refused.kind, RunFailureKind::Refused);
        assert!(refused.message.contains("managed"), "{refused}");
        // Even a group that is unbound or deleted meanwhile changes nothing, in the ledger neither.
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_group(&id));
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(state(&lab, target.name()), before, "{target:?}");
        assert_eq!(ledger(&lab, target).await, ledger_before, "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_disabling_one_directory_does_not_touch_the_other() {
    for (off, on) in [(Target::Google, Target::Entra), (Target::Entra, Target::Google)] {
        let mut lab = Lab::new().await;
        let id = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        lab.plan_and_apply(off).await;
        lab.plan_and_apply(on).await;
        lab.set(off, "managed", false);
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(2)));
        lab.simulators.clear_requests();
        lab.sync(off).await;
        lab.sync(on).await;
        assert_eq!(lab.writes(off.vendor()), Vec::<String>::new());
        assert_eq!(sales(&lab, off), people(&[0, 1]));
        assert_eq!(sales(&lab, on), people(&[0, 1, 2]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_switched_off_in_the_middle_of_a_run_stops_before_the_next_write() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        for number in 0..6 {
            lab.group(
                &format!("Group {number}"),
                Some(&format!("group-{number}@example.com")),
                &[number, 7],
            );
        }
        // The answer to the first write that takes effect is late; meanwhile an administrator switches off.
        let (method, path) = writes_of(target)[0];
        strike(
            &lab,
            Rule {
                times: Some(1),
                ..rule(target.vendor(), method, path, Fault::Delay { ms: 3_000 })
            },
        );
        let plan = lab.plan(target).await;
        let groupcast = lab.groupcast().await;
        let (hash, connection) = (plan.plan.hash.clone(), target.connection());
        let run = tokio::spawn(async move {
            groupcast
                .apply(
                    &connection,
                    &hash,
                    Selection::default(),
                    &tokio_util::sync::CancellationToken::new(),
                )
                .await
        });
        wait_for_a_write(&lab, target).await;
        lab.set(target, "managed", false);
        lab.config_file();
        let before = lab.writes(target.vendor()).len();
        let refused = run.await.unwrap().expect_err("the run stops");
        // Not refused before anything was done: it was on its way.
        assert_eq!(refused.kind, RunFailureKind::Failed, "{target:?}: {refused}");
        assert!(refused.message.contains("switched off"), "{target:?}: {refused}");
        assert_eq!(
            lab.writes(target.vendor()).len(),
            before,
            "{target:?}: no write started after it: {:#?}",
            lab.writes(target.vendor())
        );
        let left = groups(&lab, target);
        heal(&lab);

        // On again: what was done is known, and the rest is planned, not written.
        lab.set(target, "managed", true);
        lab.plan_and_apply(target).await;
        assert_eq!(groups(&lab, target), 6, "{target:?}: {left} were there");
        ledger_agrees(&lab, target).await;
    }
}

async fn wait_for_a_write(lab: &Lab, target: Target) {
    for _ in 0..600 {
        if !lab.writes(target.vendor()).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no write came");
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_enabled_again_a_sync_only_plans_until_somebody_approves() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        lab.set(target, "managed", false);
        lab.sync(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
        put_by_hand(&lab, target, "Sales", "sales@example.com", 6);
        lab.set(target, "managed", true);
        for _ in 0..2 {
            let outcome = lab.sync(target).await;
            let SyncOutcome::Planned { plan, why } = outcome else {
                panic!("{target:?}: {outcome:#?}");
            };
            assert!(why.contains("apply"), "{why}");
            assert!(plan.plan.has_work());
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        lab.plan_and_apply(target).await;
        assert_eq!(sales(&lab, target), people(&[1, 2, 3, 4, 6]), "{target:?}");
        // From here on it goes by itself again.
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(5)));
        lab.sync(target).await;
        assert_eq!(sales(&lab, target), people(&[1, 2, 3, 4, 5, 6]), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_an_apply_that_was_refused_while_off_counts_as_seen_off() {
    for target in BOTH {
        let (mut lab, id) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        let plan = lab.plan(target).await;
        lab.set(target, "managed", false);
        lab.apply(target, &plan.plan.hash, Selection::default())
            .await
            .unwrap_err();
        lab.set(target, "managed", true);
        let outcome = lab.sync(target).await;
        assert!(
            matches!(outcome, SyncOutcome::Planned { .. }),
            "{target:?}: {outcome:#?}"
        );
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}
