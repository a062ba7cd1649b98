//! An apply that goes on in another process than the one that began it: what its job knows of the runs before, and when
//! the rest is left to the next process. What may not enter: when jobs begin, and what an apply writes.

use tokio_util::sync::CancellationToken;

use super::cut_off::handed_over;
use super::groupcast::Groupcast;
use super::job::JobRuns;
use super::outcome::{OperationOutcome, RunFailure};
use super::setup::ConnectionSetup;
use crate::store::{RunEnd, RunResult};

impl Groupcast {
    /// Runs of the same job in processes that stopped in the middle of it.
    pub(super) fn earlier(&self) -> &[String] {
        self.job.as_deref().map_or(&[], JobRuns::earlier)
    }

    /// Whether this goes on where another process was stopped.
    pub(super) fn goes_on(&self) -> bool {
        self.job.as_deref().is_some_and(JobRuns::goes_on)
    }

    /// Leaves the rest to the next process where nothing but this host's stop cut it off; then answers the job's ID.
    pub(super) fn hand_over(&self, cancel: &CancellationToken) -> Option<String> {
        let job = self.job.as_deref().filter(|_| cancel.is_cancelled())?;
        job.hand_over().then(|| job.id().to_owned())
    }

    /// Ends runs of this job that their own process could not end: its stop had no time left for them.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn end_earlier_runs(&self) -> Result<(), RunFailure> {
        let Some(job) = &self.job else { return Ok(()) };
        for run in job.earlier() {
            let record = self.store.run(run).await?;
            if record.is_some_and(|record| record.end.is_none()) {
                let end = RunEnd::new(RunResult::HandedOver, handed_over(job.id()));
                self.store.end_run(run, &end, &serde_json::Value::Null).await?;
            }
        }
        Ok(())
    }

    /// What the ledger knows of the operations of this run and of those that it goes on after.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn known(
        &self,
        setup: &ConnectionSetup,
        outcomes: &[OperationOutcome],
    ) -> Result<Vec<OperationOutcome>, RunFailure> {
        let mut known = Vec::new();
        for run in self.earlier() {
            known.extend(self.outcomes(setup, run).await?);
        }
        known.extend_from_slice(outcomes);
        Ok(known)
    }
}
