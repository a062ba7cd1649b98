//! Components of others: which the host keeps, where they come from, and what was granted to whom.
//!
//! Whoever administers the whole host keeps, grants, revokes and removes; a tenant's own people see what their tenant may
//! run, and its administrator chooses among that ([`TenantChange::plugin`](super::TenantChange)). What may not enter: the
//! judgement of a component, which is the plugin room's.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::{Principal, Result, Service, ServiceError};
use crate::config::Config;
use crate::egress::rules::Rule;
use crate::plugin::{
    Manifest, OCI_SCHEME, PluginError, PluginFolder, Pulled, Puller, RegistryCredential, RunLimits, Sandbox,
};
use crate::secrets::Secrets;
use crate::store::service::{PluginRecord, Role};

/// Where a component of the API came from, where it was uploaded.
const UPLOADED: &str = "uploaded";

/// How long a component may take to say what it is: somebody waits for that.
const DESCRIBING: Duration = Duration::from_secs(10);

/// A component of others, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginView {
    /// SHA-256, lower-case hexadecimal.
    pub digest: String,
    /// Size in bytes; none: it is granted to somebody, and not kept here any more.
    pub size: Option<u64>,
    /// What was granted, and to whom: the whole host first, then tenants by name.
    pub grants: Vec<PluginGrant>,
}

/// What a component may ask for, of one tenant or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginGrant {
    /// Whose; none: any tenant of this host may run it.
    pub tenant: Option<String>,
    /// Which component.
    pub digest: String,
    /// Its name and version, as it says itself.
    pub name: String,
    /// By what it was granted: `api`, or the command that did.
    pub origin: String,
    /// Size in bytes.
    pub size: u64,
    /// The requests that it may make; none: what was granted does not read, so that it does not run until it is granted
    /// again.
    pub rules: Option<Vec<Rule>>,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// A component with what it says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginDescription {
    /// What is known of it here.
    pub view: PluginView,
    /// What it says.
    pub manifest: Manifest,
}

/// What a component asks for that it is given: all of it, or only what reads.
pub fn rules_of(manifest: &Manifest, only_reads: bool) -> Vec<Rule> {
    manifest
        .egress
        .iter()
        .filter(|rule| !(only_reads && rule.writes))
        .map(|rule| Rule {
            credential: rule.credential.clone(),
            method: rule.method.clone(),
            path: rule.path.clone(),
            writes: rule.writes,
            batch: rule.batch,
        })
        .collect()
}

/// Why a reference led to no component.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The certificates that the configuration names cannot be read.
    #[error("{path}: cannot be read: {reason}")]
    Certificates {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The registry's password cannot be had.
    #[error(transparent)]
    Secret(#[from] crate::secrets::SecretError),
    /// The registry, or what it gave.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// What a reference to a registry names, fetched as the configuration says: by its networks and its passwords.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch(
    config: &Config,
    secrets: &Secrets,
    reference: &str,
) -> std::result::Result<Pulled, FetchError> {
    let networks = config
        .allow_networks
        .iter()
        .filter_map(|network| format!("{}/{}", network.address, network.prefix).parse().ok());
    let ca_pem = match &config.ca_file {
        Some(path) => Some(std::fs::read(path).map_err(|error| FetchError::Certificates {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?),
        None => None,
    };
    let host = reference
        .strip_prefix(OCI_SCHEME)
        .unwrap_or(reference)
        .split('/')
        .next()
        .unwrap_or_default();
    let registries = &config.plugins.registries;
    let mut credential = None;
    if let Some(registry) = registries.iter().find(|registry| registry.host == host) {
        credential = Some(RegistryCredential {
            username: registry.username.clone(),
            password: secrets.get(&registry.password).await?,
            token_host: registry.token_host.clone(),
        });
    }
    let puller = Puller::new(networks, ca_pem);
    Ok(puller.pull(reference, credential.as_ref()).await?)
}

impl Service {
    fn plugin_folder(&self) -> PluginFolder {
        PluginFolder::new(&self.config.plugins.folder)
    }

    /// Refuses whoever may not keep components here.
    ///
    /// # Errors
    /// Not an administrator of the host.
    pub fn may_keep_plugins(&self, who: &Principal) -> Result<()> {
        self.require(who, None, Role::Admin)
    }

    /// Components that are kept here or granted to somebody, ascending by digest.
    ///
    /// # Errors
    /// Not somebody of the whole host; the folder or the store.
    pub async fn plugins(&self, who: &Principal) -> Result<Vec<PluginView>> {
        self.require(who, None, Role::Viewer)?;
        let mut all = BTreeMap::new();
        let folder = self.plugin_folder();
        let kept = blocking(move || folder.list()).await?;
        for (digest, size) in kept {
            all.insert(digest.clone(), view(digest, Some(size)));
        }
        for grant in self.all_grants().await? {
            all.entry(grant.digest.clone())
                .or_insert_with(|| view(grant.digest.clone(), None))
                .grants
                .push(grant);
        }
        Ok(all.into_values().collect())
    }

    /// What was granted to anybody, ascending by digest; of each component that of the whole host first.
    ///
    /// # Errors
    /// Not an administrator of the host; the store.
    pub async fn plugin_grants(&self, who: &Principal) -> Result<Vec<PluginGrant>> {
        self.require(who, None, Role::Admin)?;
        self.all_grants().await
    }

    /// What a tenant may run: what was granted to it, and to every tenant, ascending by digest.
    ///
    /// # Errors
    /// There is no such tenant that the caller sees.
    pub async fn plugins_of(&self, who: &Principal, tenant: &str) -> Result<Vec<PluginGrant>> {
        self.tenant(who, tenant).await?;
        let mut grants = self.grants_of(Some(tenant)).await?;
        let hosts = self.grants_of(None).await?;
        // The tenant's own goes before the host's, as it does for its runs.
        let own: Vec<String> = grants.iter().map(|grant| grant.digest.clone()).collect();
        grants.extend(hosts.into_iter().filter(|grant| !own.contains(&grant.digest)));
        grants.sort_by(|one, other| one.digest.cmp(&other.digest));
        Ok(grants)
    }

    /// A component that is kept here, with what it says of itself. It is asked in its sandbox.
    ///
    /// # Errors
    /// Not somebody of the whole host; it is not kept here; it does not answer as it should.
    pub async fn plugin(&self, who: &Principal, digest: &str) -> Result<PluginDescription> {
        self.require(who, None, Role::Viewer)?;
        self.described(digest).await
    }

    /// Keeps a component that was sent, if it has the digest that its sender says. Nothing is granted to it.
    ///
    /// # Errors
    /// Not an administrator of the host; another digest; no component that a run could use.
    pub async fn add_plugin(
        &self,
        who: &Principal,
        digest: &str,
        bytes: Vec<u8>,
    ) -> Result<PluginDescription> {
        self.require(who, None, Role::Admin)?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != digest {
            return Err(ServiceError::invalid(
                "digest",
                format!(
                    "the body's SHA-256 is {found}, not {digest}; send the component under its own digest"
                ),
            ));
        }
        self.keep(who, bytes, UPLOADED, "").await
    }

    /// Fetches a component from a registry and keeps it. Nothing is granted to it.
    ///
    /// # Errors
    /// Not an administrator of the host; the reference is not pinned by a digest, or leads to no component that a run
    /// could use.
    pub async fn pull_plugin(&self, who: &Principal, reference: &str) -> Result<PluginDescription> {
        self.require(who, None, Role::Admin)?;
        let pulled = fetch(&self.config, &self.secrets, reference).await;
        let pulled = pulled.map_err(|error| match error {
            FetchError::Plugin(error) => refused(error, "reference"),
            // The host's own configuration is wrong, which is not told to whoever asks from outside.
            other => ServiceError::Internal(other.to_string()),
        })?;
        self.keep(who, pulled.bytes, reference, "reference").await
    }

    /// Keeps what a run could use: it was compiled, and asked what it is.
    async fn keep(
        &self,
        who: &Principal,
        bytes: Vec<u8>,
        origin: &str,
        place: &str,
    ) -> Result<PluginDescription> {
        let manifest = self.ask(bytes.clone(), origin, place).await?;
        let size = bytes.len();
        let folder = self.plugin_folder();
        let digest = blocking(move || folder.keep(&bytes)).await?;
        let mut audit = Self::entry(who, None, "plugin.added", &digest);
        audit.after = Some(serde_json::json!({
            "origin": origin, "name": name_of(&manifest), "size": size,
        }));
        self.store.append_audit(&audit).await?;
        // Tenants that name it can run again.
        self.load_anew().await?;
        self.described(&digest).await
    }

    /// Lets a tenant (none: every tenant) run a component that is kept here, with the requests that it asks for or only
    /// those that read. What was granted before is replaced.
    ///
    /// # Errors
    /// Not an administrator of the host; it is not kept here; there is no such tenant in the store.
    pub async fn grant_plugin(
        &self,
        who: &Principal,
        digest: &str,
        tenant: Option<&str>,
        only_reads: bool,
    ) -> Result<PluginGrant> {
        self.require(who, None, Role::Admin)?;
        if let Some(tenant) = tenant {
            self.stored_tenant(tenant).await?;
        }
        let description = self.described(digest).await?;
        let rules = rules_of(&description.manifest, only_reads);
        let granted =
            serde_json::to_value(&rules).map_err(|error| ServiceError::Internal(error.to_string()))?;
        let before = self.store.plugins(tenant).await?;
        let before = before.into_iter().find(|known| known.digest == digest);
        let record = PluginRecord {
            tenant: tenant.map(str::to_owned),
            digest: digest.to_owned(),
            origin: "api".to_owned(),
            name: name_of(&description.manifest),
            size: description.view.size.unwrap_or_default(),
            granted: granted.clone(),
            added_at: self.now(),
        };
        let mut audit = Self::entry(who, tenant, "plugin.granted", digest);
        audit.before = before.map(|record| record.granted);
        audit.after = Some(granted);
        self.store.put_plugin(&record, &audit).await?;
        self.load().await?;
        Ok(grant(record))
    }

    /// Takes back what was granted to a tenant (none: to every tenant). Its connections that use the component do not run
    /// until it is granted again, or another one is chosen.
    ///
    /// # Errors
    /// Not an administrator of the host; nothing was granted.
    pub async fn revoke_plugin(&self, who: &Principal, digest: &str, tenant: Option<&str>) -> Result<()> {
        self.require(who, None, Role::Admin)?;
        let before = self.store.plugins(tenant).await?;
        let before = before.into_iter().find(|known| known.digest == digest);
        let mut audit = Self::entry(who, tenant, "plugin.revoked", digest);
        audit.before = before.map(|record| record.granted);
        if !self.store.remove_plugin(tenant, digest, &audit).await? {
            return Err(ServiceError::not_found("grant of component", digest));
        }
        self.load().await
    }

    /// Forgets a component that is kept here. Grants stay, and are good for nothing until it is added again.
    ///
    /// # Errors
    /// Not an administrator of the host; it is not kept here.
    pub async fn remove_plugin(&self, who: &Principal, digest: &str) -> Result<()> {
        self.require(who, None, Role::Admin)?;
        let (folder, wanted) = (self.plugin_folder(), digest.to_owned());
        if !blocking(move || folder.remove(&wanted)).await? {
            return Err(ServiceError::not_found("component", digest));
        }
        let audit = Self::entry(who, None, "plugin.removed", digest);
        self.store.append_audit(&audit).await?;
        self.load_anew().await
    }

    async fn described(&self, digest: &str) -> Result<PluginDescription> {
        let (folder, wanted) = (self.plugin_folder(), digest.to_owned());
        let bytes = blocking(move || folder.read(&wanted)).await?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let manifest = self.ask(bytes, &format!("plugin {digest}"), "").await?;
        let mut view = view(digest.to_owned(), Some(size));
        let grants = self.all_grants().await?;
        view.grants
            .extend(grants.into_iter().filter(|grant| grant.digest == digest));
        Ok(PluginDescription { view, manifest })
    }

    /// What a component says of itself: compiled by the pool, and asked in its sandbox, where no import does anything.
    async fn ask(&self, bytes: Vec<u8>, origin: &str, place: &str) -> Result<Manifest> {
        let engine = self.groupcast.plugin_engine();
        let plugin = engine
            .load(bytes, origin)
            .await
            .map_err(|error| refused(error, place))?;
        let limits = crate::run::run_limits(&self.config);
        let sandbox = Sandbox::new(
            engine.clone(),
            RunLimits {
                cpu: limits.cpu.min(DESCRIBING),
                wall: limits.wall.min(DESCRIBING),
                ..limits
            },
        );
        let described = sandbox.describe(&plugin).await;
        described.map_err(|error| match error.blame() {
            crate::plugin::Blame::Guest => ServiceError::invalid(place, format!("{origin}: {error}")),
            crate::plugin::Blame::Host => ServiceError::Internal(error.to_string()),
        })
    }

    async fn grants_of(&self, tenant: Option<&str>) -> Result<Vec<PluginGrant>> {
        Ok(self.store.plugins(tenant).await?.into_iter().map(grant).collect())
    }

    /// Of each component that of the whole host first, then those of tenants by name.
    async fn all_grants(&self) -> Result<Vec<PluginGrant>> {
        Ok(self.store.all_plugins().await?.into_iter().map(grant).collect())
    }
}

fn view(digest: String, size: Option<u64>) -> PluginView {
    PluginView {
        digest,
        size,
        grants: Vec::new(),
    }
}

fn name_of(manifest: &Manifest) -> String {
    format!("{} {}", manifest.name, manifest.version)
}

fn grant(record: PluginRecord) -> PluginGrant {
    PluginGrant {
        tenant: record.tenant,
        digest: record.digest,
        name: record.name,
        origin: record.origin,
        size: record.size,
        rules: serde_json::from_value(record.granted).ok(),
        at: record.added_at,
    }
}

/// Files are read and written where nobody waits for the thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::result::Result<T, PluginError> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ServiceError::Internal(error.to_string()))?
        .map_err(|error| refused(error, ""))
}

/// What is wrong with a component is told; what is wrong with the host is for its log.
fn refused(error: PluginError, place: &str) -> ServiceError {
    match error {
        PluginError::Unknown(digest) => ServiceError::not_found("component", digest),
        PluginError::Engine(_) | PluginError::Folder { .. } => ServiceError::Internal(error.to_string()),
        PluginError::Tampered { .. } => ServiceError::Refused(error.to_string()),
        other => ServiceError::invalid(place, other.to_string()),
    }
}
