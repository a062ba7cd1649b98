//! Runs.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row};

use super::{Db, DbRow, SqlStore};
use crate::store::values::{from_word, optional_time, shown, time, word};
use crate::store::{ConnectionId, NewRun, PAGE, Result, RunEnd, RunQuery, RunRecord, RunStore, StoreError};

#[async_trait]
impl RunStore for SqlStore {
    async fn start_run(&self, run: &NewRun) -> Result<()> {
        sqlx::query(
            "INSERT INTO runs (id, tenant, connection, kind, started_at, plan_hash) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&run.id)
        .bind(&run.connection.tenant)
        .bind(&run.connection.name)
        .bind(word(&run.kind)?)
        .bind(self.now())
        .bind(&run.plan)
        .execute(&self.writer)
        .await
        .map_err(|error| match error.as_database_error() {
            Some(cause) if cause.is_unique_violation() => StoreError::RunExists(run.id.clone()),
            _ => StoreError::Database(error),
        })?;
        Ok(())
    }

    async fn set_run_plan(&self, run: &str, plan: &str) -> Result<()> {
        let changed = sqlx::query("UPDATE runs SET plan_hash = $1 WHERE id = $2")
            .bind(plan)
            .bind(run)
            .execute(&self.writer)
            .await?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::NoRun(run.to_owned()));
        }
        Ok(())
    }

    async fn end_run(&self, run: &str, end: &RunEnd, counters: &serde_json::Value) -> Result<()> {
        let changed = sqlx::query(
            "UPDATE runs SET ended_at = $1, result = $2, message = $3, counters = $4 WHERE id = $5 AND ended_at IS NULL",
        )
        .bind(self.now())
        .bind(word(&end.result)?)
        .bind(shown(&end.message))
        .bind(counters.to_string())
        .bind(run)
        .execute(&self.writer)
        .await?;
        if changed.rows_affected() == 0 {
            return Err(match self.run(run).await? {
                Some(_) => StoreError::RunEnded(run.to_owned()),
                None => StoreError::NoRun(run.to_owned()),
            });
        }
        Ok(())
    }

    async fn run(&self, run: &str) -> Result<Option<RunRecord>> {
        let row = sqlx::query("SELECT * FROM runs WHERE id = $1")
            .bind(run)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(record).transpose()
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>> {
        let mut select = QueryBuilder::<Db>::new("SELECT * FROM runs WHERE TRUE");
        if let Some(tenant) = &query.tenant {
            select.push(" AND tenant = ").push_bind(tenant);
        }
        if let Some(connection) = &query.connection {
            select.push(" AND connection = ").push_bind(connection);
        }
        if query.unfinished {
            select.push(" AND ended_at IS NULL");
        }
        if let Some(mark) = &query.after {
            select
                .push(" AND (started_at, id) < (")
                .push_bind(mark.started_at.timestamp_millis())
                .push(", ")
                .push_bind(&mark.id)
                .push(")");
        }
        let limit = if query.limit == 0 {
            PAGE
        } else {
            PAGE.min(query.limit as usize)
        };
        select
            .push(" ORDER BY started_at DESC, id DESC LIMIT ")
            .push_bind(limit as i64);
        let rows = select.build().fetch_all(&self.reader).await?;
        rows.iter().map(record).collect()
    }

    async fn latest_runs(&self, connections: &[ConnectionId]) -> Result<Vec<RunRecord>> {
        let mut runs = Vec::new();
        for some in connections.chunks(PAGE) {
            let mut select = QueryBuilder::<Db>::new("WITH asked (tenant, connection) AS (");
            select.push_values(some, |mut row, id| {
                row.push_bind(&id.tenant).push_bind(&id.name);
            });
            // For each the last entry of an index: a connection has tens of thousands of runs.
            select.push(
                ") SELECT runs.* FROM asked JOIN runs ON runs.id = (SELECT r.id FROM runs r \
                 WHERE r.tenant = asked.tenant AND r.connection = asked.connection \
                 ORDER BY r.started_at DESC, r.id DESC LIMIT 1)",
            );
            let rows = select.build().fetch_all(&self.reader).await?;
            runs.extend(rows.iter().map(record).collect::<Result<Vec<_>>>()?);
        }
        runs.sort_by(|one, other| one.connection.cmp(&other.connection));
        Ok(runs)
    }
}

fn record(row: &DbRow) -> Result<RunRecord> {
    let result: Option<String> = row.try_get("result")?;
    let message: Option<String> = row.try_get("message")?;
    let counters: String = row.try_get("counters")?;
    let end = match result {
        Some(result) => Some(RunEnd {
            result: from_word(result)?,
            message: message.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(RunRecord {
        id: row.try_get("id")?,
        connection: ConnectionId::new(
            row.try_get::<String, _>("tenant")?,
            row.try_get::<String, _>("connection")?,
        ),
        kind: from_word(row.try_get("kind")?)?,
        started_at: time(row.try_get("started_at")?)?,
        ended_at: optional_time(row.try_get("ended_at")?)?,
        end,
        counters: serde_json::from_str(&counters).map_err(|error| StoreError::Damaged(error.to_string()))?,
        plan: row.try_get("plan_hash")?,
    })
}
