//! What runs end with: findings, a chain, an outcome, the list of runs.

use std::collections::BTreeMap;

use groupcast_guest::engine::{Explanation, Finding, Report, Severity, Step};
use groupcast_guest::failure::VendorAnswer;
use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::RemovalReason;

use super::parts::{add, remove};
use super::{HASH, at};
use crate::cli::operations::{
    ApplyOutcome, ConnectionName, OperationOutcome, RequestCounts, RunEnd, RunRecord, VendorCounts,
};
use crate::plugin::Usage;

pub fn findings() -> Vec<Finding> {
    vec![
        Finding {
            severity: Severity::Info,
            code: "reach".to_owned(),
            place: "JumpCloud".to_owned(),
            message: "214 groups can be read.".to_owned(),
            vendor: None,
        },
        Finding {
            severity: Severity::Problem,
            code: "group-at-risk".to_owned(),
            place: "Contractors".to_owned(),
            message: "Bound without an email: 12 users can be suspended.\nGive it an email, or set acknowledge = true."
                .to_owned(),
            vendor: None,
        },
        Finding {
            severity: Severity::Warning,
            code: "target-unreachable".to_owned(),
            place: "https://admin.googleapis.com".to_owned(),
            message: "The directory refused to list groups; grant the scope admin.directory.group.readonly."
                .to_owned(),
            vendor: Some(VendorAnswer {
                status: 403,
                reason: "insufficientPermissions".to_owned(),
                request_id: Some("req-17".to_owned()),
            }),
        },
    ]
}

pub fn explanation() -> Explanation {
    let step = |code: &str, holds, message: &str| Step {
        code: code.to_owned(),
        holds,
        message: message.to_owned(),
    };
    Explanation {
        conclusion: "alice is not in the target of “Sales”, since nobody there answers to alice@example.com."
            .to_owned(),
        group: Some("g1".to_owned()),
        people: vec!["alice".to_owned()],
        steps: vec![
            step("group", true, "JumpCloud has the group “Sales” (g1)."),
            step("binding", true, "“Sales” is bound to the directory."),
            step(
                "resolution",
                false,
                "Nobody in the target answers to alice@example.com.",
            ),
            step(
                "member",
                false,
                "The target does not show alice among the members.",
            ),
        ],
    }
}

pub fn apply_outcome() -> ApplyOutcome {
    let outcome = |operation, settlement, status, reason: Option<&str>| OperationOutcome {
        group: "g1".to_owned(),
        operation,
        settlement: Some(settlement),
        status,
        reason: reason.map(str::to_owned),
        request_id: status.map(|_| "req-9".to_owned()),
    };
    ApplyOutcome {
        run: "run-2".to_owned(),
        hash: HASH.to_owned(),
        report: Report {
            applied: 2,
            failed: 1,
            moved: vec![(
                "g3".to_owned(),
                "erin@example.com was added in the target meanwhile.".to_owned(),
            )],
        },
        outcomes: vec![
            outcome(add("t-g1", "alice"), Settlement::Applied, Some(200), None),
            outcome(
                add("t-g1", "amy"),
                Settlement::Already,
                Some(409),
                Some("duplicate"),
            ),
            outcome(
                add("t-g1", "bob"),
                Settlement::Refused,
                Some(412),
                Some("conditionNotMet"),
            ),
            outcome(
                remove("t-g1", "carl", RemovalReason::LeftGroup),
                Settlement::Abandoned,
                None,
                Some("The run was cancelled before it was sent."),
            ),
        ],
        requests: RequestCounts {
            vendors: BTreeMap::from([(
                "google".to_owned(),
                VendorCounts {
                    requests: 17,
                    batches: 2,
                    parts: 1_040,
                    writes: 1_041,
                    throttled: 1,
                },
            )]),
        },
        usage: Usage {
            memory_peak_bytes: 8 << 20,
            wall_ms: 4_321,
            cpu_ms: 0,
        },
    }
}

pub fn records() -> Vec<RunRecord> {
    let google = ConnectionName::new("default", "google");
    vec![
        RunRecord {
            id: "run-2".to_owned(),
            connection: google.clone(),
            kind: "apply".to_owned(),
            started: at(30),
            ended: None,
            end: None,
            message: None,
            counters: BTreeMap::new(),
            plan: Some(HASH.to_owned()),
        },
        RunRecord {
            id: "run-1".to_owned(),
            connection: google.clone(),
            kind: "plan".to_owned(),
            started: at(26),
            ended: Some(at(28)),
            end: Some(RunEnd::Pending),
            message: None,
            counters: BTreeMap::from([("adds".to_owned(), 1_200), ("held".to_owned(), 0)]),
            plan: Some(HASH.to_owned()),
        },
        RunRecord {
            id: "run-0".to_owned(),
            connection: ConnectionName::new("default", "entra"),
            kind: "sync".to_owned(),
            started: at(10),
            ended: Some(at(10)),
            end: Some(RunEnd::Refused),
            message: Some("the client secret of Entra ID has expired\nrenew it".to_owned()),
            counters: BTreeMap::new(),
            plan: None,
        },
    ]
}
