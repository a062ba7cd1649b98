//! Connections and leases.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::Duration;
use sqlx::{QueryBuilder, Row};

use super::{Db, DbRow, SqlStore, push_texts};
use crate::store::locks::Lock;
use crate::store::values::{from_word, optional_time, signed, time, unsigned, word};
use crate::store::{
    ConnectionId, ConnectionRecord, ConnectionStore, DirectoryKey, Lease, LeaseAnswer, LeaseStore, Mode,
    Result, StoreError,
};

#[async_trait]
impl ConnectionStore for SqlStore {
    async fn connection(&self, id: &ConnectionId) -> Result<ConnectionRecord> {
        let row = sqlx::query(
            "SELECT mode, managed, last_success FROM connections WHERE tenant = $1 AND name = $2",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else {
            return Ok(ConnectionRecord::default());
        };
        record(&row)
    }

    async fn connections(&self, tenants: &[String]) -> Result<BTreeMap<ConnectionId, ConnectionRecord>> {
        let mut select = QueryBuilder::<Db>::new("SELECT * FROM connections WHERE tenant IN (");
        push_texts(&mut select, tenants)?;
        select.push(")");
        let rows = select.build().fetch_all(&self.reader).await?;
        rows.iter()
            .map(|row| {
                let id = ConnectionId::new(
                    row.try_get::<String, _>("tenant")?,
                    row.try_get::<String, _>("name")?,
                );
                Ok((id, record(row)?))
            })
            .collect()
    }

    async fn set_mode(&self, id: &ConnectionId, mode: Mode) -> Result<()> {
        let mut transaction = self.write(&[Lock::Connection(id)]).await?;
        sqlx::query(
            "INSERT INTO connections (tenant, name, mode) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant, name) DO UPDATE SET mode = excluded.mode",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(word(&mode)?)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    async fn see_managed(&self, id: &ConnectionId, managed: bool) -> Result<Option<bool>> {
        let mut transaction = self.write(&[Lock::Connection(id)]).await?;
        let before: Option<Option<bool>> =
            sqlx::query_scalar("SELECT managed FROM connections WHERE tenant = $1 AND name = $2")
                .bind(&id.tenant)
                .bind(&id.name)
                .fetch_optional(&mut *transaction)
                .await?;
        let before = before.flatten();
        sqlx::query(
            "INSERT INTO connections (tenant, name, mode, managed) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, name) DO UPDATE SET managed = excluded.managed, \
             mode = CASE WHEN $5 THEN excluded.mode ELSE connections.mode END",
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
        let mut transaction = self.write(&[Lock::Connection(id)]).await?;
        sqlx::query(
            "INSERT INTO connections (tenant, name, mode, last_success) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, name) DO UPDATE SET last_success = excluded.last_success",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(word(&Mode::PlanOnly)?)
        .bind(self.now())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

fn record(row: &DbRow) -> Result<ConnectionRecord> {
    Ok(ConnectionRecord {
        mode: from_word(row.try_get("mode")?)?,
        managed: row.try_get("managed")?,
        last_success: optional_time(row.try_get("last_success")?)?,
    })
}

#[async_trait]
impl LeaseStore for SqlStore {
    async fn acquire_lease(
        &self,
        directory: &DirectoryKey,
        holder: &str,
        life: Duration,
        longest_request: Duration,
    ) -> Result<LeaseAnswer> {
        let key = directory.lease_key();
        let asked = self.now();
        let mut transaction = self.write(&[Lock::Lease(key)]).await?;
        // Read with the lock in hand: waiting for it can take longer than a lease lives.
        let now = self.shared_now(&mut transaction).await?;
        let row = sqlx::query("SELECT token, holder, free_at FROM leases WHERE key = $1")
            .bind(key)
            .fetch_optional(&mut *transaction)
            .await?;
        let mut token = 1;
        if let Some(row) = row {
            let free_at: i64 = row.try_get("free_at")?;
            if free_at > now {
                return Ok(LeaseAnswer::Held {
                    holder: row.try_get("holder")?,
                    free_at: time(self.now() + (free_at - now))?,
                });
            }
            token = row.try_get::<i64, _>("token")? + 1;
        }
        let expires_at = now + life.num_milliseconds();
        sqlx::query(
            "INSERT INTO leases (key, token, holder, expires_at, free_at) VALUES ($1, $2, $3, $4, $5) \
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
            // By the holder's own clock, and from before it asked: it lets go early rather than late.
            expires_at: time(asked + life.num_milliseconds())?,
        }))
    }

    async fn renew_lease(&self, lease: &Lease, life: Duration, longest_request: Duration) -> Result<Lease> {
        let asked = self.now();
        let mut transaction = self.write(&[Lock::Lease(&lease.key)]).await?;
        let now = self.shared_now(&mut transaction).await?;
        let expires_at = now + life.num_milliseconds();
        let renewed = sqlx::query(
            "UPDATE leases SET expires_at = $1, free_at = $2 WHERE key = $3 AND token = $4 AND expires_at > $5",
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
            expires_at: time(asked + life.num_milliseconds())?,
            ..lease.clone()
        })
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let mut transaction = self.write(&[Lock::Lease(&lease.key)]).await?;
        // The row stays: its token must never come again.
        sqlx::query("UPDATE leases SET expires_at = 0, free_at = 0 WHERE key = $1 AND token = $2")
            .bind(&lease.key)
            .bind(signed(lease.token))
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}
