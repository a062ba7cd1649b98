//! Jobs that wait and jobs at work. What is dropped is counted down, however it ended.

use std::sync::Arc;
use std::time::Instant;

use super::{Shared, Telemetry};

/// A job that waits for its turn.
#[derive(Debug)]
pub struct QueuedJob {
    shared: Arc<Shared>,
    since: Instant,
}

/// A job at work.
#[derive(Debug)]
pub struct RunningJob {
    shared: Arc<Shared>,
}

impl Telemetry {
    /// A job waits from now on, until the answer is dropped or [begins](QueuedJob::begins).
    pub fn queued(&self) -> QueuedJob {
        let shared = Arc::clone(self.shared());
        shared.metrics.queued.inc();
        QueuedJob {
            shared,
            since: Instant::now(),
        }
    }
}

impl QueuedJob {
    /// Its turn came.
    pub fn begins(self) -> RunningJob {
        let shared = Arc::clone(&self.shared);
        shared
            .metrics
            .queue_seconds
            .observe(self.since.elapsed().as_secs_f64());
        shared.metrics.running.inc();
        RunningJob { shared }
    }
}

impl Drop for QueuedJob {
    fn drop(&mut self) {
        self.shared.metrics.queued.dec();
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.shared.metrics.running.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(telemetry: &Telemetry) -> (i64, i64) {
        let metrics = &telemetry.shared().metrics;
        (metrics.queued.get(), metrics.running.get())
    }

    #[test]
    fn a_job_is_counted_once_wherever_it_is() {
        let telemetry = Telemetry::default();
        let (one, two) = (telemetry.queued(), telemetry.queued());
        assert_eq!(depth(&telemetry), (2, 0));
        let one = one.begins();
        assert_eq!(depth(&telemetry), (1, 1));
        drop(two);
        drop(one);
        assert_eq!(depth(&telemetry), (0, 0));
        let text = telemetry.metrics_text();
        assert!(text.contains("groupcast_job_wait_seconds_count 1"), "{text}");
    }
}
