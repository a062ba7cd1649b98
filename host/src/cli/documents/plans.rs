//! A plan, and what became of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::{Operation, Part};
use serde::Serialize;

use crate::cli::operations::{ApplyOutcome, OperationOutcome, PlanOutcome};
use crate::cli::render::plan::Totals;

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
