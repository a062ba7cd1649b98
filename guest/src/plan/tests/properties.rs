//! What holds for every world.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::lab::*;
use crate::plan::model::{MemberKind, Reading, Resolution, Role, TargetRules};
use crate::plan::part::Part;
use crate::plan::part::{Operation, RemovalReason};
use crate::plan::plan;
use crate::settings::{DriftPolicy, Limit, Suspended};

/// One group's history: how it was when it was synced, and how it is now.
#[derive(Debug, Clone)]
struct History {
    users: BTreeSet<u8>,
    present: Vec<(u8, u8, u8)>,
    users_now: BTreeSet<u8>,
    deleted: BTreeSet<u8>,
    drifted: Vec<(u8, u8, u8)>,
    vanished: BTreeSet<u8>,
    complete: bool,
    target_complete: bool,
    email_changes: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Story {
    named: bool,
    groups: Vec<History>,
    policy: u8,
    suspended: BTreeSet<u8>,
    unresolved: BTreeSet<u8>,
    elsewhere: BTreeSet<u8>,
    second_reads: bool,
}

fn people() -> impl Strategy<Value = BTreeSet<u8>> {
    proptest::collection::btree_set(0u8..12, 0..8)
}

fn strangers() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0u8..16, 0u8..6, 0u8..6), 0..5)
}

prop_compose! {
    fn history()(
        users in people(),
        present in strangers(),
        users_now in people(),
        deleted in proptest::collection::btree_set(0u8..12, 0..3),
        drifted in strangers(),
        vanished in proptest::collection::btree_set(0u8..12, 0..3),
        complete in proptest::bool::weighted(0.8),
        target_complete in proptest::bool::weighted(0.8),
        email_changes in proptest::bool::weighted(0.3),
    ) -> History {
        History {
            users, present, users_now, deleted, drifted, vanished, complete, target_complete, email_changes,
        }
    }
}

prop_compose! {
    pub(super) fn story()(
        named in any::<bool>(),
        groups in proptest::collection::vec(history(), 1..4),
        policy in 0u8..3,
        suspended in proptest::collection::btree_set(0u8..12, 0..3),
        unresolved in proptest::collection::btree_set(0u8..12, 0..2),
        elsewhere in proptest::collection::btree_set(0u8..12, 0..2),
        second_reads in proptest::bool::weighted(0.8),
    ) -> Story {
        Story { named, groups, policy, suspended, unresolved, elsewhere, second_reads }
    }
}

fn user_ids(numbers: &BTreeSet<u8>) -> Vec<String> {
    numbers.iter().map(|number| format!("u{number}")).collect()
}

fn put_strangers(lab: &mut Lab, target: &str, strangers: &[(u8, u8, u8)]) {
    let Some(shelf) = lab.directory.get_mut(target) else {
        return;
    };
    for (number, kind, role) in strangers {
        let id = format!("p{number}");
        if shelf.members.iter().any(|member| member.principal.id == id) {
            continue;
        }
        let mut member = member(&id);
        member.kind = [
            MemberKind::User,
            MemberKind::Group,
            MemberKind::External,
            MemberKind::Other,
        ]
        .get(usize::from(*kind))
        .copied()
        .unwrap_or(MemberKind::User);
        member.role = [Role::Owner, Role::Manager]
            .get(usize::from(*role))
            .copied()
            .unwrap_or(Role::Member);
        shelf.members.push(member);
    }
}

/// The world after the story: synced once, then drifted on both sides.
pub(super) fn tell(story: &Story) -> Lab {
    let rules = if story.named {
        TargetRules::Named
    } else {
        TargetRules::Addressed
    };
    let mut lab = Lab::new(rules);
    let unlimited = Limit::default();
    lab.settings.limits = crate::settings::Limits {
        group_adds: unlimited,
        group_removals: unlimited,
        run_adds: unlimited,
        run_removals: unlimited,
        takeover_adds: unlimited,
        run_takeover_adds: unlimited,
        ..crate::settings::Limits::default()
    };
    for (index, history) in story.groups.iter().enumerate() {
        let users = user_ids(&history.users);
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let email = format!("list{index}@example.com");
        lab.add_group(
            &format!("g{index}"),
            &format!("List {index}"),
            Some(&email),
            &users,
        );
        let target = format!("t{index}");
        if !history.present.is_empty() {
            lab.shelve(&target, &email, &format!("List {index}"), Vec::new());
            put_strangers(&mut lab, &target, &history.present);
        }
    }
    lab.sync();
    lab.settings.policy = [
        DriftPolicy::Managed,
        DriftPolicy::Authoritative,
        DriftPolicy::Additive,
    ][usize::from(story.policy)];
    lab.settings.suspended = Suspended::Remove;
    for number in &story.suspended {
        lab.world.users.get_mut(&format!("u{number}")).unwrap().suspended = true;
    }
    for number in &story.unresolved {
        lab.world
            .resolutions
            .insert(format!("u{number}"), Resolution::NoAddress);
    }
    for number in &story.elsewhere {
        lab.world.resolutions.insert(
            format!("u{number}"),
            Resolution::Resolved(principal(&format!("p{}", number + 20))),
        );
    }
    lab.second_reads = story.second_reads;
    for (index, history) in story.groups.iter().enumerate() {
        let id = format!("g{index}");
        let users = user_ids(&history.users_now);
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        if history.complete {
            lab.set_users(&id, &users);
        } else {
            lab.set_users_partly(&id, &users);
        }
        lab.source(&id).deleted_users = user_ids(&history.deleted).into_iter().collect();
        if let Some(target) = lab.bindings.get(&id).and_then(|binding| binding.target.clone()) {
            if let Some(shelf) = lab.directory.get_mut(&target) {
                shelf.members.retain(|member| {
                    !history
                        .vanished
                        .iter()
                        .any(|number| member.principal.id == format!("p{number}"))
                });
            }
            put_strangers(&mut lab, &target, &history.drifted);
            if !history.target_complete {
                lab.short_targets.insert(target);
            }
        }
        if history.email_changes {
            lab.group(&id).email = Some(format!("moved{index}@example.com"));
        }
    }
    lab
}

/// Removals that are planned, or could be approved.
fn possible_removals(part: &Part) -> Vec<&Operation> {
    let held = part.held.iter().filter(|held| held.approvable);
    part.operations
        .iter()
        .chain(held.map(|held| &held.operation))
        .filter(|operation| removal(operation).is_some())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn r42_no_removal_without_its_evidence(story in story()) {
        let lab = tell(&story);
        for (view, part) in lab.views().iter().zip(lab.plan()) {
            for operation in possible_removals(&part) {
                let Operation::RemoveMember { user, why, principal, .. } = operation else { continue };
                let (target, ..) = removal(operation).unwrap();
                let whole = matches!(view.source.users, Reading::Complete(_)) && !lab.short_targets.contains(&target);
                let held_elsewhere = held(&part).contains(&(principal.as_str(), "resolves-elsewhere"));
                match why {
                    RemovalReason::UserDeleted => {
                        prop_assert!(view.source.deleted_users.contains(user.as_ref().unwrap()));
                    }
                    RemovalReason::UserSuspended => {
                        prop_assert!(lab.world.users[user.as_ref().unwrap()].suspended);
                    }
                    RemovalReason::LeftGroup if held_elsewhere => prop_assert!(whole),
                    RemovalReason::LeftGroup => {
                        let user = user.as_ref().unwrap();
                        prop_assert!(whole && !view.source.users.seen().contains(user));
                        prop_assert!(view.source.absent_again.as_ref().unwrap().get().contains(user));
                    }
                    RemovalReason::Moved => prop_assert!(whole),
                    RemovalReason::NotInSource => {
                        prop_assert!(whole && lab.settings.policy == DriftPolicy::Authoritative);
                    }
                    RemovalReason::Undone => prop_assert!(false, "only an undo undoes"),
                }
            }
        }
    }

    #[test]
    fn r10_r39_owners_groups_and_foreign_members_are_never_removed(story in story()) {
        let lab = tell(&story);
        for part in lab.plan() {
            for operation in possible_removals(&part) {
                let (target, principal, _) = removal(operation).unwrap();
                let member = lab.directory[&target].members.iter().find(|m| m.principal.id == principal).unwrap();
                prop_assert_eq!(member.role, Role::Member);
                prop_assert_eq!(member.kind, MemberKind::User);
                prop_assert!(lab.settings.policy != DriftPolicy::Additive);
                if lab.settings.policy == DriftPolicy::Managed {
                    use crate::ledger::Provenance::{Adopted, Ours};
                    prop_assert!(matches!(lab.provenance(&target, principal), Some(Ours | Adopted)));
                }
            }
        }
    }

    #[test]
    fn r41_nobody_is_both_added_and_removed_in_one_group(story in story()) {
        for part in tell(&story).plan() {
            let target = part.target.as_ref().map(|target| target.id.clone().unwrap_or(format!("id-{}", target.key)));
            let added: BTreeSet<&str> = adds(&part).into_iter().collect();
            for operation in possible_removals(&part) {
                let (from, principal, _) = removal(operation).unwrap();
                prop_assert!(Some(from) != target || !added.contains(principal));
            }
        }
    }

    #[test]
    fn r46_a_second_run_makes_no_writes_and_a_third_no_notes(story in story()) {
        let mut lab = tell(&story);
        lab.sync();
        for part in lab.sync() {
            prop_assert!(!part.has_writes(), "{:?}", part);
        }
        for part in lab.plan() {
            prop_assert!(!part.has_writes() && part.notes.is_empty(), "{:?}", part);
        }
    }

    #[test]
    fn r47_killed_anywhere_the_next_runs_end_where_an_unbroken_one_does(
        story in story(), cut in 0usize..12, notes_first in any::<bool>(),
    ) {
        let mut unbroken = tell(&story);
        let mut broken = unbroken.clone();
        unbroken.sync();
        for part in broken.plan() {
            if notes_first {
                broken.apply_notes(&part);
            }
            broken.apply(&part, cut);
        }
        broken.sync();
        let members = |lab: &Lab| -> Vec<(String, Vec<String>)> {
            lab.directory
                .keys()
                .map(|id| (id.clone(), lab.members(id).into_iter().map(str::to_owned).collect()))
                .collect()
        };
        prop_assert_eq!(members(&broken), members(&unbroken));
    }

    #[test]
    fn r44_the_part_s_own_writes_never_change_its_fingerprint(
        story in story(), cut in 0usize..12, notes_first in any::<bool>(),
    ) {
        let start = tell(&story);
        for (index, part) in start.plan().iter().map(taken_over).enumerate() {
            let part = &part;
            let mut lab = start.clone();
            if notes_first {
                lab.apply_notes(part);
            }
            lab.apply(part, cut);
            let views = lab.views();
            let now = crate::plan::fingerprint(&views[index], &lab.world, &lab.settings, part);
            prop_assert_eq!(&now, &part.fingerprint, "{:?}", part);
        }
    }

    #[test]
    fn the_order_of_the_views_does_not_matter_and_parts_read_back(story in story()) {
        let lab = tell(&story);
        let mut views = lab.views();
        let parts = plan(&lab.world, &views, &lab.settings);
        views.reverse();
        for view in &mut views {
            view.memberships.reverse();
        }
        let again = plan(&lab.world, &views, &lab.settings);
        for (part, other) in parts.iter().zip(&again) {
            prop_assert_eq!(part.to_bytes(), other.to_bytes());
            prop_assert_eq!(&Part::from_bytes(&part.to_bytes()).unwrap(), part);
        }
    }
}

/// The properties above would hold of worlds in which nothing happens; these are not such worlds.
#[test]
fn the_stories_reach_every_kind_of_removal_hold_and_state() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut reached: BTreeSet<String> = BTreeSet::new();
    for _ in 0..600 {
        let story = story().new_tree(&mut runner).unwrap().current();
        for part in tell(&story).plan() {
            reached.insert(format!("{:?}", part.state));
            reached.extend(removals(&part).into_iter().map(|(_, _, why)| format!("{why:?}")));
            reached.extend(held(&part).into_iter().map(|(_, code)| code.to_owned()));
            reached.extend(codes(&part).into_iter().map(str::to_owned));
        }
    }
    for expected in [
        "LeftGroup",
        "UserDeleted",
        "UserSuspended",
        "Moved",
        "NotInSource",
        "owner",
        "resolves-elsewhere",
        "empty-source",
        "Pending",
        "Managed",
        "Held",
        "Frozen",
        "NotExportable",
        "source-incomplete",
        "target-incomplete",
        "old-target-incomplete",
        "second-read-missing",
    ] {
        assert!(
            reached.contains(expected),
            "{expected} is never reached: {reached:?}"
        );
    }
}
