//! R43 beyond a group's and a run's plain limits: takeovers, and memberships with more at stake.

use super::lab::*;
use crate::plan::part::GroupState;
use crate::settings::{Limit, Limits};

fn users(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("u{number}")).collect()
}

/// `g1` wants so many people and finds a group of others at its address.
fn found(wanted: usize, there: usize) -> Lab {
    let wanted = users(0..wanted);
    let mut lab = Lab::addressed(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
    let there = (0..there).map(|number| member(&format!("p{number}"))).collect();
    lab.shelve("found", "sales@example.com", "Sales", there);
    lab
}

#[test]
fn r43_a_takeover_that_would_add_more_than_its_limit_waits_as_a_whole() {
    // Half of its size is the limit.
    let mut lab = found(15, 10);
    assert_eq!(adds(&lab.part()).len(), 5);
    assert!(lab.part().has_work());
    let mut large = found(16, 10);
    let part = large.part();
    assert_eq!(
        (part.state, part.operations.len()),
        (GroupState::Held, 0),
        "{part:#?}"
    );
    assert!(
        held(&part).iter().all(|(_, code)| *code == "takeover"),
        "{part:#?}"
    );
    let words = &part.held[0].reason.message;
    assert!(
        words.contains("add 6 people") && words.contains("50% of 10"),
        "{words}"
    );
    assert!(
        !part.has_work() && !part.notes.is_empty(),
        "nothing is tied either"
    );

    // Bound, it is a group like any other.
    lab.sync();
    let more = users(0..30);
    lab.set_users("g1", &more.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(adds(&lab.part()).len(), 15);

    large.settings.limits.takeover_adds = Limit::default();
    assert_eq!(adds(&large.part()).len(), 6);
    // A group too small for shares has the count alone.
    let mut small = found(20, 9);
    assert_eq!(adds(&small.part()).len(), 11);
    small.settings.limits.takeover_adds.count = Some(10);
    assert!(!small.part().has_work());
}

#[test]
fn r43_takeovers_have_a_limit_together_and_what_is_over_it_waits_as_a_whole() {
    let mut lab = found(4, 2);
    lab.add_group("g2", "Two", Some("two@example.com"), &["u0", "u1", "u2"]);
    lab.shelve("there", "two@example.com", "Two", vec![member("p0")]);
    lab.add_group(
        "g3",
        "Three",
        Some("three@example.com"),
        &["u0", "u1", "u2", "u3"],
    );
    assert!(
        lab.plan().iter().all(|part| part.held.is_empty()),
        "small takeovers need no word"
    );
    lab.settings.limits.run_takeover_adds.count = Some(3);
    let parts = lab.plan();
    let counts: Vec<(usize, usize)> = parts
        .iter()
        .map(|part| (adds(part).len(), part.held.len()))
        .collect();
    assert_eq!(
        counts,
        [(2, 0), (0, 2), (4, 0)],
        "what is created disturbs nobody"
    );
    let words = &parts[1].held[0].reason.message;
    assert!(words.contains("4 people in this run"), "{words}");
    assert!(!parts[1].has_work());
}

#[test]
fn r43_a_removal_weighs_more_where_licences_hang_on_the_group() {
    let everybody = users(0..20);
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    let mut lab = Lab::addressed(&everybody);
    lab.sync();
    lab.set_users("g1", &everybody[3..]);
    assert_eq!(removals(&lab.part()).len(), 3, "15% of 20");
    let target = lab.target().to_owned();
    lab.directory.get_mut(&target).unwrap().group.stake = Some("licences".to_owned());
    let part = lab.part();
    assert_eq!(held(&part).len(), 3, "{part:#?}");
    let words = &part.held[0].reason.message;
    assert!(
        words.contains("3 removals in this group, counted as 9 for the licences"),
        "{words}"
    );
    lab.set_users("g1", &everybody[2..]);
    assert_eq!(removals(&lab.part()).len(), 2, "6 of 20 are not over 30%");
    lab.settings.limits.stake_weight = 1;
    lab.set_users("g1", &everybody[3..]);
    assert_eq!(removals(&lab.part()).len(), 3);

    // In the run's limit too; people whose own record is deleted count once.
    lab.settings.limits = Limits {
        group_removals: Limit::default(),
        run_removals: Limit {
            count: Some(5),
            ..Limit::default()
        },
        ..Limits::default()
    };
    let part = lab.part();
    let words = &part.held[0].reason.message;
    assert!(words.contains("3 removals in this run, counted as 9"), "{words}");
    lab.source("g1").deleted_users = ids(&["u0", "u1", "u2"]);
    assert_eq!(removals(&lab.part()).len(), 3);
}
