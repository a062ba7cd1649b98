//! Translation between the engine's types and the generated ones, field by field.

use super::bindings::exports::groupcast::sync::directory_sync as wit;
use super::bindings::groupcast::sync::{ledger as wit_ledger, types};
use crate::failure::{Failure, FailureKind, VendorAnswer};
use crate::ledger::{
    Binding, BindingState, Effect, Intent, Membership, OpenIntent, Outcome, Provenance, Settlement,
};
use crate::{engine, manifest as ours};

pub(super) fn run(run: wit::Run) -> engine::Run {
    engine::Run {
        id: run.id,
        source: engine::SourceEnd {
            vendor: run.source.vendor,
            base_url: run.source.base_url,
            events_base_url: run.source.events_base_url,
            directory: run.source.directory,
        },
        target: engine::TargetEnd {
            vendor: run.target.vendor,
            base_url: run.target.base_url,
        },
        settings: run.settings,
        seed: run.seed,
        read: match run.read {
            types::Extent::Whole => engine::Extent::Whole,
            types::Extent::Changes => engine::Extent::Changes,
        },
    }
}

pub(super) fn manifest(manifest: ours::Manifest) -> wit::Manifest {
    wit::Manifest {
        name: manifest.name.to_owned(),
        version: manifest.version.to_owned(),
        vendors: manifest
            .vendors
            .iter()
            .map(|vendor| (*vendor).to_owned())
            .collect(),
        credentials: manifest
            .credentials
            .into_iter()
            .map(|credential| wit::Credential {
                name: credential.name.to_owned(),
                purpose: credential.purpose.to_owned(),
                scopes: credential
                    .scopes
                    .iter()
                    .map(|scope| (*scope).to_owned())
                    .collect(),
            })
            .collect(),
        egress: manifest
            .egress
            .into_iter()
            .map(|rule| wit::EgressRule {
                credential: rule.credential.to_owned(),
                method: rule.method.to_owned(),
                path: rule.path.to_owned(),
                writes: rule.writes,
                batch: rule.batch,
            })
            .collect(),
        settings_schema: manifest.settings_schema,
    }
}

fn answer(answer: VendorAnswer) -> types::VendorAnswer {
    types::VendorAnswer {
        status: answer.status,
        reason: answer.reason,
        request_id: answer.request_id,
    }
}

pub(super) fn finding(finding: engine::Finding) -> wit::Finding {
    wit::Finding {
        severity: match finding.severity {
            engine::Severity::Info => wit::Severity::Info,
            engine::Severity::Warning => wit::Severity::Warning,
            engine::Severity::Problem => wit::Severity::Problem,
        },
        code: finding.code,
        place: finding.place,
        message: finding.message,
        vendor: finding.vendor.map(answer),
    }
}

pub(super) fn summary(summary: engine::PlanSummary) -> wit::PlanSummary {
    wit::PlanSummary {
        groups: summary.groups,
        operations: summary.operations,
        adds: summary.adds,
        removals: summary.removals,
        held: summary.held,
        at_rest: summary.at_rest,
        verified_at: summary.verified_at,
    }
}

pub(super) fn report(report: engine::Report) -> wit::Report {
    wit::Report {
        applied: report.applied,
        failed: report.failed,
        moved: report.moved,
    }
}

/// The IDs of what the question turned out to be about go before the chain, as steps of their own whose message is the ID
/// alone: the record has no room for them, and may not grow within a version of the package.
pub(super) fn explanation(explanation: engine::Explanation) -> wit::Explanation {
    let subject = |code: &str, id: String| wit::Step {
        code: code.to_owned(),
        holds: true,
        message: id,
    };
    let people = explanation.people.into_iter();
    let subjects = explanation
        .group
        .into_iter()
        .map(|id| subject(engine::answers::SUBJECT_GROUP, id))
        .chain(people.map(|id| subject(engine::answers::SUBJECT_PERSON, id)));
    let steps = explanation.steps.into_iter().map(|step| wit::Step {
        code: step.code,
        holds: step.holds,
        message: step.message,
    });
    wit::Explanation {
        conclusion: explanation.conclusion,
        steps: subjects.chain(steps).collect(),
    }
}

pub(super) fn error(failure: Failure) -> types::Error {
    let kind = failure.kind;
    let failure = types::Failure {
        message: failure.message,
        place: failure.place,
        vendor: failure.vendor.map(answer),
    };
    match kind {
        FailureKind::Transient => types::Error::Transient(failure),
        FailureKind::Throttled(retry_after_seconds) => types::Error::Throttled(types::Throttle {
            failure,
            retry_after_seconds,
        }),
        FailureKind::Cancelled => types::Error::Cancelled(failure),
        FailureKind::Configuration => types::Error::PermanentConfiguration(failure),
        FailureKind::Unauthorized => types::Error::PermanentUnauthorized(failure),
        FailureKind::Denied => types::Error::PermanentDenied(failure),
        FailureKind::Vendor => types::Error::PermanentVendor(failure),
        FailureKind::Host => types::Error::PermanentHost(failure),
    }
}

/// An import's error, as the engine's.
pub(super) fn failure(error: types::Error) -> Failure {
    let (kind, failure) = match error {
        types::Error::Transient(failure) => (FailureKind::Transient, failure),
        types::Error::Throttled(throttle) => (
            FailureKind::Throttled(throttle.retry_after_seconds),
            throttle.failure,
        ),
        types::Error::Cancelled(failure) => (FailureKind::Cancelled, failure),
        types::Error::PermanentConfiguration(failure) => (FailureKind::Configuration, failure),
        types::Error::PermanentUnauthorized(failure) => (FailureKind::Unauthorized, failure),
        types::Error::PermanentDenied(failure) => (FailureKind::Denied, failure),
        types::Error::PermanentVendor(failure) => (FailureKind::Vendor, failure),
        types::Error::PermanentHost(failure) | types::Error::PermanentOther((_, failure)) => {
            (FailureKind::Host, failure)
        }
        types::Error::ExecutionFailed => {
            return Failure::new(
                FailureKind::Host,
                "host",
                "the host's engine reported that execution failed",
            );
        }
    };
    Failure {
        kind,
        message: failure.message,
        place: failure.place,
        vendor: failure.vendor.map(|answer| VendorAnswer {
            status: answer.status,
            reason: answer.reason,
            request_id: answer.request_id,
        }),
    }
}

fn provenance(provenance: wit_ledger::Provenance) -> Provenance {
    match provenance {
        wit_ledger::Provenance::Ours => Provenance::Ours,
        wit_ledger::Provenance::Adopted => Provenance::Adopted,
        wit_ledger::Provenance::Foreign => Provenance::Foreign,
    }
}

pub(super) fn binding(binding: wit_ledger::Binding) -> Result<Binding, Failure> {
    let broken = |what: &str| {
        Failure::new(
            FailureKind::Host,
            format!("ledger binding of group {}", binding.group),
            format!(
                "{what}; the ledger was written by another version or is damaged: restore it from a backup"
            ),
        )
    };
    let state = match binding.state.as_str() {
        "managed" => BindingState::Managed,
        "released" => BindingState::Released,
        "orphaned" => BindingState::Orphaned,
        other => return Err(broken(&format!("its state `{other}` is not known"))),
    };
    let details = serde_json::from_str(&binding.details)
        .map_err(|error| broken(&format!("its notes do not read: {error}")))?;
    Ok(Binding {
        group: binding.group,
        state,
        key: binding.key,
        target: binding.target,
        details,
    })
}

pub(super) fn membership(membership: wit_ledger::Membership) -> Membership {
    Membership {
        group: membership.group,
        target: membership.target,
        principal: membership.principal,
        provenance: provenance(membership.provenance),
        user: membership.user,
        address: membership.address,
    }
}

pub(super) fn to_intent(intent: &Intent) -> wit_ledger::Intent {
    wit_ledger::Intent {
        group: intent.group.clone(),
        operation: intent.operation.clone(),
    }
}

pub(super) fn open_intent(open: wit_ledger::OpenIntent) -> OpenIntent {
    OpenIntent {
        id: open.id,
        run: open.run,
        intent: Intent {
            group: open.intent.group,
            operation: open.intent.operation,
        },
    }
}

pub(super) fn to_effect(effect: &Effect) -> wit_ledger::Effect {
    match effect {
        Effect::Bind(binding) => wit_ledger::Effect::Bind(wit_ledger::Binding {
            group: binding.group.clone(),
            state: match binding.state {
                BindingState::Managed => "managed",
                BindingState::Released => "released",
                BindingState::Orphaned => "orphaned",
            }
            .to_owned(),
            key: binding.key.clone(),
            target: binding.target.clone(),
            details: serde_json::to_string(&binding.details).unwrap_or_default(),
        }),
        Effect::Unbind(group) => wit_ledger::Effect::Unbind(group.clone()),
        Effect::PutMembership(membership) => wit_ledger::Effect::PutMembership(wit_ledger::Membership {
            group: membership.group.clone(),
            target: membership.target.clone(),
            principal: membership.principal.clone(),
            provenance: match membership.provenance {
                Provenance::Ours => wit_ledger::Provenance::Ours,
                Provenance::Adopted => wit_ledger::Provenance::Adopted,
                Provenance::Foreign => wit_ledger::Provenance::Foreign,
            },
            user: membership.user.clone(),
            address: membership.address.clone(),
        }),
        Effect::DropMembership {
            group,
            target,
            principal,
        } => wit_ledger::Effect::DropMembership(wit_ledger::MembershipKey {
            group: group.clone(),
            target: target.clone(),
            principal: principal.clone(),
        }),
    }
}

pub(super) fn to_outcome(outcome: &Outcome) -> wit_ledger::Outcome {
    wit_ledger::Outcome {
        intent: outcome.intent,
        settlement: match outcome.settlement {
            Settlement::Applied => wit_ledger::Settlement::Applied,
            Settlement::Already => wit_ledger::Settlement::Already,
            Settlement::Refused => wit_ledger::Settlement::Refused,
            Settlement::Abandoned => wit_ledger::Settlement::Abandoned,
        },
        status: outcome.status,
        reason: outcome.reason.clone(),
        request_id: outcome.request_id.clone(),
        effects: outcome.effects.iter().map(to_effect).collect(),
    }
}
