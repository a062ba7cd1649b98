//! What is looked up from time to time, since others may have changed it: another process on the same store, a person.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Telemetry;
use crate::store::{Store, StoreError};

/// How often.
const PERIOD: Duration = Duration::from_secs(60);
/// The same in the beginning, while connections become known.
const SOON: Duration = Duration::from_secs(2);
/// How often it is looked soon.
const BEGINNING: u32 = 10;

/// Reads when each connection succeeded last, what the scheduler remembers of it, and when secrets expire: now and then
/// every minute until `stop`.
pub async fn refresh(telemetry: Telemetry, store: Arc<dyn Store>, stop: CancellationToken) {
    let mut looks = 0_u32;
    loop {
        look(&telemetry, store.as_ref()).await;
        looks = looks.saturating_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(if looks < BEGINNING { SOON } else { PERIOD }) => {}
        }
    }
}

async fn look(telemetry: &Telemetry, store: &dyn Store) {
    for id in telemetry.shared().connections.ids() {
        match store.connection(&id).await {
            Ok(record) => {
                if let Some(at) = record.last_success {
                    telemetry.succeeded(&id, at);
                }
            }
            // Readiness says it too, and louder.
            Err(error) => {
                tracing::debug!(%error, "the store could not be asked for last successes");
                break;
            }
        }
    }
    match store.run_states().await {
        Ok(states) => {
            for (id, state) in states {
                telemetry.is_in_state(&id, state);
            }
        }
        Err(error) => tracing::debug!(%error, "the store could not be asked for states of connections"),
    }
    if let Err(error) = secrets(telemetry, store).await {
        tracing::debug!(%error, "the store could not be asked when secrets expire");
    }
}

async fn secrets(telemetry: &Telemetry, store: &dyn Store) -> Result<(), StoreError> {
    let ids = telemetry.shared().connections.ids();
    let tenants: BTreeSet<&str> = ids.iter().map(|id| id.tenant.as_str()).collect();
    for tenant in std::iter::once(None).chain(tenants.into_iter().map(Some)) {
        for secret in store.sealed_secrets(tenant).await? {
            telemetry.secret_expires(tenant, &secret.name.name, secret.expires_at);
        }
    }
    Ok(())
}
