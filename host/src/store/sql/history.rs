//! What charts are drawn of.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;

use super::{DbRow, SqlStore};
use crate::store::service::{ChangeCount, HistoryStore, MembershipSample, NewSample};
use crate::store::values::{from_json, json, time, unsigned};
use crate::store::{ConnectionId, PAGE, Result};

const HOUR_MILLIS: i64 = 60 * 60 * 1_000;
const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;
/// How long before a change the run can have begun that meant to make it: what a dead run left open is settled by a
/// later one. Older ones are not looked through.
const OPEN_MILLIS: i64 = 30 * DAY_MILLIS;

#[async_trait]
impl HistoryStore for SqlStore {
    async fn put_sample(&self, sample: &NewSample) -> Result<()> {
        let now = self.now();
        sqlx::query(
            "INSERT INTO samples (tenant, connection, hour, at, sample) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, connection, hour) DO UPDATE SET at = excluded.at, sample = excluded.sample \
             WHERE samples.at <= excluded.at",
        )
        .bind(&sample.connection.tenant)
        .bind(&sample.connection.name)
        .bind(now.div_euclid(HOUR_MILLIS))
        .bind(now)
        .bind(json(sample)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn samples(&self, id: &ConnectionId, since: DateTime<Utc>) -> Result<Vec<MembershipSample>> {
        let rows = sqlx::query(
            "SELECT at, sample FROM samples WHERE tenant = $1 AND connection = $2 AND at >= $3 ORDER BY hour",
        )
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(since.timestamp_millis())
        .fetch_all(&self.reader)
        .await?;
        spread(rows.len())
            .filter_map(|index| rows.get(index))
            .map(sample)
            .collect()
    }

    async fn changes_per_day(&self, id: &ConnectionId, since: DateTime<Utc>) -> Result<Vec<ChangeCount>> {
        let rows = sqlx::query(
            "SELECT intents.settled_at / $1 AS day, intents.kind AS kind, count(*) AS number FROM runs \
             JOIN intents ON intents.run = runs.id \
             WHERE runs.tenant = $2 AND runs.connection = $3 AND runs.started_at >= $4 \
             AND intents.settlement = 'applied' AND intents.settled_at >= $5 AND intents.kind IS NOT NULL \
             GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .bind(DAY_MILLIS)
        .bind(&id.tenant)
        .bind(&id.name)
        .bind(since.timestamp_millis() - OPEN_MILLIS)
        .bind(since.timestamp_millis())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(change).collect()
    }
}

/// Which of so many to show: all of them up to a page, else a page of them spread evenly, with the first and the last.
fn spread(count: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(PAGE);
    (0..shown).map(move |index| index * count.saturating_sub(1) / shown.saturating_sub(1).max(1))
}

fn sample(row: &DbRow) -> Result<MembershipSample> {
    Ok(MembershipSample {
        at: time(row.try_get("at")?)?,
        sample: from_json(row.try_get("sample")?)?,
    })
}

fn change(row: &DbRow) -> Result<ChangeCount> {
    let day: i64 = row.try_get("day")?;
    Ok(ChangeCount {
        day: time(day.saturating_mul(DAY_MILLIS))?.date_naive(),
        kind: row.try_get("kind")?,
        count: unsigned(row.try_get("number")?)?,
    })
}
