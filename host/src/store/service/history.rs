//! What charts are drawn of.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::store::ConnectionId;

/// How a directory was at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSample {
    /// Whose.
    pub connection: ConnectionId,
    /// Groups that are exported.
    pub groups: u64,
    /// Memberships that the ledger calls `ours` or `adopted`.
    pub memberships: u64,
    /// Operations that are held.
    pub held: u64,
    /// People who wait for their account.
    pub awaiting: u64,
    /// Requests that the run took, per vendor and status class.
    pub requests: serde_json::Value,
    /// Milliseconds from the run's beginning to its end.
    pub milliseconds: u64,
}

/// A sample and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipSample {
    /// When.
    pub at: DateTime<Utc>,
    /// How it was.
    #[serde(flatten)]
    pub sample: NewSample,
}

/// Changes of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCount {
    /// Day, in UTC.
    pub day: NaiveDate,
    /// The operation's kind, as in a plan's part: `add-member`, `remove-member`, `create-group`, …
    pub kind: String,
    /// How many.
    pub count: u64,
}
