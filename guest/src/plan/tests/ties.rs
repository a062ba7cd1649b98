//! Taking over, creating, renaming, releasing and moving.

use super::lab::*;
use crate::ledger::{BindingState, Provenance};
use crate::plan::model::{MemberKind, Role, Sight};
use crate::plan::part::{GroupState, Note, Operation, Reason, RemovalReason, TargetHow};
use crate::settings::{DriftPolicy, OnEmailChange};

fn update(part: &crate::plan::part::Part) -> Option<(Option<String>, Option<String>, Option<String>)> {
    part.operations.iter().find_map(|operation| match operation {
        Operation::UpdateGroup {
            name,
            description,
            address,
            ..
        } => Some((name.clone(), description.clone(), address.clone())),
        _ => None,
    })
}

#[test]
fn r11_members_name_and_description_follow_the_source() {
    for mut lab in [Lab::addressed(&["u1", "u2"]), Lab::named(&["u1", "u2"])] {
        lab.sync();
        let target = lab.target().to_owned();
        lab.set_users("g1", &["u2", "u3"]);
        lab.group("g1").name = "Verkauf".to_owned();
        lab.group("g1").description = "Wer verkauft".to_owned();
        let part = lab.sync().remove(0);
        assert_eq!(
            update(&part),
            Some((Some("Verkauf".to_owned()), Some("Wer verkauft".to_owned()), None))
        );
        assert_eq!(lab.target(), target, "a rename is no new takeover");
        assert_eq!(lab.members(&target), ["p2", "p3"]);
        assert!(!lab.part().has_writes());
    }
}

#[test]
fn r12_an_email_taken_away_stops_everything_and_the_same_one_resumes_on_the_same_target() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.sync();
    let target = lab.target().to_owned();
    lab.set_email(None);
    lab.set_users("g1", &["u3"]);
    let part = lab.sync().remove(0);
    assert_eq!(
        (part.state, codes(&part)),
        (GroupState::Released, vec!["email-removed"])
    );
    assert!(!part.has_writes() && part.held.is_empty());
    assert_eq!(lab.state(), BindingState::Released);
    assert_eq!(lab.members(&target), ["p1", "p2"]);
    assert!(lab.part().notes.is_empty());

    lab.set_email(Some(" SALES@example.com "));
    let part = lab.sync().remove(0);
    assert_eq!(part.target.as_ref().unwrap().how, TargetHow::Bound);
    assert_eq!(lab.target(), target);
    assert_eq!(lab.members(&target), ["p3"]);
}

#[test]
fn r12_a_different_email_after_a_release_is_a_new_binding_and_the_old_group_stays() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.sync();
    let old = lab.target().to_owned();
    lab.set_email(None);
    lab.sync();
    lab.set_email(Some("new@example.com"));
    let part = lab.sync().remove(0);
    assert!(removals(&part).is_empty());
    assert_ne!(lab.target(), old);
    assert_eq!(lab.members(&old), ["p1"]);
    assert!(lab.bindings["g1"].details.moving_from.is_empty());
    assert!(!lab.part().has_writes());
}

#[test]
fn r13_taking_an_email_away_releases_in_a_directory_of_names_too() {
    let mut lab = Lab::named(&["u1"]);
    lab.set_email(Some("sales@example.com"));
    lab.sync();
    lab.set_email(None);
    let mut kept = lab.clone();
    let part = lab.sync().remove(0);
    assert_eq!(
        (part.state, codes(&part)),
        (GroupState::Released, vec!["email-removed"])
    );
    assert_eq!(
        lab.sync().remove(0).state,
        GroupState::Released,
        "it stays released"
    );
    lab.set_email(Some("other@example.com"));
    assert_eq!(lab.sync().remove(0).state, GroupState::Managed);

    kept.settings.release_on_email_removal = false;
    assert_eq!(kept.part().state, GroupState::Managed);
}

#[test]
fn r13_a_group_that_never_had_an_email_still_exports() {
    let mut lab = Lab::named(&["u1"]);
    assert_eq!(lab.sync().remove(0).state, GroupState::Pending);
    assert_eq!(lab.part().state, GroupState::Managed);
}

#[test]
fn r14_r15_a_changed_email_moves_members_adds_first_and_removals_last() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.sync();
    let old = lab.target().to_owned();
    let shelf = lab.directory.get_mut(&old).unwrap();
    shelf.members.push(member("p20"));
    shelf.members.push(with_role("p21", Role::Owner));
    lab.sync();
    lab.set_email(Some("team@example.com"));
    let part = lab.part();
    let moved: Vec<(String, &str, RemovalReason)> = removals(&part);
    assert_eq!(
        moved,
        [
            (old.clone(), "p1", RemovalReason::Moved),
            (old.clone(), "p2", RemovalReason::Moved)
        ]
    );
    assert!(matches!(part.operations[0], Operation::CreateGroup { .. }));
    let last_add = part
        .operations
        .iter()
        .rposition(|operation| matches!(operation, Operation::AddMember { .. }))
        .unwrap();
    let first_removal = part
        .operations
        .iter()
        .position(|operation| removal(operation).is_some())
        .unwrap();
    assert!(last_add < first_removal);

    lab.sync();
    assert_ne!(lab.target(), old);
    let new = lab.target().to_owned();
    assert_eq!(lab.members(&new), ["p1", "p2"]);
    assert_eq!(
        lab.members(&old),
        ["p20", "p21"],
        "foreign members and owners stay"
    );
    assert_eq!(lab.bindings["g1"].details.moving_from[&old], "sales@example.com");
    let after = lab.sync().remove(0);
    assert!(!after.has_writes());
    assert!(lab.bindings["g1"].details.moving_from.is_empty());
    assert!(lab.rows.iter().all(|row| row.target != old));
    assert!(lab.part().notes.is_empty());
}

#[test]
fn r15_a_crash_at_any_point_leaves_people_in_both_and_the_next_run_ends_the_move() {
    let mut start = Lab::addressed(&["u1", "u2", "u3"]);
    start.sync();
    let old = start.target().to_owned();
    start.set_email(Some("team@example.com"));
    let part = start.part();
    for count in 0..=part.operations.len() {
        let mut lab = start.clone();
        lab.apply(&part, count);
        let new_members = lab
            .directory
            .get("id-team@example.com")
            .map_or(Vec::new(), |_| lab.members("id-team@example.com"));
        for person in ["p1", "p2", "p3"] {
            assert!(new_members.contains(&person) || lab.members(&old).contains(&person));
        }
        lab.sync();
        assert_eq!(lab.members("id-team@example.com"), ["p1", "p2", "p3"]);
        assert!(lab.members(&old).is_empty());
        lab.sync();
        assert!(lab.part().notes.is_empty() && !lab.part().has_writes());
    }
}

#[test]
fn r14_a_move_can_turn_back() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.sync();
    let old = lab.target().to_owned();
    lab.set_email(Some("team@example.com"));
    let part = lab.part();
    lab.apply(&part, 2);
    lab.set_email(Some("sales@example.com"));
    lab.sync();
    assert_eq!(lab.target(), old);
    assert_eq!(lab.members(&old), ["p1", "p2"]);
    assert!(lab.members("id-team@example.com").is_empty());
}

#[test]
fn r15_nobody_leaves_the_old_group_whose_way_into_the_new_one_is_held() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.sync();
    lab.set_email(Some("team@example.com"));
    lab.settings.limits.group_adds.count = Some(1);
    let part = lab.part();
    assert_eq!(held(&part), [("p1", "limit"), ("p2", "limit")]);
    assert!(removals(&part).is_empty());
}

#[test]
fn r10_under_the_additive_policy_nobody_leaves_the_old_group() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.sync();
    lab.settings.policy = DriftPolicy::Additive;
    lab.set_email(Some("team@example.com"));
    assert!(removals(&lab.part()).is_empty());
    lab.sync();
    assert_eq!(lab.members("id-sales@example.com"), ["p1"]);
    assert_eq!(lab.part().state, GroupState::Managed);
}

#[test]
fn r16_with_the_option_the_existing_group_gets_the_new_address() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.sync();
    let target = lab.target().to_owned();
    lab.settings.on_email_change = OnEmailChange::Rename;
    lab.set_email(Some("team@example.com"));
    let part = lab.sync().remove(0);
    assert_eq!(
        update(&part),
        Some((None, None, Some("team@example.com".to_owned())))
    );
    assert_eq!(part.operations.len(), 1);
    assert_eq!(lab.target(), target);
    assert_eq!(lab.bindings["g1"].key, "team@example.com");
    assert!(!lab.part().has_writes() && lab.part().notes.is_empty());
}

#[test]
fn r17_case_and_blanks_around_an_address_are_no_change() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.sync();
    lab.set_email(Some("  Sales@EXAMPLE.com "));
    let part = lab.part();
    assert!(!part.has_writes() && part.notes.is_empty());
}

#[test]
fn r18_what_the_target_refuses_is_no_write() {
    let lab = Lab::addressed(&["u1"]);
    for (conflict, state) in [(true, GroupState::Conflict), (false, GroupState::Held)] {
        let mut views = lab.views();
        views[0].target.sight = Sight::Blocked {
            conflict,
            reason: Reason::new("alias", "The address is an alias of another group."),
        };
        let part = crate::plan::plan(&lab.world, &views, &lab.settings).remove(0);
        assert_eq!((part.state, codes(&part)), (state, vec!["alias"]));
        assert!(!part.has_writes());
    }
}

#[test]
fn r19_the_holder_of_an_address_keeps_it_and_they_never_alternate() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.add_group("g0", "Zeroth", Some("sales@example.com"), &["u2"]);
    let fresh = lab.plan();
    assert_eq!(
        fresh[0].state,
        GroupState::Pending,
        "the smallest ID wins among equals"
    );
    assert_eq!(codes(&fresh[1]), ["address-taken"]);

    let mut held = Lab::addressed(&["u1"]);
    held.sync();
    held.add_group("g0", "Zeroth", Some("SALES@example.com"), &["u2"]);
    for _ in 0..3 {
        let parts = held.sync();
        assert_eq!(
            (parts[0].state, codes(&parts[0])),
            (GroupState::Conflict, vec!["address-taken"])
        );
        assert!(!parts[0].has_writes() && parts[0].notes.is_empty());
        assert_eq!(parts[1].state, GroupState::Managed);
    }
}

#[test]
fn r20_a_bound_target_that_does_not_show_is_waited_for_and_never_created_again() {
    let mut lab = Lab::addressed(&["u1"]);
    lab.sync();
    let shelf = lab.directory.remove("id-sales@example.com").unwrap();
    let part = lab.part();
    assert_eq!(
        (part.state, codes(&part)),
        (GroupState::Provisioning, vec!["target-missing"])
    );
    assert!(!part.has_writes() && part.notes.is_empty());
    lab.directory.insert("id-sales@example.com".to_owned(), shelf);
    assert_eq!(lab.part().state, GroupState::Managed);
}

#[test]
fn r50_a_takeover_adopts_whom_the_source_wants_and_calls_the_others_foreign() {
    let mut lab = Lab::addressed(&["u1", "u2"]);
    lab.shelve(
        "t1",
        "sales@example.com",
        "Old name",
        vec![
            with_role("p1", Role::Owner),
            member("p20"),
            with_kind("p21", MemberKind::Group),
            with_kind("p22", MemberKind::External),
        ],
    );
    let part = lab.sync().remove(0);
    assert_eq!(part.target.as_ref().unwrap().how, TargetHow::Takeover);
    assert_eq!(update(&part), Some((Some("Sales".to_owned()), None, None)));
    let foreign: Vec<(&str, &str)> = part
        .foreign
        .iter()
        .map(|member| (member.principal.as_str(), member.kind.as_str()))
        .collect();
    assert_eq!(foreign, [("p20", "user"), ("p21", "group"), ("p22", "external")]);
    assert_eq!(lab.target(), "t1");
    assert_eq!(lab.provenance("t1", "p1"), Some(Provenance::Adopted));
    assert_eq!(lab.provenance("t1", "p2"), Some(Provenance::Ours));
    assert_eq!(lab.provenance("t1", "p20"), Some(Provenance::Foreign));
    assert!(lab.part().notes.is_empty() && !lab.part().has_writes());
}

#[test]
fn r51_a_target_bound_to_one_source_group_is_no_candidate_for_another() {
    let mut lab = Lab::named(&["u1"]);
    lab.sync();
    lab.add_group("g0", "Sales", None, &["u2"]);
    let mut views = lab.views();
    let target = lab.directory["id-groupcast-g1"].group.clone();
    views[0].target.sight = Sight::Takeover(target);
    let parts = crate::plan::plan(&lab.world, &views, &lab.settings);
    assert_eq!(
        (parts[0].state, codes(&parts[0])),
        (GroupState::Conflict, vec!["target-taken"])
    );
    assert_eq!(parts[1].state, GroupState::Managed);
}

#[test]
fn r51_of_two_groups_that_see_one_candidate_the_smaller_id_gets_it() {
    let mut lab = Lab::named(&["u1"]);
    lab.add_group("g2", "Sales", None, &["u2"]);
    lab.shelve("t1", "", "Sales", vec![]);
    let parts = lab.sync();
    assert_eq!(parts[0].target.as_ref().unwrap().id.as_deref(), Some("t1"));
    assert_eq!(codes(&parts[1]), ["target-taken"]);
    let parts = lab.sync();
    assert_eq!(
        parts[1].target.as_ref().unwrap().how,
        TargetHow::Create,
        "from then on the target is held, so that the other gets its own"
    );
}

#[test]
fn r25_a_creation_whose_outcome_is_unknown_is_found_again_by_its_key() {
    let mut lab = Lab::named(&["u1"]);
    let part = lab.part();
    let Some(Note::Bind { key, .. }) = part.notes.first() else {
        panic!("no binding");
    };
    assert_eq!(key, "groupcast-g1");
    lab.shelve("t7", "groupcast-g1", "Sales", vec![]);
    let next = lab.part();
    assert_eq!(next.target.as_ref().unwrap().id.as_deref(), Some("t7"));
}
