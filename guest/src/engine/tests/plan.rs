//! The export `plan`.

use super::*;
use crate::failure::FailureKind;
use crate::ledger::BindingState;
use crate::plan::model::Role;
use crate::plan::part::GroupState;

#[test]
fn r1_a_first_export_needs_bound_email_managed_and_a_user() {
    type Spoil = fn(&mut Town);
    let cases: [(&str, Spoil); 4] = [
        ("not-bound", |town| town.source.bound.clear()),
        ("no-email", |town| {
            town.source.groups.get_mut("g1").unwrap().email = None
        }),
        ("not-managed", |town| town.settings.managed = false),
        ("no-users", |town| {
            town.source.members.get_mut("g1").unwrap().clear()
        }),
    ];
    for (code, spoil) in cases {
        let mut town = Town::google();
        town.source
            .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
        assert_eq!(town.part("g1").operations.len(), 2);
        spoil(&mut town);
        let part = town.part("g1");
        assert_eq!(codes(&part), [code]);
        assert_eq!(part.operations, []);
    }
}

#[test]
fn r3_an_email_set_later_starts_the_export() {
    let mut town = Town::google();
    town.source.group("g1", "Sales", Some("  "), &["anna"]);
    town.sync();
    assert!(town.target.groups.borrow().is_empty());
    town.source.groups.get_mut("g1").unwrap().email = Some("sales@example.com".to_owned());
    town.sync();
    assert_eq!(town.target.members_at("sales@example.com"), ["anna"]);
}

#[test]
fn r4_an_empty_group_that_was_never_exported_is_not_created() {
    for mut town in [Town::google(), Town::entra()] {
        town.source.group("g1", "Sales", Some("sales@example.com"), &[]);
        let report = town.sync();
        assert_eq!(report, Report::default());
        assert!(town.target.groups.borrow().is_empty());
    }
}

#[test]
fn r6_a_group_that_becomes_empty_has_its_removals_held() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town.sync();
    town.source.members("g1", &[]);
    let part = town.part("g1");
    assert_eq!(part.operations, []);
    assert_eq!(part.held.len(), 2);
    assert_eq!(part.held[0].reason.code, "empty-source");
}

#[test]
fn groups_that_are_not_exported_cost_no_membership_read_and_no_request_to_the_target() {
    let mut town = Town::entra();
    town.settings.selected = vec!["other".to_owned()];
    town.source.group("g1", "Sales", None, &["anna"]);
    assert_eq!(codes(&town.part("g1")), ["not-selected"]);
    assert!(town.source.asked.borrow().is_empty());
    assert_eq!(town.target.reads.get(), 0);
}

#[test]
fn r32_a_group_is_orphaned_only_when_its_own_record_is_gone() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.source.group("g2", "Ops", Some("ops@example.com"), &["bert"]);
    town.sync();
    town.source.unlisted.insert("g1".to_owned());
    assert_eq!(town.part("g1").state, GroupState::Managed);
    town.source.groups.remove("g1");
    let part = town.part("g1");
    assert_eq!(part.state, GroupState::Orphaned);
    assert_eq!(part.operations, []);
    town.sync();
    assert_eq!(town.host.bindings.borrow()["g1"].state, BindingState::Orphaned);
    assert_eq!(town.target.members_at("sales@example.com"), ["anna"]);
}

#[test]
fn r42_a_partial_list_of_bound_groups_neither_releases_nor_removes() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town.sync();
    town.source.bound.clear();
    town.source.bound_is_partial = true;
    town.source.members("g1", &["anna", "carl"]);
    let part = town.part("g1");
    assert_eq!(part.state, GroupState::Frozen);
    assert!(
        part.operations
            .iter()
            .all(|operation| matches!(operation, Operation::AddMember { .. }))
    );
    assert_eq!(part.operations.len(), 1);
    assert_eq!(part.notes.len(), 0);
}

#[test]
fn r42_a_removal_needs_a_second_read_that_agrees() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town.sync();
    town.source.flickers = Some(("g1".to_owned(), "bert".to_owned()));
    let part = town.part("g1");
    assert_eq!(part.operations, []);
    assert_eq!(codes(&part), ["reads-disagree"]);
    town.source.flickers = None;
    town.source.members("g1", &["anna"]);
    let part = town.part("g1");
    assert_eq!(part.operations.len(), 1);
    assert_eq!(*town.source.asked.borrow(), ["g1", "g1"]);
}

#[test]
fn r49_a_deleted_person_is_removed_although_the_group_reads_partially() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town.sync();
    town.source.partial_members.insert("g1".to_owned());
    town.source.members("g1", &["anna"]);
    assert_eq!(town.part("g1").operations, []);
    town.source.users.remove("bert");
    let part = town.part("g1");
    assert_eq!(part.operations.len(), 1, "{part:?}");
    town.sync();
    assert_eq!(town.target.members_at("sales@example.com"), ["anna"]);
}

#[test]
fn r35_a_directory_that_jumpcloud_manages_itself_is_refused_unless_acknowledged() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.source.directory.as_mut().unwrap().groups_enabled = Some(true);
    let failure = town.try_plan().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Configuration);
    town.settings.acknowledge = true;
    assert_eq!(town.try_plan().unwrap().operations, 2);
}

#[test]
fn a_directory_that_is_missing_or_of_another_kind_ends_the_run() {
    let mut town = Town::google();
    town.source.directory.as_mut().unwrap().rules = Some(TargetRules::Named);
    assert_eq!(town.try_plan().unwrap_err().kind, FailureKind::Configuration);
    town.source.directory = None;
    let failure = town.try_plan().unwrap_err();
    assert_eq!(
        (failure.kind, failure.place.as_str()),
        (FailureKind::Configuration, "directory d1")
    );
}

#[test]
fn r36_r37_switched_off_nothing_is_planned_and_everything_stays() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town.sync();
    let (groups, bindings) = (
        town.target.groups.borrow().clone(),
        town.host.bindings.borrow().clone(),
    );
    town.settings.managed = false;
    town.source.members("g1", &["carl"]);
    town.source.bound.clear();
    let part = town.part("g1");
    assert!(part.operations.is_empty() && part.notes.is_empty() && part.held.is_empty());
    town.host.approve();
    town.try_apply().unwrap();
    assert_eq!(*town.target.groups.borrow(), groups);
    assert_eq!(*town.host.bindings.borrow(), bindings);
}

#[test]
fn r50_a_group_at_the_address_is_taken_over_and_its_people_are_told_apart() {
    let mut town = Town::google();
    town.target.put(
        "old",
        "sales@example.com",
        "Sales",
        &[
            ("anna", Role::Owner),
            ("bert", Role::Member),
            ("zoe", Role::Member),
        ],
    );
    town.source
        .group("g1", "Sales", Some("Sales@example.com"), &["anna", "bert"]);
    let part = town.part("g1");
    assert_eq!(part.foreign.len(), 1);
    assert_eq!(part.operations, []);
    town.sync();
    assert_eq!(town.host.bindings.borrow()["g1"].target.as_deref(), Some("old"));
    assert_eq!(town.host.memberships.borrow().len(), 3);
    town.assert_settled();
}

#[test]
fn r25_a_third_group_is_created_once() {
    let mut town = Town::entra();
    town.target.put("a", "", "Sales", &[]);
    town.target.put("b", "", "Sales", &[("zoe", Role::Member)]);
    town.source.group("g1", "Sales", None, &["anna"]);
    for _ in 0..3 {
        town.sync();
    }
    assert_eq!(town.target.groups.borrow().len(), 3);
    assert_eq!(town.target.members_at("groupcast-g1"), ["anna"]);
}

#[test]
fn r51_what_one_group_is_bound_to_is_no_candidate_for_another() {
    let mut town = Town::entra();
    town.source.group("g1", "Sales", None, &["anna"]);
    town.target.put("a", "", "Sales", &[]);
    town.sync();
    town.source.group("g2", "Sales", None, &["bert"]);
    town.sync();
    assert_eq!(town.host.bindings.borrow()["g1"].target.as_deref(), Some("a"));
    assert_eq!(town.target.members_at("groupcast-g2"), ["bert"]);
    town.assert_settled();
}

#[test]
fn r46_reading_the_same_world_again_gives_the_same_bytes() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town.source.group("g2", "Ops", Some("ops@example.com"), &["bert"]);
    let first: Vec<_> = town.plan().iter().map(Part::to_bytes).collect();
    let second: Vec<_> = town.plan().iter().map(Part::to_bytes).collect();
    assert_eq!(first, second);
}
