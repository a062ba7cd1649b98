//! Limits, empty sources and the fingerprint.

use super::lab::*;
use crate::plan::model::Role;
use crate::plan::part::{GroupState, Part};
use crate::plan::{fingerprint, what_moved};
use crate::settings::{DriftPolicy, Limit};

const TARGET: &str = "id-sales@example.com";

fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("u{number}")).collect()
}

fn synced(count: usize) -> Lab {
    let users = many(count);
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut lab = Lab::addressed(&users);
    lab.sync();
    lab
}

#[test]
fn r6_a_group_that_becomes_empty_keeps_its_members_until_somebody_approves() {
    let mut lab = synced(3);
    lab.set_users("g1", &[]);
    lab.source("g1").deleted_users = ids(&["u2"]);
    let part = lab.part();
    assert_eq!(part.state, GroupState::Held);
    assert_eq!(held(&part), [("p0", "empty-source"), ("p1", "empty-source")]);
    assert!(part.held.iter().all(|held| held.approvable));
    assert_eq!(removals(&part).len(), 1, "people whose own record is deleted go");
    assert_eq!(lab.members(TARGET), ["p0", "p1", "p2"]);
}

#[test]
fn r6_what_is_held_has_its_evidence_too() {
    let mut lab = synced(3);
    lab.set_users("g1", &[]);
    lab.second_reads = false;
    let part = lab.part();
    assert!(part.held.is_empty() && !part.has_writes());
    assert_eq!(part.state, GroupState::Frozen);
}

#[test]
fn r43_removals_over_a_group_s_limit_are_held_and_adds_go_on() {
    let mut lab = synced(20);
    let users = many(13);
    let mut users: Vec<&str> = users.iter().map(String::as_str).collect();
    users.push("u30");
    lab.set_users("g1", &users);
    let part = lab.part();
    assert_eq!(part.held.len(), 7);
    assert!(
        part.held
            .iter()
            .all(|held| held.approvable && held.reason.code == "limit")
    );
    assert!(part.held[0].reason.message.contains("7 removals"));
    assert!(part.held[0].reason.message.contains("30% of 20"));
    assert_eq!(adds(&part), ["p30"]);
    assert_eq!(part.state, GroupState::Held);

    lab.settings.limits.group_removals.percent = Some(35);
    assert_eq!(removals(&lab.part()).len(), 7);
    lab.settings.limits.group_removals.count = Some(6);
    assert!(lab.part().held[0].reason.message.contains("limit of 6"));
}

#[test]
fn r43_the_percentage_waits_for_a_minimum_size() {
    let mut lab = synced(5);
    lab.set_users("g1", &["u0"]);
    assert_eq!(removals(&lab.part()).len(), 4);
}

#[test]
fn r43_a_run_s_limit_is_spent_in_the_order_of_the_groups_deleted_people_first() {
    let mut lab = Lab::addressed(&["u1", "u2", "u3"]);
    lab.add_group("g2", "Two", Some("two@example.com"), &["u1", "u2", "u3"]);
    lab.add_group("g3", "Three", Some("three@example.com"), &["u1", "u2", "u3"]);
    lab.sync();
    for group in ["g1", "g2"] {
        lab.set_users(group, &["u1"]);
    }
    lab.set_users("g3", &["u1", "u2"]);
    lab.source("g3").deleted_users = ids(&["u3"]);
    lab.settings.limits.run_removals = Limit {
        count: Some(3),
        percent: None,
        minimum_size: 0,
    };
    let parts = lab.plan();
    let counts: Vec<(usize, usize)> = parts
        .iter()
        .map(|part| (removals(part).len(), part.held.len()))
        .collect();
    assert_eq!(counts, [(2, 0), (0, 2), (1, 0)]);
    assert!(parts[1].held[0].reason.message.contains("5 removals in this run"));
}

#[test]
fn r43_limits_on_adds_hold_adds() {
    let mut lab = Lab::addressed(&["u1", "u2", "u3"]);
    lab.settings.limits.group_adds.count = Some(2);
    let part = lab.part();
    assert_eq!(part.operations.len(), 1, "the group itself is created");
    assert_eq!(part.held.len(), 3);
}

#[test]
fn r43_a_takeover_that_would_take_people_out_waits_as_a_whole_and_its_notes_with_it() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.settings.policy = DriftPolicy::Authoritative;
    lab.shelve(
        "found",
        "sales@example.com",
        "Old name",
        vec![member("p1"), member("p9")],
    );
    let mut part = lab.part();
    assert_eq!(
        (part.state, part.operations.len()),
        (GroupState::Held, 0),
        "{part:#?}"
    );
    assert!(!part.has_work() && !part.notes.is_empty());
    assert!(
        held(&part).iter().all(|(_, code)| *code == "takeover"),
        "{part:#?}"
    );

    // Approved, it is the same takeover: nothing has moved by it.
    let before = part.fingerprint.clone();
    part.operations = part.held.drain(..).map(|held| held.operation).collect();
    assert_eq!(print(&lab, &part), before);
    assert!(part.has_work());

    // A takeover that takes nobody out needs no word.
    lab.settings.policy = DriftPolicy::Managed;
    assert!(lab.part().has_work());
}

fn print(lab: &Lab, part: &Part) -> String {
    fingerprint(&lab.views()[0], &lab.world, &lab.settings, part)
}

#[test]
fn r44_half_done_writes_of_the_part_itself_are_no_movement() {
    let mut creation = Lab::addressed(&["u1", "u2"]);
    creation.group("g1").description = "Who sells".to_owned();
    let mut named = Lab::named(&["u1", "u2"]);
    named.shelve("t1", "", "Sales", vec![member("p20")]);
    let mut change = synced(6);
    change.group("g1").name = "Verkauf".to_owned();
    change.group("g1").description = "neu".to_owned();
    change.set_users("g1", &["u1", "u2", "u3", "u4", "u30"]);
    let mut moving = synced(3);
    moving.set_email(Some("team@example.com"));
    let mut renaming = synced(3);
    renaming.settings.on_email_change = crate::settings::OnEmailChange::Rename;
    renaming.set_email(Some("team@example.com"));
    let mut new_name = Lab::named(&["u1", "u2"]);
    new_name.sync();
    new_name.group("g1").name = "Verkauf".to_owned();
    for start in [
        creation,
        Lab::named(&["u1"]),
        named,
        change,
        moving,
        renaming,
        new_name,
    ] {
        let part = start.part();
        assert!(part.has_writes());
        for count in 0..=part.operations.len() {
            let mut lab = start.clone();
            lab.apply(&part, count);
            assert_eq!(
                print(&lab, &part),
                part.fingerprint,
                "after {count} of {:?}",
                part.operations
            );
        }
    }
}

#[test]
fn r44_whatever_else_moves_changes_the_fingerprint_and_is_named() {
    let mut start = synced(6);
    start.set_users("g1", &["u1", "u2", "u3", "u4", "u30"]);
    let part = start.part();
    type Move = fn(&mut Lab);
    let moves: [(&str, Move); 8] = [
        ("newly to do: add p31", |lab| {
            lab.set_users("g1", &["u1", "u2", "u3", "u4", "u30", "u31"]);
        }),
        ("no longer to do: remove p5", |lab| {
            lab.set_users("g1", &["u1", "u2", "u3", "u4", "u5", "u30"]);
        }),
        ("the name was `Sales` and is `Verkauf`", |lab| {
            lab.group("g1").name = "Verkauf".to_owned();
        }),
        ("the address", |lab| lab.set_email(Some("other@example.com"))),
        ("state", |lab| {
            lab.source("g1").bound = false;
        }),
        ("foreign members new: p20", |lab| {
            lab.directory.get_mut(TARGET).unwrap().members.push(member("p20"));
        }),
        ("change the name", |lab| {
            lab.directory.get_mut(TARGET).unwrap().group.name = "Drifted".to_owned();
        }),
        ("", |lab| {
            let shelf = lab.directory.get_mut(TARGET).unwrap();
            let gone = shelf.members.iter_mut().find(|m| m.principal.id == "p5").unwrap();
            gone.role = Role::Owner;
        }),
    ];
    for (words, act) in moves {
        let mut lab = start.clone();
        act(&mut lab);
        assert_ne!(print(&lab, &part), part.fingerprint, "{words}");
        let moved = what_moved(&part, &lab.part());
        assert!(
            moved.contains(words) || words == "state" && !moved.is_empty(),
            "{words}: {moved}"
        );
    }
}

#[test]
fn r44_a_removal_is_refused_where_the_source_cannot_be_read_whole_at_apply() {
    let mut lab = synced(3);
    lab.set_users("g1", &["u0", "u1"]);
    let part = lab.part();
    lab.set_users_partly("g1", &["u0", "u1"]);
    assert_ne!(print(&lab, &part), part.fingerprint);
}

#[test]
fn r44_approving_what_was_held_does_not_change_the_fingerprint() {
    let mut lab = synced(3);
    lab.set_users("g1", &[]);
    let mut part = lab.part();
    let before = part.fingerprint.clone();
    part.operations = part.held.drain(..).map(|held| held.operation).collect();
    assert_eq!(print(&lab, &part), before);
    lab.apply(&part, 2);
    assert_eq!(print(&lab, &part), before);
}
