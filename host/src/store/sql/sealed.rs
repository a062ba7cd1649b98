//! Sealed secrets and wrapped keys: bytes that this store cannot open.

use async_trait::async_trait;
use sqlx::Row;

use super::audit::append;
use super::{DbRow, SqlStore};
use crate::store::Result;
use crate::store::locks::Lock;
use crate::store::service::{
    Changed, NewAuditEntry, SealedKey, SealedSecret, SealedStore, SecretName, Version,
};
use crate::store::values::{from_host, millis, optional_time, or_host, signed, time, unsigned};

#[async_trait]
impl SealedStore for SqlStore {
    async fn sealed_key(&self, tenant: Option<&str>) -> Result<Option<SealedKey>> {
        let row = sqlx::query("SELECT * FROM sealed_keys WHERE tenant = $1")
            .bind(or_host(tenant))
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(key).transpose()
    }

    async fn sealed_keys(&self) -> Result<Vec<SealedKey>> {
        let rows = sqlx::query("SELECT * FROM sealed_keys ORDER BY tenant")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(key).collect()
    }

    async fn put_sealed_key(&self, key: &SealedKey, expected: Option<u64>) -> Result<bool> {
        let tenant = or_host(key.tenant.as_deref());
        let mut transaction = self.write(&[Lock::Sealed(tenant)]).await?;
        let current: Option<i64> = sqlx::query_scalar("SELECT generation FROM sealed_keys WHERE tenant = $1")
            .bind(tenant)
            .fetch_optional(&mut *transaction)
            .await?;
        if current.map(unsigned).transpose()? != expected {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO sealed_keys (tenant, generation, wrapped_by, wrapped, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant) DO UPDATE SET generation = excluded.generation, \
             wrapped_by = excluded.wrapped_by, wrapped = excluded.wrapped, created_at = excluded.created_at",
        )
        .bind(tenant)
        .bind(signed(key.generation))
        .bind(&key.wrapped_by)
        .bind(&key.wrapped)
        .bind(key.created_at.timestamp_millis())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn sealed_secret(&self, name: &SecretName) -> Result<Option<SealedSecret>> {
        let row = sqlx::query("SELECT * FROM sealed_secrets WHERE tenant = $1 AND name = $2")
            .bind(or_host(name.tenant.as_deref()))
            .bind(&name.name)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(secret).transpose()
    }

    async fn sealed_secrets(&self, tenant: Option<&str>) -> Result<Vec<SealedSecret>> {
        let rows = sqlx::query("SELECT * FROM sealed_secrets WHERE tenant = $1 ORDER BY name")
            .bind(or_host(tenant))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(secret).collect()
    }

    async fn put_sealed_secret(
        &self,
        secret: &SealedSecret,
        expected: Option<Version>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<Changed> {
        let tenant = or_host(secret.name.tenant.as_deref());
        let mut transaction = self.write(&[Lock::Sealed(tenant)]).await?;
        let current: Option<i64> =
            sqlx::query_scalar("SELECT version FROM sealed_secrets WHERE tenant = $1 AND name = $2")
                .bind(tenant)
                .bind(&secret.name.name)
                .fetch_optional(&mut *transaction)
                .await?;
        let current = current.map(unsigned).transpose()?;
        if current != expected {
            return Ok(Changed::Conflict { current });
        }
        let version = expected.unwrap_or(0) + 1;
        sqlx::query(
            "INSERT INTO sealed_secrets (tenant, name, version, generation, sealed, expires_at, set_at, set_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, name) DO UPDATE SET \
             version = excluded.version, generation = excluded.generation, sealed = excluded.sealed, \
             expires_at = excluded.expires_at, set_at = excluded.set_at, set_by = excluded.set_by",
        )
        .bind(tenant)
        .bind(&secret.name.name)
        .bind(signed(version))
        .bind(signed(secret.generation))
        .bind(&secret.sealed)
        .bind(millis(secret.expires_at))
        .bind(secret.set_at.timestamp_millis())
        .bind(&secret.set_by)
        .execute(&mut *transaction)
        .await?;
        if let Some(audit) = audit {
            append(&mut transaction, audit, self.now()).await?;
        }
        transaction.commit().await?;
        Ok(Changed::Made(version))
    }

    async fn remove_sealed_secret(&self, name: &SecretName, audit: &NewAuditEntry) -> Result<bool> {
        let tenant = or_host(name.tenant.as_deref());
        let mut transaction = self.write(&[Lock::Sealed(tenant)]).await?;
        let removed = sqlx::query("DELETE FROM sealed_secrets WHERE tenant = $1 AND name = $2")
            .bind(tenant)
            .bind(&name.name)
            .execute(&mut *transaction)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

fn key(row: &DbRow) -> Result<SealedKey> {
    Ok(SealedKey {
        tenant: from_host(row.try_get("tenant")?),
        generation: unsigned(row.try_get("generation")?)?,
        wrapped_by: row.try_get("wrapped_by")?,
        wrapped: row.try_get("wrapped")?,
        created_at: time(row.try_get("created_at")?)?,
    })
}

fn secret(row: &DbRow) -> Result<SealedSecret> {
    Ok(SealedSecret {
        name: SecretName {
            tenant: from_host(row.try_get("tenant")?),
            name: row.try_get("name")?,
        },
        version: unsigned(row.try_get("version")?)?,
        generation: unsigned(row.try_get("generation")?)?,
        sealed: row.try_get("sealed")?,
        expires_at: optional_time(row.try_get("expires_at")?)?,
        set_at: time(row.try_get("set_at")?)?,
        set_by: row.try_get("set_by")?,
    })
}
