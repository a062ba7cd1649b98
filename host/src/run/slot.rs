//! A connection's place in a host that serves: ready, or not yet, and then why. What may not enter: how a connection is
//! set up.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::ConnectionName;
use super::RunFailure;
use super::groupcast::Groupcast;
use super::setup::{self, ConnectionSetup, SetupError};

/// A connection that is ready, or not yet.
pub(super) struct Slot {
    ready: OnceLock<ConnectionSetup>,
    /// Why it is not ready.
    why: Mutex<String>,
}

impl Slot {
    pub(super) fn of(setup: Result<ConnectionSetup, &SetupError>) -> Self {
        let (ready, mut why) = (OnceLock::new(), String::new());
        match setup {
            Ok(setup) => {
                let _ = ready.set(setup);
            }
            Err(error) => why = error.to_string(),
        }
        Self {
            ready,
            why: Mutex::new(why),
        }
    }

    pub(super) fn ready(&self) -> Option<&ConnectionSetup> {
        self.ready.get()
    }

    /// The connection, or why it cannot run.
    pub(super) fn setup(&self) -> Result<&ConnectionSetup, RunFailure> {
        self.ready.get().ok_or_else(|| {
            let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
            RunFailure::refused(format!("{why}; nothing was done, and the next run looks again"))
        })
    }
}

impl Groupcast {
    /// Looks again whether a connection that could not be set up can be by now: for a service that goes on for weeks,
    /// while somebody mends a secret.
    ///
    /// # Errors
    /// Why it still cannot.
    pub async fn prepare(&self, connection: &ConnectionName) -> Result<(), RunFailure> {
        let (Some(slot), Some(config)) = (self.connections.get(connection), &self.config) else {
            return Ok(());
        };
        if slot.ready().is_none() {
            let attempts = setup::attempts(config)
                .await
                .map_err(|error| RunFailure::refused(error.to_string()))?;
            match attempts.into_iter().find(|(id, _)| id == connection) {
                Some((_, Ok(setup))) => {
                    let _ = slot.ready.set(setup);
                }
                Some((_, Err(error))) => {
                    *slot.why.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
                }
                None => {}
            }
        }
        slot.setup().map(|_| ())
    }
}
