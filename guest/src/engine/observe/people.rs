//! People and memberships as a run keeps them: numbers in place of texts ([`Names`]), so that a hundred thousand people
//! and half a million memberships fit into a component's memory. What is not looked at by any decision is not kept.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::ledger::{Membership, Provenance};
use crate::names::{Name, Names};
use crate::plan::model::{MemberKind, ObservedMember, Principal, Resolution, Role, SourceUser};

/// The people that a run needs.
#[derive(Debug, Default)]
pub(crate) struct People {
    records: HashMap<Name, Record>,
    /// Those whose own record is gone.
    deleted: BTreeSet<Name>,
    /// All whom the list showed, needed or not: they are not deleted.
    listed: HashSet<Name>,
    /// Principal -> who resolves to it; of several the first by ID.
    behind: HashMap<Name, Name>,
    /// Principals to whom several resolve.
    shared: BTreeSet<Name>,
}

/// A person of the source.
#[derive(Debug)]
struct Record {
    username: Name,
    email: Option<Name>,
    target_id: Option<Name>,
    suspended: bool,
    resolution: Found,
}

/// How a person was found in the target.
#[derive(Debug)]
enum Found {
    /// Nobody looked.
    NotSought,
    /// Exactly one principal: by far the most.
    Resolved(Account),
    /// Anything else.
    Otherwise(Box<Resolution>),
}

/// A principal.
#[derive(Debug, Clone, Copy)]
struct Account {
    id: Name,
    address: Name,
}

impl Account {
    fn keep(principal: &Principal, names: &mut Names) -> Self {
        Self {
            id: names.keep(&principal.id),
            address: names.keep(&principal.address),
        }
    }

    fn principal(self, names: &Names) -> Principal {
        Principal {
            id: names.owned(self.id),
            address: names.owned(self.address),
        }
    }
}

impl People {
    /// Nobody yet, with room for so many.
    pub(crate) fn for_so_many(count: usize) -> Self {
        Self {
            records: HashMap::with_capacity(count),
            listed: HashSet::with_capacity(count),
            ..Self::default()
        }
    }

    /// Keeps a person's record.
    pub(crate) fn keep(&mut self, user: &SourceUser, names: &mut Names) {
        let record = Record {
            username: names.keep(&user.username),
            email: user.email.as_deref().map(|email| names.keep(email)),
            target_id: user.target_id.as_deref().map(|id| names.keep(id)),
            suspended: user.suspended,
            resolution: Found::NotSought,
        };
        self.records.insert(names.keep(&user.id), record);
    }

    /// Notes that the list of people shows somebody.
    pub(crate) fn list(&mut self, user: Name) {
        self.listed.insert(user);
    }

    /// Whether the list of people shows somebody.
    pub(crate) fn is_listed(&self, user: Name) -> bool {
        self.listed.contains(&user)
    }

    /// Notes that somebody's own record is gone.
    pub(crate) fn delete(&mut self, user: Name) {
        self.deleted.insert(user);
    }

    /// Whether somebody's own record is gone.
    pub(crate) fn is_deleted(&self, user: Name) -> bool {
        self.deleted.contains(&user)
    }

    /// Whether there is a record of somebody.
    pub(crate) fn has(&self, user: Name) -> bool {
        self.records.contains_key(&user)
    }

    /// Notes how people were found in the target.
    pub(crate) fn resolve(
        &mut self,
        resolutions: impl IntoIterator<Item = (String, Resolution)>,
        names: &mut Names,
    ) {
        for (user, resolution) in resolutions {
            let user = names.keep(&user);
            let Some(record) = self.records.get_mut(&user) else {
                continue;
            };
            record.resolution = match resolution {
                Resolution::Resolved(principal) => {
                    let account = Account::keep(&principal, names);
                    let behind = self.behind.entry(account.id).or_insert(user);
                    if *behind != user {
                        self.shared.insert(account.id);
                    }
                    if names.text(user) < names.text(*behind) {
                        *behind = user;
                    }
                    Found::Resolved(account)
                }
                other => Found::Otherwise(Box::new(other)),
            };
        }
    }

    /// Who resolves to a principal; of several the first by ID.
    pub(crate) fn behind(&self, principal: Name) -> Option<Name> {
        self.behind.get(&principal).copied()
    }

    /// Everybody of whom there is a record, ascending by ID.
    pub(crate) fn in_order(&self, names: &Names) -> Vec<Name> {
        let mut all: Vec<Name> = self.records.keys().copied().collect();
        all.sort_unstable_by_key(|name| names.text(*name));
        all
    }

    /// Somebody's record.
    pub(crate) fn user(&self, user: Name, names: &Names) -> Option<SourceUser> {
        let record = self.records.get(&user)?;
        Some(SourceUser {
            id: names.owned(user),
            username: names.owned(record.username),
            email: record.email.map(|email| names.owned(email)),
            suspended: record.suspended,
            target_id: record.target_id.map(|id| names.owned(id)),
        })
    }

    /// Whether nothing of somebody's record matters to a plan: they are not suspended, and one principal stands for them
    /// and nobody else.
    pub(crate) fn is_plain(&self, user: Name) -> bool {
        self.records.get(&user).is_some_and(|record| {
            !record.suspended
                && matches!(record.resolution, Found::Resolved(account) if !self.shared.contains(&account.id))
        })
    }

    /// How somebody was found in the target; none where nobody looked.
    pub(crate) fn resolution(&self, user: Name, names: &Names) -> Option<Resolution> {
        match &self.records.get(&user)?.resolution {
            Found::NotSought => None,
            Found::Resolved(account) => Some(Resolution::Resolved(account.principal(names))),
            Found::Otherwise(other) => Some((**other).clone()),
        }
    }
}

/// A member that the target shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    account: Account,
    kind: MemberKind,
    role: Role,
}

impl Member {
    /// A member's principal.
    pub(crate) fn id(&self) -> Name {
        self.account.id
    }

    /// As what.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// A member's principal, in texts.
    pub(crate) fn principal(self, names: &Names) -> Principal {
        self.account.principal(names)
    }

    /// The member as the planner sees it.
    fn fat(self, names: &Names) -> ObservedMember {
        ObservedMember {
            principal: self.account.principal(names),
            kind: self.kind,
            role: self.role,
        }
    }
}

/// Members, ascending by the number of their principal, so that one is found without looking at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(Vec<Member>);

impl Members {
    /// Keeps what a target showed.
    pub(crate) fn keep(members: &[ObservedMember], names: &mut Names) -> Self {
        let mut kept = Self(
            members
                .iter()
                .map(|member| Member {
                    account: Account::keep(&member.principal, names),
                    kind: member.kind,
                    role: member.role,
                })
                .collect(),
        );
        kept.0.sort_by_key(Member::id);
        kept
    }

    /// The same with some more.
    pub(crate) fn with(mut self, more: &[ObservedMember], names: &mut Names) -> Self {
        self.0.extend(Self::keep(more, names).0);
        self.0.sort_by_key(Member::id);
        self
    }

    /// The member of a principal.
    pub(crate) fn find(&self, principal: Name) -> Option<&Member> {
        let index = self.0.binary_search_by_key(&principal, Member::id).ok()?;
        self.0.get(index)
    }

    /// Everybody's principal.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Name> {
        self.0.iter().map(Member::id)
    }

    /// The members as the planner sees them.
    pub(crate) fn fat(&self, names: &Names) -> Vec<ObservedMember> {
        self.0.iter().map(|member| member.fat(names)).collect()
    }
}

/// A membership that the ledger has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The target group.
    pub(crate) target: Name,
    /// The member.
    pub(crate) principal: Name,
    /// Where it comes from.
    pub(crate) provenance: Provenance,
    /// The source user whom it stands for.
    pub(crate) user: Option<Name>,
    address: Name,
}

impl Row {
    /// Keeps a membership.
    pub(crate) fn keep(membership: &Membership, names: &mut Names) -> Self {
        Self {
            target: names.keep(&membership.target),
            principal: names.keep(&membership.principal),
            provenance: membership.provenance,
            user: membership.user.as_deref().map(|user| names.keep(user)),
            address: names.keep(&membership.address),
        }
    }

    /// What tells the memberships of a source group apart: target and principal.
    pub(crate) fn key(&self) -> (Name, Name) {
        (self.target, self.principal)
    }

    /// The membership as the ledger has it.
    pub(crate) fn fat(&self, group: &str, names: &Names) -> Membership {
        Membership {
            group: group.to_owned(),
            target: names.owned(self.target),
            principal: names.owned(self.principal),
            provenance: self.provenance,
            user: self.user.map(|user| names.owned(user)),
            address: names.owned(self.address),
        }
    }
}
