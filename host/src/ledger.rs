//! The ledger's records as the host keeps them (WIT `ledger`): the plugin's notes on a binding stay the opaque text
//! that the plugin wrote, since another plugin may write others.

use serde::{Deserialize, Serialize};

pub use groupcast_guest::ledger::{Intent, Membership, OpenIntent, Provenance, Settlement};

/// WIT `ledger.binding`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Source group ID; the key.
    pub group: String,
    /// `managed`, `released` or `orphaned`.
    pub state: String,
    /// What the target was looked up or created by.
    pub key: String,
    /// The target's immutable ID.
    pub target: Option<String>,
    /// The plugin's own notes, kept as they are.
    pub details: String,
}

/// WIT `ledger.effect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// WIT `ledger.outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The intent.
    pub intent: u64,
    /// How it ended.
    pub settlement: Settlement,
    /// The vendor's HTTP status.
    pub status: Option<u16>,
    /// The vendor's reason.
    pub reason: Option<String>,
    /// The vendor's request ID.
    pub request_id: Option<String>,
    /// Durable together with the outcome.
    pub effects: Vec<Effect>,
}
