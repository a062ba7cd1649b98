//! The export `apply`: what it does, what it refuses, and what a crash after any call leaves.

use super::*;
use crate::failure::FailureKind;
use crate::ledger::{BindingState, Provenance};
use crate::settings::OnEmailChange;

#[test]
fn r30_binding_a_group_exports_its_users() {
    for (mut town, key) in [
        (Town::google(), "sales@example.com"),
        (Town::entra(), "groupcast-g1"),
    ] {
        town.source
            .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
        let report = town.sync();
        assert_eq!((report.applied, report.failed), (3, 0));
        assert_eq!(town.target.members_at(key), ["anna", "bert"]);
        assert!(
            town.host
                .memberships
                .borrow()
                .values()
                .all(|row| row.provenance == Provenance::Ours)
        );
        town.assert_settled();
    }
}

#[test]
fn r11_renames_and_membership_changes_follow() {
    let mut town = Town::entra();
    town.source.group("g1", "Sales", None, &["anna", "bert"]);
    town.sync();
    town.source.groups.get_mut("g1").unwrap().name = "Sales EMEA".to_owned();
    town.source.members("g1", &["bert", "carl"]);
    town.sync();
    assert_eq!(town.target.members_at("groupcast-g1"), ["bert", "carl"]);
    assert_eq!(town.target.groups.borrow()["t-1"].name, "Sales EMEA");
    assert_eq!(town.target.groups.borrow().len(), 1);
    town.assert_settled();
}

#[test]
fn r12_taking_the_email_away_stops_and_giving_it_back_resumes_on_the_same_group() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.sync();
    town.source.groups.get_mut("g1").unwrap().email = None;
    town.source.members("g1", &["bert"]);
    town.sync();
    assert_eq!(town.host.bindings.borrow()["g1"].state, BindingState::Released);
    assert_eq!(town.target.members_at("sales@example.com"), ["anna"]);
    town.source.groups.get_mut("g1").unwrap().email = Some("sales@example.com".to_owned());
    town.sync();
    assert_eq!(town.target.members_at("sales@example.com"), ["bert"]);
    assert_eq!(town.target.groups.borrow().len(), 1);
    town.assert_settled();
}

#[test]
fn r14_a_changed_email_moves_the_members_and_keeps_the_old_group() {
    let mut town = moved_town();
    town.target
        .groups
        .borrow_mut()
        .get_mut("t-1")
        .unwrap()
        .members
        .insert("p-zoe".to_owned(), crate::plan::model::Role::Member);
    town.source.groups.get_mut("g1").unwrap().email = Some("vertrieb@example.com".to_owned());
    town.sync();
    assert_eq!(town.target.members_at("vertrieb@example.com"), ["anna", "bert"]);
    assert_eq!(
        town.target.members_at("sales@example.com"),
        ["zoe"],
        "foreign members stay"
    );
    town.sync();
    town.assert_settled();
    assert!(town.host.bindings.borrow()["g1"].details.moving_from.is_empty());
}

#[test]
fn r16_a_renamed_address_keeps_the_group_and_must_be_free() {
    let mut town = moved_town();
    town.settings.on_email_change = OnEmailChange::Rename;
    town.target.put("other", "taken@example.com", "Other", &[]);
    town.source.groups.get_mut("g1").unwrap().email = Some("taken@example.com".to_owned());
    assert_eq!(codes(&town.part("g1")), ["address-taken"]);
    town.source.groups.get_mut("g1").unwrap().email = Some("vertrieb@example.com".to_owned());
    town.sync();
    assert_eq!(town.target.groups.borrow()["t-1"].key, "vertrieb@example.com");
    assert_eq!(town.target.members_at("vertrieb@example.com"), ["anna", "bert"]);
    town.assert_settled();
}

fn moved_town() -> Town {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town.sync();
    town
}

/// Cuts an apply off after each of its calls in turn, runs it again, and looks at the world.
fn cut_everywhere(prepare: impl Fn() -> Town, look: impl Fn(&Town, usize)) {
    let mut cuts = 0;
    loop {
        let town = prepare();
        town.plan();
        town.host.approve();
        town.host.fuse.set(Some(cuts));
        let finished = town.try_apply().is_ok() && !town.host.fuse_blown();
        town.host.fuse.set(None);
        let report = town.try_apply().unwrap();
        assert_eq!(
            report.moved,
            [],
            "cut after {cuts} calls: own writes count as movement (R44)"
        );
        look(&town, cuts);
        town.sync();
        town.assert_settled();
        if finished {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 8, "only {cuts} cuts were made");
}

#[test]
fn r47_a_creation_cut_off_anywhere_converges_without_a_duplicate() {
    for (new, key) in [
        (Town::google as fn() -> Town, "sales@example.com"),
        (Town::entra as fn() -> Town, "groupcast-g1"),
    ] {
        let prepare = || {
            let mut town = new();
            town.source
                .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
            town.source.group("g2", "Ops", Some("ops@example.com"), &["carl"]);
            town
        };
        cut_everywhere(prepare, |town, cuts| {
            assert_eq!(town.target.groups.borrow().len(), 2, "cut after {cuts} calls");
            assert_eq!(
                town.target.members_at(key),
                ["anna", "bert"],
                "cut after {cuts} calls"
            );
            let rows = town.host.memberships.borrow();
            assert_eq!(rows.len(), 3, "cut after {cuts} calls");
            assert!(
                rows.values().all(|row| row.provenance == Provenance::Ours),
                "cut after {cuts} calls: {rows:?}"
            );
        });
    }
}

#[test]
fn r47_changes_cut_off_anywhere_converge() {
    let prepare = || {
        let mut town = moved_town();
        town.source.groups.get_mut("g1").unwrap().name = "Sales EMEA".to_owned();
        town.source.members("g1", &["bert", "carl", "dora"]);
        town
    };
    cut_everywhere(prepare, |town, cuts| {
        assert_eq!(
            town.target.members_at("sales@example.com"),
            ["bert", "carl", "dora"],
            "cut after {cuts} calls"
        );
        assert_eq!(town.host.memberships.borrow().len(), 3, "cut after {cuts} calls");
    });
}

#[test]
fn r15_a_move_cut_off_anywhere_leaves_people_in_both_groups_and_never_in_neither() {
    let prepare = || {
        let mut town = moved_town();
        town.source.groups.get_mut("g1").unwrap().email = Some("vertrieb@example.com".to_owned());
        *town.host.never_nowhere.borrow_mut() = vec!["anna".to_owned(), "bert".to_owned()];
        town
    };
    cut_everywhere(prepare, |town, cuts| {
        assert_eq!(
            town.target.members_at("vertrieb@example.com"),
            ["anna", "bert"],
            "cut after {cuts} calls"
        );
        assert!(
            town.target.members_at("sales@example.com").is_empty(),
            "cut after {cuts} calls"
        );
    });
}

#[test]
fn r15_nobody_leaves_the_old_group_who_did_not_arrive_in_the_new_one() {
    let mut town = moved_town();
    town.target.refused.insert("p-bert".to_owned());
    town.source.groups.get_mut("g1").unwrap().email = Some("vertrieb@example.com".to_owned());
    let report = town.sync();
    assert_eq!(report.failed, 1);
    assert_eq!(town.target.members_at("vertrieb@example.com"), ["anna"]);
    assert_eq!(town.target.members_at("sales@example.com"), ["bert"]);
    town.target.refused.clear();
    town.sync();
    assert_eq!(town.target.members_at("vertrieb@example.com"), ["anna", "bert"]);
    town.sync();
    assert!(town.target.members_at("sales@example.com").is_empty());
}

#[test]
fn r39_somebody_raised_to_owner_since_the_plan_is_not_removed() {
    let mut town = moved_town();
    town.source.members("g1", &["anna"]);
    town.plan();
    town.host.approve();
    town.target
        .groups
        .borrow_mut()
        .get_mut("t-1")
        .unwrap()
        .members
        .insert("p-bert".to_owned(), crate::plan::model::Role::Owner);
    let report = town.try_apply().unwrap();
    assert_eq!(report.applied, 0);
    assert_eq!(town.target.members_at("sales@example.com"), ["anna", "bert"]);
}

#[test]
fn r40_one_refused_entry_fails_alone() {
    let mut town = Town::google();
    town.target.refused.insert("p-bert".to_owned());
    town.source.group(
        "g1",
        "Sales",
        Some("sales@example.com"),
        &["anna", "bert", "carl"],
    );
    let report = town.sync();
    assert_eq!((report.applied, report.failed), (3, 1));
    assert_eq!(town.target.members_at("sales@example.com"), ["anna", "carl"]);
    let outcomes = town.host.outcomes.borrow();
    let refused: Vec<_> = outcomes.iter().filter(|one| one.effects.is_empty()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(
        refused[0].reason.as_deref(),
        Some("the vendor does not want them")
    );
}

#[test]
fn r44_a_group_that_moved_is_refused_with_what_moved_and_the_others_go_on() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.source.group("g2", "Ops", Some("ops@example.com"), &["bert"]);
    town.plan();
    town.host.approve();
    town.source.members("g1", &["anna", "carl"]);
    let report = town.try_apply().unwrap();
    assert_eq!(report.moved.len(), 1);
    assert_eq!(report.moved[0].0, "g1");
    assert!(
        report.moved[0].1.contains("carl@example.com"),
        "{}",
        report.moved[0].1
    );
    assert_eq!(town.target.groups.borrow().len(), 1);
    assert_eq!(town.target.members_at("ops@example.com"), ["bert"]);
}

#[test]
fn r46_the_same_parts_applied_again_write_nothing() {
    let mut town = moved_town();
    town.source.members("g1", &["bert", "carl"]);
    town.source.group("g2", "Ops", Some("ops@example.com"), &["bert"]);
    let first = town.sync();
    let (sent, intents) = (town.target.sent.get(), town.host.intents.borrow().len());
    let second = town.try_apply().unwrap();
    assert_eq!(first, second, "what was found done counts as done");
    assert_eq!(
        (town.target.sent.get(), town.host.intents.borrow().len()),
        (sent, intents)
    );
}

#[test]
fn r36_a_run_that_is_refused_by_the_host_stops_before_its_next_write() {
    let mut town = Town::google();
    for group in 0..3 {
        let people: Vec<String> = (0..200).map(|person| format!("u{group}-{person}")).collect();
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        town.source.group(
            &format!("g{group}"),
            &format!("Group {group}"),
            Some(&format!("g{group}@example.com")),
            &people,
        );
    }
    town.plan();
    town.host.approve();
    town.target.deny_from.set(Some(100));
    let failure = town.try_apply().unwrap_err();
    assert!(
        failure.message.contains("the host let nothing through"),
        "{failure}"
    );
    assert_eq!(town.target.sent.get(), 100);
    assert_eq!(
        town.host.intents.borrow().len(),
        3 + 200,
        "no chunk was begun after the refusal"
    );
    assert_eq!(town.host.open(), 0);
    town.target.deny_from.set(None);
    town.try_apply().unwrap();
    town.assert_settled();
}

#[test]
fn r36_a_cancelled_run_ends_as_cancelled() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.plan();
    town.host.approve();
    town.host.cancelled.set(true);
    assert_eq!(town.try_apply().unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(town.target.sent.get(), 0);
    town.host.cancelled.set(false);
    town.settings.managed = false;
    assert_eq!(town.try_apply().unwrap_err().kind, FailureKind::Cancelled);
    assert_eq!(town.target.sent.get(), 0);
}

#[test]
fn parts_that_cannot_be_read_are_refused_before_anything_else() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.plan();
    town.host.approve();
    town.host.approved.borrow_mut()[0].version = 2;
    let failure = town.try_apply().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Host);
    assert!(failure.message.contains("version 2"), "{failure}");
    assert_eq!(town.target.sent.get(), 0);
}
