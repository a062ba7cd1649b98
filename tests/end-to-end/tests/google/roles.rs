//! Owners and managers (R39), and what Google's answers to single writes mean (R40).

use groupcast::ledger::Settlement;
use groupcast::run::{Selection, SyncOutcome};
use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::Fault;
use groupcast_simulators::google::tenant::Role;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{Lab, Target, address};

use crate::looking::{
    answers, as_members, exported, fault, google_id, group_at, groups, heal, held, joins, leaves, members,
    members_path, mutations, nothing_left_to_do, plan_of_sales, refusal, removals, rule, stays_so, strike,
};

const SALES: &str = "sales@example.com";

fn everything() -> Selection {
    Selection {
        groups: None,
        release_held: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_owners_and_managers_who_should_go_are_held_and_no_approval_removes_them() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2, 3]).await;
    lab.google(|google| {
        google.add_member(SALES, &address(1), Role::Owner);
        google.add_member(SALES, &address(2), Role::Manager);
    });
    for gone in [1, 2, 3] {
        leaves(&lab, &id, gone);
    }
    let (plan, sales) = plan_of_sales(&lab).await;
    assert_eq!(
        held(&sales),
        [
            (address(1), "owner".to_owned(), false),
            (address(2), "owner".to_owned(), false)
        ]
        .into()
    );
    lab.apply(Target::Google, &plan.plan.hash, everything())
        .await
        .unwrap();
    let mut expected = as_members(&[0]);
    expected.insert(address(1), Role::Owner);
    expected.insert(address(2), Role::Manager);
    assert_eq!(members(&lab, SALES), expected);
    assert_eq!(removals(&lab), [(group_at(&lab, SALES).id, google_id(3))]);
    stays_so(&lab).await;
    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(held(&sales).len(), 2, "they show as long as it is so: {sales:#?}");

    // Back to a plain member by somebody in Google: now they go.
    lab.google(|google| google.add_member(SALES, &address(1), Role::Member));
    lab.sync(Target::Google).await;
    expected.remove(&address(1));
    assert_eq!(members(&lab, SALES), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_the_last_owner_stays_whatever_happens_in_the_source() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    lab.google(|google| google.add_member(SALES, &address(1), Role::Owner));
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&groupcast_tests::user(1)));
    let (plan, sales) = plan_of_sales(&lab).await;
    assert_eq!(held(&sales), [(address(1), "owner".to_owned(), false)].into());
    if plan.plan.has_work() || plan.plan.has_held() {
        lab.apply(Target::Google, &plan.plan.hash, everything())
            .await
            .unwrap();
    }
    lab.set(Target::Google, "policy", "authoritative");
    lab.sync(Target::Google).await;
    leaves(&lab, &id, 0);
    let plan = lab.plan(Target::Google).await;
    let _outcome = lab.apply(Target::Google, &plan.plan.hash, everything()).await;
    let mut last = as_members(&[]);
    last.insert(address(1), Role::Owner);
    assert_eq!(members(&lab, SALES), last, "the owner alone is left");
    assert!(removals(&lab).iter().all(|(_, member)| *member == google_id(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_somebody_wanted_who_is_owner_or_manager_is_a_member_already_and_keeps_the_role() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0]).await;
    lab.google(|google| {
        google.add_member(SALES, &address(1), Role::Owner);
        google.add_member(SALES, &address(2), Role::Manager);
    });
    joins(&lab, &id, 1);
    joins(&lab, &id, 2);
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    let mut expected = as_members(&[0]);
    expected.insert(address(1), Role::Owner);
    expected.insert(address(2), Role::Manager);
    assert_eq!(members(&lab, SALES), expected);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_somebody_promoted_between_plan_and_apply_is_not_removed() {
    for role in [Role::Owner, Role::Manager] {
        let mut lab = Lab::new().await;
        let id = exported(&mut lab, &[0, 1, 2]).await;
        leaves(&lab, &id, 1);
        let (plan, _) = plan_of_sales(&lab).await;
        lab.google(|google| google.add_member(SALES, &address(1), role));
        let outcome = lab
            .apply(Target::Google, &plan.plan.hash, Selection::default())
            .await;
        assert_eq!(removals(&lab), [], "{outcome:#?}");
        let mut expected = as_members(&[0, 2]);
        expected.insert(address(1), role);
        assert_eq!(members(&lab, SALES), expected);
        let (_, sales) = plan_of_sales(&lab).await;
        assert_eq!(held(&sales), [(address(1), "owner".to_owned(), false)].into());
        stays_so(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_duplicate_is_success_once_the_member_is_read_back() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0]).await;
    let target = group_at(&lab, SALES).id;
    joins(&lab, &id, 1);
    joins(&lab, &id, 2);
    fault(
        &lab,
        "POST",
        &members_path(&target),
        Fault::AnswerAfter {
            status: 409,
            body: refusal(409, "duplicate", "Member already exists."),
        },
    );
    let outcome = lab.sync(Target::Google).await;
    heal(&lab);
    let SyncOutcome::Applied { apply, .. } = outcome else {
        panic!("{outcome:#?}");
    };
    assert!(mutations(&lab).iter().all(|request| request.status == 409));
    assert_eq!(mutations(&lab).len(), 2);
    assert_eq!(apply.report.failed, 0, "{apply:#?}");
    assert!(
        apply
            .outcomes
            .iter()
            .all(|outcome| outcome.settlement == Some(Settlement::Already)),
        "{apply:#?}"
    );
    let reads = lab
        .simulators
        .requests()
        .into_iter()
        .filter(|request| request.vendor == Vendor::Google && request.method == "GET")
        .filter(|request| request.path.contains("/members/") && request.status == 200)
        .count();
    assert_eq!(reads, 2, "each was read back");
    stays_so(&lab).await;
    // They are ours: whoever leaves the source is removed.
    leaves(&lab, &id, 2);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_r46_members_who_show_late_in_the_list_are_not_added_a_second_time() {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |organisation| organisation.google.lag.member_ms = 600_000).await;
    lab.group("Sales", Some(SALES), &[0, 1]);
    lab.plan_and_apply(Target::Google).await;
    stays_so(&lab).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_duplicate_that_reading_back_does_not_find_is_an_invitation_and_is_reported() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0]).await;
    lab.google(|google| google.add_pending_member(SALES, &address(1)));
    joins(&lab, &id, 1);
    let outcome = lab.sync(Target::Google).await;
    let SyncOutcome::Applied { apply, .. } = outcome else {
        panic!("{outcome:#?}");
    };
    assert_eq!(apply.report.failed, 1);
    assert_eq!(apply.outcomes[0].settlement, Some(Settlement::Refused));
    assert!(
        apply.outcomes[0]
            .reason
            .as_deref()
            .unwrap_or_default()
            .contains("invitation"),
        "{apply:#?}"
    );
    assert_eq!(removals(&lab), [], "the invitation is not taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_somebody_who_is_gone_already_is_removed_successfully() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    let target = group_at(&lab, SALES).id;
    leaves(&lab, &id, 1);
    leaves(&lab, &id, 2);
    // The removals take effect, and Google answers that there is no such member.
    fault(
        &lab,
        "DELETE",
        &format!("{}/*", members_path(&target)),
        Fault::AnswerAfter {
            status: 404,
            body: refusal(404, "notFound", "Resource Not Found: memberKey"),
        },
    );
    let outcome = lab.sync(Target::Google).await;
    heal(&lab);
    let SyncOutcome::Applied { apply, .. } = outcome else {
        panic!("{outcome:#?}");
    };
    assert_eq!(apply.report.failed, 0, "{apply:#?}");
    assert!(mutations(&lab).iter().all(|request| request.status == 404));
    assert_eq!(members(&lab, SALES), as_members(&[0]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_not_found_that_reading_back_contradicts_is_no_success() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let target = group_at(&lab, SALES).id;
    leaves(&lab, &id, 1);
    fault(
        &lab,
        "DELETE",
        &format!("{}/*", members_path(&target)),
        answers(404, "notFound", "Resource Not Found: memberKey"),
    );
    let outcome = lab.sync(Target::Google).await;
    heal(&lab);
    let SyncOutcome::Applied { apply, .. } = outcome else {
        panic!("{outcome:#?}");
    };
    assert_eq!(apply.report.failed, 1, "{apply:#?}");
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    // It is still ours: the next run removes them.
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_one_bad_entry_in_a_batch_fails_alone() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0]).await;
    let target = group_at(&lab, SALES).id;
    for number in [1, 2, 3, 4] {
        joins(&lab, &id, number);
    }
    let mut bad = rule(
        "POST",
        &members_path(&target),
        answers(400, "invalid", "Invalid Input: memberKey"),
    );
    bad.skip = 1;
    bad.times = Some(1);
    strike(&lab, bad);
    let outcome = lab.sync(Target::Google).await;
    heal(&lab);
    let SyncOutcome::Applied { apply, .. } = outcome else {
        panic!("{outcome:#?}");
    };
    assert_eq!((apply.report.applied, apply.report.failed), (3, 1), "{apply:#?}");
    assert!(
        mutations(&lab).iter().all(|request| request.in_batch),
        "they went out together"
    );
    assert_eq!(group_at(&lab, SALES).members.len(), 4);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2, 3, 4]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_batch_that_is_refused_whole_is_split_down_and_everybody_is_added() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0]).await;
    for number in [1, 2, 3, 4] {
        joins(&lab, &id, number);
    }
    // From the first batch of writes on; the batches that read are let through by what they ask.
    let plan = lab.plan(Target::Google).await;
    fault(
        &lab,
        "POST",
        "/batch",
        answers(400, "badRequest", "Failed to parse batch request"),
    );
    let apply = lab
        .apply(Target::Google, &plan.plan.hash, Selection::default())
        .await
        .unwrap();
    heal(&lab);
    assert_eq!((apply.report.applied, apply.report.failed), (4, 0), "{apply:#?}");
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2, 3, 4]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_r6_a_group_that_becomes_empty_keeps_its_owner_and_holds_the_rest() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    lab.google(|google| google.add_member(SALES, &address(0), Role::Owner));
    leaves(&lab, &id, 0);
    leaves(&lab, &id, 1);
    let before = groups(&lab);
    let (plan, sales) = plan_of_sales(&lab).await;
    assert_eq!(sales.state, GroupState::Held);
    assert_eq!(
        held(&sales),
        [
            (address(0), "owner".to_owned(), false),
            (address(1), "empty-source".to_owned(), true)
        ]
        .into()
    );
    lab.sync(Target::Google).await;
    assert_eq!(groups(&lab), before, "nothing goes without an approval");
    lab.apply(Target::Google, &plan.plan.hash, everything())
        .await
        .unwrap();
    let mut left = as_members(&[]);
    left.insert(address(0), Role::Owner);
    assert_eq!(members(&lab, SALES), left);
    nothing_left_to_do(&lab).await;
}
