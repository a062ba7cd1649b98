//! The email changes: members move to the group at the new address (R14, R15), or the group itself does (R16). A change of
//! case or blanks is none (R17).

use groupcast_guest::plan::part::{GroupState, RemovalReason, TargetHow};
use groupcast_simulators::google::tenant::Role;
use groupcast_simulators::log::LoggedRequest;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{Lab, Target, address, changes, codes, user};

use crate::looking::{
    answers, as_members, creations, existing, exported, fault, google_id, group_at, groups, heal, joins,
    leaves, member, members, members_path, mutations, nothing_left_to_do, plain, plan_of_sales,
    planned_removals, removals, stays_so,
};

const SALES: &str = "sales@example.com";
const FIELD: &str = "field@example.com";

fn change_email(lab: &Lab, id: &str, email: &str) {
    lab.jumpcloud(|jumpcloud| jumpcloud.set_group_email(id, Some(email)));
}

/// R15, from the recorded requests: whatever creates or adds comes before whatever removes; additions are to the new group
/// and removals from the old one; the new group is read between the two; no group is deleted.
fn moved_in_order(lab: &Lab, old: &str, new: &str, additions: usize, departures: usize) {
    let log: Vec<LoggedRequest> = lab.simulators.requests();
    let at = |wanted: &dyn Fn(&LoggedRequest) -> bool| -> Vec<usize> {
        log.iter()
            .enumerate()
            .filter(|(_, request)| wanted(request))
            .map(|(at, _)| at)
            .collect()
    };
    let adds = at(&|request| request.method == "POST" && request.path.ends_with("/members"));
    let deletions = at(&|request| request.method == "DELETE");
    assert_eq!((adds.len(), deletions.len()), (additions, departures), "{log:#?}");
    for add in &adds {
        assert_eq!(log[*add].path, members_path(new));
        assert_eq!(log[*add].status, 200);
    }
    for deletion in &deletions {
        assert!(
            log[*deletion]
                .path
                .starts_with(&format!("{}/", members_path(old))),
            "removes something else than a member of the old group: {:?}",
            log[*deletion]
        );
    }
    let first_departure = *deletions.iter().min().unwrap();
    let last_addition = adds.iter().max().copied().unwrap_or(0);
    assert!(last_addition < first_departure, "{log:#?}");
    let read_back = at(&|request| request.method == "GET" && request.path == members_path(new));
    assert!(
        read_back
            .iter()
            .any(|read| (last_addition..first_departure).contains(read)),
        "the new group is read after the last addition and before the first removal: {log:#?}"
    );
}

/// Once nobody of ours is left in the old group, the next run ends the move in the ledger, without a write; from then on
/// there is nothing to do at all (R46).
async fn the_move_ends(lab: &Lab) {
    lab.simulators.clear_requests();
    lab.sync(Target::Google).await;
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    stays_so(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_r15_members_move_to_a_new_group_all_added_before_any_is_removed() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    let old = group_at(&lab, SALES).id;
    lab.google(|google| {
        google.add_member(SALES, &address(5), Role::Member);
        google.add_member(SALES, &address(6), Role::Owner);
        google.add_member(SALES, &address(7), Role::Manager);
        google.add_member(SALES, "consultant@elsewhere.example", Role::Member);
    });
    lab.sync(Target::Google).await;
    lab.simulators.clear_requests();

    change_email(&lab, &id, FIELD);
    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(changes(&sales), (3, 3), "{sales:#?}");
    assert!(
        planned_removals(&sales)
            .iter()
            .all(|(group, _, why)| *group == old && *why == RemovalReason::Moved)
    );
    lab.sync(Target::Google).await;
    let new = group_at(&lab, FIELD).id;
    assert_eq!(members(&lab, FIELD), as_members(&[0, 1, 2]));
    let mut stay = as_members(&[5]);
    stay.insert(address(6), Role::Owner);
    stay.insert(address(7), Role::Manager);
    stay.insert("consultant@elsewhere.example".to_owned(), Role::Member);
    assert_eq!(
        members(&lab, SALES),
        stay,
        "foreign members, owners and managers stay"
    );
    assert_eq!(group_at(&lab, SALES).id, old, "the old group is not deleted");
    assert_eq!(creations(&lab), 1);
    moved_in_order(&lab, &old, &new, 3, 3);
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_r15_r50_members_move_to_a_group_that_exists() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    let old = group_at(&lab, SALES).id;
    let mut there = plain(&[1, 4]);
    there.push(member(6, Role::Owner));
    lab.google(|google| google.create_group(existing("0field", FIELD, there)));
    change_email(&lab, &id, FIELD);
    let (_, sales) = plan_of_sales(&lab).await;
    let tie = sales.target.clone().unwrap();
    assert_eq!(
        (tie.id.as_deref(), tie.how),
        (Some("0field"), TargetHow::Takeover)
    );
    lab.sync(Target::Google).await;
    let mut expected = as_members(&[0, 1, 2, 4]);
    expected.insert(address(6), Role::Owner);
    assert_eq!(members(&lab, FIELD), expected);
    assert_eq!(members(&lab, SALES), as_members(&[]));
    assert_eq!(creations(&lab), 0);
    moved_in_order(&lab, &old, "0field", 2, 3);
    the_move_ends(&lab).await;

    // Adopted in the new group: whoever leaves the source leaves it.
    leaves(&lab, &id, 1);
    lab.sync(Target::Google).await;
    assert_eq!(removals(&lab), [("0field".to_owned(), google_id(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_only_ours_and_adopted_leave_the_old_group_and_owners_of_ours_stay_in_it() {
    let mut lab = Lab::new().await;
    // Taken over: 1 is adopted, 5 foreign.
    lab.google(|google| google.create_group(existing("0sales", SALES, plain(&[1, 5]))));
    let id = lab.group("Sales", Some(SALES), &[0, 1, 2]);
    lab.plan_and_apply(Target::Google).await;
    // Of ours, somebody made 2 an owner meanwhile.
    lab.google(|google| google.add_member(SALES, &address(2), Role::Owner));
    lab.simulators.clear_requests();
    change_email(&lab, &id, FIELD);
    lab.sync(Target::Google).await;
    assert_eq!(
        members(&lab, FIELD),
        as_members(&[0, 1, 2]),
        "the owner is in the new group too"
    );
    let mut stay = as_members(&[5]);
    stay.insert(address(2), Role::Owner);
    assert_eq!(members(&lab, SALES), stay);
    moved_in_order(&lab, "0sales", &group_at(&lab, FIELD).id, 3, 2);
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_whoever_could_not_be_added_stays_in_the_old_group_until_they_can() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    lab.google(|google| google.create_group(existing("0field", FIELD, plain(&[]))));
    change_email(&lab, &id, FIELD);
    let mut second = crate::looking::rule(
        "POST",
        &members_path("0field"),
        answers(400, "invalid", "Invalid Input: memberKey"),
    );
    second.skip = 1;
    second.times = Some(1);
    crate::looking::strike(&lab, second);
    lab.sync(Target::Google).await;
    heal(&lab);
    let (new, old) = (members(&lab, FIELD), members(&lab, SALES));
    assert_eq!((new.len(), old.len()), (2, 1), "{new:#?} {old:#?}");
    for number in [0, 1, 2] {
        assert!(
            new.contains_key(&address(number)) || old.contains_key(&address(number)),
            "{number} is in neither"
        );
    }
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, FIELD), as_members(&[0, 1, 2]));
    assert_eq!(members(&lab, SALES), as_members(&[]));
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_a_new_group_that_does_not_show_its_members_yet_empties_no_old_one() {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |organisation| organisation.google.lag.member_ms = 6_000).await;
    let id = lab.group("Sales", Some(SALES), &[0, 1]);
    lab.plan_and_apply(Target::Google).await;
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    nothing_left_to_do(&lab).await;
    change_email(&lab, &id, FIELD);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, FIELD), as_members(&[0, 1]));
    assert_eq!(removals(&lab), [], "read back, the new group is empty still");
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));

    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[]));
    assert_eq!(members(&lab, FIELD), as_members(&[0, 1]));
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_people_who_leave_and_join_while_the_email_changes_end_up_where_they_belong() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    change_email(&lab, &id, FIELD);
    leaves(&lab, &id, 1);
    joins(&lab, &id, 3);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, FIELD), as_members(&[0, 2, 3]));
    assert_eq!(members(&lab, SALES), as_members(&[]));
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_there_and_back_again_returns_to_the_very_group() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1, 2]).await;
    let first = group_at(&lab, SALES).id;
    change_email(&lab, &id, FIELD);
    lab.sync(Target::Google).await;
    let second = group_at(&lab, FIELD).id;
    change_email(&lab, &id, SALES);
    lab.sync(Target::Google).await;
    assert_eq!(group_at(&lab, SALES).id, first);
    assert_eq!(group_at(&lab, FIELD).id, second, "it is left, and left alone");
    assert_eq!(members(&lab, SALES), as_members(&[0, 1, 2]));
    assert_eq!(members(&lab, FIELD), as_members(&[]));
    assert_eq!(groups(&lab).len(), 2);
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_more_people_than_one_page_or_batch_holds_move_whole() {
    let size = Size {
        users: 450,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |_| ()).await;
    let everybody: Vec<usize> = (0..450).collect();
    let id = lab.group("Sales", Some(SALES), &everybody);
    lab.plan_and_apply(Target::Google).await;
    let old = group_at(&lab, SALES).id;
    lab.simulators.clear_requests();
    change_email(&lab, &id, FIELD);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, FIELD), as_members(&everybody));
    assert_eq!(members(&lab, SALES), as_members(&[]));
    moved_in_order(&lab, &old, &group_at(&lab, FIELD).id, 450, 450);
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_with_the_rename_option_the_group_keeps_its_id_and_members_and_gets_the_new_address() {
    let mut lab = Lab::new().await;
    lab.set(Target::Google, "on_email_change", "rename");
    let id = exported(&mut lab, &[0, 1]).await;
    lab.google(|google| google.add_member(SALES, &address(5), Role::Owner));
    lab.sync(Target::Google).await;
    let before = group_at(&lab, SALES);
    lab.simulators.clear_requests();
    change_email(&lab, &id, FIELD);
    lab.sync(Target::Google).await;
    let after = group_at(&lab, FIELD);
    assert_eq!((&after.id, &after.members), (&before.id, &before.members));
    assert_eq!(groups(&lab).len(), 1, "no second group");
    let sent = mutations(&lab);
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert_eq!((sent[0].method.as_str(), sent[0].status), ("PATCH", 200));
    stays_so(&lab).await;

    // Its old address is its alias now, and it can go back to it.
    change_email(&lab, &id, SALES);
    lab.sync(Target::Google).await;
    assert_eq!(group_at(&lab, SALES).id, before.id);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_r18_a_rename_to_an_address_that_is_taken_is_refused_before_any_write() {
    let mut lab = Lab::new().await;
    lab.set(Target::Google, "on_email_change", "rename");
    let id = exported(&mut lab, &[0, 1]).await;
    lab.google(|google| {
        let mut taken = existing("0taken", "taken@example.com", plain(&[4]));
        taken.aliases.push("alias@example.com".to_owned());
        google.create_group(taken);
    });
    let before = groups(&lab);
    let its_user = address(5);
    for taken in [
        "taken@example.com",
        "alias@example.com",
        its_user.as_str(),
        "sales@unverified.example",
    ] {
        change_email(&lab, &id, taken);
        let (_, sales) = plan_of_sales(&lab).await;
        assert_eq!(sales.state, GroupState::Conflict, "{taken}: {sales:#?}");
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{taken}");
        assert_eq!(groups(&lab), before, "{taken}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_a_change_of_case_or_blanks_is_no_change() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    for same in [
        "Sales@example.com",
        " SALES@EXAMPLE.COM",
        "sales@Example.com \t",
        SALES,
    ] {
        change_email(&lab, &id, same);
        let (plan, sales) = plan_of_sales(&lab).await;
        assert_eq!(sales.state, GroupState::Managed, "{same:?}: {sales:#?}");
        assert!(!plan.plan.has_work(), "{same:?}: {sales:#?}");
        stays_so(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_a_first_export_under_an_address_in_capitals_finds_the_group_there_is() {
    let mut lab = Lab::new().await;
    lab.google(|google| google.create_group(existing("0sales", SALES, plain(&[0]))));
    lab.group("Sales", Some(" SALES@Example.com "), &[0, 1]);
    lab.plan_and_apply(Target::Google).await;
    assert_eq!(group_at(&lab, SALES).id, "0sales");
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    assert_eq!(creations(&lab), 0);
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_an_old_group_that_cannot_be_read_is_emptied_later_and_the_move_into_the_new_one_goes_on() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let old = group_at(&lab, SALES).id;
    change_email(&lab, &id, FIELD);
    fault(
        &lab,
        "GET",
        &members_path(&old),
        answers(400, "failedPrecondition", "Precondition failed"),
    );
    let (_, sales) = plan_of_sales(&lab).await;
    assert_eq!(sales.state, GroupState::Frozen, "{sales:#?}");
    assert!(codes(&sales).contains(&"old-target-incomplete"), "{sales:#?}");
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, FIELD), as_members(&[0, 1]));
    assert_eq!(members(&lab, SALES), as_members(&[0, 1]));
    assert_eq!(removals(&lab), []);
    heal(&lab);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, SALES), as_members(&[]));
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_somebody_deleted_in_the_source_leaves_the_old_group_and_is_not_moved() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    lab.jumpcloud(|jumpcloud| jumpcloud.delete_user(&user(1)));
    change_email(&lab, &id, FIELD);
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, FIELD), as_members(&[0]));
    assert_eq!(members(&lab, SALES), as_members(&[]));
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_r51_two_groups_that_swap_their_emails_wait_for_somebody_and_nobody_is_moved_wrongly() {
    let mut lab = Lab::new().await;
    let support = lab.group("Support", Some("support@example.com"), &[3, 4]);
    let sales = exported(&mut lab, &[0, 1]).await;
    let before = groups(&lab);
    lab.jumpcloud(|jumpcloud| {
        jumpcloud.set_group_email(&sales, Some("support@example.com"))?;
        jumpcloud.set_group_email(&support, Some(SALES))
    });
    for _ in 0..3 {
        let plan = lab.plan(Target::Google).await;
        for part in &plan.plan.parts {
            assert_eq!(part.state, GroupState::Conflict, "{part:#?}");
        }
        lab.sync(Target::Google).await;
        assert_eq!(lab.all_writes(), Vec::<String>::new());
        assert_eq!(groups(&lab), before);
    }
    // By way of a third address it works.
    change_email(&lab, &sales, "interim@example.com");
    for _ in 0..3 {
        lab.sync(Target::Google).await;
    }
    change_email(&lab, &sales, "support@example.com");
    for _ in 0..3 {
        lab.sync(Target::Google).await;
    }
    assert_eq!(members(&lab, "support@example.com"), as_members(&[0, 1]));
    assert_eq!(members(&lab, SALES), as_members(&[3, 4]));
    assert_eq!(members(&lab, "interim@example.com"), as_members(&[]));
    stays_so(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r14_r15_a_second_change_before_the_first_move_has_ended_leaves_nobody_behind_in_either_group() {
    let mut lab = Lab::new().await;
    let id = exported(&mut lab, &[0, 1]).await;
    let old = group_at(&lab, SALES).id;
    change_email(&lab, &id, FIELD);
    fault(
        &lab,
        "GET",
        &members_path(&old),
        answers(400, "failedPrecondition", "Precondition failed"),
    );
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, FIELD), as_members(&[0, 1]));
    change_email(&lab, &id, "third@example.com");
    lab.sync(Target::Google).await;
    assert_eq!(members(&lab, "third@example.com"), as_members(&[0, 1]));
    assert_eq!(
        members(&lab, SALES),
        as_members(&[0, 1]),
        "unread, and so left alone"
    );
    heal(&lab);
    for _ in 0..2 {
        lab.sync(Target::Google).await;
    }
    for left in [SALES, FIELD] {
        assert_eq!(members(&lab, left), as_members(&[]), "{left}");
    }
    assert_eq!(members(&lab, "third@example.com"), as_members(&[0, 1]));
    the_move_ends(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_members_name_and_address_that_change_together_are_changed_in_one_run() {
    let mut lab = Lab::new().await;
    lab.set(Target::Google, "on_email_change", "rename");
    let id = exported(&mut lab, &[0, 1]).await;
    let target = group_at(&lab, SALES).id;
    change_email(&lab, &id, FIELD);
    lab.jumpcloud(|jumpcloud| jumpcloud.rename_group(&id, "Field force"));
    leaves(&lab, &id, 0);
    joins(&lab, &id, 2);
    lab.sync(Target::Google).await;
    let after = group_at(&lab, FIELD);
    assert_eq!((after.id, after.name.as_str()), (target, "Field force"));
    assert_eq!(members(&lab, FIELD), as_members(&[1, 2]));
    stays_so(&lab).await;
}
