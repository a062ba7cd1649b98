//! What charts are drawn of: how a directory was at the end of a sync. What may not enter: who looks at charts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::groupcast::Groupcast;
use super::outcome::{PlanOutcome, RunFailure};
use super::{ConnectionName, RequestCounts};
use crate::store::service::NewSample;

/// How much is kept: a sample an hour. Counting a large ledger costs more than a run without changes.
const EACH: i64 = 3_600;

/// When a sample of each connection was kept last, in hours since the Unix epoch.
#[derive(Default)]
pub(super) struct Samples(Mutex<HashMap<ConnectionName, i64>>);

impl Samples {
    /// Whether a sample is to be taken: one an hour, and one after each run that wrote.
    fn is_due(&self, connection: &ConnectionName, now: DateTime<Utc>, wrote: bool) -> bool {
        let hour = now.timestamp().div_euclid(EACH);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.insert(connection.clone(), hour);
        wrote || last != Some(hour)
    }
}

impl Groupcast {
    /// Keeps a sample after a sync, where one is due. A sample that cannot be kept harms nobody.
    pub(super) async fn sample(
        &self,
        samples: &Samples,
        connection: &ConnectionName,
        plan: &PlanOutcome,
        requests: &RequestCounts,
        wrote: bool,
        took: Duration,
    ) {
        if !samples.is_due(connection, Utc::now(), wrote) {
            return;
        }
        let kept = async {
            let setup = self.setup(connection)?;
            let exported = self.store.exported(&setup.directory_key).await?;
            let awaiting = plan.plan.parts.iter().map(|part| part.waiting.len() as u64).sum();
            let sample = NewSample {
                connection: connection.clone(),
                groups: exported.groups,
                memberships: exported.memberships,
                held: plan.summary.held,
                awaiting,
                requests: serde_json::to_value(requests).unwrap_or_default(),
                milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            };
            self.store.put_sample(&sample).await?;
            Ok::<_, RunFailure>(())
        };
        if let Err(failure) = kept.await {
            tracing::debug!(%connection, %failure, "no sample was kept for the charts");
        }
    }
}
