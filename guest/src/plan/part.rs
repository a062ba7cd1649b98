//! The plan as data: one canonical part per source group. The host stores, hashes, shows and approves
//! exactly the bytes that [`Part::to_bytes`] gives, and matches every write to an [`Operation`] in them.
//! The format is published as `wit/plan-part.schema.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ledger::Provenance;

/// The plan for one source group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Format version; 1.
    pub version: u32,
    /// The source group.
    pub group: PartGroup,
    /// The state that the group is in, as far as reading could tell.
    pub state: GroupState,
    /// Why it is in that state; for a person, most important first.
    pub reasons: Vec<Reason>,
    /// What the group is tied to, or will be.
    pub target: Option<PartTarget>,
    /// Hash of what the part was planned from, blind to the part's own operations (R44).
    pub fingerprint: String,
    /// What apply may do, in this order: removals on the evidence of a person's own record (R49), create or
    /// update, adds, other removals, and removals from an earlier target last (R15).
    pub operations: Vec<Operation>,
    /// What is held for approval (R6, R43) or left alone (R39), with the reason. Not approved with the part unless
    /// asked for.
    pub held: Vec<Held>,
    /// Changes to our own ledger alone.
    pub notes: Vec<Note>,
    /// People who are wanted but cannot be exported now (R5, R31).
    pub waiting: Vec<Waiting>,
    /// Members present that the source does not want and that stay (R10, R50).
    pub foreign: Vec<ForeignMember>,
    /// Things to know: ambiguous names (R28), shared addresses, at-risk groups.
    pub warnings: Vec<Reason>,
}

/// Code of the reason why a whole takeover is held.
pub const TAKEOVER: &str = "takeover";

/// The source group that a part is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartGroup {
    /// Source group ID.
    pub id: String,
    /// Its name in the source.
    pub name: String,
    /// The Google address: the group's own email, or the override.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the address comes from the directory's settings and not from the group.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub email_is_override: bool,
    /// Users that the group has in the source, nested ones included; none where that is not proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
}

/// What a source group is tied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartTarget {
    /// The target group's immutable ID; none while it is to be created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The key that it is looked up or created by: Google address, Entra `uniqueName`.
    pub key: String,
    /// Its name or address, for a person.
    pub label: String,
    /// How it came to be tied.
    pub how: TargetHow,
    /// The group's attributes before the part, so that an update can be undone (R45); none without an update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<TargetBefore>,
}

/// A target group's attributes as they were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetBefore {
    /// Display name.
    pub name: String,
    /// Description; empty for none.
    pub description: String,
    /// Google address; elsewhere the key, which no operation changes.
    pub address: String,
}

/// How a target came to be tied to a source group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetHow {
    /// By the ledger.
    Bound,
    /// It exists and is taken over (R21, R50).
    Takeover,
    /// It will be created.
    Create,
}

/// The state of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupState {
    /// Something that export needs is missing.
    NotExportable,
    /// Exportable, with changes to make.
    Pending,
    /// Created, but the target does not show it yet (R20).
    Provisioning,
    /// In step with the source.
    Managed,
    /// Changes wait for approval.
    Held,
    /// Another group holds its address or its target (R19, R51).
    Conflict,
    /// Stopped by R12, R13 or by unbinding; nothing is deleted.
    Released,
    /// The source group is gone (R32).
    Orphaned,
    /// Removals are frozen, since a read was not proven complete (R42).
    Frozen,
    /// Bound, without an email, while management is on (R34).
    AtRisk,
}

/// A reason: a stable code for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Such as `no-email`, `not-bound`, `no-users`, `not-selected`, `read-incomplete`, `limit`, `empty-source`.
    pub code: String,
    /// One sentence.
    pub message: String,
}

impl Reason {
    /// A reason.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// A target group in an operation: known by ID, or by the key that an earlier operation creates it under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupRef {
    /// Immutable ID.
    Id(String),
    /// Created by this part under this key.
    New(String),
}

/// One write that apply may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Creates a group.
    CreateGroup {
        /// Google: the address. Entra: the `uniqueName`.
        key: String,
        /// Display name.
        name: String,
        /// Description; empty for none.
        description: String,
    },
    /// Changes attributes of a group; absent ones stay.
    UpdateGroup {
        /// Which.
        group: GroupRef,
        /// New display name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// New description.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// New Google address (R16).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Adds a member.
    AddMember {
        /// To which group.
        group: GroupRef,
        /// The member's immutable ID in the target.
        principal: String,
        /// The source user.
        user: String,
        /// The member's address, for a person.
        address: String,
    },
    /// Removes a member.
    RemoveMember {
        /// From which group.
        group: GroupRef,
        /// The member's immutable ID in the target.
        principal: String,
        /// The source user that it stood for; none for a foreign member (authoritative policy).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The member's address, for a person.
        address: String,
        /// Why.
        why: RemovalReason,
    },
}

/// Why a membership is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RemovalReason {
    /// The person left the source group.
    LeftGroup,
    /// The person's own record was read as deleted (R49).
    UserDeleted,
    /// The person is suspended and `suspended = "remove"` (R49).
    UserSuspended,
    /// The group's email changed and its members moved to the new address (R14).
    Moved,
    /// Not wanted by the source, under the authoritative policy (R10).
    NotInSource,
    /// Added by an apply that is undone (R45).
    Undone,
}

/// An operation that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// What waits.
    pub operation: Operation,
    /// Why, and what releases it.
    pub reason: Reason,
    /// Whether an approval can release it (limits: yes; owners: never).
    pub approvable: bool,
}

/// A change to the ledger alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "note", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Note {
    /// Records the group's tie: state, key, target, name, whether it has an email.
    Bind {
        /// New state: `managed`, `released` or `orphaned`.
        state: String,
        /// Key.
        key: String,
        /// Target; a new one's ID is filled in when it is created.
        target: Option<String>,
        /// Source name.
        name: String,
        /// Whether the source group has an email.
        had_email: bool,
        /// Targets that people still have to be moved away from: (target ID, key).
        moving_from: Vec<(String, String)>,
    },
    /// Records where a membership comes from.
    Record {
        /// Target group ID.
        target: String,
        /// Member ID.
        principal: String,
        /// Where it comes from.
        #[schemars(with = "String")]
        provenance: Provenance,
        /// Source user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Address.
        address: String,
    },
    /// Forgets a membership that is gone from the target and no longer wanted.
    Forget {
        /// Target group ID.
        target: String,
        /// Member ID.
        principal: String,
    },
}

/// A person who is wanted but cannot be exported now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// Source user ID.
    pub user: String,
    /// Name or address in the source.
    pub label: String,
    /// `awaiting-user`, `ambiguous-user`, `no-address`, `pending-invitation`.
    pub reason: Reason,
}

/// A member that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignMember {
    /// Member ID.
    pub principal: String,
    /// Address or name.
    pub label: String,
    /// `user`, `group`, `external` or `other`.
    pub kind: String,
    /// `member`, `manager` or `owner`.
    pub role: String,
}

impl Operation {
    /// The operation's canonical JSON: the same in the part, in an intent and in the permit's comparison.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Part {
    /// The canonical bytes: JSON without blanks, fields in the order of their definition.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Written twice, so that a large part is not copied from one growing piece of memory to the next.
        let mut length = Length(0);
        if serde_json::to_writer(&mut length, self).is_err() {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(length.0);
        match serde_json::to_writer(&mut bytes, self) {
            Ok(()) => bytes,
            Err(_) => Vec::new(),
        }
    }

    /// Reads a part back.
    ///
    /// # Errors
    /// What is wrong and where, if the bytes are no part of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let part: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if part.version != 1 {
            return Err(format!(
                "version {} is not known; this build reads version 1",
                part.version
            ));
        }
        Ok(part)
    }

    /// Whether the vendor is to be written to.
    pub fn has_writes(&self) -> bool {
        !self.operations.is_empty()
    }

    /// Whether there is anything to apply, at the vendor or in the ledger. A takeover that waits (R43) waits with its
    /// notes: with the tie recorded, the next plan would take it for done.
    pub fn has_work(&self) -> bool {
        let waits = self.held.iter().any(|held| held.reason.code == TAKEOVER);
        !waits && (self.has_writes() || !self.notes.is_empty())
    }
}

/// Counts what is written.
struct Length(usize);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The plan's hash as WIT `plan-sink.put` defines it, from the hashes of its parts in order.
pub fn root_hash<'a>(part_hashes: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::from("groupcast-plan/1\n");
    for hash in part_hashes {
        text.push_str(hash);
        text.push('\n');
    }
    sha256_hex(text.as_bytes())
}
