//! What an apply does to the world: the directory is written, the ledger remembers. What may not enter: how a plan is made.

use super::{Lab, member, taken_over};
use crate::ledger::{Binding, BindingDetails, BindingState, Membership, Provenance};
use crate::plan::part::*;

impl Lab {
    /// Plans and applies.
    pub fn sync(&mut self) -> Vec<Part> {
        let parts = self.plan();
        for part in &parts {
            self.apply(part, usize::MAX);
        }
        parts
    }

    /// Applies the first `count` operations of a part; the notes as well where that was all of them. A takeover that
    /// waits for a word gets it.
    pub fn apply(&mut self, part: &Part, count: usize) {
        let part = &taken_over(part);
        let group = &part.group.id;
        for operation in part.operations.iter().take(count) {
            self.write(group, operation, part);
        }
        if count < part.operations.len() {
            return;
        }
        self.apply_notes(part);
    }

    /// Applies a part's notes alone. A binding to a group that is still to be created is written together with
    /// the creation's outcome, as apply does.
    pub fn apply_notes(&mut self, part: &Part) {
        for note in &part.notes {
            let early = matches!(note, Note::Bind { target: None, state, key, .. }
                if state == "managed" && !self.directory.contains_key(&format!("id-{key}")));
            if !early {
                self.note(&part.group.id, note);
            }
        }
    }

    pub fn resolve(reference: &GroupRef) -> String {
        match reference {
            GroupRef::Id(id) => id.clone(),
            GroupRef::New(key) => format!("id-{key}"),
        }
    }

    fn write(&mut self, group: &str, operation: &Operation, part: &Part) {
        match operation {
            Operation::CreateGroup {
                key,
                name,
                description,
            } => {
                let id = format!("id-{key}");
                self.shelve(&id, key, name, Vec::new());
                self.directory.get_mut(&id).unwrap().group.description = description.clone();
                // As apply does: the binding is written together with the creation's outcome.
                for note in part.notes.iter().filter(|note| matches!(note, Note::Bind { .. })) {
                    self.note(group, note);
                }
            }
            Operation::UpdateGroup {
                group: target,
                name,
                description,
                address,
            } => {
                let group = &mut self.directory.get_mut(&Self::resolve(target)).unwrap().group;
                if let Some(name) = name {
                    group.name = name.clone();
                }
                if let Some(description) = description {
                    group.description = description.clone();
                }
                if let Some(address) = address {
                    group.key = address.clone();
                }
            }
            Operation::AddMember {
                group: target,
                principal: id,
                user,
                address,
            } => {
                let target = Self::resolve(target);
                self.directory.get_mut(&target).unwrap().members.push(member(id));
                self.record(Membership {
                    group: group.to_owned(),
                    target,
                    principal: id.clone(),
                    provenance: Provenance::Ours,
                    user: Some(user.clone()),
                    address: address.clone(),
                });
            }
            Operation::RemoveMember {
                group: target,
                principal: id,
                ..
            } => {
                let target = Self::resolve(target);
                self.directory
                    .get_mut(&target)
                    .unwrap()
                    .members
                    .retain(|member| member.principal.id != *id);
                self.forget(group, &target, id);
            }
        }
    }

    fn note(&mut self, group: &str, note: &Note) {
        match note {
            Note::Bind {
                state,
                key,
                target,
                name,
                had_email,
                moving_from,
            } => {
                let created = format!("id-{key}");
                let target = target
                    .clone()
                    .or_else(|| self.directory.contains_key(&created).then_some(created));
                self.bindings.insert(
                    group.to_owned(),
                    Binding {
                        group: group.to_owned(),
                        state: serde_json::from_value(serde_json::json!(state)).unwrap(),
                        key: key.clone(),
                        target,
                        details: BindingDetails {
                            name: name.clone(),
                            had_email: *had_email,
                            moving_from: moving_from.iter().cloned().collect(),
                            written_at: None,
                            latest: None,
                        },
                    },
                );
            }
            Note::Record {
                target,
                principal,
                provenance,
                user,
                address,
            } => self.record(Membership {
                group: group.to_owned(),
                target: target.clone(),
                principal: principal.clone(),
                provenance: *provenance,
                user: user.clone(),
                address: address.clone(),
            }),
            Note::Forget { target, principal } => self.forget(group, target, principal),
        }
    }

    pub fn record(&mut self, row: Membership) {
        self.forget(&row.group.clone(), &row.target.clone(), &row.principal.clone());
        self.rows.push(row);
    }

    fn forget(&mut self, group: &str, target: &str, principal: &str) {
        self.rows
            .retain(|row| !(row.group == group && row.target == target && row.principal == principal));
    }

    pub fn provenance(&self, target: &str, principal: &str) -> Option<Provenance> {
        self.rows
            .iter()
            .find(|row| row.target == target && row.principal == principal)
            .map(|row| row.provenance)
    }

    pub fn state(&self) -> BindingState {
        self.bindings["g1"].state
    }
}
