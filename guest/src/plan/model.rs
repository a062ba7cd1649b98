//! What planning looks at: the world in three views (source, target, ledger), free of vendors' words.
//! The vendors' rooms translate into these types; the planner reads nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::complete::{Complete, Shortfall};
use crate::ledger::{Binding, Membership};

/// A read that may have fallen short. Only [`Reading::Complete`] can lead to removals (R42).
#[derive(Debug, Clone)]
pub enum Reading<T> {
    /// Proven whole.
    Complete(Complete<T>),
    /// Not whole: what was seen, and why it is not whole. Adds may go on from what was seen; removals may not.
    Partial {
        /// What was seen.
        seen: T,
        /// Why it is not whole, for a person.
        reason: String,
    },
}

impl<T> Reading<T> {
    /// What was seen, whole or not.
    pub fn seen(&self) -> &T {
        match self {
            Self::Complete(whole) => whole.get(),
            Self::Partial { seen, .. } => seen,
        }
    }

    /// What was seen, whole or not, without the proof.
    pub fn into_seen(self) -> T {
        match self {
            Self::Complete(whole) => whole.into_inner(),
            Self::Partial { seen, .. } => seen,
        }
    }

    /// The proof, where there is one.
    pub fn complete(&self) -> Option<&Complete<T>> {
        match self {
            Self::Complete(whole) => Some(whole),
            Self::Partial { .. } => None,
        }
    }

    /// Why it is not whole, where it is not.
    pub fn shortfall(&self) -> Option<&str> {
        match self {
            Self::Complete(_) => None,
            Self::Partial { reason, .. } => Some(reason),
        }
    }

    /// The same reading of something derived.
    pub fn map<U>(self, derive: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Complete(whole) => Reading::Complete(whole.map(derive)),
            Self::Partial { seen, reason } => Reading::Partial {
                seen: derive(seen),
                reason,
            },
        }
    }
}

impl<T> From<Result<Complete<Vec<T>>, Shortfall<T>>> for Reading<Vec<T>> {
    fn from(judgement: Result<Complete<Vec<T>>, Shortfall<T>>) -> Self {
        match judgement {
            Ok(whole) => Self::Complete(whole),
            Err(short) => Self::Partial {
                seen: short.seen,
                reason: short.reason.to_string(),
            },
        }
    }
}

/// A group in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGroup {
    /// Immutable ID.
    pub id: String,
    /// Name, code point for code point.
    pub name: String,
    /// The group's own email, as it stands there; blanks are the planner's business.
    pub email: Option<String>,
    /// Description; empty where there is none.
    pub description: String,
}

/// A person in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUser {
    /// Immutable ID.
    pub id: String,
    /// Login name, for a person to read.
    pub username: String,
    /// Email, where there is one.
    pub email: Option<String>,
    /// Whether suspended.
    pub suspended: bool,
    /// The person's immutable ID in the target, where the source itself holds it (R31).
    pub target_id: Option<String>,
}

/// How a source user was found in the target (R31).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Exactly one principal.
    Resolved(Principal),
    /// Nobody: `awaiting-user` (R5).
    Unknown {
        /// What was looked for.
        sought: String,
    },
    /// Several: skipped and reported.
    Ambiguous {
        /// Who they are.
        candidates: Vec<Principal>,
    },
    /// The source user has no address to look for.
    NoAddress,
    /// The target's users could not be read whole, so that "nobody" would be a guess.
    Unproven {
        /// Why.
        reason: String,
    },
}

/// Somebody in the target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Principal {
    /// Immutable ID. All comparisons are on it.
    pub id: String,
    /// Primary address, for a person to read.
    pub address: String,
}

/// What kind of thing a target member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberKind {
    /// A user of the directory.
    User,
    /// A nested group.
    Group,
    /// Somebody outside the directory.
    External,
    /// Anything else: service principals, devices, the whole customer.
    Other,
}

/// A member's role in the target group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Plain member.
    Member,
    /// May manage the group.
    Manager,
    /// Owns the group.
    Owner,
}

/// A member that the target shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedMember {
    /// Who.
    pub principal: Principal,
    /// What.
    pub kind: MemberKind,
    /// As what.
    pub role: Role,
}

/// A group that the target shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroup {
    /// Immutable ID.
    pub id: String,
    /// Google: primary address. Entra: `uniqueName` or empty.
    pub key: String,
    /// Display name.
    pub name: String,
    /// Description; empty where there is none.
    pub description: String,
    /// What else hangs on being a member, in a word for a person (`licences`); none where nothing is known to. Removals
    /// from such a group weigh more (R43).
    pub stake: Option<String>,
}

/// What looking for a source group's target found. Look-ups, never absence from a list (R20).
#[derive(Debug, Clone)]
pub enum Sight {
    /// The bound target, read by its ID.
    Bound(TargetGroup),
    /// Bound, but the target answers that the ID does not exist: created lately and not shown yet, or deleted
    /// by somebody. Never a reason to create again (R20).
    BoundMissing,
    /// Not bound; exactly one group may be taken over (R21, R50).
    Takeover(TargetGroup),
    /// Not bound; nothing is there: create (R4, R22). The warnings say what is there and is not it (R23, R26, R28).
    Nothing {
        /// `twin-names`, `other-kind`, `other-spelling`, each with a sentence.
        warnings: Vec<super::part::Reason>,
    },
    /// Must not be created or taken over now (R18, R27, R28 with `hold`), or is bound and has become a group that is
    /// never written (R27): conflict or held.
    Blocked {
        /// Held or conflict.
        conflict: bool,
        /// Why and what to do.
        reason: super::part::Reason,
    },
    /// Could not be looked up this time; the group is left alone and says why.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What the source says of one group and its people.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// The group; none where the source answers that it is gone (R32).
    pub group: Option<SourceGroup>,
    /// Whether it is associated with the directory.
    pub bound: bool,
    /// Effective users: IDs.
    pub users: Reading<BTreeSet<String>>,
    /// A second, agreeing read of the source (R42): the users that a second complete read also does *not* list.
    /// None where no second read was made.
    pub absent_again: Option<Complete<BTreeSet<String>>>,
    /// Users whose own record was read as deleted (R49).
    pub deleted_users: BTreeSet<String>,
}

/// What the target says of one group.
#[derive(Debug, Clone)]
pub struct TargetView {
    /// What was found.
    pub sight: Sight,
    /// Members of the group found; empty where none was.
    pub members: Reading<Vec<ObservedMember>>,
    /// For each earlier target that people are being moved away from: its ID -> its members.
    pub moving_from: BTreeMap<String, Reading<Vec<ObservedMember>>>,
}

/// Everything that the plan for one group is made from.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// Source group ID.
    pub id: String,
    /// The source.
    pub source: SourceView,
    /// The target.
    pub target: TargetView,
    /// The ledger's binding.
    pub binding: Option<Binding>,
    /// The ledger's memberships, of all targets of this group.
    pub memberships: Vec<Membership>,
    /// Whether members were written so lately that lists may show what was before: nobody of ours who does not show is
    /// forgotten then, since they may show yet.
    pub settling: bool,
}

/// The kind of directory, as far as rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetRules {
    /// Groups are keyed by an address (R1, R12, R14, R18, R19).
    Addressed,
    /// Groups are keyed by name and must be selected (R2, R13, R21 to R29).
    Named,
}

/// How much text a target's group attributes hold, in characters; what is longer is cut. None: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextLimits {
    /// Of a display name.
    pub name: Option<usize>,
    /// Of a description (Google: 4096).
    pub description: Option<usize>,
}

/// What all groups of a run share.
#[derive(Debug, Clone)]
pub struct World {
    /// Which rules.
    pub rules: TargetRules,
    /// The people of the source by ID; those that were needed.
    pub users: BTreeMap<String, SourceUser>,
    /// How they were found in the target.
    pub resolutions: BTreeMap<String, Resolution>,
    /// How long the target's texts may be.
    pub text: TextLimits,
}
