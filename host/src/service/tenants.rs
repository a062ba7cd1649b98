//! Tenants: those of the configuration file, which are shown, and those of the store, which are changed here.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::declared::configuration;
use super::directories::Declared;
use super::{Principal, Result, Scope, Service, ServiceError};
use crate::config::Tenant;
use crate::store::Page;
use crate::store::service::{Changed, Role, TenantRecord, Version};

/// A tenant as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantView {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Where it is declared, and its version there.
    pub declared: Declared,
    /// The `[jumpcloud]` section as JSON: where secrets are, never themselves; none where the file declares it.
    pub jumpcloud: Option<Value>,
    /// The plugin that its runs use, by digest; none: the built-in one.
    pub plugin: Option<String>,
    /// Whether its runs begin at all.
    pub enabled: bool,
    /// When it was made; none where the file declares it.
    pub created_at: Option<DateTime<Utc>>,
    /// How many directories it has.
    pub directories: usize,
}

/// A tenant to make.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTenant {
    /// Lower-case letters, digits and `-`, 64 at most.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The `[jumpcloud]` section as JSON.
    pub jumpcloud: Value,
}

/// A change of a tenant; what is none stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TenantChange {
    /// What people call it.
    pub title: Option<String>,
    /// The whole `[jumpcloud]` section.
    pub jumpcloud: Option<Value>,
    /// The plugin; `Some(None)` is the built-in one.
    pub plugin: Option<Option<String>>,
    /// Whether its runs begin at all.
    pub enabled: Option<bool>,
}

impl Service {
    /// Tenants after the mark, ascending by name: those that the caller sees.
    ///
    /// # Errors
    /// The store.
    pub async fn tenants(
        &self,
        who: &Principal,
        search: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantView>> {
        let limit = usize::try_from(limit.clamp(1, super::PAGE)).unwrap_or(1);
        let mut found = self.found(&who.tenants(), search, after, limit).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let mut counts = HashMap::<String, usize>::new();
        for directory in self.store.directories_of(&stored_names(&found)).await? {
            *counts.entry(directory.id.tenant).or_default() += 1;
        }
        for tenant in &mut found {
            if let Some(count) = counts.get(&tenant.name) {
                tenant.directories = *count;
            }
        }
        Ok(Page {
            next: found.last().filter(|_| more).map(|last| last.name.clone()),
            items: found,
        })
    }

    /// Tenants after the mark that are seen and fit, ascending by name: `limit` and one more, where there are so many.
    /// How many directories the stored ones have is not counted.
    async fn found(
        &self,
        scope: &Scope,
        search: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<TenantView>> {
        let search = search.map(str::to_lowercase);
        let fits = |tenant: &TenantView| {
            scope.has(&tenant.name)
                && after.is_none_or(|after| tenant.name.as_str() > after)
                && search.as_ref().is_none_or(|search| {
                    tenant.name.contains(search.as_str())
                        || tenant.title.to_lowercase().contains(search.as_str())
                })
        };
        let mut found: Vec<TenantView> = self
            .config
            .tenants
            .iter()
            .map(declared)
            .filter(|one| fits(one))
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let mut mark = after.map(str::to_owned);
        let mut of_store = 0;
        // No more of the store than a page needs: what is searched for, and what somebody sees, may stand far apart.
        while of_store <= limit {
            let size = if search.is_none() && *scope == Scope::All {
                limit + 1
            } else {
                1_000
            };
            let page = self
                .store
                .tenants(mark.as_deref(), u32::try_from(size).unwrap_or(1_000))
                .await?;
            let before = found.len();
            found.extend(page.items.into_iter().map(stored).filter(|one| fits(one)));
            of_store += found.len() - before;
            mark = page.next;
            if mark.is_none() {
                break;
            }
        }
        // The file goes before the store where both have a name: the sort keeps their order.
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found.dedup_by(|one, other| one.name == other.name);
        found.truncate(limit + 1);
        Ok(found)
    }

    /// One tenant.
    ///
    /// # Errors
    /// There is none that the caller sees.
    pub async fn tenant(&self, who: &Principal, name: &str) -> Result<TenantView> {
        self.require(who, Some(name), Role::Viewer)?;
        if let Some(tenant) = self.config.tenants.iter().find(|tenant| tenant.name == name) {
            return Ok(declared(tenant));
        }
        let record = self.store.tenant(name).await?;
        let mut view = stored(record.ok_or_else(|| ServiceError::not_found("tenant", name))?);
        view.directories = self.store.directories(Some(name)).await?.len();
        Ok(view)
    }

    /// The stored record of a tenant; a declared one is refused.
    pub(super) async fn stored_tenant(&self, name: &str) -> Result<TenantRecord> {
        if self.config.tenants.iter().any(|tenant| tenant.name == name) {
            return Err(ServiceError::Declared {
                what: format!("tenant {name}"),
            });
        }
        self.store
            .tenant(name)
            .await?
            .ok_or_else(|| ServiceError::not_found("tenant", name))
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// Not an administrator of the host; the name is taken; the section is wrong.
    pub async fn create_tenant(&self, who: &Principal, new: NewTenant) -> Result<TenantView> {
        self.require(who, None, Role::Admin)?;
        if self.config.tenants.iter().any(|tenant| tenant.name == new.name) {
            return Err(ServiceError::Declared {
                what: format!("tenant {}", new.name),
            });
        }
        let record = TenantRecord {
            title: title(&new.title, &new.name)?,
            name: new.name,
            jumpcloud: new.jumpcloud,
            plugin: None,
            enabled: true,
            version: 0,
            created_at: self.now(),
            updated_at: self.now(),
        };
        configuration(&self.config, &record, &[])?;
        let mut audit = Self::entry(who, Some(&record.name), "tenant.made", record.name.clone());
        audit.after = Some(shown(&record));
        match self.store.put_tenant(&record, None, &audit).await? {
            Changed::Made(_) => {}
            Changed::Conflict { current } => {
                return Err(ServiceError::Conflict {
                    message: format!("there is a tenant {} already; choose another name", record.name),
                    current,
                });
            }
        }
        self.load().await?;
        self.tenant(who, &record.name).await
    }

    /// Changes a tenant of the version that the caller saw.
    ///
    /// # Errors
    /// Not an administrator; declared in the file; another version; what is given is wrong.
    pub async fn change_tenant(
        &self,
        who: &Principal,
        name: &str,
        version: Version,
        change: TenantChange,
    ) -> Result<TenantView> {
        self.require(who, Some(name), Role::Admin)?;
        let before = self.stored_tenant(name).await?;
        let mut record = before.clone();
        if let Some(given) = change.title {
            record.title = title(&given, name)?;
        }
        if let Some(jumpcloud) = change.jumpcloud {
            record.jumpcloud = jumpcloud;
        }
        if let Some(plugin) = change.plugin {
            if let Some(digest) = &plugin {
                self.require_plugin(name, digest).await?;
            }
            record.plugin = plugin;
        }
        if let Some(enabled) = change.enabled {
            record.enabled = enabled;
        }
        let directories = self.store.directories(Some(name)).await?;
        configuration(&self.config, &record, &directories)?;
        let mut audit = Self::entry(who, Some(name), "tenant.changed", name);
        (audit.before, audit.after) = (Some(shown(&before)), Some(shown(&record)));
        changed(
            "tenant",
            name,
            self.store.put_tenant(&record, Some(version), &audit).await?,
        )?;
        self.load().await?;
        self.tenant(who, name).await
    }

    /// Forgets a tenant; what was done for it stays on record.
    ///
    /// # Errors
    /// Not an administrator of the host; declared in the file; another version.
    pub async fn remove_tenant(&self, who: &Principal, name: &str, version: Version) -> Result<()> {
        self.require(who, None, Role::Admin)?;
        let before = self.stored_tenant(name).await?;
        let mut audit = Self::entry(who, Some(name), "tenant.removed", name);
        audit.before = Some(shown(&before));
        changed(
            "tenant",
            name,
            self.store.remove_tenant(name, version, &audit).await?,
        )?;
        self.load().await
    }

    async fn require_plugin(&self, tenant: &str, digest: &str) -> Result<()> {
        let own = self.store.plugins(Some(tenant)).await?;
        let hosts = self.store.plugins(None).await?;
        if own.iter().chain(&hosts).any(|plugin| plugin.digest == digest) {
            return Ok(());
        }
        Err(ServiceError::invalid(
            "plugin",
            format!("tenant {tenant} may run no plugin {digest}; it has to be granted first"),
        ))
    }
}

/// The version, or that it is another by now.
pub(super) fn changed(what: &str, name: &str, changed: Changed) -> Result<Version> {
    match changed {
        Changed::Made(version) => Ok(version),
        Changed::Conflict { current } => Err(ServiceError::Conflict {
            message: format!("{what} {name} was changed meanwhile; look at it again, then change it"),
            current,
        }),
    }
}

/// Names of those that the store has.
pub(super) fn stored_names(tenants: &[TenantView]) -> Vec<String> {
    let stored = tenants
        .iter()
        .filter(|one| matches!(one.declared, Declared::InStore { .. }));
    stored.map(|one| one.name.clone()).collect()
}

fn declared(tenant: &Tenant) -> TenantView {
    TenantView {
        name: tenant.name.clone(),
        title: tenant.name.clone(),
        declared: Declared::InFile,
        jumpcloud: None,
        plugin: None,
        enabled: true,
        created_at: None,
        directories: tenant.connections.len(),
    }
}

/// Without the number of its directories.
fn stored(record: TenantRecord) -> TenantView {
    TenantView {
        directories: 0,
        declared: Declared::InStore {
            version: record.version,
        },
        name: record.name,
        title: record.title,
        jumpcloud: Some(record.jumpcloud),
        plugin: record.plugin,
        enabled: record.enabled,
        created_at: Some(record.created_at),
    }
}

fn shown(record: &TenantRecord) -> Value {
    serde_json::json!({
        "title": record.title, "jumpcloud": record.jumpcloud, "plugin": record.plugin, "enabled": record.enabled,
    })
}

fn title(given: &str, name: &str) -> Result<String> {
    let given = given.trim();
    if given.is_empty() {
        return Ok(name.to_owned());
    }
    if given.chars().count() > 200 || given.chars().any(char::is_control) {
        return Err(ServiceError::invalid(
            "title",
            "a title has 200 characters at most, and no control characters",
        ));
    }
    Ok(given.to_owned())
}
