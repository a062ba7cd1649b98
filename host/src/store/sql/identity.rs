//! Tokens, grants and sessions.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row};

use super::audit::append;
use super::{Db, DbRow, SqlStore};
use crate::store::Result;
use crate::store::service::{GrantRecord, IdentityStore, NewAuditEntry, SessionRecord, TokenRecord};
use crate::store::values::{
    from_host, from_json, from_word, json, millis, optional_time, or_host, time, word,
};

/// A token's last use is kept to a minute.
const TOUCH_MILLIS: i64 = 60_000;

#[async_trait]
impl IdentityStore for SqlStore {
    async fn put_token(&self, token: &TokenRecord, audit: &NewAuditEntry) -> Result<()> {
        let mut transaction = self.write(&[]).await?;
        sqlx::query(
            "INSERT INTO tokens (id, name, hash, tenant, role, created_by, created_at, expires_at, last_used_at, \
             revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(&token.id)
        .bind(&token.name)
        .bind(&token.hash)
        .bind(or_host(token.tenant.as_deref()))
        .bind(word(&token.role)?)
        .bind(&token.created_by)
        .bind(token.created_at.timestamp_millis())
        .bind(millis(token.expires_at))
        .bind(millis(token.last_used_at))
        .bind(millis(token.revoked_at))
        .execute(&mut *transaction)
        .await?;
        append(&mut transaction, audit, self.now()).await?;
        Ok(transaction.commit().await?)
    }

    async fn token_of_hash(&self, hash: &str) -> Result<Option<TokenRecord>> {
        let row = sqlx::query("SELECT * FROM tokens WHERE hash = $1")
            .bind(hash)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(token).transpose()
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRecord>> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(token).transpose()
    }

    async fn tokens(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>> {
        let mut select = QueryBuilder::<Db>::new("SELECT * FROM tokens");
        if let Some(tenant) = tenant {
            select.push(" WHERE tenant = ").push_bind(tenant);
        }
        select.push(" ORDER BY created_at DESC, id DESC");
        let rows = select.build().fetch_all(&self.reader).await?;
        rows.iter().map(token).collect()
    }

    async fn revoke_token(&self, id: &str, audit: &NewAuditEntry) -> Result<bool> {
        let mut transaction = self.write(&[]).await?;
        let now = self.now();
        let revoked = sqlx::query("UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(now)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if revoked.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut transaction, audit, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn touch_token(&self, id: &str) -> Result<()> {
        let now = self.now();
        // Looked at first: a write that changes nothing would wait for its turn all the same.
        let due: Option<String> = sqlx::query_scalar(
            "SELECT id FROM tokens WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $2)",
        )
        .bind(id)
        .bind(now - TOUCH_MILLIS)
        .fetch_optional(&self.reader)
        .await?;
        if due.is_some() {
            sqlx::query(
                "UPDATE tokens SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)",
            )
            .bind(now)
            .bind(id)
            .execute(&self.writer)
            .await?;
        }
        Ok(())
    }

    async fn grants(&self, tenant: Option<&str>) -> Result<Vec<GrantRecord>> {
        let mut select = QueryBuilder::<Db>::new("SELECT * FROM grants");
        if let Some(tenant) = tenant {
            select.push(" WHERE tenant = ").push_bind(tenant);
        }
        select.push(" ORDER BY subject, tenant");
        let rows = select.build().fetch_all(&self.reader).await?;
        rows.iter().map(grant).collect()
    }

    async fn put_grant(&self, grant: &GrantRecord, audit: &NewAuditEntry) -> Result<()> {
        let mut transaction = self.write(&[]).await?;
        sqlx::query(
            "INSERT INTO grants (subject, tenant, role, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (subject, tenant) DO UPDATE SET role = excluded.role, created_at = excluded.created_at",
        )
        .bind(&grant.subject)
        .bind(or_host(grant.tenant.as_deref()))
        .bind(word(&grant.role)?)
        .bind(grant.created_at.timestamp_millis())
        .execute(&mut *transaction)
        .await?;
        append(&mut transaction, audit, self.now()).await?;
        Ok(transaction.commit().await?)
    }

    async fn remove_grant(&self, subject: &str, tenant: Option<&str>, audit: &NewAuditEntry) -> Result<bool> {
        let mut transaction = self.write(&[]).await?;
        let removed = sqlx::query("DELETE FROM grants WHERE subject = $1 AND tenant = $2")
            .bind(subject)
            .bind(or_host(tenant))
            .execute(&mut *transaction)
            .await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn put_session(&self, session: &SessionRecord) -> Result<()> {
        sqlx::query(
            "INSERT INTO sessions (hash, subject, name, groups, csrf, created_at, seen_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (hash) DO UPDATE SET subject = excluded.subject, \
             name = excluded.name, groups = excluded.groups, csrf = excluded.csrf, \
             created_at = excluded.created_at, seen_at = excluded.seen_at, expires_at = excluded.expires_at",
        )
        .bind(&session.hash)
        .bind(&session.subject)
        .bind(&session.name)
        .bind(json(&session.groups)?)
        .bind(&session.csrf)
        .bind(session.created_at.timestamp_millis())
        .bind(session.seen_at.timestamp_millis())
        .bind(session.expires_at.timestamp_millis())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn session(&self, hash: &str) -> Result<Option<SessionRecord>> {
        let row = sqlx::query("SELECT * FROM sessions WHERE hash = $1 AND expires_at > $2")
            .bind(hash)
            .bind(self.now())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(session).transpose()
    }

    async fn remove_session(&self, hash: &str) -> Result<()> {
        sqlx::query("DELETE FROM sessions WHERE hash = $1")
            .bind(hash)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn forget_expired_sessions(&self) -> Result<u64> {
        let forgotten = sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
            .bind(self.now())
            .execute(&self.writer)
            .await?;
        Ok(forgotten.rows_affected())
    }
}

fn token(row: &DbRow) -> Result<TokenRecord> {
    Ok(TokenRecord {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        hash: row.try_get("hash")?,
        tenant: from_host(row.try_get("tenant")?),
        role: from_word(row.try_get("role")?)?,
        created_by: row.try_get("created_by")?,
        created_at: time(row.try_get("created_at")?)?,
        expires_at: optional_time(row.try_get("expires_at")?)?,
        last_used_at: optional_time(row.try_get("last_used_at")?)?,
        revoked_at: optional_time(row.try_get("revoked_at")?)?,
    })
}

fn grant(row: &DbRow) -> Result<GrantRecord> {
    Ok(GrantRecord {
        subject: row.try_get("subject")?,
        tenant: from_host(row.try_get("tenant")?),
        role: from_word(row.try_get("role")?)?,
        created_at: time(row.try_get("created_at")?)?,
    })
}

fn session(row: &DbRow) -> Result<SessionRecord> {
    Ok(SessionRecord {
        hash: row.try_get("hash")?,
        subject: row.try_get("subject")?,
        name: row.try_get("name")?,
        groups: from_json(row.try_get("groups")?)?,
        csrf: row.try_get("csrf")?,
        created_at: time(row.try_get("created_at")?)?,
        seen_at: time(row.try_get("seen_at")?)?,
        expires_at: time(row.try_get("expires_at")?)?,
    })
}
