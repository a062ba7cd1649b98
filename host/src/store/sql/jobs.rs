//! Work that was asked for, and answers to repeated requests.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::{DbConnection, DbRow, SqlStore};
use crate::store::locks::Lock;
use crate::store::service::{JobRecord, JobState, JobStore, Repeated, Trigger, Work};
use crate::store::values::{from_json, from_word, json, millis, optional_time, signed, time, word};
use crate::store::{ConnectionId, PAGE, Result, RunEnd, RunResult, StoreError};

/// How long an answer is kept.
const ANSWER_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// How long a request can be under way: after that its process has died, and the request may be tried again.
const UNDER_WAY_MILLIS: i64 = 10 * 60 * 1_000;

/// The part of a job that is only shown and never searched.
#[derive(Serialize, Deserialize)]
struct Shown {
    work: Work,
    trigger: Trigger,
    began_at: Option<DateTime<Utc>>,
    end: Option<RunEnd>,
    runs: Vec<String>,
    plan: Option<String>,
    #[serde(default)]
    handed_over: u32,
    host: String,
}

#[async_trait]
impl JobStore for SqlStore {
    async fn put_job(&self, job: &JobRecord) -> Result<()> {
        let shown = Shown {
            work: job.work.clone(),
            trigger: job.trigger.clone(),
            began_at: job.began_at,
            end: job.end.clone(),
            runs: job.runs.clone(),
            plan: job.plan.clone(),
            handed_over: job.handed_over,
            host: job.host.clone(),
        };
        // A job that ended without saying when would be taken for one that has not ended, and be done again.
        let ended_at = match job.state {
            JobState::Ended => Some(
                job.ended_at
                    .map_or_else(|| self.now(), |at| at.timestamp_millis()),
            ),
            JobState::Queued | JobState::Running => None,
        };
        sqlx::query(
            "INSERT INTO jobs (id, tenant, connection, state, queued_at, ended_at, record) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET state = excluded.state, \
             queued_at = excluded.queued_at, ended_at = excluded.ended_at, record = excluded.record",
        )
        .bind(&job.id)
        .bind(&job.connection.tenant)
        .bind(&job.connection.name)
        .bind(word(&job.state)?)
        .bind(job.queued_at.timestamp_millis())
        .bind(ended_at)
        .bind(json(&shown)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn job(&self, id: &str) -> Result<Option<JobRecord>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(job).transpose()
    }

    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE tenant = $1 AND connection = $2 ORDER BY queued_at DESC, id DESC LIMIT $3",
        )
        .bind(&connection.tenant)
        .bind(&connection.name)
        .bind(signed((limit as usize).clamp(1, PAGE) as u64))
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(job).collect()
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobRecord>> {
        let rows = sqlx::query("SELECT * FROM jobs WHERE ended_at IS NULL ORDER BY queued_at, id")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(job).collect()
    }

    async fn ask_to_cancel(&self, id: &str) -> Result<bool> {
        let asked = sqlx::query(
            "UPDATE jobs SET cancel_asked_at = coalesce(cancel_asked_at, $1) WHERE id = $2 AND ended_at IS NULL",
        )
        .bind(self.now())
        .bind(id)
        .execute(&self.writer)
        .await?;
        Ok(asked.rows_affected() > 0)
    }

    async fn asked_to_cancel(&self) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar(
            "SELECT id FROM jobs WHERE ended_at IS NULL AND cancel_asked_at IS NOT NULL ORDER BY id",
        )
        .fetch_all(&self.reader)
        .await?)
    }

    async fn claim_answer(&self, key: &str, fingerprint: &str) -> Result<Repeated> {
        let mut transaction = self.write(&[Lock::Answer(key)]).await?;
        let now = self.now();
        let row = sqlx::query(
            "SELECT * FROM answers WHERE key = $1 AND at > CASE WHEN status IS NULL THEN $2 ELSE $3 END",
        )
        .bind(key)
        .bind(now - UNDER_WAY_MILLIS)
        .bind(now - ANSWER_MILLIS)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(row) = row {
            return answered(&row, fingerprint);
        }
        sqlx::query(
            "INSERT INTO answers (key, fingerprint, at) VALUES ($1, $2, $3) ON CONFLICT (key) DO UPDATE SET \
             fingerprint = excluded.fingerprint, at = excluded.at, status = NULL, headers = NULL, body = NULL",
        )
        .bind(key)
        .bind(fingerprint)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Repeated::First)
    }

    async fn keep_answer(&self, key: &str, status: u16, headers: &str, body: &[u8]) -> Result<()> {
        sqlx::query("UPDATE answers SET status = $1, headers = $2, body = $3, at = $4 WHERE key = $5")
            .bind(i64::from(status))
            .bind(headers)
            .bind(body)
            .bind(self.now())
            .bind(key)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn drop_answer(&self, key: &str) -> Result<()> {
        sqlx::query("DELETE FROM answers WHERE key = $1 AND status IS NULL")
            .bind(key)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

impl SqlStore {
    /// Forgets answers that are no longer given.
    pub(super) async fn forget_answers(&self) -> Result<u64> {
        let forgotten = sqlx::query("DELETE FROM answers WHERE at <= $1")
            .bind(self.now() - ANSWER_MILLIS)
            .execute(&self.writer)
            .await?;
        Ok(forgotten.rows_affected())
    }
}

/// Ends applies that were asked for before a backup was made: what they would write is of a time that is over.
pub(super) async fn end_unfinished_applies(connection: &mut DbConnection, now: i64) -> Result<()> {
    let rows = sqlx::query("SELECT id, record FROM jobs WHERE ended_at IS NULL ORDER BY id")
        .fetch_all(&mut *connection)
        .await?;
    for row in rows {
        let mut shown: Shown = from_json(row.try_get("record")?)?;
        if !matches!(shown.work, Work::Apply { .. }) {
            continue;
        }
        shown.end = Some(RunEnd::new(
            RunResult::Refused,
            "the store was restored from a backup, and things went on since it was made; plan again and approve the plan",
        ));
        sqlx::query("UPDATE jobs SET state = $1, ended_at = $2, record = $3 WHERE id = $4")
            .bind(word(&JobState::Ended)?)
            .bind(now)
            .bind(json(&shown)?)
            .bind(row.try_get::<String, _>("id")?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn answered(row: &DbRow, fingerprint: &str) -> Result<Repeated> {
    let status: Option<i64> = row.try_get("status")?;
    if row.try_get::<&str, _>("fingerprint")? != fingerprint {
        return Ok(Repeated::Other);
    }
    let Some(status) = status else {
        return Ok(Repeated::UnderWay);
    };
    Ok(Repeated::Done {
        status: u16::try_from(status)
            .map_err(|_| StoreError::Damaged(format!("{status} is no HTTP status")))?,
        headers: row.try_get::<Option<String>, _>("headers")?.unwrap_or_default(),
        body: row.try_get::<Option<Vec<u8>>, _>("body")?.unwrap_or_default(),
    })
}

fn job(row: &DbRow) -> Result<JobRecord> {
    let shown: Shown = from_json(row.try_get("record")?)?;
    Ok(JobRecord {
        id: row.try_get("id")?,
        connection: ConnectionId {
            tenant: row.try_get("tenant")?,
            name: row.try_get("connection")?,
        },
        work: shown.work,
        trigger: shown.trigger,
        state: from_word(row.try_get("state")?)?,
        queued_at: time(row.try_get("queued_at")?)?,
        began_at: optional_time(millis(shown.began_at))?,
        ended_at: optional_time(row.try_get("ended_at")?)?,
        end: shown.end,
        runs: shown.runs,
        plan: shown.plan,
        handed_over: shown.handed_over,
        host: shown.host,
    })
}
