//! R46 over random worlds: plan, apply, and there is nothing left to do; and nobody was lost on the way.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::plan::model::Role;

/// What one source group looks like: bound, email number, members.
type Look = (bool, Option<u8>, BTreeSet<u8>);

fn look() -> impl Strategy<Value = Look> {
    (
        prop::bool::weighted(0.8),
        prop::option::weighted(0.8, 0_u8..5),
        prop::collection::btree_set(0_u8..8, 0..6),
    )
}

fn paint(town: &mut Town, looks: &[Look]) {
    for (index, (bound, email, members)) in looks.iter().enumerate() {
        let id = format!("g{index}");
        let members: Vec<String> = members.iter().map(|user| format!("u{user}")).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let email = email.map(|email| format!("list{email}@example.com"));
        town.source
            .group(&id, &format!("Name {}", index % 2), email.as_deref(), &members);
        if !bound {
            town.source.bound.remove(&id);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r46_after_plan_and_apply_there_is_nothing_left_to_do(
        google in any::<bool>(),
        present in prop::collection::vec((0_u8..5, prop::collection::btree_set((0_u8..10, any::<bool>()), 0..4)), 0..3),
        worlds in prop::collection::vec(prop::collection::vec(look(), 4), 1..4),
        cut in prop::option::of(0_usize..60),
    ) {
        let mut town = if google { Town::google() } else { Town::entra() };
        for (number, members) in &present {
            let key = format!("list{number}@example.com");
            let members: Vec<(String, Role)> = members
                .iter()
                .map(|(user, owner)| (format!("u{user}"), if *owner { Role::Owner } else { Role::Member }))
                .collect();
            let members: Vec<(&str, Role)> = members.iter().map(|(user, role)| (user.as_str(), *role)).collect();
            town.target.put(&format!("old-{number}"), &key, "Name 0", &members);
        }
        for looks in &worlds {
            paint(&mut town, looks);
            town.plan();
            town.host.approve();
            if let Some(cut) = cut {
                town.host.fuse.set(Some(cut));
                let _ = town.try_apply();
                town.host.fuse.set(None);
            }
            let report = town.try_apply().unwrap();
            prop_assert_eq!(&report.moved, &Vec::new());
            prop_assert_eq!(report.failed, 0);
            // Groups that take each other's address wait for one another: one run each, and then it is quiet.
            for _ in 0..looks.len() * 2 {
                town.sync();
            }
            town.assert_settled();
        }
    }
}
