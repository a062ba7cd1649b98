//! What was looked at, and nothing changed by it: findings, the chain of a `why`, runs of the past.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Explanation, Finding, Severity};
use groupcast_guest::failure::VendorAnswer;
use serde::Serialize;

use crate::cli::operations::{RunEnd, RunRecord};

/// `check`: the findings.
#[derive(Debug, Serialize)]
pub struct CheckEntry {
    /// The run.
    pub run: String,
    /// What was found.
    pub findings: Vec<FindingEntry>,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct FindingEntry {
    /// `info`, `warning` or `problem`.
    pub severity: &'static str,
    /// Stable name.
    pub code: String,
    /// What it is about.
    pub place: String,
    /// What was found and what to do.
    pub message: String,
    /// The vendor's answer behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<VendorAnswer>,
}

impl From<Finding> for FindingEntry {
    fn from(finding: Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Problem => "problem",
            },
            code: finding.code,
            place: finding.place,
            message: finding.message,
            vendor: finding.vendor,
        }
    }
}

/// `why`: the chain.
#[derive(Debug, Serialize)]
pub struct WhyEntry {
    /// In one sentence.
    pub conclusion: String,
    /// The source group that the question turned out to be about.
    pub group: Option<String>,
    /// The person, by every ID that was found, in the source and in the target.
    pub people: Vec<String>,
    /// The code of the first step that does not hold.
    pub cause: Option<String>,
    /// The links, in order.
    pub steps: Vec<StepEntry>,
}

/// One link.
#[derive(Debug, Serialize)]
pub struct StepEntry {
    /// Stable name.
    pub code: String,
    /// Whether it holds.
    pub holds: bool,
    /// In words.
    pub message: String,
}

impl From<Explanation> for WhyEntry {
    fn from(explanation: Explanation) -> Self {
        Self {
            conclusion: explanation.conclusion,
            group: explanation.group,
            people: explanation.people,
            cause: explanation
                .steps
                .iter()
                .find(|step| !step.holds)
                .map(|step| step.code.clone()),
            steps: explanation
                .steps
                .into_iter()
                .map(|step| StepEntry {
                    code: step.code,
                    holds: step.holds,
                    message: step.message,
                })
                .collect(),
        }
    }
}

/// `groupcast/runs/1`.
#[derive(Debug, Serialize)]
pub struct RunsDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// Newest first.
    pub runs: Vec<RunEntry>,
}

/// One run.
#[derive(Debug, Serialize)]
pub struct RunEntry {
    /// Its ID.
    pub run: String,
    /// `tenant/connection`.
    pub connection: String,
    /// `check`, `plan`, `apply`, `sync` or `undo`.
    pub kind: String,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// `done`, `pending`, `refused`, `failed` or `handed-over`; null while it runs.
    pub end: Option<&'static str>,
    /// Why, where it ended badly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Totals by name.
    pub counters: BTreeMap<String, u64>,
    /// The plan that it made or applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

impl From<RunRecord> for RunEntry {
    fn from(record: RunRecord) -> Self {
        Self {
            run: record.id,
            connection: record.connection.to_string(),
            kind: record.kind,
            started: record.started,
            ended: record.ended,
            end: record.end.map(|end| match end {
                RunEnd::Done => "done",
                RunEnd::Pending => "pending",
                RunEnd::Refused => "refused",
                RunEnd::Failed => "failed",
                RunEnd::HandedOver => "handed-over",
            }),
            message: record.message,
            counters: record.counters,
            plan: record.plan,
        }
    }
}
