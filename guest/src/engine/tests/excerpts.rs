//! A plan made of excerpts, a group at a time, against a plan of the whole world at once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::engine::observe::Scope;
use crate::engine::plan::judge;
use crate::plan::model::{GroupView, Role, World};
use crate::settings::{DriftPolicy, Suspended};

/// The parts that the planner makes of everything at once.
fn whole(town: &Town) -> Vec<Vec<u8>> {
    town.source.asked.borrow_mut().clear();
    town.with(|session| {
        let (observed, _) = judge(session, &Scope::Everything)
            .now_or_never()
            .unwrap()
            .unwrap();
        let mut world = World {
            rules: session.rules,
            users: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            text: session.text,
        };
        for (user, resolution) in observed.everybody() {
            if let Some(resolution) = resolution {
                world.resolutions.insert(user.id.clone(), resolution);
            }
            world.users.insert(user.id.clone(), user);
        }
        let views: Vec<GroupView> = observed
            .ids()
            .map(|id| observed.excerpt(id).unwrap().view)
            .collect();
        crate::plan::plan(&world, &views, session.settings)
            .iter()
            .map(Part::to_bytes)
            .collect()
    })
}

fn members() -> impl Strategy<Value = BTreeSet<u8>> {
    prop::collection::btree_set(0_u8..12, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_group_s_excerpt_of_the_world_gives_the_part_that_the_whole_world_gives(
        google in any::<bool>(),
        policy in 0_usize..3,
        before in prop::collection::vec(members(), 3),
        after in prop::collection::vec((members(), any::<bool>(), any::<bool>(), any::<bool>()), 3),
        strangers in prop::collection::vec(prop::collection::btree_set((0_u8..14, any::<bool>()), 0..4), 3),
        suspended in members(),
        gone in members(),
        unknown in prop::collection::btree_set(0_u8..12, 0..3),
        removals in prop::option::of(0_u64..4),
    ) {
        let mut town = if google { Town::google() } else { Town::entra() };
        town.settings.policy =
            [DriftPolicy::Managed, DriftPolicy::Authoritative, DriftPolicy::Additive][policy];
        town.settings.suspended = Suspended::Remove;
        let users = |members: &BTreeSet<u8>| members.iter().map(|user| format!("u{user}")).collect::<Vec<_>>();
        for (index, members) in before.iter().enumerate() {
            let members = users(members);
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            let email = format!("list{index}@example.com");
            town.source.group(&format!("g{index}"), &format!("Name {index}"), Some(&email), &members);
        }
        town.sync();
        for (index, (members, partial, moves, bound)) in after.iter().enumerate() {
            let id = format!("g{index}");
            let members = users(members);
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            town.source.members(&id, &members);
            if *partial {
                town.source.partial_members.insert(id.clone());
            }
            if *moves {
                town.source.groups.get_mut(&id).unwrap().email = Some(format!("list{}@example.com", index + 2));
            }
            if !bound && *moves {
                town.source.bound.remove(&id);
            }
        }
        for (group, strangers) in town.target.groups.borrow_mut().values_mut().zip(&strangers) {
            for (user, owner) in strangers {
                let role = if *owner { Role::Owner } else { Role::Member };
                group.members.insert(fakes::principal(&format!("u{user}")), role);
            }
        }
        for user in users(&suspended) {
            if let Some(user) = town.source.users.get_mut(&user) {
                user.suspended = true;
            }
        }
        for user in users(&gone) {
            town.source.users.remove(&user);
        }
        town.target.without_account = users(&unknown).into_iter().collect();
        town.settings.limits.run_removals.count = removals;

        let expected = whole(&town);
        let parts: Vec<Vec<u8>> = town.plan().iter().map(Part::to_bytes).collect();
        prop_assert_eq!(parts, expected);
    }
}
