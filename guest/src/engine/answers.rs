//! What the exports answer, as WIT `directory-sync` defines it; the component translates field by field.

use serde::{Deserialize, Serialize};

use crate::failure::VendorAnswer;

/// How much a finding matters (WIT `severity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// The sync works, but somebody should look.
    Warning,
    /// The sync will not work, or must not be switched on, until this is mended.
    Problem,
}

/// One thing that `check` found (WIT `finding`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Stable name for programs, such as `directory-not-found`.
    pub code: String,
    /// What it is about.
    pub place: String,
    /// What was found and what to do.
    pub message: String,
    /// The vendor's answer behind it.
    pub vendor: Option<VendorAnswer>,
}

impl Finding {
    /// A finding without a vendor's answer.
    pub(crate) fn new(severity: Severity, code: &str, place: &str, message: impl Into<String>) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            place: place.to_owned(),
            message: message.into(),
            vendor: None,
        }
    }
}

/// Totals of a plan (WIT `plan-summary`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Groups that the plan speaks of.
    pub groups: u64,
    /// Vendor writes planned.
    pub operations: u64,
    /// Memberships to add.
    pub adds: u64,
    /// Memberships to remove.
    pub removals: u64,
    /// Operations held back for approval.
    pub held: u64,
    /// Groups that the plan does not speak of, since nothing about them changed.
    #[serde(default)]
    pub at_rest: u64,
    /// When the last whole reading began, in seconds since the Unix epoch; none where this one is whole.
    #[serde(default)]
    pub verified_at: Option<u64>,
}

/// Totals of an apply (WIT `report`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Operations done, those found already done included.
    pub applied: u64,
    /// Operations that a vendor refused.
    pub failed: u64,
    /// Parts refused because their group moved (R44): group ID, what moved.
    pub moved: Vec<(String, String)>,
}

/// What `explain` is asked (WIT `question`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// A person: username, address or ID.
    pub person: Option<String>,
    /// A group: name, address or ID.
    pub group: String,
}

/// One link of a causal chain (WIT `step`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Stable name for programs.
    pub code: String,
    /// Whether the link holds; the first that does not is the cause.
    pub holds: bool,
    /// The link in words.
    pub message: String,
}

/// Code of the step, before the chain, whose message is the ID of the source group in question.
pub const SUBJECT_GROUP: &str = "subject-group";

/// Code of the steps, before the chain, whose messages are the IDs of the person in question, in source and target.
pub const SUBJECT_PERSON: &str = "subject-person";

/// A causal chain (WIT `explanation`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The conclusion, in one sentence.
    pub conclusion: String,
    /// The source group that the question turned out to be about; none where there is none.
    pub group: Option<String>,
    /// The person, by every ID that was found, in the source and in the target; empty without one.
    pub people: Vec<String>,
    /// The links in order.
    pub steps: Vec<Step>,
}
