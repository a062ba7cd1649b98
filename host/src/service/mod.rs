//! The service: everything that the API and the console can do, in one place, and who may do it.
//!
//! [`Service`] stands over the store, the runs and the schedule. Each of its methods takes the [`Principal`] that asks
//! and refuses what that one may not do; each change is in the audit log. What may not enter: HTTP, HTML, SQL.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::run::Groupcast;
use crate::schedule::Engine;
use crate::secrets::Secrets;
use crate::store::service::{NewAuditEntry, Role, SealedStore};
use crate::store::{ConnectionId, Store};

#[cfg(test)]
mod asked;
mod catalogue;
mod choosing;
mod declared;
mod directories;
mod error;
mod events;
mod glance;
mod groups;
pub mod identity;
mod keys;
mod loading;
mod people;
mod plans;
mod plugins;
mod preflight;
mod principal;
mod probe;
mod records;
mod seen;
mod tenants;
mod watching;
mod work;

pub use catalogue::{BoundBy, Catalogue, CatalogueGroup};
pub use choosing::GroupChange;
pub use directories::{Declared, DirectoryView, NewDirectory};
pub use error::{Invalid, Result, ServiceError};
pub use events::{EventFilter, EventHub, EventKind, ServiceEvent, Subscription, Watched};
pub use glance::TenantGlance;
pub use groups::{GroupQuery, GroupView, Only};
pub use keys::SecretView;
pub use people::NewToken;
pub use plans::{PartView, PlanView};
pub use plugins::{FetchError, PluginDescription, PluginGrant, PluginView, fetch, rules_of};
pub use preflight::Preflight;
pub use principal::{Principal, Scope};
pub use tenants::{NewTenant, TenantChange, TenantView};
pub use work::RunView;

/// What a page of a list holds at most.
pub const PAGE: u32 = 200;

/// Everything that can be done.
pub struct Service {
    /// The host's own configuration, and the tenants that it declares.
    config: Config,
    store: Arc<dyn Store>,
    groupcast: Arc<Groupcast>,
    engine: Arc<dyn Engine>,
    events: Arc<EventHub>,
    catalogues: catalogue::Kept,
    seen_plans: seen::SeenPlans,
    secrets: Secrets,
    /// What was taken up from the store, and why a stored tenant could not be.
    loaded: tokio::sync::Mutex<loading::Loaded>,
    unusable: RwLock<BTreeMap<ConnectionId, String>>,
}

impl Service {
    /// A service over what is open already. Nothing is loaded yet: see [`Self::load`].
    pub fn new(
        config: Config,
        groupcast: Arc<Groupcast>,
        engine: Arc<dyn Engine>,
        events: Arc<EventHub>,
    ) -> Self {
        let sealed: Arc<dyn SealedStore> = Arc::clone(groupcast.store()) as Arc<dyn SealedStore>;
        Self {
            secrets: Secrets::of(&config.secrets).with_store(sealed),
            config,
            store: Arc::clone(groupcast.store()),
            groupcast,
            engine,
            events,
            catalogues: catalogue::Kept::default(),
            seen_plans: seen::SeenPlans::default(),
            loaded: tokio::sync::Mutex::default(),
            unusable: RwLock::default(),
        }
    }

    /// The host's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The store: for what is no tenant's (health, backup).
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The secrets: the host's, and those of tenants in the store.
    pub fn secret_places(&self) -> &Secrets {
        &self.secrets
    }

    /// The runs.
    pub fn groupcast(&self) -> &Arc<Groupcast> {
        &self.groupcast
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// Refuses whoever may not. Who sees nothing of a tenant is told that there is none.
    fn require(&self, who: &Principal, tenant: Option<&str>, need: Role) -> Result<()> {
        if who.may(tenant, need) {
            return Ok(());
        }
        match tenant {
            Some(name) if who.role(tenant).is_none() => Err(ServiceError::not_found("tenant", name)),
            _ => Err(ServiceError::Forbidden { need }),
        }
    }

    /// The same for something of a tenant: who sees nothing of the tenant is told that there is no such thing.
    fn require_of(
        &self,
        who: &Principal,
        tenant: &str,
        need: Role,
        what: &'static str,
        name: &str,
    ) -> Result<()> {
        if who.role(Some(tenant)).is_none() {
            return Err(ServiceError::not_found(what, name));
        }
        self.require(who, Some(tenant), need)
    }

    /// The same for a directory, which there must be.
    async fn require_directory(&self, who: &Principal, id: &ConnectionId, need: Role) -> Result<()> {
        self.require_of(who, &id.tenant, need, "directory", &id.to_string())?;
        let known =
            self.config.connections().any(|one| one.id == *id) || self.store.directory(id).await?.is_some();
        if known {
            Ok(())
        } else {
            Err(ServiceError::not_found("directory", id.to_string()))
        }
    }

    /// An entry of the audit log about something of a tenant.
    fn entry(
        who: &Principal,
        tenant: Option<&str>,
        action: &str,
        subject: impl Into<String>,
    ) -> NewAuditEntry {
        NewAuditEntry {
            actor: who.actor.clone(),
            tenant: tenant.map(str::to_owned),
            action: action.to_owned(),
            subject: subject.into(),
            before: None,
            after: None,
            request: who.request.clone(),
        }
    }

    fn why_unusable(&self, id: &ConnectionId) -> Option<String> {
        self.unusable
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }
}
