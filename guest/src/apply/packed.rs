//! Approved parts as an apply keeps them: numbers in place of texts, since the parts of a first run can hold half a
//! million operations. A part is whole only while it is looked at.

use crate::ledger::Provenance;
use crate::names::{Name, Names};
use crate::plan::part::{
    ForeignMember, GroupRef, Held, Note, Operation, Part, Reason, RemovalReason, Waiting,
};

/// A part.
#[derive(Debug)]
pub(crate) struct Packed {
    /// What is small of it: all but the lists below. Of the notes, that which ties the group.
    pub(super) rest: Part,
    /// What is to be done, in the part's order.
    pub(super) operations: Vec<Packing>,
    held: Vec<(Packing, Why, bool)>,
    notes: Vec<PackedNote>,
    waiting: Vec<(Name, Name, Why)>,
    /// Principal, label, kind and role.
    foreign: Vec<[Name; 4]>,
}

/// Code and message of a reason.
#[derive(Debug, Clone, Copy)]
struct Why {
    code: Name,
    message: Name,
}

impl Why {
    fn pack(reason: &Reason, names: &mut Names) -> Self {
        Self {
            code: names.keep(&reason.code),
            message: names.keep(&reason.message),
        }
    }

    fn whole(self, names: &Names) -> Reason {
        Reason {
            code: names.owned(self.code),
            message: names.owned(self.message),
        }
    }
}

/// A target group in an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By its ID.
    Id(Name),
    /// By the key under which the part creates it.
    New(Name),
}

impl Place {
    fn pack(group: &GroupRef, names: &mut Names) -> Self {
        match group {
            GroupRef::Id(id) => Self::Id(names.keep(id)),
            GroupRef::New(key) => Self::New(names.keep(key)),
        }
    }

    fn whole(self, names: &Names) -> GroupRef {
        match self {
            Self::Id(id) => GroupRef::Id(names.owned(id)),
            Self::New(key) => GroupRef::New(names.owned(key)),
        }
    }
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// [`Operation::CreateGroup`].
    Create {
        key: Name,
        name: Name,
        description: Name,
    },
    /// [`Operation::UpdateGroup`].
    Update {
        group: Place,
        name: Option<Name>,
        description: Option<Name>,
        address: Option<Name>,
    },
    /// [`Operation::AddMember`].
    Add {
        group: Place,
        principal: Name,
        user: Name,
        address: Name,
    },
    /// [`Operation::RemoveMember`].
    Remove {
        group: Place,
        principal: Name,
        user: Option<Name>,
        address: Name,
        why: RemovalReason,
    },
}

impl Packing {
    fn pack(operation: &Operation, names: &mut Names) -> Self {
        match operation {
            Operation::CreateGroup {
                key,
                name,
                description,
            } => Self::Create {
                key: names.keep(key),
                name: names.keep(name),
                description: names.keep(description),
            },
            Operation::UpdateGroup {
                group,
                name,
                description,
                address,
            } => {
                let group = Place::pack(group, names);
                let mut keep = |text: &Option<String>| text.as_deref().map(|text| names.keep(text));
                Self::Update {
                    group,
                    name: keep(name),
                    description: keep(description),
                    address: keep(address),
                }
            }
            Operation::AddMember {
                group,
                principal,
                user,
                address,
            } => Self::Add {
                group: Place::pack(group, names),
                principal: names.keep(principal),
                user: names.keep(user),
                address: names.keep(address),
            },
            Operation::RemoveMember {
                group,
                principal,
                user,
                address,
                why,
            } => Self::Remove {
                group: Place::pack(group, names),
                principal: names.keep(principal),
                user: user.as_deref().map(|user| names.keep(user)),
                address: names.keep(address),
                why: *why,
            },
        }
    }

    /// The operation, exactly as it was approved.
    pub(super) fn whole(self, names: &Names) -> Operation {
        let owned = |text: Option<Name>| text.map(|text| names.owned(text));
        match self {
            Self::Create {
                key,
                name,
                description,
            } => Operation::CreateGroup {
                key: names.owned(key),
                name: names.owned(name),
                description: names.owned(description),
            },
            Self::Update {
                group,
                name,
                description,
                address,
            } => Operation::UpdateGroup {
                group: group.whole(names),
                name: owned(name),
                description: owned(description),
                address: owned(address),
            },
            Self::Add {
                group,
                principal,
                user,
                address,
            } => Operation::AddMember {
                group: group.whole(names),
                principal: names.owned(principal),
                user: names.owned(user),
                address: names.owned(address),
            },
            Self::Remove {
                group,
                principal,
                user,
                address,
                why,
            } => Operation::RemoveMember {
                group: group.whole(names),
                principal: names.owned(principal),
                user: owned(user),
                address: names.owned(address),
                why,
            },
        }
    }

    /// The group written to; none for a creation.
    pub(super) fn group(&self) -> Option<Place> {
        match self {
            Self::Create { .. } => None,
            Self::Update { group, .. } | Self::Add { group, .. } | Self::Remove { group, .. } => Some(*group),
        }
    }

    /// Whether it is about a membership.
    pub(super) fn is_about_a_member(&self) -> bool {
        self.is_addition() || self.is_removal()
    }

    pub(super) fn is_addition(&self) -> bool {
        matches!(self, Self::Add { .. })
    }

    pub(super) fn is_removal(&self) -> bool {
        matches!(self, Self::Remove { .. })
    }

    /// Whether it is a removal that rests on the person's own record.
    pub(super) fn departs(&self) -> bool {
        matches!(
            self,
            Self::Remove {
                why: RemovalReason::UserDeleted | RemovalReason::UserSuspended,
                ..
            }
        )
    }

    /// Whether it takes somebody out who moved to the group's new target (R15).
    pub(super) fn moves(&self) -> bool {
        matches!(
            self,
            Self::Remove {
                why: RemovalReason::Moved,
                ..
            }
        )
    }
}

/// A note, but for the one that ties the group.
#[derive(Debug, Clone, Copy)]
enum PackedNote {
    Record {
        target: Name,
        principal: Name,
        provenance: Provenance,
        user: Option<Name>,
        address: Name,
    },
    Forget {
        target: Name,
        principal: Name,
    },
}

impl PackedNote {
    fn whole(self, names: &Names) -> Note {
        match self {
            Self::Record {
                target,
                principal,
                provenance,
                user,
                address,
            } => Note::Record {
                target: names.owned(target),
                principal: names.owned(principal),
                provenance,
                user: user.map(|user| names.owned(user)),
                address: names.owned(address),
            },
            Self::Forget { target, principal } => Note::Forget {
                target: names.owned(target),
                principal: names.owned(principal),
            },
        }
    }
}

impl Packed {
    /// Packs a part.
    pub(super) fn pack(mut part: Part, names: &mut Names) -> Self {
        let mut binds = Vec::new();
        let mut notes = Vec::new();
        for note in std::mem::take(&mut part.notes) {
            match note {
                Note::Record {
                    target,
                    principal,
                    provenance,
                    user,
                    address,
                } => notes.push(PackedNote::Record {
                    target: names.keep(&target),
                    principal: names.keep(&principal),
                    provenance,
                    user: user.as_deref().map(|user| names.keep(user)),
                    address: names.keep(&address),
                }),
                Note::Forget { target, principal } => notes.push(PackedNote::Forget {
                    target: names.keep(&target),
                    principal: names.keep(&principal),
                }),
                bind @ Note::Bind { .. } => binds.push(bind),
            }
        }
        part.notes = binds;
        let operations = std::mem::take(&mut part.operations);
        let held = std::mem::take(&mut part.held);
        let waiting = std::mem::take(&mut part.waiting);
        let foreign = std::mem::take(&mut part.foreign);
        Self {
            rest: part,
            operations: operations
                .iter()
                .map(|operation| Packing::pack(operation, names))
                .collect(),
            held: held
                .iter()
                .map(|held| {
                    (
                        Packing::pack(&held.operation, names),
                        Why::pack(&held.reason, names),
                        held.approvable,
                    )
                })
                .collect(),
            notes,
            waiting: waiting
                .iter()
                .map(|one| {
                    (
                        names.keep(&one.user),
                        names.keep(&one.label),
                        Why::pack(&one.reason, names),
                    )
                })
                .collect(),
            foreign: foreign
                .iter()
                .map(|one| [&one.principal, &one.label, &one.kind, &one.role].map(|text| names.keep(text)))
                .collect(),
        }
    }

    /// The part as it was approved.
    pub(crate) fn whole(&self, names: &Names) -> Part {
        Part {
            operations: self
                .operations
                .iter()
                .map(|operation| operation.whole(names))
                .collect(),
            held: self
                .held
                .iter()
                .map(|(operation, why, approvable)| Held {
                    operation: operation.whole(names),
                    reason: why.whole(names),
                    approvable: *approvable,
                })
                .collect(),
            notes: self
                .rest
                .notes
                .iter()
                .cloned()
                .chain(self.records(names))
                .collect(),
            waiting: self
                .waiting
                .iter()
                .map(|(user, label, why)| Waiting {
                    user: names.owned(*user),
                    label: names.owned(*label),
                    reason: why.whole(names),
                })
                .collect(),
            foreign: self
                .foreign
                .iter()
                .map(|texts| {
                    let [principal, label, kind, role] = texts.map(|text| names.owned(text));
                    ForeignMember {
                        principal,
                        label,
                        kind,
                        role,
                    }
                })
                .collect(),
            ..self.rest.clone()
        }
    }

    /// The notes on memberships.
    pub(super) fn records<'a>(&'a self, names: &'a Names) -> impl Iterator<Item = Note> + 'a {
        self.notes.iter().map(|note| note.whole(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::part::GroupState;

    fn part() -> Part {
        let id = GroupRef::Id("t1".to_owned());
        let reason = Reason::new("limit", "Too many.");
        let removal = |why, user: Option<&str>| Operation::RemoveMember {
            group: id.clone(),
            principal: "p2".to_owned(),
            user: user.map(str::to_owned),
            address: "p2@example.com".to_owned(),
            why,
        };
        Part {
            version: 1,
            group: crate::plan::part::PartGroup {
                id: "g1".to_owned(),
                name: "Sales".to_owned(),
                email: Some("sales@example.com".to_owned()),
                email_is_override: false,
                users: Some(1),
            },
            state: GroupState::Held,
            reasons: vec![reason.clone()],
            target: None,
            fingerprint: "f".to_owned(),
            operations: vec![
                removal(RemovalReason::UserDeleted, Some("u2")),
                Operation::CreateGroup {
                    key: "k".to_owned(),
                    name: "Sales".to_owned(),
                    description: String::new(),
                },
                Operation::UpdateGroup {
                    group: GroupRef::New("k".to_owned()),
                    name: None,
                    description: Some(String::new()),
                    address: Some("a@example.com".to_owned()),
                },
                Operation::AddMember {
                    group: GroupRef::New("k".to_owned()),
                    principal: "p1".to_owned(),
                    user: String::new(),
                    address: "p1@example.com".to_owned(),
                },
                removal(RemovalReason::Moved, None),
            ],
            held: vec![Held {
                operation: removal(RemovalReason::LeftGroup, Some("u3")),
                reason: reason.clone(),
                approvable: true,
            }],
            notes: vec![
                Note::Bind {
                    state: "managed".to_owned(),
                    key: "k".to_owned(),
                    target: None,
                    name: "Sales".to_owned(),
                    had_email: true,
                    moving_from: vec![("t0".to_owned(), "old".to_owned())],
                },
                Note::Record {
                    target: "t1".to_owned(),
                    principal: "p4".to_owned(),
                    provenance: Provenance::Foreign,
                    user: None,
                    address: String::new(),
                },
                Note::Forget {
                    target: "t1".to_owned(),
                    principal: "p5".to_owned(),
                },
            ],
            waiting: vec![Waiting {
                user: "u6".to_owned(),
                label: "six".to_owned(),
                reason,
            }],
            foreign: vec![ForeignMember {
                principal: "p7".to_owned(),
                label: "p7@example.com".to_owned(),
                kind: "user".to_owned(),
                role: "owner".to_owned(),
            }],
            warnings: vec![Reason::new("twin-names", "Two.")],
        }
    }

    #[test]
    fn r44_a_part_comes_out_byte_for_byte_as_it_went_in() {
        let mut names = Names::new();
        let packed = Packed::pack(part(), &mut names);
        assert_eq!(packed.whole(&names).to_bytes(), part().to_bytes());
        let (whole, expected) = (packed.whole(&names), part());
        for ((packing, whole), expected) in packed
            .operations
            .iter()
            .zip(whole.operations)
            .zip(expected.operations)
        {
            assert_eq!(packing.whole(&names).to_json(), expected.to_json());
            assert_eq!(whole, expected);
        }
    }
}
