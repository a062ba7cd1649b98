//! The ledger's records as the engine sees them: the WIT interface `ledger`, with the binding's notes parsed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a membership comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Added by us.
    Ours,
    /// Present and desired.
    Adopted,
    /// Present, never desired.
    Foreign,
}

/// The state of a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingState {
    /// Synced.
    Managed,
    /// Stopped by R12, R13 or R32; nothing deleted.
    Released,
    /// The source group is gone (R32).
    Orphaned,
}

/// A source group's tie to a target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Source group ID.
    pub group: String,
    /// Its state.
    pub state: BindingState,
    /// The key that the target was looked up or created by: Google address in canonical form, Entra `uniqueName`.
    pub key: String,
    /// The target's immutable ID; none until its creation is settled.
    pub target: Option<String>,
    /// What else the engine must remember.
    pub details: BindingDetails,
}

/// The engine's own notes on a binding; JSON in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BindingDetails {
    /// The source group's name when last applied.
    pub name: String,
    /// Whether the source group had an email when last managed (R13 acts on present -> absent). A release keeps
    /// it, so that a release for want of an email is told from one by unbinding.
    pub had_email: bool,
    /// Earlier targets that people are still being moved away from (R14, R15): target ID -> its key.
    pub moving_from: BTreeMap<String, String>,
    /// When members of a target of this group were last written, in seconds since the Unix epoch: for a while after that
    /// a list may show what was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_at: Option<u64>,
    /// How long the last change took from its event in the source to the target, where an event told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<Latency>,
}

/// How long a change took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// When it happened, by the source's own clock, in seconds since the Unix epoch.
    pub happened_at: u64,
    /// When its last write was settled, by this machine's clock.
    pub settled_at: u64,
}

impl Latency {
    /// Seconds in between; 0 where the two clocks disagree by more than it took.
    pub fn seconds(self) -> u64 {
        self.settled_at.saturating_sub(self.happened_at)
    }
}

/// One recorded membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Source group ID.
    pub group: String,
    /// Target group's immutable ID.
    pub target: String,
    /// Member's immutable ID in the target.
    pub principal: String,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The source user it stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Last known address; shown, never compared.
    pub address: String,
}

/// An operation about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Source group ID.
    pub group: String,
    /// The operation's canonical JSON as in the plan part.
    pub operation: String,
}

/// An intent without an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntent {
    /// The ledger's ID of it.
    pub id: u64,
    /// The run that made it.
    pub run: String,
    /// What was intended.
    pub intent: Intent,
}

/// A change to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Writes a binding.
    Bind(Binding),
    /// Removes a group's binding.
    Unbind(String),
    /// Writes a membership.
    PutMembership(Membership),
    /// Removes a membership.
    DropMembership {
        /// Source group ID.
        group: String,
        /// Target group ID.
        target: String,
        /// Member ID.
        principal: String,
    },
}

/// How an intended operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settlement {
    /// The vendor did it.
    Applied,
    /// It was so already, and read back (R40).
    Already,
    /// The vendor refused; nothing changed.
    Refused,
    /// It was not sent.
    Abandoned,
}

/// An intent's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The intent.
    pub intent: u64,
    /// How it ended.
    pub settlement: Settlement,
    /// The vendor's HTTP status.
    pub status: Option<u16>,
    /// The vendor's reason, or ours.
    pub reason: Option<String>,
    /// The vendor's request ID.
    pub request_id: Option<String>,
    /// Applied together with the outcome.
    pub effects: Vec<Effect>,
}
