//! The three-way merge, requirement by requirement.

use super::lab::*;
use crate::ledger::Provenance;
use crate::plan::model::{MemberKind, Resolution, Role};
use crate::plan::part::{GroupState, RemovalReason};
use crate::plan::removal_candidates;
use crate::settings::{DriftPolicy, Suspended};

fn synced(users: &[&str]) -> Lab {
    let mut lab = Lab::addressed(users);
    lab.sync();
    lab
}

const TARGET: &str = "id-sales@example.com";

fn put(lab: &mut Lab, member: crate::plan::model::ObservedMember) {
    lab.directory.get_mut(TARGET).unwrap().members.push(member);
}

#[test]
fn r10_managed_puts_back_what_is_ours_and_leaves_foreign_members() {
    let mut lab = synced(&["u1", "u2"]);
    lab.directory
        .get_mut(TARGET)
        .unwrap()
        .members
        .retain(|member| member.principal.id != "p1");
    put(&mut lab, member("p20"));
    let part = lab.sync().remove(0);
    assert_eq!(adds(&part), ["p1"]);
    assert!(removals(&part).is_empty());
    assert_eq!(part.foreign[0].principal, "p20");
    assert_eq!(lab.provenance(TARGET, "p20"), Some(Provenance::Foreign));
}

#[test]
fn r42_somebody_of_ours_who_does_not_show_right_after_a_write_is_not_forgotten() {
    let mut lab = synced(&["u1", "u2"]);
    let members = lab.directory[TARGET].members.clone();
    lab.set_users("g1", &["u2"]);
    lab.directory
        .get_mut(TARGET)
        .unwrap()
        .members
        .retain(|member| member.principal.id != "p1");
    lab.settling = true;
    lab.sync();
    assert_eq!(lab.provenance(TARGET, "p1"), Some(Provenance::Ours));

    // The list catches up: the member was there all the time, and goes now.
    lab.directory.get_mut(TARGET).unwrap().members = members;
    let part = lab.sync().remove(0);
    assert_eq!(
        removals(&part),
        [(TARGET.to_owned(), "p1", RemovalReason::LeftGroup)]
    );
}

#[test]
fn r10_authoritative_removes_foreign_users_in_the_member_role_and_nobody_else() {
    let mut lab = synced(&["u1"]);
    lab.settings.policy = DriftPolicy::Authoritative;
    put(&mut lab, member("p20"));
    put(&mut lab, member("stranger"));
    put(&mut lab, with_role("p21", Role::Owner));
    put(&mut lab, with_role("p22", Role::Manager));
    put(&mut lab, with_kind("p23", MemberKind::Group));
    put(&mut lab, with_kind("p24", MemberKind::External));
    lab.settings.limits = crate::settings::Limits::default();
    let part = lab.part();
    assert_eq!(
        removals(&part),
        [
            (TARGET.to_owned(), "p20", RemovalReason::NotInSource),
            (TARGET.to_owned(), "stranger", RemovalReason::NotInSource)
        ]
    );
    assert_eq!(part.foreign.len(), 4);

    lab.second_reads = false;
    let part = lab.part();
    assert!(removals(&part).is_empty());
    assert_eq!(codes(&part), ["second-read-missing"]);
}

#[test]
fn r10_authoritative_spares_whom_an_unproven_or_ambiguous_user_may_be() {
    let mut lab = synced(&["u1"]);
    lab.settings.policy = DriftPolicy::Authoritative;
    put(&mut lab, member("p20"));
    lab.set_users("g1", &["u1", "u2"]);
    lab.world.resolutions.insert(
        "u2".to_owned(),
        Resolution::Ambiguous {
            candidates: vec![principal("p20"), principal("p21")],
        },
    );
    assert!(removals(&lab.part()).is_empty());
    lab.world.resolutions.insert(
        "u2".to_owned(),
        Resolution::Unproven {
            reason: "a page failed".to_owned(),
        },
    );
    let part = lab.part();
    assert!(removals(&part).is_empty());
    assert_eq!(codes(&part), ["users-unproven"]);
}

#[test]
fn r10_additive_never_removes() {
    let mut lab = synced(&["u1", "u2"]);
    lab.settings
        .policies
        .insert("Sales".to_owned(), DriftPolicy::Additive);
    lab.set_users("g1", &["u1", "u3"]);
    lab.source("g1").deleted_users = ids(&["u2"]);
    let part = lab.part();
    assert_eq!(adds(&part), ["p3"]);
    assert!(removals(&part).is_empty() && part.held.is_empty());
    assert_eq!(part.foreign[0].principal, "p2");
}

#[test]
fn r31_who_resolves_elsewhere_is_added_there_and_the_old_account_waits_for_approval() {
    let mut lab = synced(&["u1"]);
    lab.world
        .resolutions
        .insert("u1".to_owned(), Resolution::Resolved(principal("p30")));
    let part = lab.sync().remove(0);
    assert_eq!(adds(&part), ["p30"]);
    assert!(removals(&part).is_empty());
    assert_eq!(held(&part), [("p1", "resolves-elsewhere")]);
    assert_eq!(lab.part().state, GroupState::Held);
}

#[test]
fn r5_who_is_in_the_group_but_does_not_resolve_any_more_stays_a_member() {
    for resolution in [
        Resolution::NoAddress,
        Resolution::Unknown {
            sought: "x".to_owned(),
        },
        Resolution::Unproven {
            reason: "x".to_owned(),
        },
    ] {
        let mut lab = synced(&["u1", "u2"]);
        lab.world.resolutions.insert("u2".to_owned(), resolution);
        let part = lab.part();
        assert!(!part.has_writes() && part.held.is_empty() && part.notes.is_empty());
        assert_eq!(part.waiting[0].user, "u2");
    }
}

#[test]
fn r31_two_users_who_are_one_principal_are_one_member_until_both_have_left() {
    let mut lab = Lab::addressed(&["u1", "u2", "u3"]);
    lab.world
        .resolutions
        .insert("u2".to_owned(), Resolution::Resolved(principal("p1")));
    let part = lab.sync().remove(0);
    assert_eq!(adds(&part), ["p1", "p3"]);
    assert_eq!(part.warnings[0].code, "shared-address");
    lab.set_users("g1", &["u2", "u3"]);
    let part = lab.sync().remove(0);
    assert!(!part.has_writes());
    assert_eq!(part.notes.len(), 1, "the row now stands for the other user");
    lab.set_users("g1", &["u3"]);
    assert_eq!(removals(&lab.part()).len(), 1);
}

#[test]
fn r39_owners_and_managers_satisfy_the_membership_and_are_never_removed() {
    let mut lab = Lab::addressed(&["u1", "u2", "u3"]);
    lab.shelve(
        "t1",
        "sales@example.com",
        "Sales",
        vec![with_role("p1", Role::Owner), with_role("p2", Role::Manager)],
    );
    let part = lab.sync().remove(0);
    assert_eq!(adds(&part), ["p3"]);
    lab.set_users("g1", &["u3"]);
    let part = lab.part();
    assert!(removals(&part).is_empty());
    assert_eq!(held(&part), [("p1", "owner"), ("p2", "owner")]);
    assert!(part.held.iter().all(|held| !held.approvable));
    assert_eq!(
        part.state,
        GroupState::Managed,
        "nothing waits that an approval could release"
    );
    assert!(codes(&part).contains(&"owner"));
}

#[test]
fn r39_groups_and_external_members_are_foreign_even_where_the_ledger_calls_them_ours() {
    let mut lab = synced(&["u1", "u2", "u3"]);
    lab.directory
        .get_mut(TARGET)
        .unwrap()
        .members
        .iter_mut()
        .for_each(|member| member.kind = MemberKind::External);
    lab.set_users("g1", &["u1"]);
    let part = lab.part();
    assert!(!part.has_writes());
    assert_eq!(part.foreign.len(), 2);
}

#[test]
fn r42_without_every_proof_removals_are_frozen_and_adds_go_on() {
    let mut start = synced(&["u1", "u2"]);
    start.set_users("g1", &["u1", "u3"]);

    let mut source = start.clone();
    source.set_users_partly("g1", &["u1", "u3"]);
    let mut target = start.clone();
    target.short_targets.insert(TARGET.to_owned());
    let mut once = start.clone();
    once.second_reads = false;
    let mut disagree = start.clone();
    disagree.source("g1").absent_again = Some(whole_ids(ids(&[])));
    for (lab, code) in [
        (source, "source-incomplete"),
        (target, "target-incomplete"),
        (once, "second-read-missing"),
        (disagree, "reads-disagree"),
    ] {
        let part = lab.part();
        assert_eq!((part.state, codes(&part)), (GroupState::Frozen, vec![code]));
        assert_eq!(adds(&part), ["p3"]);
        assert!(removals(&part).is_empty() && part.held.is_empty());
    }
    assert_eq!(
        removals(&start.part()),
        [(TARGET.to_owned(), "p2", RemovalReason::LeftGroup)]
    );
}

#[test]
fn r42_the_users_who_need_a_second_read_are_those_who_left() {
    let mut lab = synced(&["u1", "u2", "u3"]);
    lab.set_users("g1", &["u1"]);
    lab.second_reads = false;
    let view = lab.views().remove(0);
    assert_eq!(
        removal_candidates(&view, &lab.world, &lab.settings),
        ids(&["u2", "u3"])
    );
    lab.set_users_partly("g1", &["u1"]);
    let view = lab.views().remove(0);
    let reads = crate::plan::second_reads(&view, &lab.world, &lab.settings);
    assert!(reads.users.is_empty());
    assert_eq!(reads.records, ids(&["u2", "u3"]));
}

#[test]
fn r42_a_member_of_ours_who_does_not_show_in_a_short_list_is_not_added_again() {
    let mut lab = synced(&["u1", "u2"]);
    lab.directory.get_mut(TARGET).unwrap().members.pop();
    lab.short_targets.insert(TARGET.to_owned());
    let part = lab.part();
    assert!(!part.has_writes() && part.notes.is_empty());
}

#[test]
fn r49_people_deleted_in_the_source_go_first_and_wait_for_nobody() {
    let mut lab = synced(&["u1", "u2", "u4"]);
    lab.set_users_partly("g1", &["u1", "u3"]);
    lab.short_targets.insert(TARGET.to_owned());
    lab.source("g1").deleted_users = ids(&["u2"]);
    let part = lab.part();
    assert_eq!(
        removals(&part),
        [(TARGET.to_owned(), "p2", RemovalReason::UserDeleted)]
    );
    assert!(removal(&part.operations[0]).is_some(), "first of all");
    assert_eq!(part.state, GroupState::Frozen);
}

#[test]
fn r49_suspended_people_stay_unless_the_setting_says_otherwise() {
    let mut lab = synced(&["u1", "u2"]);
    lab.world.users.get_mut("u2").unwrap().suspended = true;
    assert!(!lab.part().has_writes());
    lab.settings.suspended = Suspended::Remove;
    assert_eq!(
        removals(&lab.part()),
        [(TARGET.to_owned(), "p2", RemovalReason::UserSuspended)]
    );
    lab.sync();
    assert!(!lab.part().has_writes());
}

#[test]
fn rows_of_people_who_are_gone_on_both_sides_are_forgotten_on_a_whole_read_alone() {
    let mut lab = synced(&["u1", "u2"]);
    lab.set_users("g1", &["u1"]);
    lab.directory
        .get_mut(TARGET)
        .unwrap()
        .members
        .retain(|member| member.principal.id != "p2");
    lab.short_targets.insert(TARGET.to_owned());
    assert!(lab.part().notes.is_empty());
    lab.short_targets.clear();
    lab.sync();
    assert_eq!(lab.provenance(TARGET, "p2"), None);
}
