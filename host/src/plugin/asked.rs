//! Which export a run calls, and what it answered: values, since the run may be in another process than whoever asks.

use groupcast_guest::engine::answers::{SUBJECT_GROUP, SUBJECT_PERSON};
use groupcast_guest::engine::{
    Explanation, Extent, Finding, PlanSummary, Question, Report, Run, Severity, Step,
};
use serde::{Deserialize, Serialize};
use wasmtime::Store;

use super::bindings::exports::groupcast::sync::directory_sync as wit;
use super::bindings::groupcast::sync::types;
use super::convert;
use super::manifest::{Credential, EgressRule, Manifest};
use super::state::RunState;

/// A call of one export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Asked {
    /// `describe`.
    Describe,
    /// `check`.
    Check(Run),
    /// `plan`.
    Plan(Run),
    /// `apply`.
    Apply(Run),
    /// `explain`.
    Explain(Run, Question),
}

/// What an export answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answered {
    /// Of `describe`.
    Manifest(Manifest),
    /// Of `check`.
    Findings(Vec<Finding>),
    /// Of `plan`.
    Plan(PlanSummary),
    /// Of `apply`.
    Report(Report),
    /// Of `explain`.
    Explanation(Explanation),
}

impl Asked {
    /// Makes the call. The outer error is the engine's, the inner one the plugin's.
    pub(super) async fn call(
        self,
        exports: &wit::Guest,
        store: &mut Store<RunState>,
    ) -> wasmtime::Result<Result<Answered, types::Error>> {
        Ok(match self {
            Self::Describe => Ok(Answered::Manifest(manifest(exports.call_describe(store).await?))),
            Self::Check(run) => exports
                .call_check(store, &to_run(&run))
                .await?
                .map(|findings| Answered::Findings(findings.into_iter().map(finding).collect())),
            Self::Plan(run) => exports
                .call_plan(store, &to_run(&run))
                .await?
                .map(|summary| Answered::Plan(plan_summary(summary))),
            Self::Apply(run) => exports.call_apply(store, &to_run(&run)).await?.map(|report| {
                Answered::Report(Report {
                    applied: report.applied,
                    failed: report.failed,
                    moved: report.moved,
                })
            }),
            Self::Explain(run, question) => {
                let question = wit::Question {
                    person: question.person,
                    group: question.group,
                };
                exports
                    .call_explain(store, &to_run(&run), &question)
                    .await?
                    .map(|explanation| Answered::Explanation(explained(explanation)))
            }
        })
    }
}

fn manifest(manifest: wit::Manifest) -> Manifest {
    Manifest {
        name: manifest.name,
        version: manifest.version,
        vendors: manifest.vendors,
        credentials: manifest
            .credentials
            .into_iter()
            .map(|credential| Credential {
                name: credential.name,
                purpose: credential.purpose,
                scopes: credential.scopes,
            })
            .collect(),
        egress: manifest
            .egress
            .into_iter()
            .map(|rule| EgressRule {
                credential: rule.credential,
                method: rule.method,
                path: rule.path,
                writes: rule.writes,
                batch: rule.batch,
            })
            .collect(),
        settings_schema: manifest.settings_schema,
    }
}

fn finding(finding: wit::Finding) -> Finding {
    Finding {
        severity: match finding.severity {
            wit::Severity::Info => Severity::Info,
            wit::Severity::Warning => Severity::Warning,
            wit::Severity::Problem => Severity::Problem,
        },
        code: finding.code,
        place: finding.place,
        message: finding.message,
        vendor: finding.vendor.map(convert::vendor_answer),
    }
}

fn plan_summary(summary: wit::PlanSummary) -> PlanSummary {
    PlanSummary {
        groups: summary.groups,
        operations: summary.operations,
        adds: summary.adds,
        removals: summary.removals,
        held: summary.held,
        at_rest: summary.at_rest,
        verified_at: summary.verified_at,
    }
}

fn explained(explanation: wit::Explanation) -> Explanation {
    let mut told = Explanation {
        conclusion: explanation.conclusion,
        group: None,
        people: Vec::new(),
        steps: Vec::new(),
    };
    for step in explanation.steps {
        match step.code.as_str() {
            SUBJECT_GROUP => told.group = Some(step.message),
            SUBJECT_PERSON => told.people.push(step.message),
            _ => told.steps.push(Step {
                code: step.code,
                holds: step.holds,
                message: step.message,
            }),
        }
    }
    told
}

fn to_run(run: &Run) -> types::Run {
    types::Run {
        id: run.id.clone(),
        source: types::Source {
            vendor: run.source.vendor.clone(),
            base_url: run.source.base_url.clone(),
            events_base_url: run.source.events_base_url.clone(),
            directory: run.source.directory.clone(),
        },
        target: types::Target {
            vendor: run.target.vendor.clone(),
            base_url: run.target.base_url.clone(),
        },
        settings: run.settings.clone(),
        seed: run.seed,
        read: match run.read {
            Extent::Whole => types::Extent::Whole,
            Extent::Changes => types::Extent::Changes,
        },
    }
}
