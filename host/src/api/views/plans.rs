//! Plans, explanations, the ledger, and what charts are drawn of.

use super::tenancy::section;
use crate::service::{PartView, PlanView};
use crate::store::service::{ChangeCount, MembershipSample};
use crate::store::{PartRecord, PlanRecord};
use chrono::{DateTime, NaiveDate, Utc};
use groupcast_guest::engine::Explanation;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

fn plan_part() -> RefOr<Schema> {
    section("Part")
}

/// A plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct Plan {
    /// Root hash over its parts.
    hash: String,
    /// Of which tenant.
    tenant: String,
    /// Of which directory.
    directory: String,
    /// The run that made it.
    run: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it can no longer be applied.
    expires_at: DateTime<Utc>,
    /// `stored`, `approved`, `applied` or `expired`.
    status: String,
    /// The plan that it was made from by releasing held operations.
    derived_from: Option<String>,
    /// How many parts it has: one for each group that it speaks of.
    parts: u64,
    /// Operations in it; counted where one plan is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    operations: Option<u64>,
    /// Operations that are held; counted where one plan is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    held: Option<u64>,
}

impl From<PlanRecord> for Plan {
    fn from(plan: PlanRecord) -> Self {
        let status = serde_json::to_value(&plan.status).ok();
        let status = status.as_ref().and_then(|status| status.get("status")?.as_str());
        Self {
            status: status.unwrap_or_default().to_owned(),
            hash: plan.hash,
            tenant: plan.connection.tenant,
            directory: plan.connection.name,
            run: plan.run,
            created_at: plan.created_at,
            expires_at: plan.expires_at,
            derived_from: plan.derived_from,
            parts: plan.parts,
            operations: None,
            held: None,
        }
    }
}

impl From<PlanView> for Plan {
    fn from(view: PlanView) -> Self {
        Self {
            operations: Some(view.operations),
            held: Some(view.held),
            ..view.record.into()
        }
    }
}

/// A part of a plan: what happens to one group.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanPart {
    /// Position in the plan, from 0.
    position: u64,
    /// SHA-256 of its bytes.
    sha256: String,
    /// Who approved it.
    approved_by: Option<String>,
    /// When it was approved.
    approved_at: Option<DateTime<Utc>>,
    /// What is in it.
    #[schema(schema_with = plan_part)]
    part: Value,
}

impl From<PartView> for PlanPart {
    fn from(view: PartView) -> Self {
        let PartRecord {
            position,
            sha256,
            approved_by,
            approved_at,
            ..
        } = view.record;
        Self {
            position,
            sha256,
            approved_by,
            approved_at,
            part: serde_json::to_value(view.part).unwrap_or(Value::Null),
        }
    }
}

/// Why somebody is, or is not, in a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct Why {
    /// The conclusion, in one sentence.
    conclusion: String,
    /// The source group that the question turned out to be about.
    group: Option<String>,
    /// The person, by every ID that was found.
    people: Vec<String>,
    /// The links in order; the first that does not hold is the cause.
    steps: Vec<WhyStep>,
}

/// One link of a causal chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyStep {
    /// Stable name for programs.
    code: String,
    /// Whether the link holds.
    holds: bool,
    /// The link in words.
    message: String,
}

impl From<Explanation> for Why {
    fn from(explanation: Explanation) -> Self {
        Self {
            conclusion: explanation.conclusion,
            group: explanation.group,
            people: explanation.people,
            steps: explanation
                .steps
                .into_iter()
                .map(|step| WhyStep {
                    code: step.code,
                    holds: step.holds,
                    message: step.message,
                })
                .collect(),
        }
    }
}

/// What a source group is tied to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Binding {
    /// Source group ID.
    group: String,
    /// `managed`, `released` or `orphaned`.
    state: String,
    /// What the target was looked up or created by.
    key: String,
    /// The target's immutable ID.
    target: Option<String>,
}

impl From<crate::ledger::Binding> for Binding {
    fn from(binding: crate::ledger::Binding) -> Self {
        Self {
            group: binding.group,
            state: binding.state,
            key: binding.key,
            target: binding.target,
        }
    }
}

/// How a directory was at the end of a run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sample {
    /// When.
    at: DateTime<Utc>,
    /// Groups that are exported.
    groups: u64,
    /// Memberships that are ours or were adopted.
    memberships: u64,
    /// Operations that are held.
    held: u64,
    /// People who wait for their account.
    awaiting: u64,
    /// Requests that the run took, per vendor and status class.
    requests: Value,
    /// Milliseconds from the run's beginning to its end.
    milliseconds: u64,
}

impl From<MembershipSample> for Sample {
    fn from(sample: MembershipSample) -> Self {
        let of = sample.sample;
        Self {
            at: sample.at,
            groups: of.groups,
            memberships: of.memberships,
            held: of.held,
            awaiting: of.awaiting,
            requests: of.requests,
            milliseconds: of.milliseconds,
        }
    }
}

/// Changes of a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct Changes {
    /// Day, in UTC.
    day: NaiveDate,
    /// `add-member`, `remove-member`, `create-group`, …
    kind: String,
    /// How many.
    count: u64,
}

impl From<ChangeCount> for Changes {
    fn from(changes: ChangeCount) -> Self {
        Self {
            day: changes.day,
            kind: changes.kind,
            count: changes.count,
        }
    }
}
