//! What a job's runs leave behind for its record: their IDs, the plan, and whether the rest is left to the next process.
//! What may not enter: when jobs begin.

use std::sync::{Mutex, PoisonError};

use crate::schedule::JobControl;
use crate::store::service::{JobRecord, Work};

/// The runs of one job, noted while they begin.
pub(super) struct JobRuns {
    id: String,
    /// Runs of the same job, in processes that stopped.
    earlier: Vec<String>,
    goes_on: bool,
    can_be_handed_over: bool,
    control: JobControl,
    noted: Mutex<Noted>,
}

/// What was noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// The plan that was made last.
    pub(super) plan: Option<String>,
    /// What is left of it is for the next process.
    pub(super) handed_over: bool,
}

impl JobRuns {
    pub(super) fn new(job: &JobRecord, control: JobControl) -> Self {
        Self {
            id: job.id.clone(),
            earlier: match job.work {
                Work::Apply { .. } => job.runs.clone(),
                // A sync that was cut off is begun anew.
                _ => Vec::new(),
            },
            goes_on: job.handed_over > 0,
            can_be_handed_over: job.can_be_handed_over(),
            control,
            noted: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Runs of the same job, in processes that stopped in the middle of it: what it goes on with.
    pub(super) fn earlier(&self) -> &[String] {
        &self.earlier
    }

    /// Whether another process was stopped in the middle of it.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    pub(super) fn began(&self, run: &str) {
        self.control.began(run);
    }

    pub(super) fn planned(&self, hash: &str) {
        self.lock().plan = Some(hash.to_owned());
    }

    /// Leaves what is left to the next process, where nothing but this one's stop cut it off.
    pub(super) fn hand_over(&self) -> bool {
        let handed_over = self.can_be_handed_over && self.control.is_only_stopped();
        self.lock().handed_over |= handed_over;
        handed_over
    }

    /// The runs that began, in order.
    pub(super) fn runs(&self) -> Vec<String> {
        self.control.runs()
    }

    pub(super) fn noted(&self) -> Noted {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
