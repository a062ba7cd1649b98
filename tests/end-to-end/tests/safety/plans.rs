//! R44: a plan is an artefact. The same world gives the same hash, and apply does exactly what was approved of it: a
//! group that moved is refused with what moved, and the others go on.

use std::sync::Arc;

use groupcast::run::{Groupcast, NoObserver, RunFailure, Selection, SyncOutcome};
use groupcast::store::{SqliteStore, Store};
use groupcast_tests::{BOTH, Lab, Target, component, people, user};
use tokio_util::sync::CancellationToken;

use crate::support::{
    exported, groups, heal, json, ledger_agrees, put_by_hand, removals, rule, sales, strike, take_by_hand,
    writes_of,
};

fn only(groups: &[&str]) -> Selection {
    Selection {
        groups: Some(groups.iter().map(|name| (*name).to_owned()).collect()),
        release_held: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_an_unchanged_world_gives_the_same_hash_and_a_changed_one_another() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let id = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        lab.group("Support", Some("support@example.com"), &[2]);
        let first = lab.plan(target).await;
        let second = lab.plan(target).await;
        assert_eq!(first.plan.hash, second.plan.hash, "{target:?}");
        assert_eq!(first.plan.parts, second.plan.parts);
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(3)));
        let third = lab.plan(target).await;
        assert_ne!(first.plan.hash, third.plan.hash, "{target:?}");
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(3)));
        assert_eq!(first.plan.hash, lab.plan(target).await.plan.hash, "{target:?}");
    }
}

/// What moves a group between its plan and its apply.
type Move = (&'static str, fn(&mut Lab, Target, &str));

const MOVES: [Move; 6] = [
    ("joined in the source", |lab, _, id| {
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(id, &user(6)));
    }),
    ("left in the source", |lab, _, id| {
        lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(id, &user(1)));
    }),
    ("renamed in the source", |lab, _, id| {
        lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(id, "Sales!"));
    }),
    ("deleted in the source", |lab, _, id| {
        lab.jumpcloud(|jumpcloud| jumpcloud.delete_group(id));
    }),
    ("joined in the target", |lab, target, _| {
        put_by_hand(lab, target, "Sales", "sales@example.com", 7);
    }),
    ("left in the target", |lab, target, _| {
        take_by_hand(lab, target, "Sales", "sales@example.com", 3);
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_group_that_moved_is_refused_with_what_moved_and_the_others_are_applied() {
    for target in BOTH {
        for (what, happens) in MOVES {
            let (mut lab, id) = exported(target).await;
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
            lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
            lab.group("Support", Some("support@example.com"), &[5]);
            let plan = lab.plan(target).await;
            happens(&mut lab, target, &id);
            let before = sales(&lab, target);
            let outcome = lab
                .apply(target, &plan.plan.hash, Selection::default())
                .await
                .unwrap_or_else(|failure| panic!("{what}, {target:?}: {failure}"));
            let [(group, moved)] = outcome.report.moved.as_slice() else {
                panic!("{what}, {target:?}: {:#?}", outcome.report);
            };
            assert_eq!(group, &id);
            assert!(
                moved.len() > 10,
                "{what}, {target:?}: it says what moved: {moved}"
            );
            assert_eq!(sales(&lab, target), before, "{what}, {target:?}: untouched");
            assert_eq!(removals(&lab, target), 0, "{what}, {target:?}");
            assert_eq!(
                lab.people(target, "Support", "support@example.com"),
                people(&[5]),
                "{what}, {target:?}: the other group is applied"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_group_that_is_to_be_created_and_exists_meanwhile_is_refused() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    let plan = lab.plan(Target::Google).await;
    lab.google(|google| {
        google.create_group(groupcast_simulators::google::tenant::Group {
            id: "0somebodyelses".to_owned(),
            email: "sales@example.com".to_owned(),
            name: "Somebody else's".to_owned(),
            description: String::new(),
            aliases: Vec::new(),
            external_ids: Vec::new(),
            members: Vec::new(),
            refuses_external_members: false,
        });
    });
    let outcome = lab
        .apply(Target::Google, &plan.plan.hash, Selection::default())
        .await
        .unwrap();
    assert_eq!(outcome.report.moved.len(), 1, "{:#?}", outcome.report);
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_apply_does_the_approved_parts_and_no_others() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        for name in ["one", "two", "three"] {
            lab.group(name, Some(&format!("{name}@example.com")), &[0, 1]);
        }
        let plan = lab.plan(target).await;
        lab.apply(target, &plan.plan.hash, only(&["two"])).await.unwrap();
        assert_eq!(groups(&lab, target), 1, "{target:?}");
        assert_eq!(lab.people(target, "two", "two@example.com"), people(&[0, 1]));
        // A part that was approved does not make the connection go by itself.
        let outcome = lab.sync(target).await;
        assert!(
            matches!(outcome, SyncOutcome::Planned { .. }),
            "{target:?}: {outcome:#?}"
        );
        assert_eq!(groups(&lab, target), 1, "{target:?}");
        let unknown = lab
            .apply(target, &plan.plan.hash, only(&["four"]))
            .await
            .unwrap_err();
        assert!(unknown.message.contains("four"), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_plan_that_was_half_applied_can_be_applied_again() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
        let plan = lab.plan(target).await;
        // The creation goes, the additions do not.
        let (method, path) = writes_of(target)[1];
        strike(
            &lab,
            rule(
                target.vendor(),
                method,
                path,
                crate::support::answer(429, &[("retry-after", "1000000")], "application/json", "{}"),
            ),
        );
        let first = lab.apply(target, &plan.plan.hash, Selection::default()).await;
        heal(&lab);
        let failure = first.expect_err("the additions are throttled");
        assert!(failure.message.contains("again"), "{target:?}: {failure}");
        assert_eq!(
            (groups(&lab, target), sales(&lab, target)),
            (1, people(&[])),
            "{target:?}"
        );
        let second = lab.apply(target, &plan.plan.hash, Selection::default()).await;
        if let Ok(second) = &second {
            assert_eq!(
                (second.report.failed, second.report.moved.len()),
                (0, 0),
                "{second:#?}"
            );
        }
        assert_eq!(sales(&lab, target), people(&[0, 1, 2]), "{target:?}: {second:#?}");
        assert_eq!(groups(&lab, target), 1, "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_one_part_that_is_refused_can_be_planned_and_approved_anew() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        let plan = lab.plan(target).await;
        // The vendor refuses the one addition for good.
        let (method, path) = writes_of(target)[1];
        strike(
            &lab,
            rule(
                target.vendor(),
                method,
                path,
                json(
                    403,
                    r#"{"error":{"code":403,"message":"Not allowed","errors":[{"reason":"forbidden","message":"Not allowed"}]}}"#,
                ),
            ),
        );
        let outcome = lab.apply(target, &plan.plan.hash, Selection::default()).await;
        assert_eq!(
            sales(&lab, target),
            people(&[0, 1, 2, 3]),
            "{target:?}: {outcome:#?}"
        );
        heal(&lab);
        lab.plan_and_apply(target).await;
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3, 4]), "{target:?}");
        ledger_agrees(&lab, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_new_connection_only_plans_until_a_plan_was_approved() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        let id = lab.group("Sales", Some("sales@example.com"), &[0]);
        for _ in 0..2 {
            let outcome = lab.sync(target).await;
            let SyncOutcome::Planned { plan, why } = outcome else {
                panic!("{target:?}: {outcome:#?}");
            };
            assert!(why.contains(&plan.plan.hash[..12]), "{why}");
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        lab.plan_and_apply(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(1)));
        let outcome = lab.sync(target).await;
        assert!(
            matches!(outcome, SyncOutcome::Applied { .. }),
            "{target:?}: {outcome:#?}"
        );
        assert_eq!(sales(&lab, target), people(&[0, 1]), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_hash_that_means_no_plan_of_this_connection_is_refused() {
    for (target, other) in [(Target::Google, Target::Entra), (Target::Entra, Target::Google)] {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0]);
        let plan = lab.plan(target).await;
        let others = lab.plan(other).await;
        for hash in [
            &"0".repeat(64),
            &"f".repeat(64),
            "",
            "not a hash",
            "../x",
            others.plan.hash.as_str(),
        ] {
            let refused: RunFailure = lab.apply(target, hash, Selection::default()).await.unwrap_err();
            assert_eq!(
                refused.kind,
                groupcast::run::RunFailureKind::Refused,
                "{hash}: {refused}"
            );
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new());
        // Its beginning is enough.
        lab.apply(target, &plan.plan.hash[..12], Selection::default())
            .await
            .unwrap();
        assert_eq!(sales(&lab, target), people(&[0]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_plan_that_was_applied_is_not_applied_a_second_time() {
    for target in BOTH {
        let (lab, id) = exported(target).await;
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&id, &user(4)));
        let (plan, _) = lab.plan_and_apply(target).await;
        take_by_hand(&lab, target, "Sales", "sales@example.com", 4);
        lab.simulators.clear_requests();
        let refused = lab.apply(target, &plan.plan.hash, Selection::default()).await;
        assert!(refused.is_err(), "{target:?}: {refused:#?}");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_plan_that_has_expired_is_refused() {
    for target in BOTH {
        let mut lab = Lab::new().await;
        lab.group("Sales", Some("sales@example.com"), &[0]);
        let plan = lab.plan(target).await;
        let config = groupcast::config::Config::load(&lab.config_file()).unwrap();
        let later = plan.plan.expires;
        let store: Arc<dyn Store> = Arc::new(
            SqliteStore::open_with_clock(&config.store_path, Arc::new(move || later))
                .await
                .unwrap(),
        );
        let (engine, plugin) = component();
        let setups = groupcast::run::connections(&config).await.unwrap();
        let groupcast = Groupcast::with_plugin(setups, store, engine, plugin, Arc::new(NoObserver));
        let refused = groupcast
            .apply(
                &target.connection(),
                &plan.plan.hash,
                Selection::default(),
                &CancellationToken::new(),
            )
            .await
            .expect_err("expired");
        assert!(refused.message.contains("expired"), "{target:?}: {refused}");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
    }
}
