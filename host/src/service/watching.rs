//! What a service does while it stands: it takes up what other processes changed in the store. What may not enter: runs
//! and schedules, which have their own clocks, and tidying, which the store's own `prune` does every day.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Service;

/// How soon a change by another process on the same store is taken up.
const LOOK: Duration = Duration::from_secs(1);

impl Service {
    /// Goes on until `stop`.
    pub async fn watch(&self, stop: &CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = look.tick() => {
                    if let Err(error) = self.load().await {
                        tracing::warn!(%error, "changes of tenants could not be looked for; trying again");
                    }
                }
            }
        }
    }
}
