//! What a person chooses for a group becomes the directory's section: bound, addressed, selected, by which policy. Pure.

use serde_json::{Map, Value};

use groupcast_guest::settings::DriftPolicy;

use super::{Catalogue, CatalogueGroup, Result, ServiceError};
use crate::store::service::{DirectoryRecord, DirectoryVendor};

/// A change of one group's settings; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Whether it is bound: from then on the list on our side counts, which begins with what JumpCloud says (R30, R32).
    pub bound: Option<bool>,
    /// Its Google address here; `Some(None)` is its own email again (R12, R14).
    pub address: Option<Option<String>>,
    /// Whether it is selected for export to Entra (R2, R29).
    pub selected: Option<bool>,
    /// Its drift policy; `Some(None)` is the directory's.
    pub policy: Option<Option<DriftPolicy>>,
}

/// Whether the section says that every bound group is selected.
fn selects_all(section: &Value) -> bool {
    let selected = section.get("selected").and_then(Value::as_array);
    selected.is_some_and(|all| all.iter().any(|one| one == "*"))
}

/// Whether a change makes a list of ours that begins with what JumpCloud binds. From a list that was not read whole,
/// groups would be missing as though somebody had unbound them (R32, R42).
pub(super) fn begins_list(section: &Value, change: &GroupChange) -> bool {
    let has_list = section.get("bound").is_some_and(Value::is_array);
    (change.bound.is_some() || change.selected.is_some() && selects_all(section)) && !has_list
}

/// A directory's section with the change of one group in it.
pub(super) fn changed_section(
    before: &DirectoryRecord,
    catalogue: &Catalogue,
    group: &str,
    change: GroupChange,
) -> Result<Value> {
    let of_source = catalogue
        .groups
        .iter()
        .find(|one| one.id == group)
        .ok_or_else(|| ServiceError::not_found("group", group))?;
    let mut section = before.section.clone();
    let all_selected = selects_all(&section);
    let fields = section
        .as_object_mut()
        .ok_or_else(|| ServiceError::Internal(format!("the section of {} is no object", before.id)))?;
    // Those that are bound now: by our list, or by JumpCloud.
    let bound_now: Vec<Value> = match fields.get("bound").and_then(Value::as_array) {
        Some(list) => list.clone(),
        None => {
            let bound = catalogue.groups.iter().filter(|one| one.is_bound);
            bound.map(|one| Value::from(one.id.clone())).collect()
        }
    };
    if let Some(bound) = change.bound {
        set_member(fields, "bound", of_source, bound, || bound_now.clone());
    }
    if let Some(address) = change.address {
        if before.vendor != DirectoryVendor::Google {
            return Err(ServiceError::invalid(
                "address",
                "only Google groups have an address",
            ));
        }
        set_entry(fields, "addresses", of_source, address.map(Value::from));
    }
    if let Some(selected) = change.selected {
        if before.vendor != DirectoryVendor::Entra {
            return Err(ServiceError::invalid(
                "selected",
                "only Entra groups are selected",
            ));
        }
        if all_selected {
            fields.insert("selected".to_owned(), Value::Array(bound_now));
        }
        set_member(fields, "selected", of_source, selected, Vec::new);
    }
    if let Some(policy) = change.policy {
        let policy = policy.and_then(|policy| serde_json::to_value(policy).ok());
        set_entry(fields, "policies", of_source, policy);
    }
    Ok(section)
}

/// Puts a group on a list of IDs, or takes it off; a list that is not there begins as `first` says.
fn set_member(
    fields: &mut Map<String, Value>,
    key: &str,
    group: &CatalogueGroup,
    on: bool,
    first: impl FnOnce() -> Vec<Value>,
) {
    let list = match fields.get(key) {
        Some(Value::Array(list)) => list.clone(),
        _ => first(),
    };
    let mut list: Vec<Value> = list
        .into_iter()
        .filter(|one| one.as_str() != Some(&group.id) && one.as_str() != Some(&group.name))
        .collect();
    if on {
        list.push(group.id.clone().into());
    }
    fields.insert(key.to_owned(), Value::Array(list));
}

/// Writes a group's entry of a table, or removes it.
fn set_entry(fields: &mut Map<String, Value>, key: &str, group: &CatalogueGroup, value: Option<Value>) {
    let table = fields
        .entry(key.to_owned())
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(table) = table.as_object_mut() else {
        return;
    };
    table.remove(&group.name);
    table.remove(&group.id);
    if let Some(value) = value {
        table.insert(group.id.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ConnectionId;
    use serde_json::json;

    fn group(id: &str, name: &str, is_bound: bool) -> CatalogueGroup {
        CatalogueGroup {
            id: id.to_owned(),
            name: name.to_owned(),
            email: None,
            description: String::new(),
            is_bound,
        }
    }

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn r30_a_list_of_ours_begins_with_what_jumpcloud_binds() {
        let mut section = fields(json!({}));
        set_member(&mut section, "bound", &group("g3", "Ops", false), true, || {
            vec!["g1".into(), "g2".into()]
        });
        assert_eq!(section["bound"], json!(["g1", "g2", "g3"]));
        set_member(
            &mut section,
            "bound",
            &group("g1", "Sales", true),
            false,
            Vec::new,
        );
        assert_eq!(section["bound"], json!(["g2", "g3"]));
    }

    fn entra(section: Value) -> DirectoryRecord {
        DirectoryRecord {
            id: ConnectionId::new("acme", "entra"),
            vendor: DirectoryVendor::Entra,
            section,
            version: 1,
            created_at: chrono::Utc::now(),
            updated_at: chrono::Utc::now(),
        }
    }

    #[test]
    fn r29_one_group_less_of_all_selected_leaves_the_others_that_are_bound_now() {
        let catalogue = Catalogue {
            groups: vec![
                group("g1", "Sales", true),
                group("g2", "Ops", true),
                group("g3", "Lab", false),
            ],
            incomplete: None,
        };
        let not = |id: &str, section: Value| {
            let change = GroupChange {
                selected: Some(false),
                ..GroupChange::default()
            };
            changed_section(&entra(section), &catalogue, id, change).unwrap()["selected"].clone()
        };
        assert_eq!(not("g1", json!({"selected": ["*"]})), json!(["g2"]));
        // By a list of ours, and not by JumpCloud's.
        let ours = json!({"selected": ["*"], "bound": ["g1", "g3"]});
        assert_eq!(not("g1", ours), json!(["g3"]));
    }

    #[test]
    fn r42_only_a_list_that_begins_with_jumpclouds_needs_all_of_it() {
        let bind = GroupChange {
            bound: Some(true),
            ..GroupChange::default()
        };
        let select = GroupChange {
            selected: Some(true),
            ..GroupChange::default()
        };
        assert!(begins_list(&json!({}), &bind));
        assert!(!begins_list(&json!({"bound": ["g1"]}), &bind));
        assert!(begins_list(&json!({"selected": ["*"]}), &select));
        assert!(!begins_list(&json!({"selected": ["g1"]}), &select));
        assert!(!begins_list(
            &json!({"selected": ["*"], "bound": ["g1"]}),
            &select
        ));
    }

    #[test]
    fn a_group_that_was_named_goes_on_by_its_id() {
        let mut section = fields(json!({"addresses": {"Sales": "old@example.com"}, "selected": ["Sales"]}));
        let sales = group("g1", "Sales", true);
        set_entry(&mut section, "addresses", &sales, Some("new@example.com".into()));
        set_member(&mut section, "selected", &sales, true, Vec::new);
        assert_eq!(
            Value::Object(section.clone()),
            json!({"addresses": {"g1": "new@example.com"}, "selected": ["g1"]})
        );
        set_entry(&mut section, "addresses", &sales, None);
        assert_eq!(section["addresses"], json!({}));
    }
}
