//! Translation between the generated types and the host's.

use groupcast_guest::failure::{Failure, FailureKind, VendorAnswer};

use super::bindings::groupcast::sync::{ledger as wit, types};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome, Provenance, Settlement};

pub(super) fn error(failure: Failure) -> types::Error {
    let kind = failure.kind;
    let failure = types::Failure {
        message: failure.message,
        place: failure.place,
        vendor: failure.vendor.map(|answer| types::VendorAnswer {
            status: answer.status,
            reason: answer.reason,
            request_id: answer.request_id,
        }),
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

pub(super) fn vendor_answer(answer: types::VendorAnswer) -> VendorAnswer {
    VendorAnswer {
        status: answer.status,
        reason: answer.reason,
        request_id: answer.request_id,
    }
}

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
                "plugin",
                "the plugin reported `execution-failed`, which only an engine may; report it to its author",
            );
        }
    };
    Failure {
        kind,
        message: failure.message,
        place: failure.place,
        vendor: failure.vendor.map(vendor_answer),
    }
}

pub(super) fn to_binding(binding: Binding) -> wit::Binding {
    wit::Binding {
        group: binding.group,
        state: binding.state,
        key: binding.key,
        target: binding.target,
        details: binding.details,
    }
}

fn binding(binding: wit::Binding) -> Binding {
    Binding {
        group: binding.group,
        state: binding.state,
        key: binding.key,
        target: binding.target,
        details: binding.details,
    }
}

pub(super) fn to_membership(membership: Membership) -> wit::Membership {
    wit::Membership {
        group: membership.group,
        target: membership.target,
        principal: membership.principal,
        provenance: match membership.provenance {
            Provenance::Ours => wit::Provenance::Ours,
            Provenance::Adopted => wit::Provenance::Adopted,
            Provenance::Foreign => wit::Provenance::Foreign,
        },
        user: membership.user,
        address: membership.address,
    }
}

fn membership(membership: wit::Membership) -> Membership {
    Membership {
        group: membership.group,
        target: membership.target,
        principal: membership.principal,
        provenance: match membership.provenance {
            wit::Provenance::Ours => Provenance::Ours,
            wit::Provenance::Adopted => Provenance::Adopted,
            wit::Provenance::Foreign => Provenance::Foreign,
        },
        user: membership.user,
        address: membership.address,
    }
}

pub(super) fn intent(intent: wit::Intent) -> Intent {
    Intent {
        group: intent.group,
        operation: intent.operation,
    }
}

pub(super) fn to_open_intent(open: OpenIntent) -> wit::OpenIntent {
    wit::OpenIntent {
        id: open.id,
        run: open.run,
        intent: wit::Intent {
            group: open.intent.group,
            operation: open.intent.operation,
        },
    }
}

pub(super) fn effect(effect: wit::Effect) -> Effect {
    match effect {
        wit::Effect::Bind(bound) => Effect::Bind(binding(bound)),
        wit::Effect::Unbind(group) => Effect::Unbind(group),
        wit::Effect::PutMembership(put) => Effect::PutMembership(membership(put)),
        wit::Effect::DropMembership(key) => Effect::DropMembership {
            group: key.group,
            target: key.target,
            principal: key.principal,
        },
    }
}

pub(super) fn outcome(outcome: wit::Outcome) -> Outcome {
    Outcome {
        intent: outcome.intent,
        settlement: match outcome.settlement {
            wit::Settlement::Applied => Settlement::Applied,
            wit::Settlement::Already => Settlement::Already,
            wit::Settlement::Refused => Settlement::Refused,
            wit::Settlement::Abandoned => Settlement::Abandoned,
        },
        status: outcome.status,
        reason: outcome.reason,
        request_id: outcome.request_id,
        effects: outcome.effects.into_iter().map(effect).collect(),
    }
}
