//! The approved operations, and what they look like on the wire.
//!
//! An approved plan names groups that do not exist yet by the key they will be created under. Which ID such a group
//! got is learned here from the vendor's own answers, as the gate saw them; never from the guest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use groupcast_guest::plan::part::{GroupRef, Operation, Part};

use super::decode::WireWrite;

/// The operations that were approved, searchable by what they look like on the wire.
pub struct ApprovedOperations {
    /// What an operation looks like, groups to be created being named by [`created`] -> the operations themselves.
    by_shape: BTreeMap<WireWrite, Vec<Operation>>,
    /// Keys of groups that the plan creates.
    keys: BTreeSet<String>,
    /// ID -> key, as far as learned.
    learned: Mutex<BTreeMap<String, String>>,
}

/// The stand-in for the ID of a group that is to be created. A line feed can be in no ID: the decoders refuse it.
fn created(key: &str) -> String {
    format!("\n{key}")
}

fn shape_of(group: &GroupRef) -> String {
    match group {
        GroupRef::Id(id) => id.clone(),
        GroupRef::New(key) => created(key),
    }
}

fn shape(operation: &Operation) -> WireWrite {
    match operation {
        Operation::CreateGroup {
            key,
            name,
            description,
        } => WireWrite::CreateGroup {
            key: key.clone(),
            name: name.clone(),
            description: description.clone(),
        },
        Operation::UpdateGroup {
            group,
            name,
            description,
            address,
        } => WireWrite::UpdateGroup {
            group: shape_of(group),
            name: name.clone(),
            description: description.clone(),
            address: address.clone(),
        },
        Operation::AddMember { group, principal, .. } => WireWrite::AddMember {
            group: shape_of(group),
            principal: principal.clone(),
        },
        Operation::RemoveMember { group, principal, .. } => WireWrite::RemoveMember {
            group: shape_of(group),
            principal: principal.clone(),
        },
    }
}

impl ApprovedOperations {
    /// From operations.
    pub fn new(operations: impl IntoIterator<Item = Operation>) -> Self {
        let mut by_shape: BTreeMap<WireWrite, Vec<Operation>> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for operation in operations {
            if let Operation::CreateGroup { key, .. } = &operation {
                keys.insert(key.clone());
            }
            by_shape.entry(shape(&operation)).or_default().push(operation);
        }
        Self {
            by_shape,
            keys,
            learned: Mutex::new(BTreeMap::new()),
        }
    }

    /// From the approved parts. What a part holds back is not approved with it: whoever approves held operations
    /// moves them among the part's operations first.
    pub fn from_parts<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Self {
        Self::new(parts.into_iter().flat_map(|part| part.operations.iter().cloned()))
    }

    /// Whether the plan creates a group under this key.
    pub fn creates(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// The vendor says that the group under `key` has this ID. Keys that the plan does not create are not kept, and
    /// the first answer stands: a second ID for one key is not followed.
    pub fn learn(&self, key: &str, id: &str) {
        if !self.creates(key) || id.is_empty() {
            return;
        }
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if learned.values().any(|known| known == key) {
            return;
        }
        learned.entry(id.to_owned()).or_insert_with(|| key.to_owned());
    }

    /// The approved operations that a write on the wire may be; none where it was not approved.
    pub fn matching(&self, write: &WireWrite) -> Vec<Operation> {
        let mut found = self.by_shape.get(write).cloned().unwrap_or_default();
        let key = write.group().and_then(|id| {
            let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            learned.get(id).cloned()
        });
        if let Some(key) = key {
            let by_key = write.clone().with_group(created(&key));
            found.extend(self.by_shape.get(&by_key).into_iter().flatten().cloned());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ApprovedOperations {
        ApprovedOperations::new([
            Operation::CreateGroup {
                key: "k".into(),
                name: "N".into(),
                description: String::new(),
            },
            Operation::AddMember {
                group: GroupRef::New("k".into()),
                principal: "u".into(),
                user: String::new(),
                address: String::new(),
            },
        ])
    }

    fn add(group: &str) -> WireWrite {
        WireWrite::AddMember {
            group: group.into(),
            principal: "u".into(),
        }
    }

    #[test]
    fn r44_the_first_id_learned_for_a_key_stands() {
        let plan = plan();
        plan.learn("k", "first");
        plan.learn("k", "second");
        assert_eq!(plan.matching(&add("first")).len(), 1);
        assert!(plan.matching(&add("second")).is_empty());
    }

    #[test]
    fn r52_a_key_that_the_plan_does_not_create_teaches_nothing() {
        let plan = plan();
        plan.learn("other", "id");
        assert!(plan.matching(&add("id")).is_empty());
    }

    #[test]
    fn r44_the_stand_in_for_a_group_to_be_created_is_not_matched_by_naming_the_key() {
        let plan = plan();
        assert!(plan.matching(&add("k")).is_empty());
    }

    #[test]
    fn r44_a_creation_with_another_name_is_not_the_approved_one() {
        let plan = plan();
        let create = |name: &str| WireWrite::CreateGroup {
            key: "k".into(),
            name: name.into(),
            description: String::new(),
        };
        assert_eq!(plan.matching(&create("N")).len(), 1);
        assert!(plan.matching(&create("n")).is_empty());
    }
}
