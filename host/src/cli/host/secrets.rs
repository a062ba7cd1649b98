//! The stored secrets that the commands change: the host's, or a tenant's. What may not enter: the terminal that a value
//! is typed at.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use crate::cli::problem::Problem;
use crate::cli::render::text::count;
use crate::cli::surroundings::{SecretLine, SecretStore};
use crate::config::Config;
use crate::secrets::{Author, SecretError, Secrets};
use crate::service::Principal;
use crate::store::Store;

/// The stored secrets of a configuration: the host's, or a tenant's.
pub(super) struct Stored {
    config: Config,
    secrets: Secrets,
    /// Of a tenant's: the store that they are in.
    kept: Option<Arc<dyn Store>>,
    tenant: Option<String>,
}

impl Stored {
    /// Those of the host; with a tenant, those of that one, which must be in the store.
    pub(super) async fn open(config: Config, tenant: Option<&str>) -> Result<Self, Problem> {
        let mut secrets = Secrets::of(&config.secrets);
        let mut kept = None;
        if let Some(tenant) = tenant {
            if config.tenants.iter().any(|known| known.name == tenant) {
                return Err(Problem::refused(format!(
                    "tenant {tenant} is declared in the configuration file, so its secrets are the host's; leave --tenant out"
                )));
            }
            let store = sealed_store(&config).await?;
            let known = store.tenant(tenant).await;
            if known
                .map_err(|error| Problem::failed(error.to_string()))?
                .is_none()
            {
                return Err(Problem::refused(format!(
                    "there is no tenant {tenant} in the store; make it in the console or by the API first"
                )));
            }
            secrets = secrets.with_store(store.clone());
            kept = Some(store);
        }
        Ok(Self {
            config,
            secrets,
            kept,
            tenant: tenant.map(ToOwned::to_owned),
        })
    }
}

/// The store of a configuration, for what is sealed there.
async fn sealed_store(config: &Config) -> Result<Arc<dyn Store>, Problem> {
    crate::run::open_store(config)
        .await
        .map_err(|error| Problem::failed(error.to_string()))
}

/// Whoever has the machine, for the audit log.
fn whoever() -> Author {
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    Author {
        actor: Principal::command_line(&user).actor,
        request: None,
    }
}

fn told(error: &SecretError) -> Problem {
    if error.is_passing() {
        Problem::failed(error.to_string())
    } else {
        Problem::refused(error.to_string())
    }
}

#[async_trait]
impl SecretStore for Stored {
    async fn set(
        &self,
        name: &str,
        value: SecretString,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<bool, Problem> {
        let replaced = self.list().await?.iter().any(|known| known.name == name);
        match &self.tenant {
            None => self.secrets.set(name, value, expires_at).await,
            Some(tenant) => self
                .secrets
                .set_for(tenant, name, &value, expires_at, None, &whoever())
                .await
                .map(drop),
        }
        .map_err(|error| told(&error))?;
        // What connections were put aside for may be mended: whoever serves them sees it within a minute.
        if let (Some(store), Some(tenant)) = (&self.kept, &self.tenant)
            && let Err(error) = crate::schedule::mended(&**store, tenant).await
        {
            tracing::warn!(%error, "connections that were put aside could not be released; release them by hand");
        }
        Ok(replaced)
    }

    async fn list(&self) -> Result<Vec<SecretLine>, Problem> {
        let failed = |error: SecretError| Problem::failed(error.to_string());
        match &self.tenant {
            None => {
                let listed = self.secrets.list_with_ends().await.map_err(failed)?;
                let lines = listed.into_iter().map(|(name, expires_at)| SecretLine {
                    name,
                    version: None,
                    expires_at,
                });
                Ok(lines.collect())
            }
            Some(tenant) => {
                let listed = self.secrets.list_for(tenant).await.map_err(failed)?;
                let lines = listed.into_iter().map(|secret| SecretLine {
                    name: secret.name.name,
                    version: Some(secret.version),
                    expires_at: secret.expires_at,
                });
                Ok(lines.collect())
            }
        }
    }

    async fn remove(&self, name: &str) -> Result<bool, Problem> {
        if let Some(tenant) = &self.tenant {
            let removed = self.secrets.remove_for(tenant, name, &whoever()).await;
            return removed.map_err(|error| told(&error));
        }
        if !self.list().await?.iter().any(|known| known.name == name) {
            return Ok(false);
        }
        self.secrets
            .remove(name)
            .await
            .map_err(|error| Problem::failed(error.to_string()))?;
        Ok(true)
    }

    async fn rotate_key(&self) -> Result<String, Problem> {
        // What the key wraps is in the store: a key that is replaced without it would open nothing any more.
        let secrets = if self.config.store.url.is_some() || self.config.store_path.exists() {
            self.secrets.clone().with_store(sealed_store(&self.config).await?)
        } else {
            self.secrets.clone()
        };
        let done = secrets.rotate_key().await.map_err(|error| told(&error))?;
        let made = if done.is_made {
            "A new key is in"
        } else {
            "The first key is that of"
        };
        let file = if done.file {
            "; the encrypted file was sealed again"
        } else {
            ""
        };
        let left = if done.is_older_left {
            " Older keys open nothing any more: take them out of where they are, and out of the configuration."
        } else {
            ""
        };
        Ok(format!(
            "{made} {}: it wraps the keys of {} ({} did already){file}.{left}",
            done.place,
            count(
                (done.tenants.done + done.tenants.already) as u64,
                "tenant",
                "tenants"
            ),
            done.tenants.already
        ))
    }
}
