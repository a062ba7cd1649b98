//! Plans: staging, sealing, approving, giving back. Releasing what is held stands in `release`, the
//! content of parts in `contents`.

use async_trait::async_trait;
use chrono::Duration;
use groupcast_guest::plan::part::{Part, root_hash, sha256_hex};
use sqlx::{QueryBuilder, Row};

use super::contents::keep_bytes;
use super::ledger::missing_run;
use super::{Db, DbConnection, DbRow, SqlStore, push_texts};
use crate::store::locks::Lock;
use crate::store::values::{optional_time, signed, time, unsigned};
use crate::store::{
    ConnectionId, DirectoryKey, NewPlan, PAGE, PART_BYTES, PLAN_DAYS, PartRecord, Parts, PlanQuery,
    PlanRecord, PlanStatus, PlanStore, Result, StoreError,
};

/// Parts of one statement, with four parameters each.
const ROWS: usize = 1_000;

#[async_trait]
impl PlanStore for SqlStore {
    async fn stage_parts(&self, run: &str, first: u64, parts: &[Vec<u8>]) -> Result<()> {
        // Reading them takes longer than keeping them, and while one writes nobody else does.
        let mut staged: Vec<(u64, String)> = Vec::with_capacity(parts.len());
        for (position, bytes) in (first..).zip(parts) {
            at_part(position, bytes)?;
            let part = Part::from_bytes(bytes).map_err(|why| StoreError::BadPart { position, why })?;
            if part.group.id.contains('\0') {
                return Err(StoreError::BadPart {
                    position,
                    why: "its group's ID has the character U+0000, which no directory takes".to_owned(),
                });
            }
            let last = staged.last().map(|(_, group)| group.as_str());
            ascends(position, last, &part.group.id)?;
            staged.push((position, part.group.id));
        }
        let Some((position, group)) = staged.first() else {
            return Ok(());
        };
        let mut transaction = self.write(&[Lock::Staging(run), Lock::KeepContents]).await?;
        let (last, taken): (Option<String>, Option<i64>) = sqlx::query_as(
            "SELECT max(group_id), min(CASE WHEN position BETWEEN $2 AND $3 THEN position END) \
             FROM staged_parts WHERE run = $1",
        )
        .bind(run)
        .bind(signed(first))
        .bind(signed(first.saturating_add(parts.len() as u64 - 1)))
        .fetch_one(&mut *transaction)
        .await?;
        ascends(*position, last.as_deref(), group)?;
        if let Some(position) = taken {
            return Err(StoreError::BadPart {
                position: unsigned(position)?,
                why: "this position is taken".to_owned(),
            });
        }
        let mut hashes = Vec::with_capacity(parts.len());
        for bytes in parts {
            hashes.push(keep_bytes(&mut transaction, bytes).await?);
        }
        let rows: Vec<_> = staged.iter().zip(&hashes).collect();
        for rows in rows.chunks(ROWS) {
            let mut insert =
                QueryBuilder::<Db>::new("INSERT INTO staged_parts (run, position, group_id, sha256) ");
            insert.push_values(rows, |mut row, ((position, group), sha256)| {
                row.push_bind(run)
                    .push_bind(signed(*position))
                    .push_bind(group)
                    .push_bind(*sha256);
            });
            insert
                .build()
                .execute(&mut *transaction)
                .await
                .map_err(|error| missing_run(error, run))?;
        }
        Ok(transaction.commit().await?)
    }

    async fn drop_staged(&self, run: &str) -> Result<()> {
        let mut transaction = self.write(&[Lock::Staging(run)]).await?;
        let dropped: Vec<String> =
            sqlx::query_scalar("DELETE FROM staged_parts WHERE run = $1 RETURNING sha256")
                .bind(run)
                .fetch_all(&mut *transaction)
                .await?;
        transaction.commit().await?;
        self.forget_unused(&dropped).await?;
        Ok(())
    }

    async fn seal_plan(&self, plan: &NewPlan) -> Result<PlanRecord> {
        let mut transaction = self
            .write(&[Lock::Plans(&plan.directory), Lock::Staging(&plan.run)])
            .await?;
        let now = self.now();
        let rows = sqlx::query("SELECT position, sha256 FROM staged_parts WHERE run = $1 ORDER BY position")
            .bind(&plan.run)
            .fetch_all(&mut *transaction)
            .await?;
        let mut hashes: Vec<String> = Vec::with_capacity(rows.len());
        for (expected, row) in (0u64..).zip(&rows) {
            if unsigned(row.try_get("position")?)? != expected {
                return Err(StoreError::BadPart {
                    position: expected,
                    why: "it is missing".to_owned(),
                });
            }
            hashes.push(row.try_get("sha256")?);
        }
        let hash = root_hash(hashes.iter().map(String::as_str));
        let lifetime = plan.lifetime.unwrap_or_else(|| Duration::days(PLAN_DAYS));
        let over: Option<bool> = sqlx::query_scalar(
            "SELECT applied_at IS NOT NULL OR expires_at <= $1 FROM plans WHERE directory = $2 AND hash = $3",
        )
        .bind(now)
        .bind(plan.directory.as_str())
        .bind(&hash)
        .fetch_optional(&mut *transaction)
        .await?;
        if over == Some(true) {
            sqlx::query("DELETE FROM plans WHERE directory = $1 AND hash = $2")
                .bind(plan.directory.as_str())
                .bind(&hash)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "INSERT INTO plans (directory, hash, tenant, connection, run, created_at, expires_at, summary) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (directory, hash) DO UPDATE SET run = excluded.run, \
             created_at = excluded.created_at, expires_at = excluded.expires_at, summary = excluded.summary",
        )
        .bind(plan.directory.as_str())
        .bind(&hash)
        .bind(&plan.connection.tenant)
        .bind(&plan.connection.name)
        .bind(&plan.run)
        .bind(now)
        .bind(now + lifetime.num_milliseconds())
        .bind(plan.summary.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(|error| missing_run(error, &plan.run))?;
        if over != Some(false) {
            sqlx::query(
                "INSERT INTO plan_parts (directory, hash, position, group_id, sha256) \
                 SELECT $1, $2, position, group_id, sha256 FROM staged_parts WHERE run = $3",
            )
            .bind(plan.directory.as_str())
            .bind(&hash)
            .bind(&plan.run)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("DELETE FROM staged_parts WHERE run = $1")
            .bind(&plan.run)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE runs SET plan_hash = $1 WHERE id = $2")
            .bind(&hash)
            .bind(&plan.run)
            .execute(&mut *transaction)
            .await?;
        let record = required(&mut transaction, &plan.directory, &hash, now).await?;
        transaction.commit().await?;
        Ok(record)
    }

    async fn plan(&self, directory: &DirectoryKey, hash: &str) -> Result<Option<PlanRecord>> {
        let mut connection = self.reader.acquire().await?;
        find(&mut connection, directory, hash, self.now()).await
    }

    async fn plans(&self, query: &PlanQuery) -> Result<Vec<PlanRecord>> {
        let mut select = QueryBuilder::<Db>::new(PLAN);
        select.push("WHERE TRUE");
        if let Some(tenant) = &query.tenant {
            select.push(" AND tenant = ").push_bind(tenant);
        }
        if let Some(connection) = &query.connection {
            select.push(" AND connection = ").push_bind(connection);
        }
        if let Some(prefix) = &query.hash_prefix {
            select
                .push(" AND substr(hash, 1, length(")
                .push_bind(prefix)
                .push(")) = ")
                .push_bind(prefix);
        }
        // Each plan's parts are counted: whoever wants the latest few asks for few.
        let limit = match query.limit {
            0 => PAGE,
            limit => PAGE.min(limit as usize),
        };
        select
            .push(" ORDER BY created_at DESC, hash LIMIT ")
            .push_bind(limit as i64);
        let rows = select.build().fetch_all(&self.reader).await?;
        rows.iter().map(|row| record(row, self.now())).collect()
    }

    async fn parts(&self, directory: &DirectoryKey, hash: &str) -> Result<Vec<PartRecord>> {
        let mut connection = self.reader.acquire().await?;
        required(&mut connection, directory, hash, self.now()).await?;
        all_parts(&mut connection, directory, hash).await
    }

    async fn read_parts(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(PartRecord, Vec<u8>)>> {
        let limit = (limit as usize).clamp(1, PAGE);
        let rows = sqlx::query(
            "SELECT plan_parts.*, bytes FROM plan_parts JOIN part_bytes USING (sha256) \
             WHERE directory = $1 AND hash = $2 AND position > $3 ORDER BY position LIMIT $4",
        )
        .bind(directory.as_str())
        .bind(hash)
        .bind(after.map_or(-1, signed))
        .bind(signed(limit as u64))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let part = part(row)?;
                let bytes: Vec<u8> = row.try_get("bytes")?;
                as_approved(hash, part.position, &part.sha256, &bytes)?;
                Ok((part, bytes))
            })
            .collect()
    }

    async fn part_bytes(&self, directory: &DirectoryKey, hash: &str, position: u64) -> Result<Vec<u8>> {
        let mut connection = self.reader.acquire().await?;
        bytes_of(&mut connection, directory, hash, position).await
    }

    async fn approve(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        parts: &Parts,
        approver: &str,
    ) -> Result<PlanRecord> {
        let mut transaction = self.write(&[Lock::Plans(directory)]).await?;
        let now = self.now();
        usable(&required(&mut transaction, directory, hash, now).await?)?;
        let mut update = QueryBuilder::<Db>::new("UPDATE plan_parts SET approved_at = ");
        update.push_bind(now).push(", approved_by = ").push_bind(approver);
        update
            .push(" WHERE approved_at IS NULL AND directory = ")
            .push_bind(directory.as_str());
        update.push(" AND hash = ").push_bind(hash);
        if let Parts::Groups(groups) = parts {
            let known: std::collections::HashSet<String> = all_parts(&mut transaction, directory, hash)
                .await?
                .into_iter()
                .map(|part| part.group)
                .collect();
            if let Some(unknown) = groups.iter().find(|group| !known.contains(*group)) {
                return Err(StoreError::NoPart {
                    plan: hash.to_owned(),
                    part: format!("group {unknown}"),
                });
            }
            update.push(" AND group_id IN (");
            push_texts(&mut update, groups)?;
            update.push(")");
        }
        update.build().execute(&mut *transaction).await?;
        let record = required(&mut transaction, directory, hash, now).await?;
        transaction.commit().await?;
        Ok(record)
    }

    async fn approved_parts(&self, directory: &DirectoryKey, hash: &str) -> Result<Vec<PartRecord>> {
        let mut connection = self.reader.acquire().await?;
        usable(&required(&mut connection, directory, hash, self.now()).await?)?;
        let mut parts = all_parts(&mut connection, directory, hash).await?;
        parts.retain(|part| part.approved_at.is_some());
        Ok(parts)
    }

    async fn release_held(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        groups: &[String],
    ) -> Result<PlanRecord> {
        self.release(directory, hash, groups).await
    }

    async fn mark_applied(&self, directory: &DirectoryKey, hash: &str, run: &str) -> Result<()> {
        let mut transaction = self.write(&[Lock::Plans(directory)]).await?;
        let record = required(&mut transaction, directory, hash, self.now()).await?;
        if matches!(record.status, PlanStatus::Applied { .. }) {
            return Err(StoreError::PlanApplied(hash.to_owned()));
        }
        sqlx::query("UPDATE plans SET applied_at = $1, applied_by = $2 WHERE directory = $3 AND hash = $4")
            .bind(self.now())
            .bind(run)
            .bind(directory.as_str())
            .bind(hash)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    async fn forget_expired(&self, longer_than: Duration) -> Result<u64> {
        let forgotten = sqlx::query("DELETE FROM plans WHERE expires_at <= $1")
            .bind(self.now() - longer_than.num_milliseconds())
            .execute(&self.writer)
            .await?;
        self.forget_all_unused().await?;
        Ok(forgotten.rows_affected())
    }
}

const PLAN: &str = "SELECT *, \
    (SELECT count(*) FROM plan_parts p WHERE p.directory = plans.directory AND p.hash = plans.hash) AS parts, \
    (SELECT count(approved_at) FROM plan_parts p WHERE p.directory = plans.directory AND p.hash = plans.hash) \
    AS approved FROM plans ";

pub(super) async fn find(
    connection: &mut DbConnection,
    directory: &DirectoryKey,
    hash: &str,
    now: i64,
) -> Result<Option<PlanRecord>> {
    let mut select = QueryBuilder::<Db>::new(PLAN);
    select.push("WHERE directory = ").push_bind(directory.as_str());
    select.push(" AND hash = ").push_bind(hash);
    let row = select.build().fetch_optional(connection).await?;
    row.as_ref().map(|row| record(row, now)).transpose()
}

pub(super) async fn required(
    connection: &mut DbConnection,
    directory: &DirectoryKey,
    hash: &str,
    now: i64,
) -> Result<PlanRecord> {
    find(connection, directory, hash, now)
        .await?
        .ok_or_else(|| StoreError::NoPlan(hash.to_owned()))
}

/// Whether the plan may still be approved, released from and applied.
pub(super) fn usable(plan: &PlanRecord) -> Result<()> {
    match plan.status {
        PlanStatus::Stored | PlanStatus::Approved { .. } => Ok(()),
        PlanStatus::Applied { .. } => Err(StoreError::PlanApplied(plan.hash.clone())),
        PlanStatus::Expired => Err(StoreError::PlanExpired {
            hash: plan.hash.clone(),
            at: plan.expires_at,
        }),
    }
}

fn record(row: &DbRow, now: i64) -> Result<PlanRecord> {
    let applied_at: Option<i64> = row.try_get("applied_at")?;
    let expires_at: i64 = row.try_get("expires_at")?;
    let approved = unsigned(row.try_get("approved")?)?;
    let summary: String = row.try_get("summary")?;
    let status = match applied_at {
        Some(at) => PlanStatus::Applied {
            at: time(at)?,
            run: row
                .try_get::<Option<String>, _>("applied_by")?
                .unwrap_or_default(),
        },
        None if expires_at <= now => PlanStatus::Expired,
        None if approved > 0 => PlanStatus::Approved { parts: approved },
        None => PlanStatus::Stored,
    };
    Ok(PlanRecord {
        hash: row.try_get("hash")?,
        directory: DirectoryKey::stored(row.try_get("directory")?),
        connection: ConnectionId::new(
            row.try_get::<String, _>("tenant")?,
            row.try_get::<String, _>("connection")?,
        ),
        run: row.try_get("run")?,
        created_at: time(row.try_get("created_at")?)?,
        expires_at: time(expires_at)?,
        status,
        derived_from: row.try_get("derived_from")?,
        summary: serde_json::from_str(&summary).map_err(|error| StoreError::Damaged(error.to_string()))?,
        parts: unsigned(row.try_get("parts")?)?,
    })
}

pub(super) async fn all_parts(
    connection: &mut DbConnection,
    directory: &DirectoryKey,
    hash: &str,
) -> Result<Vec<PartRecord>> {
    let rows = sqlx::query("SELECT * FROM plan_parts WHERE directory = $1 AND hash = $2 ORDER BY position")
        .bind(directory.as_str())
        .bind(hash)
        .fetch_all(connection)
        .await?;
    rows.iter().map(part).collect()
}

fn part(row: &DbRow) -> Result<PartRecord> {
    Ok(PartRecord {
        position: unsigned(row.try_get("position")?)?,
        group: row.try_get("group_id")?,
        sha256: row.try_get("sha256")?,
        derived_from: row.try_get("derived_from")?,
        approved_by: row.try_get("approved_by")?,
        approved_at: optional_time(row.try_get("approved_at")?)?,
    })
}

/// What was approved is what is applied, down to the disk it lay on (R44).
fn as_approved(hash: &str, position: u64, sha256: &str, bytes: &[u8]) -> Result<()> {
    if sha256_hex(bytes) == sha256 {
        return Ok(());
    }
    Err(StoreError::Damaged(format!(
        "part {position} of plan {hash} is not what was approved"
    )))
}

pub(super) async fn bytes_of(
    connection: &mut DbConnection,
    directory: &DirectoryKey,
    hash: &str,
    position: u64,
) -> Result<Vec<u8>> {
    let row = sqlx::query(
        "SELECT part_bytes.sha256, bytes FROM plan_parts JOIN part_bytes USING (sha256) \
         WHERE directory = $1 AND hash = $2 AND position = $3",
    )
    .bind(directory.as_str())
    .bind(hash)
    .bind(signed(position))
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| StoreError::NoPart {
        plan: hash.to_owned(),
        part: format!("position {position}"),
    })?;
    let bytes: Vec<u8> = row.try_get("bytes")?;
    as_approved(hash, position, &row.try_get::<String, _>("sha256")?, &bytes)?;
    Ok(bytes)
}

pub(super) fn at_part(position: u64, bytes: &[u8]) -> Result<()> {
    if bytes.len() > PART_BYTES {
        return Err(StoreError::BadPart {
            position,
            why: format!("it has {} bytes; the limit is {PART_BYTES}", bytes.len()),
        });
    }
    Ok(())
}

/// Parts ascend by group.
fn ascends(position: u64, last: Option<&str>, group: &str) -> Result<()> {
    if last.is_some_and(|last| last >= group) {
        return Err(StoreError::BadPart {
            position,
            why: format!("group {group} comes twice or out of order; parts ascend by group ID"),
        });
    }
    Ok(())
}
