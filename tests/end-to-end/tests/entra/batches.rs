//! Many writes at once: twenty members in an addition, twenty requests in a batch; what is refused is split down to the
//! culprit, and what is so already is a success (R40).

use std::collections::BTreeSet;

use groupcast::run::ApplyOutcome;
use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::Operation;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{Lab, part, user};

use crate::looking::{
    ENTRA, applied, as_members, binds, creations, existing, existing_id, exported, fresh, heal, joins, lag,
    leaves, members, mutations, object, objects, once_asked, only, organised, removals, rule, settled,
    strike, take,
};

const AN_HOUR: u64 = 3_600_000;

/// Lets a run remove as much as a test wants.
fn unlimited(lab: &mut Lab) {
    let limits: toml::Table = "group_removals = { count = 100000 }\nrun_removals = { count = 100000 }"
        .parse()
        .unwrap();
    lab.set(ENTRA, "limits", limits);
}

/// How the additions and removals of a person ended.
fn settlements(outcome: &ApplyOutcome, principal: &str) -> Vec<Option<Settlement>> {
    outcome
        .outcomes
        .iter()
        .filter(|outcome| {
            matches!(&outcome.operation,
                Operation::AddMember { principal: whom, .. } | Operation::RemoveMember { principal: whom, .. }
                    if whom == principal)
        })
        .map(|outcome| outcome.settlement)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_over_twenty_people_are_added_twenty_at_a_time_each_once() {
    for (count, requests) in [(19, 1), (20, 1), (21, 2), (45, 3)] {
        let mut lab = organised(count, |_| ()).await;
        let everybody: Vec<usize> = (0..count).collect();
        lab.group("Sales", None, &everybody);
        lab.plan_and_apply(ENTRA).await;
        assert_eq!(members(&lab, &only(&lab, "Sales").id), objects(0..count));
        let sizes: Vec<usize> = mutations(&lab)
            .iter()
            .map(|request| binds(request).len())
            .filter(|size| *size > 0)
            .collect();
        assert_eq!(sizes.len(), requests, "{sizes:?}");
        assert!(sizes.iter().all(|size| *size <= 20), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), count, "nobody twice");
        settled(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_over_twenty_people_are_removed_in_batches_each_once() {
    let mut lab = organised(60, |_| ()).await;
    unlimited(&mut lab);
    let everybody: Vec<usize> = (0..60).collect();
    let (source, target) = exported(&mut lab, &everybody).await;
    for number in 0..45 {
        leaves(&lab, &source, number);
    }
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects(45..60));
    let removed = removals(&lab);
    assert_eq!(removed.len(), 45);
    assert_eq!(
        removed.into_iter().collect::<BTreeSet<_>>(),
        (0..45).map(|number| (target.clone(), object(number))).collect()
    );
    assert!(mutations(&lab).iter().all(|request| request.in_batch));
    let batches = lab
        .simulators
        .requests()
        .iter()
        .filter(|request| request.path == "/v1.0/$batch")
        .filter(|request| {
            let parts = request.body.as_ref().unwrap()["requests"].as_array().unwrap();
            assert!(parts.len() <= 20);
            parts.iter().any(|part| part["method"] == "DELETE")
        })
        .count();
    assert_eq!(batches, 3, "twenty, twenty and five");
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_many_groups_at_once_each_get_their_own_people() {
    let mut lab = organised(30, |_| ()).await;
    for number in 0..30 {
        lab.group(&format!("Group {number}"), None, &[number, (number + 1) % 30]);
    }
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(creations(&lab).len(), 30);
    for number in 0..30 {
        assert_eq!(
            members(&lab, &only(&lab, &format!("Group {number}")).id),
            objects([number, (number + 1) % 30])
        );
    }
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_one_who_is_there_already_does_not_fail_the_other_nineteen() {
    let mut lab = organised(25, |_| ()).await;
    let (source, target) = exported(&mut lab, &[0]).await;
    // Put there by hand, and reads do not show it yet: the addition of all twenty is refused whole.
    lag(&lab, 0, AN_HOUR);
    assert!(lab.entra(|entra| {
        entra.add_member(&target, &object(7), groupcast_simulators::entra::ObjectType::User)
    }));
    for number in 1..=20 {
        joins(&lab, &source, number);
    }
    let refused = |request: &groupcast_simulators::log::LoggedRequest| {
        request.status == 400 && binds(request) == [object(7)]
    };
    let (outcome, ()) = tokio::join!(applied(&lab), once_asked(&lab, refused, |lab| lag(lab, 0, 0)));
    assert_eq!(members(&lab, &target), objects(0..=20));
    let sent = mutations(&lab);
    assert_eq!(binds(&sent[0]).len(), 20, "{sent:#?}");
    assert_eq!(sent[0].status, 400);
    let good: BTreeSet<String> = sent
        .iter()
        .filter(|request| request.status == 204)
        .flat_map(binds)
        .collect();
    assert_eq!(
        good,
        &objects(1..=20) - &objects([7]),
        "everybody else, by halves"
    );
    assert!(sent.len() <= 11, "halved and not sent one by one: {}", sent.len());
    assert_eq!(settlements(&outcome, &object(7)), [Some(Settlement::Already)]);
    settled(&lab).await;

    // Whom the source wanted and found there is kept up like everybody else.
    leaves(&lab, &source, 7);
    applied(&lab).await;
    assert_eq!(members(&lab, &target), &objects(0..=20) - &objects([7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_one_whose_account_vanishes_meanwhile_does_not_fail_the_other_nineteen() {
    let mut lab = organised(25, |_| ()).await;
    let twenty: Vec<usize> = (0..20).collect();
    lab.group("Sales", None, &twenty);
    let plan = lab.plan(ENTRA).await;
    // The creation's answer comes late; in between somebody's account is deleted.
    strike(&lab, rule("PATCH", "/v1.0/*", Fault::Delay { ms: 1_000 }));
    let created =
        |request: &groupcast_simulators::log::LoggedRequest| request.path.starts_with("/v1.0/groups(");
    let created =
        |request: &groupcast_simulators::log::LoggedRequest| request.is_mutation() && created(request);
    let (outcome, ()) = tokio::join!(
        lab.apply(ENTRA, &plan.plan.hash, groupcast::run::Selection::default()),
        once_asked(&lab, created, |lab| {
            assert!(lab.entra(|entra| entra.delete_user(&object(11))));
        })
    );
    let outcome = outcome.unwrap();
    let target = only(&lab, "Sales").id;
    assert_eq!(members(&lab, &target), &objects(0..20) - &objects([11]));
    assert_eq!(outcome.report.failed, 1, "{:#?}", outcome.report);
    assert_eq!(settlements(&outcome, &object(11)), [Some(Settlement::Refused)]);
    heal(&lab);

    let after = lab.plan(ENTRA).await;
    let sales = part(&after, "Sales");
    assert_eq!(
        sales.waiting[0].user,
        user(11),
        "from now on the person waits: {sales:#?}"
    );
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_somebody_who_is_gone_already_is_a_removal_that_succeeded() {
    let mut lab = fresh().await;
    let (source, target) = exported(&mut lab, &[0, 1, 2, 3]).await;
    lag(&lab, 0, AN_HOUR);
    take(&lab, &target, 1);
    leaves(&lab, &source, 1);
    leaves(&lab, &source, 2);
    let refused = |request: &groupcast_simulators::log::LoggedRequest| {
        request.method == "DELETE" && request.status == 404
    };
    let (outcome, ()) = tokio::join!(applied(&lab), once_asked(&lab, refused, |lab| lag(lab, 0, 0)));
    assert_eq!(members(&lab, &target), objects([0, 3]));
    assert_eq!(settlements(&outcome, &object(1)), [Some(Settlement::Already)]);
    assert_eq!(settlements(&outcome, &object(2)), [Some(Settlement::Applied)]);
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_refusal_for_no_reason_of_one_request_is_split_and_the_rest_goes_on() {
    let mut lab = organised(25, |_| ()).await;
    let (source, target) = exported(&mut lab, &[0]).await;
    for number in 1..=20 {
        joins(&lab, &source, number);
    }
    strike(
        &lab,
        Rule {
            times: Some(1),
            ..rule(
                "PATCH",
                "/v1.0/groups/*",
                crate::looking::answer(400, "Request_BadRequest", &[]),
            )
        },
    );
    applied(&lab).await;
    assert_eq!(members(&lab, &target), objects(0..=20));
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_group_that_graph_refuses_to_change_does_not_fail_another() {
    let mut lab = fresh().await;
    let mut hand_made = existing(1, "Sales");
    hand_made.members = as_members([0]);
    lab.entra(|entra| entra.create_group(hand_made));
    let sales = lab.group("Sales", None, &[0]);
    let support = lab.group("Support", None, &[1]);
    lab.plan_and_apply(ENTRA).await;
    // Bound, and then somebody puts it under a rule: Graph takes no member any more.
    lab.entra(|entra| {
        entra.change_group(&existing_id(1), |group| {
            group.group_types = vec!["DynamicMembership".to_owned()];
        })
    });
    joins(&lab, &sales, 2);
    joins(&lab, &support, 2);
    lab.sync(ENTRA).await;
    assert_eq!(members(&lab, &only(&lab, "Support").id), objects([1, 2]));
    assert_eq!(members(&lab, &existing_id(1)), objects([0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_r47_an_addition_whose_answer_is_lost_adds_nobody_twice_and_loses_nobody() {
    for fault in [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::AnswerAfter {
            status: 503,
            body: String::new(),
        },
        Fault::Truncate { after: 10 },
    ] {
        let mut lab = organised(25, |_| ()).await;
        let (source, target) = exported(&mut lab, &[0, 24]).await;
        for number in 1..=22 {
            joins(&lab, &source, number);
        }
        leaves(&lab, &source, 24);
        for (method, path) in [
            ("PATCH", "/v1.0/groups/*"),
            ("DELETE", "/v1.0/groups/*/members/*/$ref"),
        ] {
            strike(
                &lab,
                Rule {
                    times: Some(1),
                    ..rule(method, path, fault.clone())
                },
            );
        }
        applied(&lab).await;
        assert_eq!(members(&lab, &target), objects(0..=22), "{fault:?}");
        settled(&lab).await;
    }
}
