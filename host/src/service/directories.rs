//! Directories: what a tenant's groups go to. Shown from the file or the store, changed in the store.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::declared::configuration;
use super::tenants::{changed, stored_names};
use super::{Preflight, Principal, Result, Service, ServiceError, TenantView};
use crate::config::{Connection, Target};
use crate::schedule::Status;
use crate::store::service::{Changed, DirectoryRecord, DirectoryVendor, Role, Version};
use crate::store::{ConnectionId, Mode};

/// Where something is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// In the configuration file: shown, and changed there.
    InFile,
    /// In the store.
    InStore {
        /// Its version there.
        version: Version,
    },
}

/// A directory as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectoryView {
    /// Tenant and name.
    pub id: ConnectionId,
    /// Whose.
    pub vendor: DirectoryVendor,
    /// Where it is declared.
    pub declared: Declared,
    /// JumpCloud's ID of it.
    pub directory: String,
    /// The section as JSON: where secrets are, never themselves; none where the file declares it.
    pub section: Option<Value>,
    /// What its runs are told; none where it cannot be set up.
    pub settings: Option<groupcast_guest::settings::Settings>,
    /// Whether group management is switched on (R36).
    pub managed: bool,
    /// Whether it may write without being asked.
    pub mode: Mode,
    /// When a run last ended well.
    pub last_success: Option<DateTime<Utc>>,
    /// What it is doing, and when it runs next.
    pub status: Status,
    /// The schedule's cron pattern and time zone, in words of the configuration.
    pub schedule: Option<Value>,
    /// Why it cannot run, where it cannot.
    pub unusable: Option<String>,
}

/// A directory to make.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDirectory {
    /// Tenant and name.
    pub id: ConnectionId,
    /// Whose.
    pub vendor: DirectoryVendor,
    /// The section as JSON.
    pub section: Value,
}

impl Service {
    /// Directories of a tenant, by name.
    ///
    /// # Errors
    /// There is no such tenant that the caller sees.
    pub async fn directories(&self, who: &Principal, tenant: &str) -> Result<Vec<DirectoryView>> {
        self.require(who, Some(tenant), Role::Viewer)?;
        let mut views = Vec::new();
        if let Some(declared) = self.config.tenants.iter().find(|one| one.name == tenant) {
            for connection in &declared.connections {
                views.push(self.declared_view(connection).await);
            }
        } else {
            if self.store.tenant(tenant).await?.is_none() {
                return Err(ServiceError::not_found("tenant", tenant));
            }
            let records = self.store.directories(Some(tenant)).await?;
            views.extend(records.into_iter().map(|record| self.stored_view(record)));
        }
        self.with_states(views).await
    }

    /// The directories of tenants that the caller sees, ascending by (tenant, name): as many questions to the store as
    /// for one.
    pub(super) async fn directories_of(&self, tenants: &[TenantView]) -> Result<Vec<DirectoryView>> {
        let records = self.store.directories_of(&stored_names(tenants)).await?;
        let mut views: Vec<DirectoryView> = records
            .into_iter()
            .map(|record| self.stored_view(record))
            .collect();
        for tenant in tenants.iter().filter(|one| one.declared == Declared::InFile) {
            for connection in self
                .config
                .connections()
                .filter(|one| one.id.tenant == tenant.name)
            {
                views.push(self.declared_view(connection).await);
            }
        }
        self.with_states(views).await
    }

    /// One directory.
    ///
    /// # Errors
    /// There is none that the caller sees.
    pub async fn directory(&self, who: &Principal, id: &ConnectionId) -> Result<DirectoryView> {
        self.require_of(who, &id.tenant, Role::Viewer, "directory", &id.to_string())?;
        if let Some(connection) = self.config.connections().find(|one| one.id == *id) {
            return self.with_state(self.declared_view(connection).await).await;
        }
        let record = self.store.directory(id).await?;
        let record = record.ok_or_else(|| ServiceError::not_found("directory", id.to_string()))?;
        self.with_state(self.stored_view(record)).await
    }

    async fn declared_view(&self, connection: &Connection) -> DirectoryView {
        let vendor = match connection.target {
            Target::Google(_) => DirectoryVendor::Google,
            Target::Entra(_) => DirectoryVendor::Entra,
        };
        let schedule = match &connection.target {
            Target::Google(google) => &google.schedule,
            Target::Entra(entra) => &entra.schedule,
        };
        let schedule = schedule.as_ref().and_then(|one| serde_json::to_value(one).ok());
        DirectoryView {
            id: connection.id.clone(),
            vendor,
            declared: Declared::InFile,
            directory: connection.directory.clone(),
            section: None,
            settings: Some(connection.settings()),
            managed: self
                .groupcast
                .is_managed(&connection.id)
                .await
                .unwrap_or(connection.settings().managed),
            mode: Mode::PlanOnly,
            last_success: None,
            status: Status::default(),
            schedule,
            unusable: self.groupcast.why_not_ready(&connection.id),
        }
    }

    fn stored_view(&self, record: DirectoryRecord) -> DirectoryView {
        let text = |key: &str| {
            let value = record.section.get(key).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        DirectoryView {
            vendor: record.vendor,
            declared: Declared::InStore {
                version: record.version,
            },
            directory: text("directory"),
            settings: self.groupcast.settings(&record.id).ok(),
            managed: record.section.get("managed").and_then(Value::as_bool) == Some(true),
            mode: Mode::PlanOnly,
            last_success: None,
            status: Status::default(),
            schedule: record.section.get("schedule").cloned(),
            unusable: self
                .why_unusable(&record.id)
                .or_else(|| self.groupcast.why_not_ready(&record.id)),
            section: Some(record.section),
            id: record.id,
        }
    }

    async fn with_state(&self, mut view: DirectoryView) -> Result<DirectoryView> {
        let connection = self.store.connection(&view.id).await?;
        view.mode = connection.mode;
        view.last_success = connection.last_success;
        view.status = match self.engine.status(&view.id).await {
            Ok(status) => status,
            // The schedule does not know it, since it cannot be set up; what was said of it holds all the same.
            Err(_) => Status {
                state: self.store.run_state(&view.id).await?,
                ..Status::default()
            },
        };
        Ok(view)
    }

    /// The same for many, sorted, with one question of each kind.
    async fn with_states(&self, mut views: Vec<DirectoryView>) -> Result<Vec<DirectoryView>> {
        views.sort_by(|one, other| one.id.cmp(&other.id));
        let ids: Vec<ConnectionId> = views.iter().map(|view| view.id.clone()).collect();
        let mut tenants: Vec<String> = ids.iter().map(|id| id.tenant.clone()).collect();
        tenants.dedup();
        let mut connections = self.store.connections(&tenants).await?;
        let statuses = self.engine.statuses(&ids).await?;
        for (view, status) in views.iter_mut().zip(statuses) {
            let connection = connections.remove(&view.id).unwrap_or_default();
            view.mode = connection.mode;
            view.last_success = connection.last_success;
            view.status = status;
        }
        Ok(views)
    }

    /// The stored record of a directory; a declared one is refused.
    pub(super) async fn stored_directory(&self, id: &ConnectionId) -> Result<DirectoryRecord> {
        if self.config.connections().any(|one| one.id == *id) {
            return Err(ServiceError::Declared {
                what: format!("directory {id}"),
            });
        }
        let record = self.store.directory(id).await?;
        record.ok_or_else(|| ServiceError::not_found("directory", id.to_string()))
    }

    /// Makes a directory of a stored tenant. It begins unmanaged and plan-only, whatever the section says.
    ///
    /// # Errors
    /// Not an administrator; the tenant is declared in the file; the name is taken; the section is wrong.
    pub async fn create_directory(&self, who: &Principal, new: NewDirectory) -> Result<DirectoryView> {
        self.require(who, Some(&new.id.tenant), Role::Admin)?;
        let tenant = self.stored_tenant(&new.id.tenant).await?;
        let mut record = DirectoryRecord {
            id: new.id,
            vendor: new.vendor,
            section: new.section,
            version: 0,
            created_at: self.now(),
            updated_at: self.now(),
        };
        if let Some(fields) = record.section.as_object_mut() {
            // Switching on has its own way, which looks at who would be at risk (R34).
            fields.insert("managed".to_owned(), false.into());
            fields.remove("name");
        }
        let mut all = self.store.directories(Some(&tenant.name)).await?;
        let taken = all
            .iter()
            .find(|other| other.id == record.id)
            .map(|other| other.version);
        if taken.is_none() {
            all.push(record.clone());
            configuration(&self.config, &tenant, &all)?;
        }
        let mut audit = Self::entry(who, Some(&tenant.name), "directory.made", record.id.to_string());
        audit.after = Some(record.section.clone());
        let made = match taken {
            Some(version) => Changed::Conflict {
                current: Some(version),
            },
            None => self.store.put_directory(&record, None, &audit).await?,
        };
        if let Changed::Conflict { current } = made {
            return Err(ServiceError::Conflict {
                message: format!("there is a directory {} already; choose another name", record.id),
                current,
            });
        }
        self.load().await?;
        self.directory(who, &record.id).await
    }

    /// Changes a directory's section by a JSON merge patch (RFC 7396). `managed` is not changed by it: see
    /// [`Self::set_managed`].
    ///
    /// # Errors
    /// Not allowed; declared in the file; another version; what comes of it is wrong.
    pub async fn change_directory(
        &self,
        who: &Principal,
        id: &ConnectionId,
        version: Version,
        patch: &Value,
    ) -> Result<DirectoryView> {
        self.require_of(who, &id.tenant, Role::Admin, "directory", &id.to_string())?;
        let before = self.stored_directory(id).await?;
        for own in ["managed", "name"] {
            if patch.get(own).is_some() {
                return Err(ServiceError::invalid(
                    own,
                    "this is not changed here: switch management on and off by its own request; a name stays",
                ));
            }
        }
        let mut section = before.section.clone();
        merge(&mut section, patch);
        self.put_section(who, before, section, version, "directory.changed")
            .await?;
        self.directory(who, id).await
    }

    /// Keeps another section for a directory, checked as a whole.
    pub(super) async fn put_section(
        &self,
        who: &Principal,
        before: DirectoryRecord,
        section: Value,
        version: Version,
        action: &str,
    ) -> Result<Version> {
        let tenant = self.stored_tenant(&before.id.tenant).await?;
        let record = DirectoryRecord {
            section,
            ..before.clone()
        };
        let mut all = self.store.directories(Some(&tenant.name)).await?;
        for other in &mut all {
            if other.id == record.id {
                other.clone_from(&record);
            }
        }
        configuration(&self.config, &tenant, &all)?;
        let name = record.id.to_string();
        let mut audit = Self::entry(who, Some(&tenant.name), action, name.clone());
        let (was, is) = difference(&before.section, &record.section);
        (audit.before, audit.after) = (Some(was), Some(is));
        let made = self.store.put_directory(&record, Some(version), &audit).await?;
        let version = changed("directory", &name, made)?;
        self.load().await?;
        Ok(version)
    }

    /// Switches group management on or off (R36). On asks the preflight first (R33 to R35) and is refused with what
    /// that found, unless it is acknowledged.
    ///
    /// # Errors
    /// Not allowed; declared in the file; another version; somebody is at risk.
    pub async fn set_managed(
        &self,
        who: &Principal,
        id: &ConnectionId,
        version: Version,
        on: bool,
        acknowledge: bool,
    ) -> Result<DirectoryView> {
        self.require_of(who, &id.tenant, Role::Operator, "directory", &id.to_string())?;
        let before = self.stored_directory(id).await?;
        if before.version != version {
            changed(
                "directory",
                &id.to_string(),
                Changed::Conflict {
                    current: Some(before.version),
                },
            )?;
        }
        if on {
            let preflight: Preflight = self.preflight(who, id).await?;
            if !preflight.may_enable && !acknowledge {
                return Err(ServiceError::Refused(preflight.told()));
            }
        }
        let mut section = before.section.clone();
        if let Some(fields) = section.as_object_mut() {
            fields.insert("managed".to_owned(), on.into());
            if on && acknowledge {
                fields.insert("acknowledge".to_owned(), true.into());
            }
        }
        let action = if on {
            "directory.enabled"
        } else {
            "directory.disabled"
        };
        self.put_section(who, before, section, version, action).await?;
        self.store.see_managed(id, on).await?;
        self.directory(who, id).await
    }

    /// Forgets a directory; nothing is deleted at the vendor, and what was done stays on record.
    ///
    /// # Errors
    /// Not an administrator; declared in the file; another version.
    pub async fn remove_directory(&self, who: &Principal, id: &ConnectionId, version: Version) -> Result<()> {
        self.require_of(who, &id.tenant, Role::Admin, "directory", &id.to_string())?;
        let before = self.stored_directory(id).await?;
        let name = id.to_string();
        let mut audit = Self::entry(who, Some(&id.tenant), "directory.removed", name.clone());
        audit.before = Some(before.section);
        changed(
            "directory",
            &name,
            self.store.remove_directory(id, version, &audit).await?,
        )?;
        self.load().await
    }
}

/// JSON merge patch (RFC 7396).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(fields) = target.as_object_mut() else {
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// The fields that differ, before and after: an audit entry shows what changed, not all that stayed.
fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let (Some(was), Some(is)) = (before.as_object(), after.as_object()) else {
        return (before.clone(), after.clone());
    };
    let pick = |of: &serde_json::Map<String, Value>, other: &serde_json::Map<String, Value>| {
        of.iter()
            .filter(|(key, value)| other.get(*key) != Some(*value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
    };
    (Value::Object(pick(was, is)), Value::Object(pick(is, was)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_does_what_rfc_7396_shows() {
        for (target, patch, merged) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            let mut given = target.clone();
            merge(&mut given, &patch);
            assert_eq!(given, merged, "{target} {patch}");
        }
    }

    #[test]
    fn the_audit_shows_what_changed_alone() {
        let (was, is) = difference(&json!({"a":1,"b":2,"c":3}), &json!({"a":1,"b":4,"d":5}));
        assert_eq!((was, is), (json!({"b":2,"c":3}), json!({"b":4,"d":5})));
    }
}
