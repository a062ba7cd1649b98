//! Connections and leases in SQLite.

use async_trait::async_trait;
use chrono::Duration;
use sqlx::Row;

use super::SqliteStore;
use crate::store::values::{from_word, optional_time, signed, time, unsigned, word};
use crate::store::{
    ConnectionId, ConnectionRecord, ConnectionStore, DirectoryKey, Lease, LeaseAnswer, LeaseStore, Mode,
    Result, StoreError,
};

#[async_trait]
impl ConnectionStore for SqliteStore {
    async fn connection(&self, id: &ConnectionId) -> Result<ConnectionRecord> {
        let row =
            sqlx::query("SELECT mode, managed, last_success FROM connections WHERE tenant = ? AND name = ?")
                .bind(&id.tenant)
                .bind(&id.name)
                .fetch_optional(&self.reader)
                .await?;
        let Some(row) = row else {
            return Ok(ConnectionRecord::default());
        };
        Ok(ConnectionRecord {
            mode: from_word(row.try_get("mode")?)?,
            managed: row.try_get("managed")?,
            last_success: optional_time(row.try_get("last_success")?)?,
        })
    }

    async fn set_mode(&self, id: &ConnectionId, mode: Mode) -> Result<()> {
        sqlx::query(
            "INSERT INTO connections (tenant, name, mode) VALUES (?, ?, ?) \
             ON CONFLICT (tenant, name) DO UPDATE SET mode = excluded.mode",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(word(&mode)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn see_managed(&self, id: &ConnectionId, managed: bool) -> Result<Option<bool>> {
        let mut transaction = self.write(&[]).await?;
        let before: Option<Option<bool>> =
            sqlx::query_scalar("SELECT managed FROM connections WHERE tenant = ? AND name = ?")
                .bind(&id.tenant)
                .bind(&id.name)
                .fetch_optional(&mut *transaction)
                .await?;
        let before = before.flatten();
        sqlx::query(
            "INSERT INTO connections (tenant, name, mode, managed) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (tenant, name) DO UPDATE SET managed = excluded.managed, \
             mode = CASE WHEN ?5 THEN excluded.mode ELSE connections.mode END",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(word(&Mode::PlanOnly)?)
        .bind(managed)
        .bind(managed && before == Some(false))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(before)
    }

    async fn record_success(&self, id: &ConnectionId) -> Result<()> {
        sqlx::query(
            "INSERT INTO connections (tenant, name, mode, last_success) VALUES (?, ?, ?, ?) \
             ON CONFLICT (tenant, name) DO UPDATE SET last_success = excluded.last_success",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(word(&Mode::PlanOnly)?)
        .bind(self.now())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn acquire_lease(
        &self,
        directory: &DirectoryKey,
        holder: &str,
        life: Duration,
        longest_request: Duration,
    ) -> Result<LeaseAnswer> {
        let key = directory.lease_key();
        let mut transaction = self.write(&[]).await?;
        // Read with the lock in hand: waiting for it can take longer than a lease lives.
        let now = self.now();
        let row = sqlx::query("SELECT token, holder, free_at FROM leases WHERE key = ?")
            .bind(key)
            .fetch_optional(&mut *transaction)
            .await?;
        let mut token = 1;
        if let Some(row) = row {
            let free_at: i64 = row.try_get("free_at")?;
            if free_at > now {
                return Ok(LeaseAnswer::Held {
                    holder: row.try_get("holder")?,
                    free_at: time(free_at)?,
                });
            }
            token = row.try_get::<i64, _>("token")? + 1;
        }
        let expires_at = now + life.num_milliseconds();
        sqlx::query(
            "INSERT INTO leases (key, token, holder, expires_at, free_at) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (key) DO UPDATE SET token = excluded.token, holder = excluded.holder, \
             expires_at = excluded.expires_at, free_at = excluded.free_at",
        )
        .bind(key)
        .bind(token)
        .bind(holder)
        .bind(expires_at)
        .bind(expires_at + longest_request.num_milliseconds())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(LeaseAnswer::Granted(Lease {
            key: key.to_owned(),
            token: unsigned(token)?,
            holder: holder.to_owned(),
            expires_at: time(expires_at)?,
        }))
    }

    async fn renew_lease(&self, lease: &Lease, life: Duration, longest_request: Duration) -> Result<Lease> {
        let mut transaction = self.write(&[]).await?;
        let now = self.now();
        let expires_at = now + life.num_milliseconds();
        let renewed = sqlx::query(
            "UPDATE leases SET expires_at = ?, free_at = ? WHERE key = ? AND token = ? AND expires_at > ?",
        )
        .bind(expires_at)
        .bind(expires_at + longest_request.num_milliseconds())
        .bind(&lease.key)
        .bind(signed(lease.token))
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        if renewed.rows_affected() == 0 {
            return Err(StoreError::LeaseLost {
                key: lease.key.clone(),
                token: lease.token,
            });
        }
        transaction.commit().await?;
        Ok(Lease {
            expires_at: time(expires_at)?,
            ..lease.clone()
        })
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        // The row stays: its token must never come again.
        sqlx::query("UPDATE leases SET expires_at = 0, free_at = 0 WHERE key = ? AND token = ?")
            .bind(&lease.key)
            .bind(signed(lease.token))
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
