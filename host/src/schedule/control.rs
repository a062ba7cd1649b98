//! What an engine holds of a job at work: how it asks the job to end, whether a person wants that or only the host
//! stops, and which runs it has begun. What may not enter: what a job does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// A job at work, seen from both sides: the engine asks it to end, its runner heeds that and notes its runs.
#[derive(Debug, Clone, Default)]
pub struct JobControl {
    end: CancellationToken,
    /// Somebody does not want it any more. A host that stops wants nothing of the kind.
    unwanted: Arc<AtomicBool>,
    runs: Arc<Mutex<Vec<String>>>,
}

impl JobControl {
    /// Somebody cancelled it, or removed what it is for: it ends before its next write, for good.
    pub fn cancel(&self) {
        self.unwanted.store(true, Ordering::SeqCst);
        self.end.cancel();
    }

    /// The host stops: it ends before its next write, and may go on elsewhere.
    pub fn stop(&self) {
        self.end.cancel();
    }

    /// Cancelled once it is to end, whatever for.
    pub fn token(&self) -> &CancellationToken {
        &self.end
    }

    /// Whether somebody does not want it any more.
    pub fn is_unwanted(&self) -> bool {
        self.unwanted.load(Ordering::SeqCst)
    }

    /// Whether it is to end for no other reason than that its host stops.
    pub fn is_only_stopped(&self) -> bool {
        self.end.is_cancelled() && !self.is_unwanted()
    }

    /// A run of it begins.
    pub fn began(&self, run: &str) {
        self.lock().push(run.to_owned());
    }

    /// The runs that it has begun, in order.
    pub fn runs(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// No code that can panic runs under the lock, so a poisoned one holds nothing half done.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
