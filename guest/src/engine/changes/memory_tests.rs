use proptest::prelude::*;

use super::*;

fn event(number: u64, at_ms: u64) -> Event {
    Event {
        id: format!("e{number}"),
        at_ms,
        changes: Vec::new(),
    }
}

#[test]
fn a_silent_feed_proves_nothing() {
    assert_eq!(Cursor::at(&[]), None);
}

proptest! {
    /// Whatever comes late by less than the overlap, and in whatever order: each event is fresh exactly once.
    #[test]
    fn each_event_is_fresh_once_however_late_within_the_overlap(
        events in proptest::collection::vec((0..3_600_000_u64, 0..600_000_u64), 1..60),
    ) {
        // (when it happened, how late it shows)
        let base = 1_000_000_000_000;
        let first = event(0, base);
        let mut cursor = Cursor::at(std::slice::from_ref(&first)).unwrap();
        let mut fresh_ids: Vec<String> = Vec::new();
        let all: Vec<(Event, u64)> = events
            .iter()
            .zip(1_u64..)
            .map(|((at, late), number)| (event(number, base + at), base + at + late))
            .chain([(first, base)])
            .collect();
        // A look each five minutes.
        for step in 0..16_u64 {
            let now = base + step * 300_000;
            let mut shown: Vec<Event> = all
                .iter()
                .filter(|(event, visible)| *visible <= now && event.at_ms >= cursor.begins_at_ms())
                .map(|(event, _)| event.clone())
                .collect();
            shown.sort_by_key(|event| (event.at_ms, event.id.clone()));
            let (next, fresh) = cursor.advance(&shown).unwrap();
            fresh_ids.extend(fresh.into_iter().map(|event| event.id.clone()));
            cursor = next;
        }
        let count = fresh_ids.len();
        let distinct: BTreeSet<String> = fresh_ids.into_iter().collect();
        prop_assert_eq!(distinct.len(), count, "none twice");
        prop_assert_eq!(count, events.len(), "none lost");
    }

    #[test]
    fn a_feed_that_lost_the_newest_event_does_not_go_on(at in 0..900_000_u64) {
        let cursor = Cursor::at(&[event(1, 10_000_000)]).unwrap();
        prop_assert!(cursor.advance(&[event(2, 10_000_000 + at)]).is_err());
        prop_assert!(cursor.advance(&[]).is_err());
    }
}

fn memory() -> Memory {
    let cursor = Cursor::at(&[event(1, 1_000_000_000_000)]).unwrap();
    Memory::of_whole(
        "settings".to_owned(),
        1_000_000_000,
        cursor,
        Some("mark".to_owned()),
        &Seen::default(),
        None,
    )
}

#[test]
fn the_targets_feed_is_read_so_that_every_change_is_told_twice() {
    let mut memory = memory();
    let mut told: Vec<(String, String)> = Vec::new();
    for look in 1..5_u32 {
        let end = format!("mark {look}");
        told.push((memory.marks.as_ref().unwrap().from.clone(), end.clone()));
        let step = Step {
            cursor: memory.cursor.clone(),
            mark: Some(end),
            since: BTreeMap::new(),
            asked: 0,
        };
        memory = memory.after_some(step, &BTreeSet::new(), &Seen::default(), 1_000_000_100);
    }
    let told: Vec<(&str, &str)> = told
        .iter()
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("mark", "mark 1"),
            ("mark", "mark 2"),
            ("mark 1", "mark 3"),
            ("mark 2", "mark 4")
        ]
    );
}

#[test]
fn a_memory_serves_until_something_says_otherwise() {
    let memory = memory();
    let now = 1_000_000_060;
    assert_eq!(memory.stale("settings", 360, now), None);
    assert!(memory.stale("other", 360, now).is_some());
    assert!(memory.stale("settings", 0, now).is_some());
    assert!(memory.stale("settings", 360, now + 360 * 60).is_some());
    // A clock that went back proves no age.
    assert!(memory.stale("settings", 360, now - 3_600).is_some());
    let other = Memory {
        component: "0.0.1".to_owned(),
        ..memory.clone()
    };
    assert!(other.stale("settings", 360, now).is_some());
    let bytes = serde_json::to_vec(&memory).unwrap();
    assert_eq!(serde_json::from_slice::<Memory>(&bytes).unwrap(), memory);
}

proptest! {
    /// The rule of the room: a group leaves the attention only by a reading that saw it at rest, and that no new event led to.
    #[test]
    fn nothing_leaves_the_attention_unseen(
        before in proptest::collection::btree_set("[a-f]", 0..6),
        read in proptest::collection::btree_set("[a-f]", 0..6),
        restless in proptest::collection::btree_set("[a-f]", 0..6),
        named in proptest::collection::btree_set("[a-f]", 0..6),
    ) {
        let restless: BTreeSet<String> = restless.intersection(&read).cloned().collect();
        let named: BTreeSet<String> = named.intersection(&read).cloned().collect();
        let earlier = Memory { attention: before.clone(), ..memory() };
        let step = Step {
            cursor: earlier.cursor.clone(),
            mark: None,
            since: named.iter().map(|group| (group.clone(), 5)).collect(),
            asked: 0,
        };
        let seen = Seen { restless: restless.clone(), ..Seen::default() };
        let next = earlier.after_some(step, &read, &seen, 1_000_000_100);
        for group in &before {
            let left = !next.attention.contains(group);
            prop_assert!(!left || (read.contains(group) && !restless.contains(group) && !named.contains(group)));
        }
        prop_assert!(restless.is_subset(&next.attention));
        prop_assert!(named.is_subset(&next.attention));
        prop_assert!(next.since.keys().all(|group| next.attention.contains(group)));
    }
}
