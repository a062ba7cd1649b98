//! The store that a configuration names.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::config::Config;
use crate::secrets::Secrets;
use crate::store::{Location, Retention, Store, StoreError};

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
pub async fn prune_daily(store: Arc<dyn Store>, keep_runs_days: u32) -> Infallible {
    let retention = Retention::days(keep_runs_days);
    tokio::time::sleep(FIRST).await;
    loop {
        match store.prune(&retention).await {
            Ok(pruned) => tracing::info!(?pruned, "the store was tidied"),
            Err(error) => tracing::warn!(%error, "the store could not be tidied; it is tried again tomorrow"),
        }
        tokio::time::sleep(BETWEEN).await;
    }
}
