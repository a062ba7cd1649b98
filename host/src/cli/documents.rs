//! What `--json` prints: one document a command, named by `format`. These shapes are a promise: fields are only added
//! within a version. Plan parts are the plan's own canonical form (`wit/plan-part.schema.json`), untouched.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Explanation, Finding, Severity};
use groupcast_guest::failure::VendorAnswer;
use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::{Operation, Part};
use serde::Serialize;

use super::exit::Exit;
use super::operations::{ApplyOutcome, ConnectionName, OperationOutcome, PlanOutcome, RunEnd, RunRecord};
use super::problem::Problem;
use super::render::plan::Totals;
use crate::plugin::{Manifest, Outside};
use crate::recording::{Against, Head, Kind, Redacted, Replayed};
use crate::store::service::TokenRecord;

/// What all commands that go over connections print: `groupcast/<command>/1`.
#[derive(Debug, Serialize)]
pub struct Document<T> {
    /// Name and version of the shape.
    pub format: String,
    /// The process's exit code.
    pub exit: u8,
    /// One entry a connection, in the configuration's order.
    pub connections: Vec<Entry<T>>,
}

/// One connection's result, or its failure.
#[derive(Debug, Serialize)]
pub struct Entry<T> {
    /// `tenant/connection`.
    pub connection: String,
    /// What came of it; absent where it failed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub result: Option<T>,
    /// What went wrong; absent where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEntry>,
}

/// A command that could not begin: `groupcast/error/1`.
#[derive(Debug, Serialize)]
pub struct ErrorDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// What went wrong.
    pub error: ErrorEntry,
}

/// What went wrong.
#[derive(Debug, Serialize)]
pub struct ErrorEntry {
    /// `refused` (nothing was done) or `failed`.
    pub kind: &'static str,
    /// To what; absent where the message names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What happened and what to do.
    pub message: String,
    /// The vendor's answer: status, reason, request ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<VendorAnswer>,
}

impl From<&Problem> for ErrorEntry {
    fn from(problem: &Problem) -> Self {
        Self {
            kind: if problem.exit == Exit::Refused {
                "refused"
            } else {
                "failed"
            },
            place: (!problem.place.is_empty()).then(|| problem.place.clone()),
            message: problem.message.clone(),
            vendor: problem.vendor.clone(),
        }
    }
}

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

/// `plan`, `undo`, and within `sync` and `apply`: a plan.
#[derive(Debug, Serialize)]
pub struct PlanEntry {
    /// The run that made it.
    pub run: String,
    /// Its root hash.
    pub hash: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Until when it can be applied.
    pub expires: DateTime<Utc>,
    /// What it comes to.
    pub totals: TotalsEntry,
    /// One part a group.
    pub parts: Vec<Part>,
}

/// What a plan comes to.
#[derive(Debug, Serialize)]
pub struct TotalsEntry {
    /// Groups in the plan.
    pub groups: u64,
    /// Groups that were not looked at, since nothing happened to them after everything was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_rest: Option<u64>,
    /// When everything was read last, in seconds since the Unix epoch; absent where this plan read everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<u64>,
    /// Groups without anything to do.
    pub in_step: u64,
    /// Groups to create.
    pub creates: u64,
    /// Groups to take over.
    pub takeovers: u64,
    /// Groups whose attributes change.
    pub updates: u64,
    /// Memberships to add.
    pub adds: u64,
    /// Memberships to remove.
    pub removals: u64,
    /// Operations held.
    pub held: u64,
    /// Of these, the ones that an approval releases.
    pub approvable: u64,
    /// People waiting.
    pub waiting: u64,
    /// Groups that could not be read whole.
    pub frozen: u64,
}

impl From<PlanOutcome> for PlanEntry {
    fn from(outcome: PlanOutcome) -> Self {
        let totals = Totals::of(&outcome.plan.parts);
        Self {
            run: outcome.run,
            hash: outcome.plan.hash,
            created: outcome.plan.created,
            expires: outcome.plan.expires,
            totals: TotalsEntry {
                groups: totals.groups,
                at_rest: outcome.summary.verified_at.map(|_| outcome.summary.at_rest),
                verified_at: outcome.summary.verified_at,
                in_step: totals.quiet,
                creates: totals.creates,
                takeovers: totals.takeovers,
                updates: totals.updates,
                adds: totals.adds,
                removals: totals.removals,
                held: totals.held,
                approvable: totals.approvable,
                waiting: totals.waiting,
                frozen: totals.frozen,
            },
            parts: outcome.plan.parts,
        }
    }
}

/// `apply` and `sync`: a plan and what became of it.
#[derive(Debug, Serialize)]
pub struct AppliedEntry {
    /// `applied`, `planned` (waits for approval) or `nothing` (in step).
    pub outcome: &'static str,
    /// Why a plan waits; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The plan; absent where an earlier one was applied by its hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanEntry>,
    /// What became of it; absent where nothing was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<ApplyEntry>,
}

/// What became of an applied plan.
#[derive(Debug, Serialize)]
pub struct ApplyEntry {
    /// The run.
    pub run: String,
    /// The plan's root hash.
    pub hash: String,
    /// Operations done.
    pub applied: u64,
    /// Operations refused by a vendor.
    pub failed: u64,
    /// Groups left alone, since they moved after the plan was made.
    pub moved: Vec<MovedEntry>,
    /// One for each operation.
    pub operations: Vec<OperationEntry>,
    /// Requests by vendor.
    pub requests: BTreeMap<String, RequestsEntry>,
    /// Milliseconds from start to end.
    pub wall_ms: u64,
}

/// A group that moved.
#[derive(Debug, Serialize)]
pub struct MovedEntry {
    /// Source group ID.
    pub group: String,
    /// What moved.
    pub what: String,
}

/// What became of one operation.
#[derive(Debug, Serialize)]
pub struct OperationEntry {
    /// Source group ID.
    pub group: String,
    /// As in the plan's part.
    pub operation: Operation,
    /// `applied`, `already`, `refused`, `abandoned` (not sent), or `unknown`: the run was cut short, and the next one
    /// reads back what became of it.
    pub settlement: &'static str,
    /// The vendor's HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The vendor's reason, or ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The vendor's request ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Requests to one vendor.
#[derive(Debug, Serialize)]
pub struct RequestsEntry {
    /// Requests, batches counted once.
    pub requests: u64,
    /// Of these, batches.
    pub batches: u64,
    /// Parts of batches.
    pub parts: u64,
    /// Operations that changed something, or tried to.
    pub writes: u64,
    /// Answers that asked for a pause.
    pub throttled: u64,
}

impl From<ApplyOutcome> for ApplyEntry {
    fn from(outcome: ApplyOutcome) -> Self {
        Self {
            run: outcome.run,
            hash: outcome.hash,
            applied: outcome.report.applied,
            failed: outcome.report.failed,
            moved: outcome
                .report
                .moved
                .into_iter()
                .map(|(group, what)| MovedEntry { group, what })
                .collect(),
            operations: outcome.outcomes.into_iter().map(OperationEntry::from).collect(),
            requests: outcome
                .requests
                .vendors
                .into_iter()
                .map(|(vendor, counts)| {
                    let entry = RequestsEntry {
                        requests: counts.requests,
                        batches: counts.batches,
                        parts: counts.parts,
                        writes: counts.writes,
                        throttled: counts.throttled,
                    };
                    (vendor, entry)
                })
                .collect(),
            wall_ms: outcome.usage.wall_ms,
        }
    }
}

impl From<OperationOutcome> for OperationEntry {
    fn from(one: OperationOutcome) -> Self {
        Self {
            group: one.group,
            operation: one.operation,
            settlement: match one.settlement {
                Some(Settlement::Applied) => "applied",
                Some(Settlement::Already) => "already",
                Some(Settlement::Refused) => "refused",
                Some(Settlement::Abandoned) => "abandoned",
                None => "unknown",
            },
            status: one.status,
            reason: one.reason,
            request_id: one.request_id,
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
    /// `done`, `pending`, `refused` or `failed`; null while it runs.
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
            }),
            message: record.message,
            counters: record.counters,
            plan: record.plan,
        }
    }
}

/// `groupcast/secrets/1`.
#[derive(Debug, Serialize)]
pub struct SecretsDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The names.
    pub names: Vec<String>,
    /// What is known of each.
    pub secrets: Vec<SecretDocument>,
}

/// One of [`SecretsDocument`].
#[derive(Debug, Serialize)]
pub struct SecretDocument {
    /// Its name.
    pub name: String,
    /// Its version, for a tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When what it opens expires, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// `groupcast/tokens/1`.
#[derive(Debug, Serialize)]
pub struct TokensDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The token that was made; shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What is kept of tokens.
    pub tokens: Vec<TokenRecord>,
}

/// `groupcast/plugins/1`.
#[derive(Debug, Serialize)]
pub struct KeptDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The components, ascending by digest.
    pub plugins: Vec<KeptEntry>,
}

/// One component that is kept.
#[derive(Debug, Serialize)]
pub struct KeptEntry {
    /// Lower-case hexadecimal SHA-256.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// `groupcast/plugin/1`.
#[derive(Debug, Serialize)]
pub struct PluginDocument<'a> {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The file.
    pub file: String,
    /// Lower-case hexadecimal SHA-256.
    pub digest: &'a str,
    /// Bytes.
    pub size: u64,
    /// What it imports.
    pub imports: Vec<ImportEntry<'a>>,
    /// What it exports.
    pub exports: &'a [String],
    /// What it says of itself; null where it could not be asked.
    pub manifest: Option<&'a Manifest>,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEntry>,
}

/// One import.
#[derive(Debug, Serialize)]
pub struct ImportEntry<'a> {
    /// The interface.
    pub name: &'a str,
    /// Whether Groupcast gives it to plugins.
    pub allowed: bool,
}

impl<'a> PluginDocument<'a> {
    /// The document.
    pub fn new(
        file: String,
        outside: &'a Outside,
        manifest: Option<&'a Manifest>,
        problem: Option<&Problem>,
    ) -> Self {
        Self {
            format: "groupcast/plugin/1",
            exit: problem.map_or(0, |problem| problem.exit.code()),
            file,
            digest: &outside.digest,
            size: outside.size,
            imports: outside
                .imports
                .iter()
                .map(|(name, allowed)| ImportEntry {
                    name,
                    allowed: *allowed,
                })
                .collect(),
            exports: &outside.exports,
            manifest,
            error: problem.map(ErrorEntry::from),
        }
    }
}

impl<T> Document<T> {
    /// An empty document of a command.
    pub fn new(command: &str) -> Self {
        Self {
            format: format!("groupcast/{command}/1"),
            exit: 0,
            connections: Vec::new(),
        }
    }

    /// Adds a connection's result.
    pub fn push(&mut self, connection: &ConnectionName, result: Result<T, &Problem>) {
        let (result, error) = match result {
            Ok(result) => (Some(result), None),
            Err(problem) => (None, Some(ErrorEntry::from(problem))),
        };
        self.connections.push(Entry {
            connection: connection.to_string(),
            result,
            error,
        });
    }
}

/// `replay`: `groupcast/replay/1`.
#[derive(Debug, Serialize)]
pub struct ReplayDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The run.
    pub run: String,
    /// `check`, `plan`, `apply` or `why`.
    pub kind: Kind,
    /// `tenant/connection`.
    pub connection: String,
    /// SHA-256 of the recorded component.
    pub component: String,
    /// Whether the replay was the same, bit for bit.
    pub reproduced: bool,
    /// What the replay found.
    #[serde(flatten)]
    pub replayed: Replayed,
}

impl ReplayDocument {
    /// Of a replay.
    pub fn new(exit: Exit, head: &Head, replayed: Replayed) -> Self {
        Self {
            format: "groupcast/replay/1",
            exit: exit.code(),
            run: head.run.id.clone(),
            kind: head.kind,
            connection: head.connection.clone(),
            component: head.component.clone(),
            reproduced: replayed.difference.is_none(),
            replayed,
        }
    }
}

/// `replay --against`: `groupcast/replay-against/1`.
#[derive(Debug, Serialize)]
pub struct AgainstDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The run.
    pub run: String,
    /// `check`, `plan`, `apply` or `why`.
    pub kind: Kind,
    /// `tenant/connection`.
    pub connection: String,
    /// SHA-256 of the recorded component.
    pub recorded_component: String,
    /// What the other component makes of it.
    #[serde(flatten)]
    pub against: Against,
}

impl AgainstDocument {
    /// Of another component's replay.
    pub fn new(exit: Exit, head: &Head, against: Against) -> Self {
        Self {
            format: "groupcast/replay-against/1",
            exit: exit.code(),
            run: head.run.id.clone(),
            kind: head.kind,
            connection: head.connection.clone(),
            recorded_component: head.component.clone(),
            against,
        }
    }
}

/// `replay --redact`: `groupcast/redacted/1`.
#[derive(Debug, Serialize)]
pub struct RedactedDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The run.
    pub run: String,
    /// The copy.
    pub file: String,
    /// What it is worth.
    #[serde(flatten)]
    pub redacted: Redacted,
    /// Its replay.
    pub replayed: Replayed,
}

impl RedactedDocument {
    /// Of a copy and its replay.
    pub fn new(exit: Exit, head: &Head, file: String, redacted: Redacted, replayed: Replayed) -> Self {
        Self {
            format: "groupcast/redacted/1",
            exit: exit.code(),
            run: head.run.id.clone(),
            file,
            redacted,
            replayed,
        }
    }
}
