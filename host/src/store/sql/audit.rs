//! The audit log: a chain of entries that is only ever added to.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row};

use super::{Db, DbConnection, DbRow, SqlStore};
use crate::store::service::{AuditEntry, AuditQuery, AuditStore, NewAuditEntry};
use crate::store::values::{from_json, or_host, signed, time, unsigned};
use crate::store::{PAGE, Result, StoreError};

#[async_trait]
impl AuditStore for SqlStore {
    async fn append_audit(&self, entry: &NewAuditEntry) -> Result<AuditEntry> {
        let mut transaction = self.write(&[]).await?;
        let appended = append(&mut transaction, entry, self.now()).await?;
        transaction.commit().await?;
        Ok(appended)
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        let mut select = QueryBuilder::<Db>::new("SELECT * FROM audit WHERE TRUE");
        if let Some(tenant) = &query.tenant {
            select.push(" AND tenant = ").push_bind(tenant);
        }
        if let Some(prefix) = &query.action_prefix {
            select
                .push(" AND substr(action, 1, length(")
                .push_bind(prefix)
                .push(")) = ")
                .push_bind(prefix);
        }
        if let Some(subject) = &query.subject {
            select.push(" AND subject = ").push_bind(subject);
        }
        if let Some(before) = query.before {
            select.push(" AND sequence < ").push_bind(signed(before));
        }
        if let Some(after) = query.after {
            select.push(" AND sequence > ").push_bind(signed(after));
        }
        select.push(match query.after {
            Some(_) => " ORDER BY sequence LIMIT ",
            None => " ORDER BY sequence DESC LIMIT ",
        });
        let limit = match query.limit as usize {
            0 => PAGE,
            limit => limit.min(PAGE),
        };
        select.push_bind(signed(limit as u64));
        let rows = select.build().fetch_all(&self.reader).await?;
        rows.iter().map(entry_of).collect()
    }

    async fn verify_audit(&self) -> Result<Option<u64>> {
        first_broken(&mut *self.reader.acquire().await?).await
    }
}

/// The first entry that does not fit the chain, or none.
pub(super) async fn first_broken(connection: &mut DbConnection) -> Result<Option<u64>> {
    // Read first: entries that are added meanwhile are more than this, and a missing end is fewer.
    let last: i64 = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'audit'")
        .fetch_one(&mut *connection)
        .await?;
    let (mut sequence, mut hash) = (0, AuditEntry::BEGINNING.to_owned());
    loop {
        let rows = sqlx::query("SELECT * FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2")
            .bind(signed(sequence))
            .bind(signed(PAGE as u64))
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            let canonical: String = row.try_get("entry")?;
            let stored: String = row.try_get("hash")?;
            hash = AuditEntry::chain(&hash, &canonical);
            if hash != stored || !is_itself(row, sequence + 1)? {
                return Ok(Some(sequence + 1));
            }
            sequence += 1;
        }
        if rows.len() < PAGE {
            return Ok((sequence < unsigned(last)?).then_some(sequence + 1));
        }
    }
}

/// Adds an entry within a transaction. The counter's row is its lock: whoever adds next waits for the commit, so that
/// numbers have no gaps. The last step of a transaction, so that others wait as short as can be.
pub(super) async fn append(
    connection: &mut DbConnection,
    entry: &NewAuditEntry,
    now: i64,
) -> Result<AuditEntry> {
    let sequence: i64 =
        sqlx::query_scalar("UPDATE counters SET value = value + 1 WHERE name = 'audit' RETURNING value")
            .fetch_one(&mut *connection)
            .await?;
    let before: Option<String> = sqlx::query_scalar("SELECT hash FROM audit WHERE sequence = $1")
        .bind(sequence - 1)
        .fetch_optional(&mut *connection)
        .await?;
    let mut appended = AuditEntry {
        sequence: unsigned(sequence)?,
        at: time(now)?,
        entry: entry.clone(),
        hash: String::new(),
    };
    let canonical = appended.canonical();
    appended.hash = AuditEntry::chain(before.as_deref().unwrap_or(AuditEntry::BEGINNING), &canonical);
    sqlx::query(
        "INSERT INTO audit (sequence, at, tenant, action, subject, entry, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(sequence)
    .bind(now)
    .bind(or_host(entry.tenant.as_deref()))
    .bind(&entry.action)
    .bind(&entry.subject)
    .bind(canonical)
    .bind(&appended.hash)
    .execute(connection)
    .await?;
    Ok(appended)
}

fn entry_of(row: &DbRow) -> Result<AuditEntry> {
    let text: String = row.try_get("entry")?;
    let mut value: serde_json::Value = from_json(&text)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("hash".to_owned(), row.try_get::<String, _>("hash")?.into());
    }
    serde_json::from_value(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Whether what an entry is found by is what its hash is over.
fn is_itself(row: &DbRow, sequence: u64) -> Result<bool> {
    let Ok(entry) = entry_of(row) else {
        return Ok(false);
    };
    Ok(entry.sequence == sequence
        && row.try_get::<i64, _>("sequence")? == signed(sequence)
        && row.try_get::<i64, _>("at")? == entry.at.timestamp_millis()
        && row.try_get::<String, _>("tenant")? == or_host(entry.entry.tenant.as_deref())
        && row.try_get::<String, _>("action")? == entry.entry.action
        && row.try_get::<String, _>("subject")? == entry.entry.subject)
}
