//! Stored tenants become connections that run: at the start, after each change, and whenever another process on the same
//! store changed something. What may not enter: checks of what is stored, which are those of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;

use super::declared::configuration;
use super::{Result, Service, ServiceError};
use crate::config::Config;
use crate::plugin::PluginFolder;
use crate::run::{ConnectionSetup, ConnectionSource, ManagedSwitch, SetupError, attempts_with};
use crate::store::service::{DirectoryRecord, PluginRecord, TenancyStore, TenantRecord};
use crate::store::{ConnectionId, StoreError};

impl Service {
    /// Takes up what the store says now, if it changed since the last time. Connections that did not change go on as
    /// they are, runs under way too.
    ///
    /// # Errors
    /// The store. A tenant that cannot be set up is none: it is shown with the reason, and the others run.
    pub async fn load(&self) -> Result<()> {
        let version = self.store.tenancy_version().await?;
        if version == self.loaded.lock().await.version {
            return Ok(());
        }
        let mut directories = BTreeMap::<String, Vec<DirectoryRecord>>::new();
        for directory in self.store.directories(None).await? {
            directories
                .entry(directory.id.tenant.clone())
                .or_default()
                .push(directory);
        }
        let components = self.usable_components().await?;
        let mut wanted = BTreeMap::new();
        let mut unusable = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.tenants(after.as_deref(), 1_000).await?;
            for tenant in page.items {
                let directories = directories.remove(&tenant.name).unwrap_or_default();
                match self.wanted(&tenant, &directories) {
                    Ok(config) => {
                        for directory in directories {
                            wanted.insert(
                                directory.id,
                                Wanted {
                                    config: Arc::clone(&config),
                                    taken: Taken {
                                        version: (tenant.version, directory.version),
                                        enabled: tenant.enabled,
                                        component: tenant
                                            .plugin
                                            .as_deref()
                                            .map(|digest| components.of(&tenant.name, digest)),
                                    },
                                    plugin: tenant.plugin.clone(),
                                },
                            );
                        }
                    }
                    Err(why) => unusable.extend(directories.into_iter().map(|one| (one.id, why.clone()))),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.take_up(wanted).await?;
        *self.unusable.write().unwrap_or_else(PoisonError::into_inner) = unusable;
        // Not before all of it was taken up: whoever fails on the way looks again.
        self.loaded.lock().await.version = version;
        Ok(())
    }

    /// The same, where something changed that the store does not know of: which components are kept here.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub(super) async fn load_anew(&self) -> Result<()> {
        self.loaded.lock().await.version = u64::MAX;
        self.load().await
    }

    /// What tenants' own components are good for now.
    async fn usable_components(&self) -> Result<Components> {
        let folder = PluginFolder::new(&self.config.plugins.folder);
        let kept = tokio::task::spawn_blocking(move || folder.list())
            .await
            .map_err(|error| ServiceError::Internal(error.to_string()))?;
        // A folder that cannot be read keeps nothing; whoever needs a component of it is told why.
        let kept = kept.unwrap_or_default();
        Ok(Components {
            granted: self.store.all_plugins().await?,
            kept: kept.into_iter().map(|(digest, _)| digest).collect(),
        })
    }

    /// A stored tenant's configuration, or why it has none.
    fn wanted(
        &self,
        tenant: &TenantRecord,
        directories: &[DirectoryRecord],
    ) -> std::result::Result<Arc<Config>, String> {
        // The file goes before the store: two of one name would be one tenant to everybody else.
        if self
            .config
            .tenants
            .iter()
            .any(|declared| declared.name == tenant.name)
        {
            return Err(format!(
                "the configuration file declares a tenant {} too",
                tenant.name
            ));
        }
        configuration(&self.config, tenant, directories)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    }

    /// Hands connections to the runs and the schedule: new and changed ones are put, those that are gone removed.
    async fn take_up(&self, wanted: BTreeMap<ConnectionId, Wanted>) -> Result<()> {
        let mut loaded = self.loaded.lock().await;
        let gone: Vec<ConnectionId> = loaded
            .connections
            .keys()
            .filter(|known| !wanted.contains_key(*known))
            .cloned()
            .collect();
        for id in gone {
            self.groupcast.remove_connection(&id);
            self.engine.remove(&id).await?;
            loaded.connections.remove(&id);
        }
        let mut tenants = BTreeMap::<String, Vec<(ConnectionId, Wanted)>>::new();
        for (id, wanted) in wanted {
            if loaded.connections.get(&id) != Some(&wanted.taken) {
                tenants.entry(id.tenant.clone()).or_default().push((id, wanted));
            }
        }
        for changed in tenants.into_values() {
            let Some((_, first)) = changed.first() else {
                continue;
            };
            let config = Arc::clone(&first.config);
            let mut attempts: BTreeMap<_, _> = match attempts_with(&config, &self.secrets).await {
                Ok(attempts) => attempts.into_iter().collect(),
                Err(error) => {
                    tracing::error!(%error, "stored tenants cannot be set up");
                    return Err(ServiceError::Internal(error.to_string()));
                }
            };
            for (id, wanted) in changed {
                if let Some(attempt) = attempts.remove(&id) {
                    let attempt = self.switched_in_store(attempt);
                    let attempt = self
                        .with_plugin(&id.tenant, wanted.plugin.as_deref(), attempt)
                        .await;
                    self.groupcast.put_connection(id.clone(), attempt);
                }
                let schedule = config.connections().find(|one| one.id == id);
                let schedule = schedule
                    .and_then(|one| one.schedule.clone())
                    .filter(|_| wanted.taken.enabled);
                self.engine.put_schedule(&id, schedule).await?;
                // What it was put aside for may be mended.
                self.engine.changed(&id).await?;
                loaded.connections.insert(id, wanted.taken);
            }
        }
        Ok(())
    }

    /// Stored directories are switched on and off in the store, by whichever process (R36).
    fn switched_in_store(
        &self,
        attempt: std::result::Result<ConnectionSetup, SetupError>,
    ) -> std::result::Result<ConnectionSetup, SetupError> {
        attempt.map(|mut setup| {
            let store: Arc<dyn TenancyStore> = Arc::clone(&self.store) as Arc<dyn TenancyStore>;
            setup.switch = Arc::new(ManagedSwitch::in_store(store, setup.id.clone()));
            setup
        })
    }

    /// Sets a stored connection up anew; none: it is none.
    async fn set_up(&self, id: &ConnectionId) -> Option<std::result::Result<ConnectionSetup, SetupError>> {
        let tenant = self.store.tenant(&id.tenant).await.ok()??;
        let directories = self.store.directories(Some(&id.tenant)).await.ok()?;
        let config = self.wanted(&tenant, &directories).ok()?;
        let attempt = match attempts_with(&config, &self.secrets).await {
            Err(error) => return Some(Err(error)),
            Ok(attempts) => attempts
                .into_iter()
                .find_map(|(known, attempt)| (known == *id).then_some(attempt))?,
        };
        let attempt = self.switched_in_store(attempt);
        Some(
            self.with_plugin(&id.tenant, tenant.plugin.as_deref(), attempt)
                .await,
        )
    }

    /// The connection with its tenant's own component, which may ask for what was granted to it and nothing else.
    async fn with_plugin(
        &self,
        tenant: &str,
        digest: Option<&str>,
        attempt: std::result::Result<ConnectionSetup, SetupError>,
    ) -> std::result::Result<ConnectionSetup, SetupError> {
        let (Some(digest), Ok(setup)) = (digest, &attempt) else {
            return attempt;
        };
        let id = setup.id.to_string();
        let unusable = |reason: String| SetupError::Plugin {
            connection: id.clone(),
            reason,
        };
        let stored = async {
            let own = self.store.plugins(Some(tenant)).await?;
            let hosts = self.store.plugins(None).await?;
            Ok::<_, StoreError>(own.into_iter().chain(hosts))
        };
        let granted = stored
            .await
            .map_err(|error| unusable(error.to_string()))?
            .find(|plugin| plugin.digest == digest)
            .ok_or_else(|| {
                unusable(format!(
                    "no plugin {digest} is granted to tenant {tenant}; grant it, or choose another one"
                ))
            })?
            .granted;
        let folder = PluginFolder::new(&self.config.plugins.folder);
        let plugin = self
            .groupcast
            .kept_plugin(&folder, digest)
            .await
            .map_err(|error| unusable(error.to_string()))?;
        attempt?.with_plugin(plugin, &granted)
    }
}

#[async_trait]
impl ConnectionSource for Service {
    async fn attempt(&self, id: &ConnectionId) -> Option<std::result::Result<ConnectionSetup, SetupError>> {
        if self.config.connections().any(|one| one.id == *id) {
            return self.config.attempt(id).await;
        }
        self.set_up(id).await
    }
}

/// A stored connection as it should run.
struct Wanted {
    config: Arc<Config>,
    taken: Taken,
    plugin: Option<String>,
}

/// What a connection was taken up with: it is taken up again where any of it changed.
#[derive(Debug, Clone, PartialEq)]
struct Taken {
    /// Of its tenant, and its own.
    version: (u64, u64),
    enabled: bool,
    /// Of its tenant's own component: what is granted to it, and whether it is kept here.
    component: Option<(Option<serde_json::Value>, bool)>,
}

/// Components of others, at one moment.
struct Components {
    granted: Vec<PluginRecord>,
    kept: BTreeSet<String>,
}

impl Components {
    /// What a tenant's own component may ask for, and whether it is here.
    fn of(&self, tenant: &str, digest: &str) -> (Option<serde_json::Value>, bool) {
        let granted = [Some(tenant), None].into_iter().find_map(|whose| {
            let mut all = self.granted.iter();
            all.find(|record| record.tenant.as_deref() == whose && record.digest == digest)
        });
        (
            granted.map(|record| record.granted.clone()),
            self.kept.contains(digest),
        )
    }
}

/// What was taken up.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) version: u64,
    connections: BTreeMap<ConnectionId, Taken>,
}
