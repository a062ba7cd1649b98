//! Tenants, their directories and plugins, and what the scheduler remembers.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{QueryBuilder, Row};

use super::audit::append;
use super::{Db, DbConnection, DbRow, SqlStore, push_texts};
use crate::store::locks::Lock;
use crate::store::service::{
    Changed, DirectoryRecord, NewAuditEntry, PluginRecord, RunState, RunStateChange, TenancyStore,
    TenantRecord, Version,
};
use crate::store::values::{
    from_host, from_json, from_word, json, millis, optional_time, or_host, shown, signed, time, unsigned,
    word,
};
use crate::store::{ConnectionId, PAGE, Page, Result, StoreError};

#[async_trait]
impl TenancyStore for SqlStore {
    async fn tenancy_version(&self) -> Result<u64> {
        let value: i64 = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'tenancy'")
            .fetch_one(&self.reader)
            .await?;
        unsigned(value)
    }

    async fn tenants(&self, after: Option<&str>, limit: u32) -> Result<Page<TenantRecord>> {
        let limit = (limit as usize).clamp(1, PAGE);
        // Nothing is smaller than the empty text, and no name is empty.
        let rows = sqlx::query("SELECT * FROM tenants WHERE name > $1 ORDER BY name LIMIT $2")
            .bind(after.unwrap_or(""))
            .bind(signed(limit as u64 + 1))
            .fetch_all(&self.reader)
            .await?;
        let more = rows.len() > limit;
        let items = rows.iter().take(limit).map(tenant).collect::<Result<Vec<_>>>()?;
        Ok(Page {
            next: items.last().filter(|_| more).map(|last| last.name.clone()),
            items,
        })
    }

    async fn tenant(&self, name: &str) -> Result<Option<TenantRecord>> {
        let row = sqlx::query("SELECT * FROM tenants WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(tenant).transpose()
    }

    async fn put_tenant(
        &self,
        record: &TenantRecord,
        expected: Option<Version>,
        audit: &NewAuditEntry,
    ) -> Result<Changed> {
        let mut transaction = self.write(&[Lock::Tenant(&record.name)]).await?;
        let current = version_of_tenant(&mut transaction, &record.name).await?;
        if current != expected {
            return Ok(Changed::Conflict { current });
        }
        let version = expected.unwrap_or(0) + 1;
        sqlx::query(
            "INSERT INTO tenants (name, title, jumpcloud, plugin, enabled, version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (name) DO UPDATE SET title = excluded.title, \
             jumpcloud = excluded.jumpcloud, plugin = excluded.plugin, enabled = excluded.enabled, \
             version = excluded.version, updated_at = excluded.updated_at",
        )
        .bind(&record.name)
        .bind(&record.title)
        .bind(record.jumpcloud.to_string())
        .bind(&record.plugin)
        .bind(record.enabled)
        .bind(signed(version))
        .bind(self.now())
        .execute(&mut *transaction)
        .await?;
        noted(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(Changed::Made(version))
    }

    async fn remove_tenant(&self, name: &str, expected: Version, audit: &NewAuditEntry) -> Result<Changed> {
        let mut transaction = self.write(&[Lock::Tenant(name), Lock::Sealed(name)]).await?;
        let current = version_of_tenant(&mut transaction, name).await?;
        if current != Some(expected) {
            return Ok(Changed::Conflict { current });
        }
        // What belongs to a name must not fall to whoever gets that name next: least of all leave to write.
        for statement in [
            "DELETE FROM tokens WHERE tenant = $1",
            "DELETE FROM grants WHERE tenant = $1",
            "DELETE FROM sealed_secrets WHERE tenant = $1",
            "DELETE FROM sealed_keys WHERE tenant = $1",
            "DELETE FROM plugins WHERE tenant = $1",
            "DELETE FROM run_states WHERE tenant = $1",
            "DELETE FROM connections WHERE tenant = $1",
            "DELETE FROM directories WHERE tenant = $1",
            "DELETE FROM tenants WHERE name = $1",
        ] {
            sqlx::query(statement)
                .bind(name)
                .execute(&mut *transaction)
                .await?;
        }
        noted(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(Changed::Made(expected))
    }

    async fn directories(&self, tenant: Option<&str>) -> Result<Vec<DirectoryRecord>> {
        let rows =
            sqlx::query("SELECT * FROM directories WHERE ($1 IS NULL OR tenant = $1) ORDER BY tenant, name")
                .bind(tenant)
                .fetch_all(&self.reader)
                .await?;
        rows.iter().map(directory).collect()
    }

    async fn directories_of(&self, tenants: &[String]) -> Result<Vec<DirectoryRecord>> {
        let mut select = QueryBuilder::<Db>::new("SELECT * FROM directories WHERE tenant IN (");
        push_texts(&mut select, tenants)?;
        select.push(") ORDER BY tenant, name");
        let rows = select.build().fetch_all(&self.reader).await?;
        rows.iter().map(directory).collect()
    }

    async fn directory(&self, id: &ConnectionId) -> Result<Option<DirectoryRecord>> {
        let row = sqlx::query("SELECT * FROM directories WHERE tenant = $1 AND name = $2")
            .bind(&id.tenant)
            .bind(&id.name)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(directory).transpose()
    }

    async fn put_directory(
        &self,
        record: &DirectoryRecord,
        expected: Option<Version>,
        audit: &NewAuditEntry,
    ) -> Result<Changed> {
        let id = &record.id;
        let mut transaction = self.write(&[Lock::Tenant(&id.tenant)]).await?;
        let current = version_of_directory(&mut transaction, id).await?;
        if current != expected {
            return Ok(Changed::Conflict { current });
        }
        if version_of_tenant(&mut transaction, &id.tenant).await?.is_none() {
            return Err(StoreError::NoTenant(id.tenant.clone()));
        }
        if expected.is_none() {
            // A run of its namesake may have ended after that one was removed.
            forget_connection(&mut transaction, id).await?;
        }
        let version = expected.unwrap_or(0) + 1;
        sqlx::query(
            "INSERT INTO directories (tenant, name, vendor, section, version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (tenant, name) DO UPDATE SET \
             vendor = excluded.vendor, section = excluded.section, version = excluded.version, \
             updated_at = excluded.updated_at",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(word(&record.vendor)?)
        .bind(record.section.to_string())
        .bind(signed(version))
        .bind(self.now())
        .execute(&mut *transaction)
        .await?;
        noted(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(Changed::Made(version))
    }

    async fn remove_directory(
        &self,
        id: &ConnectionId,
        expected: Version,
        audit: &NewAuditEntry,
    ) -> Result<Changed> {
        let mut transaction = self.write(&[Lock::Tenant(&id.tenant)]).await?;
        let current = version_of_directory(&mut transaction, id).await?;
        if current != Some(expected) {
            return Ok(Changed::Conflict { current });
        }
        forget_connection(&mut transaction, id).await?;
        sqlx::query("DELETE FROM directories WHERE tenant = $1 AND name = $2")
            .bind(&id.tenant)
            .bind(&id.name)
            .execute(&mut *transaction)
            .await?;
        noted(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(Changed::Made(expected))
    }

    async fn plugins(&self, tenant: Option<&str>) -> Result<Vec<PluginRecord>> {
        let rows = sqlx::query("SELECT * FROM plugins WHERE tenant = $1 ORDER BY digest")
            .bind(or_host(tenant))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(plugin).collect()
    }

    async fn all_plugins(&self) -> Result<Vec<PluginRecord>> {
        // The host's own stand under the empty name.
        let rows = sqlx::query("SELECT * FROM plugins ORDER BY digest, tenant")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(plugin).collect()
    }

    async fn put_plugin(&self, record: &PluginRecord, audit: &NewAuditEntry) -> Result<()> {
        let tenant = or_host(record.tenant.as_deref());
        let mut transaction = self.write(&[Lock::Tenant(tenant)]).await?;
        sqlx::query(
            "INSERT INTO plugins (tenant, digest, origin, name, size, granted, added_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant, digest) DO UPDATE SET \
             origin = excluded.origin, name = excluded.name, size = excluded.size, granted = excluded.granted, \
             added_at = excluded.added_at",
        )
        .bind(tenant)
        .bind(&record.digest)
        .bind(&record.origin)
        .bind(&record.name)
        .bind(signed(record.size))
        .bind(record.granted.to_string())
        .bind(record.added_at.timestamp_millis())
        .execute(&mut *transaction)
        .await?;
        noted(&mut transaction, audit, self.now()).await?;
        Ok(transaction.commit().await?)
    }

    async fn remove_plugin(&self, tenant: Option<&str>, digest: &str, audit: &NewAuditEntry) -> Result<bool> {
        let mut transaction = self.write(&[Lock::Tenant(or_host(tenant))]).await?;
        let removed = sqlx::query("DELETE FROM plugins WHERE tenant = $1 AND digest = $2")
            .bind(or_host(tenant))
            .bind(digest)
            .execute(&mut *transaction)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        noted(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn run_state(&self, id: &ConnectionId) -> Result<RunState> {
        let row = sqlx::query("SELECT * FROM run_states WHERE tenant = $1 AND name = $2")
            .bind(&id.tenant)
            .bind(&id.name)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref()
            .map_or_else(|| Ok(RunState::default()), |row| Ok(run_state(row)?.1))
    }

    async fn run_states(&self) -> Result<Vec<(ConnectionId, RunState)>> {
        let rows = sqlx::query("SELECT * FROM run_states ORDER BY tenant, name")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(run_state).collect()
    }

    async fn change_run_state(
        &self,
        id: &ConnectionId,
        change: &RunStateChange<'_>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<RunState> {
        let mut transaction = self.write(&[Lock::RunState(id)]).await?;
        let row = sqlx::query("SELECT * FROM run_states WHERE tenant = $1 AND name = $2")
            .bind(&id.tenant)
            .bind(&id.name)
            .fetch_optional(&mut *transaction)
            .await?;
        let before = row.as_ref().map(run_state).transpose()?.map(|(_, state)| state);
        let mut state = before.clone().unwrap_or_default();
        change(&mut state);
        // A run that was taken is not due again.
        state.last_due = state.last_due.max(before.and_then(|before| before.last_due));
        sqlx::query(
            "INSERT INTO run_states (tenant, name, paused, failures, not_before, quarantine, last_due, last_message) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, name) DO UPDATE SET \
             paused = excluded.paused, failures = excluded.failures, not_before = excluded.not_before, \
             quarantine = excluded.quarantine, last_due = excluded.last_due, last_message = excluded.last_message",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(state.paused.as_ref().map(json).transpose()?)
        .bind(i64::from(state.failures))
        .bind(millis(state.not_before))
        .bind(state.quarantine.as_ref().map(json).transpose()?)
        .bind(millis(state.last_due))
        .bind(state.last_message.as_deref().map(shown))
        .execute(&mut *transaction)
        .await?;
        if let Some(audit) = audit {
            append(&mut transaction, audit, self.now()).await?;
        }
        transaction.commit().await?;
        Ok(state)
    }

    async fn claim_due(&self, id: &ConnectionId, due: DateTime<Utc>) -> Result<bool> {
        let mut transaction = self.write(&[Lock::RunState(id)]).await?;
        let claimed = sqlx::query(
            "INSERT INTO run_states (tenant, name, last_due) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant, name) DO UPDATE SET last_due = excluded.last_due \
             WHERE run_states.last_due IS NULL OR run_states.last_due < excluded.last_due",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(due.timestamp_millis())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(claimed.rows_affected() == 1)
    }
}

/// What every change of a tenant or directory does last: the number that others look at, and the entry.
async fn noted(connection: &mut DbConnection, audit: &NewAuditEntry, now: i64) -> Result<()> {
    sqlx::query("UPDATE counters SET value = value + 1 WHERE name = 'tenancy'")
        .execute(&mut *connection)
        .await?;
    append(connection, audit, now).await?;
    Ok(())
}

/// Forgets whether a connection may write, and what the scheduler remembers of it: a directory that is made under this
/// name is a new connection, and begins plan-only (R44).
async fn forget_connection(connection: &mut DbConnection, id: &ConnectionId) -> Result<()> {
    for statement in [
        "DELETE FROM run_states WHERE tenant = $1 AND name = $2",
        "DELETE FROM connections WHERE tenant = $1 AND name = $2",
    ] {
        sqlx::query(statement)
            .bind(&id.tenant)
            .bind(&id.name)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn version_of_tenant(connection: &mut DbConnection, name: &str) -> Result<Option<Version>> {
    let version: Option<i64> = sqlx::query_scalar("SELECT version FROM tenants WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    version.map(unsigned).transpose()
}

async fn version_of_directory(connection: &mut DbConnection, id: &ConnectionId) -> Result<Option<Version>> {
    let version: Option<i64> =
        sqlx::query_scalar("SELECT version FROM directories WHERE tenant = $1 AND name = $2")
            .bind(&id.tenant)
            .bind(&id.name)
            .fetch_optional(connection)
            .await?;
    version.map(unsigned).transpose()
}

fn tenant(row: &DbRow) -> Result<TenantRecord> {
    Ok(TenantRecord {
        name: row.try_get("name")?,
        title: row.try_get("title")?,
        jumpcloud: from_json(row.try_get("jumpcloud")?)?,
        plugin: row.try_get("plugin")?,
        enabled: row.try_get("enabled")?,
        version: unsigned(row.try_get("version")?)?,
        created_at: time(row.try_get("created_at")?)?,
        updated_at: time(row.try_get("updated_at")?)?,
    })
}

fn directory(row: &DbRow) -> Result<DirectoryRecord> {
    Ok(DirectoryRecord {
        id: ConnectionId {
            tenant: row.try_get("tenant")?,
            name: row.try_get("name")?,
        },
        vendor: from_word(row.try_get("vendor")?)?,
        section: from_json(row.try_get("section")?)?,
        version: unsigned(row.try_get("version")?)?,
        created_at: time(row.try_get("created_at")?)?,
        updated_at: time(row.try_get("updated_at")?)?,
    })
}

fn plugin(row: &DbRow) -> Result<PluginRecord> {
    Ok(PluginRecord {
        tenant: from_host(row.try_get("tenant")?),
        digest: row.try_get("digest")?,
        origin: row.try_get("origin")?,
        name: row.try_get("name")?,
        size: unsigned(row.try_get("size")?)?,
        granted: from_json(row.try_get("granted")?)?,
        added_at: time(row.try_get("added_at")?)?,
    })
}

fn run_state(row: &DbRow) -> Result<(ConnectionId, RunState)> {
    let paused: Option<&str> = row.try_get("paused")?;
    let quarantine: Option<&str> = row.try_get("quarantine")?;
    let failures: i64 = row.try_get("failures")?;
    let id = ConnectionId {
        tenant: row.try_get("tenant")?,
        name: row.try_get("name")?,
    };
    let state = RunState {
        paused: paused.map(from_json).transpose()?,
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        not_before: optional_time(row.try_get("not_before")?)?,
        quarantine: quarantine.map(from_json).transpose()?,
        last_due: optional_time(row.try_get("last_due")?)?,
        last_message: row.try_get("last_message")?,
    };
    Ok((id, state))
}
