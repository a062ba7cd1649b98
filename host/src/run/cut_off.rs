//! How an apply that did not get through is told: refused before anything was done, or failed on the way; what was done
//! by then, and how to go on. What may not enter: what a run does.

use super::ConnectionName;
use super::outcome::{OperationOutcome, Repetition, RunFailure, RunFailureKind};
use crate::egress::permit::PermitRefusal;
use groupcast_guest::words::{count, fitting};

/// What cut an apply off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CutOff {
    /// It lost its directory: the machine slept, or renewing failed for too long (R48).
    LeaseLapsed,
    /// The directory was switched off (R36).
    SwitchedOff,
    /// Somebody asked the program to stop.
    Stopped,
    /// The host stops, and its job goes on in the next process.
    HandedOver {
        /// The job.
        job: String,
    },
}

/// What is said of a run that its job goes on after.
pub(super) fn handed_over(job: &str) -> String {
    format!(
        "handed over: its host was stopped before its next write, and job {job} goes on with the same plan in the next \
         process that serves this store; nothing is to be done"
    )
}

/// The failure that a person is told. `failure` is what the component made of it, `outcomes` are the operations that the
/// run had begun, and `wrote` says whether any write of it left.
pub(super) fn told(
    connection: &ConnectionName,
    why: Option<CutOff>,
    failure: RunFailure,
    outcomes: &[OperationOutcome],
    wrote: bool,
) -> RunFailure {
    let mut told = match &why {
        None => failure,
        Some(CutOff::LeaseLapsed) => {
            RunFailure::refused(format!("{connection}: {}", PermitRefusal::LeaseLapsed))
        }
        Some(CutOff::SwitchedOff) => {
            RunFailure::refused(format!("{connection}: {}", PermitRefusal::NotManaged))
        }
        Some(CutOff::HandedOver { job }) => RunFailure {
            repetition: Repetition::NoMatter,
            ..RunFailure::failed(format!("{connection}: {}", handed_over(job)))
        },
        // Nobody refused anything: it was on its way and was stopped.
        Some(CutOff::Stopped) => RunFailure {
            repetition: Repetition::NoMatter,
            ..RunFailure::failed(format!(
                "{connection}: the run was stopped before its next write, as asked; apply the same plan again to go on"
            ))
        },
    };
    if wrote {
        told.kind = RunFailureKind::Failed;
    }
    let done = outcomes
        .iter()
        .filter(|outcome| outcome.settlement.is_some())
        .count();
    if done > 0 {
        let operations = format!(
            "{} done before and {} recorded",
            count(done as u64, "operation was", "operations were"),
            fitting(done as u64, "is", "are")
        );
        told.message = match why {
            // Another run may have done the rest, or something else.
            Some(CutOff::LeaseLapsed | CutOff::HandedOver { .. }) => {
                format!("{} ({operations})", told.message)
            }
            _ => format!(
                "{} ({operations}; apply the same plan again to go on)",
                told.message
            ),
        };
    }
    told
}
