//! Reading what changed instead of everything: what a feed names is read, nothing else is, and whatever is not proven leads
//! to a whole reading.

use proptest::prelude::*;

use super::*;
use crate::feed::{Change, Event};

/// When the town is founded: far enough from 1970 for overlaps.
const FOUNDED: u64 = 1_000_000_000;

impl Town {
    /// Ten groups of two, in step and remembered.
    fn at_rest(rules: TargetRules) -> Self {
        let mut town = Self::new(rules);
        town.host.now.set(FOUNDED);
        town.read = Extent::Changes;
        town.source.events = Some(Vec::new());
        if rules == TargetRules::Named {
            town.target.feed = Some(Vec::new());
        }
        for number in 0..10 {
            let id = format!("g{number}");
            let members = [format!("u{number}"), format!("v{number}")];
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            town.source
                .group(&id, &id, Some(&format!("{id}@example.com")), &members);
        }
        town.happens(Vec::new());
        town.sync();
        town.sync();
        assert!(town.plan().is_empty(), "it is at rest");
        town
    }

    /// Something happens a second later.
    fn happens(&mut self, changes: Vec<Change>) {
        let now = self.host.now.get() + 1;
        self.host.now.set(now);
        let events = self.source.events.get_or_insert_default();
        let id = format!("e{}", events.len());
        events.push(Event {
            id,
            at_ms: now * 1_000,
            changes,
        });
    }

    fn joins(&mut self, group: &str, user: &str) {
        let mut members: Vec<String> = self.source.members[group].iter().cloned().collect();
        members.push(user.to_owned());
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        self.source.members(group, &members);
        self.happens(vec![Change::Group(group.to_owned())]);
    }

    fn groups_of_plan(&self) -> Vec<String> {
        self.plan().into_iter().map(|part| part.group.id).collect()
    }

    fn reads_everything(&self, why: &str) {
        assert_eq!(self.plan().len(), self.source.groups.len());
        let logged = self.host.logged.borrow();
        assert!(
            logged.last().is_some_and(|line| line.contains(why)),
            "{why}: {logged:?}"
        );
    }

    fn forgets_lists(&self) {
        self.source.lists.set(0);
        self.target.reads.set(0);
    }
}

#[test]
fn r46_nothing_happened_and_nothing_is_read() {
    for rules in [TargetRules::Addressed, TargetRules::Named] {
        let town = Town::at_rest(rules);
        town.forgets_lists();
        let summary = town.try_plan().unwrap();
        assert_eq!((summary.groups, summary.at_rest), (0, 10));
        assert!(summary.verified_at.is_some());
        assert_eq!((town.source.lists.get(), town.target.reads.get()), (0, 0));
        assert_eq!(town.source.asked.borrow().len(), 0);
    }
}

#[test]
fn r11_a_change_is_read_and_applied_and_looked_at_once_more() {
    for rules in [TargetRules::Addressed, TargetRules::Named] {
        let mut town = Town::at_rest(rules);
        town.joins("g3", "new");
        town.forgets_lists();
        let report = town.sync();
        assert_eq!(report.applied, 1);
        assert_eq!(town.source.lists.get(), 0, "no list of everything");
        assert!(town.source.asked.borrow().iter().all(|group| group == "g3"));
        assert_eq!(
            town.groups_of_plan(),
            ["g3"],
            "its own writes are looked at again"
        );
        assert!(town.groups_of_plan().is_empty());
    }
}

#[test]
fn r49_somebody_who_is_deleted_leaves_on_their_own_record() {
    let mut town = Town::at_rest(TargetRules::Addressed);
    town.source.users.remove("u4");
    town.source.members("g4", &["v4"]);
    town.happens(vec![Change::PersonGone("u4".to_owned())]);
    let parts = town.plan();
    let operations: Vec<Operation> = parts.into_iter().flat_map(|part| part.operations).collect();
    assert!(
        matches!(&operations[..], [Operation::RemoveMember { why, .. }] if *why == crate::plan::part::RemovalReason::UserDeleted),
        "{operations:?}"
    );
}

#[test]
fn a_group_that_holds_the_changed_one_changes_with_it() {
    let mut town = Town::at_rest(TargetRules::Addressed);
    town.source.group("inner", "inner", None, &[]);
    town.source.bound.remove("inner");
    let outer = [("inner".to_owned(), ["g2".to_owned()].into())];
    town.source.held_by = outer.into();
    town.source.members("g2", &["u2", "v2", "new"]);
    town.happens(vec![Change::Group("inner".to_owned())]);
    assert_eq!(town.groups_of_plan(), ["g2"]);
}

#[test]
fn what_is_not_proven_is_read_whole() {
    let lost = || {
        let mut town = Town::at_rest(TargetRules::Addressed);
        town.source.events.as_mut().unwrap().pop();
        town.host.now.set(town.host.now.get() + 1);
        let at_ms = town.host.now.get() * 1_000;
        town.source.events.as_mut().unwrap().push(Event {
            id: "later".to_owned(),
            at_ms,
            changes: Vec::new(),
        });
        town
    };
    lost().reads_everything("no longer shows the newest event");

    let mut town = Town::at_rest(TargetRules::Addressed);
    town.happens(vec![Change::Everything("nobody knows".to_owned())]);
    town.reads_everything("nobody knows");
    assert!(town.groups_of_plan().is_empty(), "once");

    let mut town = Town::at_rest(TargetRules::Addressed);
    town.settings.suspended = crate::settings::Suspended::Remove;
    town.reads_everything("settings");

    let town = Town::at_rest(TargetRules::Addressed);
    town.host.now.set(town.host.now.get() + 360 * 60);
    town.reads_everything("older than 360 minutes");

    let mut town = Town::at_rest(TargetRules::Named);
    town.target.feed_is_lost = true;
    town.reads_everything("the feed is lost");

    let mut town = Town::at_rest(TargetRules::Addressed);
    town.source.events = None;
    town.reads_everything("fall short");

    let mut town = Town::at_rest(TargetRules::Addressed);
    let now = town.host.now.get();
    town.host.now.set(now + 86_400);
    town.happens(Vec::new());
    town.host.now.set(now + 60);
    town.reads_everything("in the future");
}

#[test]
fn an_event_that_comes_late_within_the_overlap_is_seen() {
    let mut town = Town::at_rest(TargetRules::Addressed);
    let newest = town.source.events.as_ref().unwrap().last().unwrap().at_ms;
    town.source.members("g7", &["u7", "v7", "late"]);
    town.source.events.as_mut().unwrap().insert(
        0,
        Event {
            id: "late".to_owned(),
            at_ms: newest - 14 * 60 * 1_000,
            changes: vec![Change::Group("g7".to_owned())],
        },
    );
    assert_eq!(town.groups_of_plan(), ["g7"]);
}

#[test]
fn r10_drift_in_a_target_with_a_feed_is_found_at_once_and_without_one_at_the_next_whole_reading() {
    let drift = |town: &mut Town| {
        let (id, _) = town
            .target
            .groups
            .borrow()
            .iter()
            .find(|(_, group)| group.name == "g5")
            .map(|(id, group)| (id.clone(), group.clone()))
            .unwrap();
        let gone = fakes::principal("u5");
        town.target
            .groups
            .borrow_mut()
            .get_mut(&id)
            .unwrap()
            .members
            .remove(&gone);
        if let Some(feed) = &mut town.target.feed {
            feed.push(id);
        }
    };
    let mut town = Town::at_rest(TargetRules::Named);
    drift(&mut town);
    assert_eq!(town.sync().applied, 1);

    let mut town = Town::at_rest(TargetRules::Addressed);
    drift(&mut town);
    assert!(town.groups_of_plan().is_empty());
    town.host.now.set(town.host.now.get() + 360 * 60);
    assert_eq!(town.sync().applied, 1);
}

#[test]
fn r05_somebody_who_is_awaited_is_looked_for_at_each_run() {
    let mut town = Town::at_rest(TargetRules::Addressed);
    town.target.without_account.insert("new".to_owned());
    town.joins("g1", "new");
    town.sync();
    town.sync();
    assert!(town.groups_of_plan().is_empty(), "nothing but waiting");
    town.target.without_account.clear();
    assert_eq!(town.sync().applied, 1);
}

#[test]
fn r43_what_is_held_is_looked_at_until_it_is_at_rest_and_shares_are_of_the_whole() {
    let mut town = Town::at_rest(TargetRules::Addressed);
    town.settings.limits.run_removals = Limit {
        count: None,
        percent: Some(10),
        minimum_size: 0,
    };
    town.sync();
    town.sync();
    // Two of twenty memberships are a tenth; of the group's own two they would be all.
    town.source.members("g0", &["v0"]);
    town.happens(vec![Change::Group("g0".to_owned())]);
    assert_eq!(town.sync().applied, 1);
    town.settings.limits.group_removals.count = Some(0);
    town.sync();
    town.source.members("g1", &["v1"]);
    town.happens(vec![Change::Group("g1".to_owned())]);
    for _ in 0..4 {
        let parts = town.plan();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].held.len(), 1, "{parts:#?}");
    }
}

#[test]
fn r45_what_an_apply_wrote_is_looked_at_again_whoever_planned_it() {
    let mut town = Town::at_rest(TargetRules::Addressed);
    town.joins("g6", "new");
    town.read = Extent::Whole;
    town.plan();
    town.host.approve();
    // A whole reading saw the group with work, and the apply leaves it so.
    town.try_apply().unwrap();
    town.read = Extent::Changes;
    assert_eq!(town.groups_of_plan(), ["g6"]);
}

#[test]
fn r19_the_holder_of_an_address_keeps_it_though_it_is_not_read() {
    let mut town = Town::at_rest(TargetRules::Addressed);
    town.source
        .group("second", "second", Some("g0@example.com"), &["u1"]);
    town.happens(vec![Change::Group("second".to_owned())]);
    let parts = town.plan();
    assert_eq!(parts.len(), 1);
    assert_eq!(
        parts[0].state,
        crate::plan::part::GroupState::Conflict,
        "{parts:#?}"
    );
    assert!(parts[0].operations.is_empty());
}

/// One thing that happens in the source.
#[derive(Debug, Clone)]
enum Deed {
    Join(usize, usize),
    Leave(usize, usize),
    Rename(usize, u8),
    Email(usize, bool),
    Delete(usize),
    Unbind(usize),
    Bind(usize),
    Sync,
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (0..10_usize, 0..14_usize).prop_map(|(group, user)| Deed::Join(group, user)),
        (0..10_usize, 0..14_usize).prop_map(|(group, user)| Deed::Leave(group, user)),
        (0..10_usize, any::<u8>()).prop_map(|(group, name)| Deed::Rename(group, name)),
        (0..10_usize, any::<bool>()).prop_map(|(group, has)| Deed::Email(group, has)),
        (0..10_usize).prop_map(Deed::Delete),
        (0..10_usize).prop_map(Deed::Unbind),
        (0..10_usize).prop_map(Deed::Bind),
        Just(Deed::Sync),
    ]
}

impl Town {
    fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Sync => {
                self.sync();
            }
            Deed::Join(group, user) => self.joins(&format!("g{group}"), &format!("u{user}")),
            Deed::Leave(group, user) => {
                let group = format!("g{group}");
                self.source
                    .members
                    .get_mut(&group)
                    .unwrap()
                    .remove(&format!("u{user}"));
                self.happens(vec![Change::Group(group)]);
            }
            Deed::Rename(group, name) => {
                let group = format!("g{group}");
                self.source.groups.get_mut(&group).unwrap().name = format!("{group}-{name}");
                self.happens(vec![Change::Group(group)]);
            }
            Deed::Email(group, has) => {
                let group = format!("g{group}");
                self.source.groups.get_mut(&group).unwrap().email =
                    has.then(|| format!("{group}@example.com"));
                self.happens(vec![Change::Group(group)]);
            }
            Deed::Delete(user) => {
                let user = format!("u{user}");
                self.source.users.remove(&user);
                for members in self.source.members.values_mut() {
                    members.remove(&user);
                }
                self.happens(vec![Change::PersonGone(user)]);
            }
            Deed::Unbind(group) => {
                let group = format!("g{group}");
                self.source.bound.remove(&group);
                self.happens(vec![Change::Group(group)]);
            }
            Deed::Bind(group) => {
                let group = format!("g{group}");
                self.source.bound.insert(group.clone());
                self.happens(vec![Change::Group(group)]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn changes_alone_lead_where_reading_everything_leads(
        named in any::<bool>(),
        deeds in proptest::collection::vec(any_deed(), 1..25),
    ) {
        let rules = if named { TargetRules::Named } else { TargetRules::Addressed };
        let mut town = Town::at_rest(rules);
        for deed in &deeds {
            town.does(deed);
        }
        for _ in 0..3 {
            town.sync();
        }
        town.read = Extent::Whole;
        let left: Vec<Operation> = town.plan().into_iter().flat_map(|part| part.operations).collect();
        prop_assert_eq!(left, []);
    }
}
