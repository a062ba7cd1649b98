//! Where a secret is, for whoever uses it for weeks: the value is looked up when it is needed and never kept for good, so
//! that a rotation needs no restart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::{Owner, SecretError, Secrets};
use crate::config::SecretSource;

/// A secret's place. Clones share what was read.
#[derive(Clone)]
pub struct SecretHandle {
    place: Place,
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Clone)]
enum Place {
    /// A value that never changes: for tests, and for what is no secret of a configuration.
    Fixed,
    Found {
        secrets: Secrets,
        owner: Owner,
        source: SecretSource,
    },
}

struct Held {
    current: Current,
    read_at: Instant,
}

/// A secret as it was last read.
#[derive(Clone)]
pub struct Current {
    /// The value.
    pub value: SecretString,
    /// How often the value was another than before: tells an old one from a new one without comparing secrets.
    pub changes: u64,
    /// When what it opens expires, where that is known.
    pub expires_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for SecretHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Fixed => formatter.write_str("SecretHandle([withheld])"),
            Place::Found { owner, source, .. } => write!(formatter, "SecretHandle({source} of {owner})"),
        }
    }
}

impl From<SecretString> for SecretHandle {
    fn from(value: SecretString) -> Self {
        Self {
            place: Place::Fixed,
            held: Arc::new(Mutex::new(Some(Held {
                current: Current {
                    value,
                    changes: 0,
                    expires_at: None,
                },
                read_at: Instant::now(),
            }))),
        }
    }
}

impl From<&str> for SecretHandle {
    fn from(value: &str) -> Self {
        SecretString::from(value).into()
    }
}

impl SecretHandle {
    pub(super) fn new(secrets: Secrets, owner: Owner, source: SecretSource) -> Self {
        Self {
            place: Place::Found {
                secrets,
                owner,
                source,
            },
            held: Arc::default(),
        }
    }

    /// The secret, as it was known a moment ago: for what is sent with every request.
    ///
    /// # Errors
    /// It cannot be had, and never could.
    pub async fn known(&self) -> Result<Current, SecretError> {
        self.read(false).await
    }

    /// The secret, as it is now: for a token exchange, and after a refusal. Where its place cannot be reached for a while,
    /// what was read last.
    ///
    /// # Errors
    /// It cannot be had, and never could; or it is not there any more.
    pub async fn latest(&self) -> Result<Current, SecretError> {
        self.read(true).await
    }

    async fn read(&self, now: bool) -> Result<Current, SecretError> {
        // Whoever comes while the place is asked waits here and finds the answer.
        let mut held = self.held.lock().await;
        let Place::Found {
            secrets,
            owner,
            source,
        } = &self.place
        else {
            return held
                .as_ref()
                .map(|held| held.current.clone())
                .ok_or(SecretError::Interrupted);
        };
        if let Some(held) = held.as_ref().filter(|_| !now)
            && held.read_at.elapsed() < freshness(source)
        {
            return Ok(held.current.clone());
        }
        let found = match secrets.find(owner, source).await {
            Ok(found) => found,
            Err(error) if error.is_passing() => {
                let Some(held) = held.as_ref() else {
                    return Err(error);
                };
                tracing::warn!(%source, %owner, %error, "a secret could not be looked up; what was read before is used");
                return Ok(held.current.clone());
            }
            Err(error) => return Err(error),
        };
        let changes = match held.as_ref() {
            None => 0,
            Some(held) if held.current.value.expose_secret() == found.value.expose_secret() => {
                held.current.changes
            }
            Some(held) => {
                tracing::info!(%source, %owner, "a secret has changed and is used from now on");
                held.current.changes + 1
            }
        };
        let current = Current {
            value: found.value,
            changes,
            expires_at: found.expires_at,
        };
        *held = Some(Held {
            current: current.clone(),
            read_at: Instant::now(),
        });
        Ok(current)
    }
}

/// For how long what was read is good where nobody was refused: short where looking is cheap.
fn freshness(source: &SecretSource) -> Duration {
    Duration::from_secs(match source {
        SecretSource::Env(_) | SecretSource::File(_) => 2,
        SecretSource::Stored(_) => 10,
        SecretSource::Vault(_) => 60,
    })
}
