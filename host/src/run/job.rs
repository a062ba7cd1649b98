//! What a job's runs leave behind for its record: their IDs, and the plan. What may not enter: when jobs begin.

use std::sync::{Mutex, PoisonError};

/// The runs of one job, noted while they begin.
pub(super) struct JobRuns {
    id: String,
    noted: Mutex<Noted>,
}

/// What was noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// IDs of runs, in the order in which they began.
    pub(super) runs: Vec<String>,
    /// The plan that was made last.
    pub(super) plan: Option<String>,
}

impl JobRuns {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            noted: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn began(&self, run: &str) {
        self.lock().runs.push(run.to_owned());
    }

    pub(super) fn planned(&self, hash: &str) {
        self.lock().plan = Some(hash.to_owned());
    }

    pub(super) fn noted(&self) -> Noted {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
