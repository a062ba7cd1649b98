//! What the exports take and give: the WIT types of `directory-sync`, natively.

use crate::failure::VendorAnswer;

/// WIT `types.run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Unique among the host's runs.
    pub id: String,
    /// Where groups come from.
    pub source: SourceEnd,
    /// Where groups go.
    pub target: TargetEnd,
    /// The settings document.
    pub settings: String,
    /// Seed of all jitter.
    pub seed: u64,
}

/// WIT `types.source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEnd {
    /// `jumpcloud`.
    pub vendor: String,
    /// Scheme, host and port.
    pub base_url: String,
    /// The source's ID of the directory.
    pub directory: String,
}

/// WIT `types.target`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEnd {
    /// `google` or `entra`.
    pub vendor: String,
    /// Scheme, host and port.
    pub base_url: String,
}

/// WIT `severity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Must be mended first.
    Problem,
}

/// WIT `finding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Stable name.
    pub code: String,
    /// What it is about.
    pub place: String,
    /// What was found and what to do.
    pub message: String,
    /// The vendor's answer behind it.
    pub vendor: Option<VendorAnswer>,
}

/// WIT `plan-summary`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanSummary {
    /// Parts.
    pub groups: u64,
    /// Writes planned.
    pub operations: u64,
    /// Memberships to add.
    pub adds: u64,
    /// Memberships to remove.
    pub removals: u64,
    /// Operations held.
    pub held: u64,
}

/// WIT `report`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Operations done.
    pub applied: u64,
    /// Operations refused by a vendor.
    pub failed: u64,
    /// Parts refused: group ID, what moved.
    pub moved: Vec<(String, String)>,
}

/// WIT `question`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// A person, or none for the group alone.
    pub person: Option<String>,
    /// A group.
    pub group: String,
}

/// WIT `step`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Stable name.
    pub code: String,
    /// Whether this link holds.
    pub holds: bool,
    /// In words.
    pub message: String,
}

/// WIT `explanation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// In one sentence.
    pub conclusion: String,
    /// The chain.
    pub steps: Vec<Step>,
}
