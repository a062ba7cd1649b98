//! Time, as an engine has it.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Tells the time and waits. Injected, so that tests of a year take a second.
#[async_trait]
pub trait Time: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The machine's own time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTime;

#[async_trait]
impl Time for SystemTime {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
