//! The store that a configuration names.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::config::Config;
use crate::schedule::Time;
use crate::secrets::Secrets;
use crate::store::{Location, MaintenanceStore, Retention, Store, StoreError};

/// Where the store of a configuration is. Reads the secret that holds its URL, where it has one.
///
/// # Errors
/// The secret cannot be read.
pub async fn store_location(config: &Config) -> Result<Location, StoreError> {
    let Some(source) = &config.store.url else {
        return Ok(Location::File(config.store_path.clone()));
    };
    let url = Secrets::of(&config.secrets)
        .get(source)
        .await
        .map_err(|error| StoreError::Unfit {
            place: "named by `store.url`".to_owned(),
            what: error.to_string(),
        })?;
    Ok(Location::Server {
        url,
        connections: config.store.connections,
    })
}

/// Opens the store of a configuration.
///
/// # Errors
/// As [`store_location`] and [`Location::open`].
pub fn open_store(config: &Config) -> BoxFuture<'_, Result<Arc<dyn Store>, StoreError>> {
    // Boxed: the futures of two databases would make every caller's too large.
    Box::pin(async move { store_location(config).await?.open().await })
}

/// How long after its start a host first tidies the store, and how long it then waits between two times.
const FIRST: Duration = Duration::from_secs(10 * 60);
const BETWEEN: Duration = Duration::from_secs(24 * 60 * 60);

/// Tidies the store every day, for as long as it is polled: what a host that serves does beside its runs. What goes wrong
/// is logged, and tried again the next day.
pub async fn prune_daily(
    store: Arc<dyn MaintenanceStore>,
    keep_runs_days: u32,
    time: &dyn Time,
) -> Infallible {
    let retention = Retention::days(keep_runs_days);
    time.sleep(FIRST).await;
    loop {
        match store.prune(&retention).await {
            Ok(pruned) => tracing::info!(?pruned, "the store was tidied"),
            Err(error) => tracing::warn!(%error, "the store could not be tidied; it is tried again tomorrow"),
        }
        time.sleep(BETWEEN).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use chrono::{DateTime, TimeDelta, Utc};
    use tokio::sync::watch;

    use super::*;
    use crate::store::service::NewAuditEntry;
    use crate::store::{BackupSummary, Pruned, RestoreOptions, Result, StoreStatus};

    /// Time that stands until the test moves it.
    struct Hands(watch::Sender<DateTime<Utc>>);

    #[async_trait]
    impl Time for Hands {
        fn now(&self) -> DateTime<Utc> {
            *self.0.borrow()
        }

        async fn sleep(&self, duration: Duration) {
            let end = self.now() + duration;
            let _ = self.0.subscribe().wait_for(|now| *now >= end).await;
        }
    }

    /// Writes down when it is tidied, and fails the second time.
    struct Tidied(Arc<Hands>, Mutex<Vec<(DateTime<Utc>, Retention)>>);

    #[async_trait]
    impl MaintenanceStore for Tidied {
        async fn prune(&self, retention: &Retention) -> Result<Pruned> {
            let mut times = self.1.lock().unwrap();
            times.push((self.0.now(), *retention));
            if times.len() == 2 {
                return Err(StoreError::NoRun("the disk is full".to_owned()));
            }
            Ok(Pruned::default())
        }

        async fn status(&self) -> Result<StoreStatus> {
            panic!("nobody asks for it")
        }

        async fn backup(&self, _: &Path) -> Result<BackupSummary> {
            panic!("nobody asks for it")
        }

        async fn restore(&self, _: &Path, _: RestoreOptions, _: &NewAuditEntry) -> Result<BackupSummary> {
            panic!("nobody asks for it")
        }
    }

    #[tokio::test]
    async fn the_store_is_tidied_soon_after_the_start_and_every_day_from_then_on_whatever_fails() {
        let begun: DateTime<Utc> = "2026-03-01T10:00:00Z".parse().unwrap();
        let hands = Arc::new(Hands(watch::Sender::new(begun)));
        let store = Arc::new(Tidied(Arc::clone(&hands), Mutex::default()));
        let (tidied, time) = (Arc::clone(&store), Arc::clone(&hands));
        let tidying = tokio::spawn(async move { prune_daily(tidied, 400, &*time).await });
        tokio::task::yield_now().await;
        for _ in 0..(3 * 24 * 60) {
            hands.0.send_modify(|now| *now += TimeDelta::minutes(1));
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
        }
        assert!(!tidying.is_finished());
        tidying.abort();
        let first = begun + TimeDelta::minutes(10);
        let retention = Retention {
            runs: TimeDelta::days(400),
            plans: TimeDelta::days(30),
        };
        let times = [0, 1, 2].map(|day| (first + TimeDelta::days(day), retention));
        assert_eq!(*store.1.lock().unwrap(), times);
    }
}
