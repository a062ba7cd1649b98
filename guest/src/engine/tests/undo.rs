//! R45: what an apply did can be undone from what it left.

use super::*;
use crate::ledger::Settlement;
use crate::plan::part::GroupState;
use crate::plan::undo_parts;

/// What the ledger has as done by us: group and operation.
fn applied(town: &Town, from: usize) -> Vec<(String, Operation)> {
    let intents = town.host.intents.borrow();
    intents[from..]
        .iter()
        .filter(|(_, settled)| *settled == Some(Settlement::Applied))
        .map(|(intent, _)| {
            (
                intent.group.clone(),
                serde_json::from_str(&intent.operation).unwrap(),
            )
        })
        .collect()
}

#[test]
fn r45_an_undo_puts_members_and_names_back() {
    let mut town = Town::entra();
    town.source.group("g1", "Sales", None, &["anna", "bert"]);
    town.sync();
    let before = town.target.groups.borrow().clone();
    town.source.groups.get_mut("g1").unwrap().name = "Sales EMEA".to_owned();
    town.source.members("g1", &["bert", "carl"]);
    let mark = town.host.intents.borrow().len();
    town.sync();
    assert_ne!(*town.target.groups.borrow(), before);

    let parts = undo_parts(&town.host.approved.borrow(), &applied(&town, mark));
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].operations.len(), 3);
    *town.host.approved.borrow_mut() = parts;
    let report = town.try_apply().unwrap();
    assert_eq!((report.applied, report.moved.len()), (3, 0));
    assert_eq!(*town.target.groups.borrow(), before);
    assert_eq!(town.host.open(), 0);
}

#[test]
fn r45_a_created_group_is_reported_and_not_deleted() {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna"]);
    town.sync();
    let parts = undo_parts(&town.host.approved.borrow(), &applied(&town, 0));
    assert_eq!(parts[0].warnings[0].code, "created-stays");
    assert_eq!(parts[0].state, GroupState::Pending);
    *town.host.approved.borrow_mut() = parts;
    assert_eq!(town.try_apply().unwrap().applied, 1);
    assert!(town.target.members_at("sales@example.com").is_empty());
    assert_eq!(town.target.groups.borrow().len(), 1);
    assert!(town.host.memberships.borrow().is_empty());
}
