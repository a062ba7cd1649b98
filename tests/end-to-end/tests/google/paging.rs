//! Google's lists to their very end: full last pages are whole; a page that comes twice, that fails or that is short is not,
//! and then nobody is removed while additions go on (R42).

use groupcast_guest::plan::part::GroupState;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::Fault;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{Lab, Target, address, changes, codes};

use crate::looking::{
    answers, as_members, exported, fault, google_id, group_at, heal, joins, leaves, members, members_path,
    nothing_left_to_do, plan_of_sales, removals, rule, stays_so, strike,
};

const SALES: &str = "sales@example.com";

async fn lab_of(users: usize) -> Lab {
    Lab::with(
        Size {
            users,
            groups: 0,
            memberships: 0,
        },
        |_| (),
    )
    .await
}

/// Sales of so many people as a whole group of Google's, and JumpCloud's ID of it.
async fn sales_of(lab: &mut Lab, count: usize) -> String {
    let everybody: Vec<usize> = (0..count).collect();
    exported(lab, &everybody).await
}

/// Pages of a list that were asked for.
fn pages(lab: &Lab, path: &str) -> usize {
    lab.simulators
        .requests()
        .iter()
        .filter(|request| request.vendor == Vendor::Google && request.method == "GET" && request.path == path)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_full_last_pages_of_members_are_whole_and_removals_go_on() {
    let mut lab = lab_of(401).await;
    let id = sales_of(&mut lab, 199).await;
    let path = members_path(&group_at(&lab, SALES).id);
    let mut size = 199;
    for (next, expected_pages) in [(200, 1), (201, 2), (399, 2), (400, 2), (401, 3)] {
        for number in size..next {
            joins(&lab, &id, number);
        }
        size = next;
        lab.sync(Target::Google).await;
        assert_eq!(group_at(&lab, SALES).members.len(), size);
        lab.simulators.clear_requests();
        let (plan, sales) = plan_of_sales(&lab).await;
        assert_eq!(sales.state, GroupState::Managed, "{size}: {:#?}", sales.reasons);
        assert!(!plan.plan.has_work(), "{size}");
        assert_eq!(pages(&lab, &path), expected_pages, "{size}");

        // The last one of the last page leaves and comes back.
        leaves(&lab, &id, size - 1);
        lab.sync(Target::Google).await;
        assert_eq!(removals(&lab).len(), 1, "{size}");
        assert!(!members(&lab, SALES).contains_key(&address(size - 1)), "{size}");
        joins(&lab, &id, size - 1);
        lab.sync(Target::Google).await;
        assert_eq!(group_at(&lab, SALES).members.len(), size);
    }
    nothing_left_to_do(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_full_last_pages_of_users_are_whole() {
    for (users, expected_pages) in [(499, 1), (500, 1), (501, 2), (1_000, 2)] {
        let mut lab = lab_of(users).await;
        lab.group("Sales", Some(SALES), &[0, users - 1]);
        lab.plan_and_apply(Target::Google).await;
        assert_eq!(members(&lab, SALES), as_members(&[0, users - 1]), "{users}");
        lab.simulators.clear_requests();
        let (_, sales) = plan_of_sales(&lab).await;
        assert!(sales.waiting.is_empty(), "{users}");
        assert_eq!(
            pages(&lab, "/admin/directory/v1/users"),
            expected_pages,
            "{users}"
        );
        nothing_left_to_do(&lab).await;
    }
}

/// Somebody leaves and somebody joins while a fault strikes the list of members; afterwards all is well again.
async fn nobody_is_removed_while(lab: &Lab, id: &str, size: usize, code: &str) {
    leaves(lab, id, 0);
    joins(lab, id, size);
    let (_, sales) = plan_of_sales(lab).await;
    assert_eq!(sales.state, GroupState::Frozen, "{sales:#?}");
    assert!(codes(&sales).contains(&code), "{sales:#?}");
    assert_eq!(changes(&sales), (1, 0), "{sales:#?}");
    lab.sync(Target::Google).await;
    assert_eq!(removals(lab), []);
    let now = members(lab, SALES);
    assert!(now.contains_key(&address(size)), "additions go on");
    assert_eq!(now.len(), size + 1, "and nobody is gone");

    heal(lab);
    lab.simulators.clear_requests();
    lab.sync(Target::Google).await;
    assert_eq!(removals(lab), [(group_at(lab, SALES).id, google_id(0))]);
    stays_so(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_page_of_members_that_comes_again_freezes_removals_and_additions_go_on() {
    for size in [3, 201] {
        let mut lab = lab_of(size + 1).await;
        let id = sales_of(&mut lab, size).await;
        let path = members_path(&group_at(&lab, SALES).id);
        fault(&lab, "GET", &path, Fault::LoopPage);
        nobody_is_removed_while(&lab, &id, size, "target-incomplete").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_a_second_page_of_members_that_fails_freezes_removals_and_additions_go_on() {
    let size = 201;
    let mut lab = lab_of(size + 1).await;
    let id = sales_of(&mut lab, size).await;
    let mut second = rule(
        "GET",
        &members_path(&group_at(&lab, SALES).id),
        answers(400, "failedPrecondition", "Precondition check failed."),
    );
    second.query = Some("pageToken".to_owned());
    strike(&lab, second);
    nobody_is_removed_while(&lab, &id, size, "target-incomplete").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_short_pages_that_say_that_more_follow_are_followed_to_the_end() {
    let mut lab = lab_of(8).await;
    let id = sales_of(&mut lab, 7).await;
    let path = members_path(&group_at(&lab, SALES).id);
    fault(&lab, "GET", &path, Fault::ShortPage { items: 2 });
    fault(
        &lab,
        "GET",
        "/admin/directory/v1/users",
        Fault::ShortPage { items: 3 },
    );
    nothing_left_to_do(&lab).await;
    leaves(&lab, &id, 6);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2, 3, 4, 5]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_r46_members_whom_a_list_lacks_and_who_are_there_when_asked_for_are_not_added_again() {
    let mut lab = lab_of(8).await;
    let id = sales_of(&mut lab, 5).await;
    let path = members_path(&group_at(&lab, SALES).id);
    fault(&lab, "GET", &path, Fault::DropItems { count: 2 });
    joins(&lab, &id, 5);
    leaves(&lab, &id, 0);
    lab.sync(Target::Google).await;
    assert_eq!(
        lab.all_writes().len(),
        1,
        "the one who joined: {:#?}",
        lab.all_writes()
    );
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2, 3, 4, 5]));
    heal(&lab);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[1, 2, 3, 4, 5]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_somebody_who_left_while_the_list_lacked_them_is_still_ours_and_leaves_later() {
    let mut lab = lab_of(8).await;
    let id = sales_of(&mut lab, 5).await;
    let path = members_path(&group_at(&lab, SALES).id);
    // Google's list lacks the last one, who leaves the source in this very moment, and claims to be whole.
    fault(&lab, "GET", &path, Fault::DropItems { count: 1 });
    leaves(&lab, &id, 4);
    lab.sync(Target::Google).await;
    heal(&lab);
    lab.sync(Target::Google).await;
    assert_eq!(
        members(&lab, SALES),
        as_members(&[0, 1, 2, 3]),
        "not taken for a stranger who may stay for ever"
    );
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_r15_an_old_group_whose_list_lacks_some_is_not_taken_for_left() {
    let mut lab = lab_of(8).await;
    let id = sales_of(&mut lab, 4).await;
    let path = members_path(&group_at(&lab, SALES).id);
    fault(&lab, "GET", &path, Fault::DropItems { count: 2 });
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(&id, Some("field@example.com")));
    lab.sync(Target::Google).await;
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "field@example.com"), as_members(&[0, 1, 2, 3]));
    heal(&lab);
    for _ in 0..2 {
        lab.sync(Target::Google).await;
    }
    assert_eq!(
        members(&lab, SALES),
        as_members(&[]),
        "everybody moved in the end"
    );
    lab.sync(Target::Google).await;
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r42_r31_a_list_of_users_that_is_not_whole_removes_nobody_and_additions_go_on() {
    for broken in [
        Fault::LoopPage,
        Fault::DropItems { count: 4 },
        answers(400, "failedPrecondition", "Precondition check failed."),
    ] {
        for policy in ["managed", "authoritative"] {
            let mut lab = lab_of(8).await;
            lab.set(Target::Google, "policy", policy);
            let id = sales_of(&mut lab, 6).await;
            joins(&lab, &id, 6);
            fault(&lab, "GET", "/admin/directory/v1/users", broken.clone());
            lab.sync(Target::Google).await;
            assert_eq!(removals(&lab), [], "{broken:?} {policy}");
            let now = members(&lab, SALES);
            for number in 0..6 {
                assert!(now.contains_key(&address(number)), "{broken:?} {policy} {number}");
            }
            if !matches!(broken, Fault::DropItems { .. }) {
                assert!(
                    now.contains_key(&address(6)),
                    "found by a question of their own: {broken:?} {policy}"
                );
            }
            heal(&lab);
            lab.sync(Target::Google).await;
            assert_eq!(
                members(&lab, SALES),
                as_members(&[0, 1, 2, 3, 4, 5, 6]),
                "{broken:?} {policy}"
            );
            stays_so(&lab).await;
        }
    }
}
