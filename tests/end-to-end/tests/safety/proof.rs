//! R42: what is not proven complete takes nobody out of a group. Adds and other groups go on, the report says why, and
//! once the vendor answers well again, all of it is made up for.

use groupcast::run::{PlanOutcome, SyncOutcome};
use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{BOTH, Lab, Target, codes, part, people, user};

use crate::support::{
    answer, exported, heal, json, ledger_agrees, members_of, removals, rule, sales, says, strike,
};

/// The plan that a sync made, whatever became of it.
fn plan_of(outcome: SyncOutcome) -> PlanOutcome {
    match outcome {
        SyncOutcome::Nothing(plan)
        | SyncOutcome::Planned { plan, .. }
        | SyncOutcome::Applied { plan, .. } => plan,
    }
}

/// The exported `Sales` of 0 to 3, of whom 0 leaves while 4 comes, and another group that grows.
async fn changing(target: Target) -> (Lab, String) {
    let mut lab = Lab::new().await;
    let sales = lab.group("Sales", Some("sales@example.com"), &[0, 1, 2, 3]);
    let support = lab.group("Support", Some("support@example.com"), &[5, 6]);
    lab.plan_and_apply(target).await;
    lab.simulators.clear_requests();
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&sales, &user(0)));
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &user(4)));
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&support, &user(7)));
    lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&support, &user(6)));
    (lab, sales)
}

/// Syncs under faults: nobody leaves `Sales`, the other group is kept up in full, and the part says why.
async fn frozen(lab: &Lab, target: Target, what: &str) {
    let plan = plan_of(lab.sync(target).await);
    let frozen = part(&plan, "Sales");
    assert_eq!(
        frozen.state,
        GroupState::Frozen,
        "{what}, {target:?}: {frozen:#?}"
    );
    assert!(
        frozen.reasons.iter().any(|reason| !reason.message.is_empty()),
        "{what}: {frozen:#?}"
    );
    let now = sales(lab, target).unwrap();
    for number in 0..4 {
        assert!(now.contains(&number), "{what}, {target:?}: {now:?}");
    }
    assert_eq!(
        lab.people(target, "Support", "support@example.com"),
        people(&[5, 7]),
        "{what}, {target:?}: the other group goes on"
    );
    assert_eq!(
        removals(lab, target),
        1,
        "{what}, {target:?}: {:#?}",
        lab.writes(target.vendor())
    );
}

/// The faults are over.
async fn converges(lab: &Lab, target: Target, what: &str) {
    heal(lab);
    lab.sync(target).await;
    assert_eq!(sales(lab, target), people(&[1, 2, 3, 4]), "{what}, {target:?}");
    ledger_agrees(lab, target).await;
    lab.simulators.clear_requests();
    lab.sync(target).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "{what}, {target:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_membership_list_that_falls_short_freezes_the_removals_of_that_group_alone() {
    for target in BOTH {
        for (what, fault, adds) in [
            ("a page that leads to itself", Fault::LoopPage, true),
            (
                "a page that cannot be read",
                answer(429, &[("retry-after", "1000000")], "application/json", "{}"),
                false,
            ),
            ("a refusal", json(400, r#"{"message":"Bad Request"}"#), false),
            (
                "it is said not to exist",
                json(404, r#"{"message":"Not Found"}"#),
                false,
            ),
            (
                "a list with nothing in it that is none",
                json(200, r#"{"results":[]}"#),
                false,
            ),
        ] {
            let (lab, id) = changing(target).await;
            strike(&lab, members_of(&id, fault));
            frozen(&lab, target, what).await;
            if adds {
                assert!(sales(&lab, target).unwrap().contains(&4), "{what}: adds go on");
            }
            converges(&lab, target, what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_list_that_lacks_people_and_claims_to_be_whole_removes_nobody_the_second_read_still_lists() {
    for target in BOTH {
        let (lab, id) = changing(target).await;
        // The first read lacks two of those who are in the group; the second shows them.
        strike(
            &lab,
            Rule {
                times: Some(1),
                ..members_of(&id, Fault::DropItems { count: 2 })
            },
        );
        let plan = plan_of(lab.sync(target).await);
        let sales_part = part(&plan, "Sales");
        assert!(says(sales_part, "reads-disagree"), "{target:?}: {sales_part:#?}");
        assert!(
            sales(&lab, target)
                .unwrap()
                .is_superset(&people(&[1, 2, 3]).unwrap())
        );
        assert_eq!(
            lab.people(target, "Support", "support@example.com"),
            people(&[5, 7]),
            "{target:?}"
        );
        converges(&lab, target, "two reads that disagree").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_second_read_that_fails_confirms_nothing() {
    for target in BOTH {
        let (lab, id) = changing(target).await;
        strike(
            &lab,
            Rule {
                skip: 1,
                times: Some(1),
                ..members_of(&id, json(400, r#"{"message":"Bad Request"}"#))
            },
        );
        frozen(&lab, target, "the second read fails").await;
        converges(&lab, target, "the second read fails").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_r6_an_empty_answer_for_every_group_removes_nobody() {
    for target in BOTH {
        let (lab, _) = changing(target).await;
        // 200, an empty array, and no word of a count: both reads agree, and both are wrong.
        strike(
            &lab,
            rule(
                Vendor::Jumpcloud,
                "GET",
                "/api/v2/usergroups/*/membership",
                json(200, "[]"),
            ),
        );
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]), "{target:?}");
        converges(&lab, target, "empty answers").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_the_lists_of_groups_and_of_who_is_bound_prove_no_release_when_they_fall_short() {
    for target in BOTH {
        let collection = match target {
            Target::Google => "gsuites",
            Target::Entra => "office365s",
        };
        let associations = format!("/api/v2/{collection}/*/associations");
        for (what, path, fault) in [
            (
                "groups short",
                "/api/v2/usergroups",
                Fault::DropItems { count: 1 },
            ),
            ("groups empty", "/api/v2/usergroups", json(200, "[]")),
            ("groups looped", "/api/v2/usergroups", Fault::LoopPage),
            ("groups refused", "/api/v2/usergroups", json(400, "{}")),
            ("bound looped", &associations, Fault::LoopPage),
            ("bound refused", &associations, json(400, "{}")),
            (
                "bound unread",
                &associations,
                answer(200, &[], "text/html", "<html>please log in</html>"),
            ),
        ] {
            let (lab, _) = exported(target).await;
            strike(&lab, rule(Vendor::Jumpcloud, "GET", path, fault));
            lab.sync(target).await;
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{what}, {target:?}");
            heal(&lab);
            let plan = lab.plan(target).await;
            assert_eq!(
                part(&plan, "Sales").state,
                GroupState::Managed,
                "{what}, {target:?}"
            );
            assert!(!plan.plan.has_work(), "{what}, {target:?}: {plan:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_list_of_bound_groups_that_lacks_one_and_claims_to_be_whole_changes_nothing_in_the_target() {
    for target in BOTH {
        let collection = match target {
            Target::Google => "gsuites",
            Target::Entra => "office365s",
        };
        let (lab, _) = exported(target).await;
        strike(
            &lab,
            rule(
                Vendor::Jumpcloud,
                "GET",
                &format!("/api/v2/{collection}/*/associations"),
                Fault::DropItems { count: 1 },
            ),
        );
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        assert_eq!(sales(&lab, target), people(&[0, 1, 2, 3]));
        heal(&lab);
        lab.sync(target).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        let plan = lab.plan(target).await;
        assert_eq!(
            part(&plan, "Sales").state,
            GroupState::Managed,
            "{target:?}: {plan:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_r49_a_person_who_is_missing_from_the_list_of_people_is_not_gone() {
    for target in BOTH {
        for fault in [
            Fault::DropItems { count: 7 },
            Fault::LoopPage,
            json(200, r#"{"results":[],"totalCount":0}"#),
        ] {
            let (lab, _) = exported(target).await;
            strike(
                &lab,
                rule(Vendor::Jumpcloud, "GET", "/api/systemusers", fault.clone()),
            );
            lab.sync(target).await;
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{fault:?}, {target:?}");
            assert_eq!(
                sales(&lab, target),
                people(&[0, 1, 2, 3]),
                "{fault:?}, {target:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_target_that_is_not_read_whole_loses_nobody_and_gets_nobody_twice() {
    for target in BOTH {
        let path = match target {
            Target::Google => "/admin/directory/v1/groups/*/members",
            Target::Entra => "/v1.0/groups/*/members",
        };
        for fault in [
            Fault::LoopPage,
            json(400, r#"{"error":{"code":"BadRequest","message":"no"}}"#),
        ] {
            let (lab, id) = exported(target).await;
            lab.jumpcloud(|jumpcloud| jumpcloud.remove_user_from_group(&id, &user(0)));
            strike(&lab, rule(target.vendor(), "GET", path, fault.clone()));
            let plan = plan_of(lab.sync(target).await);
            assert_eq!(removals(&lab, target), 0, "{fault:?}, {target:?}");
            let frozen = part(&plan, "Sales");
            assert_eq!(
                frozen.state,
                GroupState::Frozen,
                "{fault:?}, {target:?}: {frozen:#?}"
            );
            assert!(codes(frozen).contains(&"target-incomplete"), "{frozen:#?}");
            assert_eq!(
                sales(&lab, target),
                people(&[0, 1, 2, 3]),
                "{fault:?}, {target:?}"
            );
            heal(&lab);
            lab.sync(target).await;
            assert_eq!(sales(&lab, target), people(&[1, 2, 3]), "{fault:?}, {target:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_targets_people_that_are_not_read_whole_take_nobody_out() {
    for target in BOTH {
        let path = match target {
            Target::Google => "/admin/directory/v1/users",
            Target::Entra => "/v1.0/users",
        };
        for fault in [
            Fault::DropItems { count: 6 },
            Fault::LoopPage,
            json(
                400,
                r#"{"error":{"code":400,"message":"no","errors":[{"reason":"invalid"}]}}"#,
            ),
        ] {
            let (lab, _) = exported(target).await;
            strike(&lab, rule(target.vendor(), "GET", path, fault.clone()));
            // Whether it says so or not.
            let _ended = lab
                .groupcast()
                .await
                .sync(
                    &target.connection(),
                    groupcast_guest::engine::Extent::Changes,
                    &tokio_util::sync::CancellationToken::new(),
                )
                .await;
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{fault:?}, {target:?}");
            assert_eq!(
                sales(&lab, target),
                people(&[0, 1, 2, 3]),
                "{fault:?}, {target:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_r32_a_directory_that_a_short_list_lacks_is_an_error_and_no_reason_to_release() {
    for target in BOTH {
        let (lab, _) = exported(target).await;
        strike(
            &lab,
            rule(
                Vendor::Jumpcloud,
                "GET",
                "/api/v2/directories",
                Fault::DropItems { count: 2 },
            ),
        );
        let failure = lab.try_plan(target).await.expect_err("no directory, no plan");
        assert!(failure.to_string().contains("directory"), "{failure}");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
        heal(&lab);
        assert!(!lab.plan(target).await.plan.has_work(), "{target:?}");
    }
}
