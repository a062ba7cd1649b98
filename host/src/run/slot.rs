//! A connection's place in a host that serves: ready, or not yet, and then why. What may not enter: how a connection is
//! set up.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::ConnectionName;
use super::groupcast::Groupcast;
use super::setup::{self, ConnectionSetup, SetupError};
use super::{Repetition, RunFailure};
use crate::config::Config;

/// A connection that is ready, or why it is not.
#[derive(Clone)]
enum Slot {
    Ready(Arc<ConnectionSetup>),
    NotYet(String),
}

impl Slot {
    fn of(setup: Result<ConnectionSetup, SetupError>) -> Self {
        match setup {
            Ok(setup) => Self::Ready(Arc::new(setup)),
            Err(error) => Self::NotYet(error.to_string()),
        }
    }
}

/// The connections that a host serves. They come, change and go while runs are at work: a run keeps the setup that it
/// began with.
#[derive(Default)]
pub(super) struct Slots(RwLock<BTreeMap<ConnectionName, Slot>>);

impl Slots {
    pub(super) fn put(&self, id: ConnectionName, setup: Result<ConnectionSetup, SetupError>) {
        let slot = Slot::of(setup);
        self.write(|slots| slots.insert(id, slot));
    }

    fn remove(&self, id: &ConnectionName) -> bool {
        self.write(|slots| slots.remove(id)).is_some()
    }

    /// All names, ascending.
    pub(super) fn names(&self) -> Vec<ConnectionName> {
        self.read(|slots| slots.keys().cloned().collect())
    }

    /// All that are ready.
    pub(super) fn ready(&self) -> Vec<Arc<ConnectionSetup>> {
        self.read(|slots| {
            let ready = slots.values().filter_map(|slot| match slot {
                Slot::Ready(setup) => Some(Arc::clone(setup)),
                Slot::NotYet(_) => None,
            });
            ready.collect()
        })
    }

    /// The connection, or why it cannot run.
    pub(super) fn setup(&self, id: &ConnectionName) -> Result<Arc<ConnectionSetup>, RunFailure> {
        match self.read(|slots| slots.get(id).cloned()) {
            Some(Slot::Ready(setup)) => Ok(setup),
            Some(Slot::NotYet(why)) => Err(RunFailure {
                repetition: Repetition::MayHelp { pause: None },
                ..RunFailure::refused(format!("{why}; nothing was done, and the next run looks again"))
            }),
            None => Err(RunFailure::refused(format!(
                "there is no connection {id} in the configuration"
            ))),
        }
    }

    /// What a second look gave, unless somebody put something else meanwhile.
    fn mended(&self, id: &ConnectionName, looked: Result<ConnectionSetup, SetupError>) {
        let slot = Slot::of(looked);
        self.write(|slots| {
            if let Some(known @ Slot::NotYet(_)) = slots.get_mut(id) {
                *known = slot;
            }
        });
    }

    /// No code that can panic runs under the lock, so a poisoned one holds nothing half done.
    fn read<T>(&self, with: impl FnOnce(&BTreeMap<ConnectionName, Slot>) -> T) -> T {
        with(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, with: impl FnOnce(&mut BTreeMap<ConnectionName, Slot>) -> T) -> T {
        with(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a connection comes from, for a second look at one that could not be set up.
#[async_trait]
pub trait ConnectionSource: Send + Sync {
    /// Sets it up anew; none: there is no such connection.
    async fn attempt(&self, id: &ConnectionName) -> Option<Result<ConnectionSetup, SetupError>>;
}

#[async_trait]
impl ConnectionSource for Config {
    async fn attempt(&self, id: &ConnectionName) -> Option<Result<ConnectionSetup, SetupError>> {
        match setup::attempts(self).await {
            Err(error) => Some(Err(error)),
            Ok(attempts) => attempts
                .into_iter()
                .find_map(|(known, setup)| (known == *id).then_some(setup)),
        }
    }
}

impl Groupcast {
    /// Serves a connection from now on, in the place of what it was before. Runs at work end with the setup that they
    /// began with; whether they may still write is asked of the switch before each write (R36).
    pub fn put_connection(&self, id: ConnectionName, setup: Result<ConnectionSetup, SetupError>) {
        if let Err(error) = &setup {
            tracing::error!(connection = %id, %error, "cannot run yet; each time of its schedule looks again");
        }
        self.connections.put(id, setup);
    }

    /// Serves a connection no longer. Answers whether there was one. A run at work goes on until it is cancelled.
    pub fn remove_connection(&self, id: &ConnectionName) -> bool {
        self.connections.remove(id)
    }

    /// Looks again whether a connection that could not be set up can be by now: for a service that goes on for weeks,
    /// while somebody mends a secret.
    ///
    /// # Errors
    /// Why it still cannot.
    pub async fn prepare(&self, connection: &ConnectionName) -> Result<(), RunFailure> {
        if self.connections.setup(connection).is_err()
            && let Some(source) = &self.source
            && let Some(looked) = source.attempt(connection).await
        {
            self.connections.mended(connection, looked);
        }
        self.connections.setup(connection).map(|_| ())
    }
}
