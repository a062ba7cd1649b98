//! The store as a whole: its state, and what is forgotten in time. Carrying it elsewhere stands in `portable`.

use std::path::Path;

use async_trait::async_trait;
use sqlx::QueryBuilder;

use super::{Db, KIND, SqlStore, bytes_of_all, push_texts, schema_version};
use crate::store::Result;
use crate::store::maintenance::{MaintenanceStore, Pruned, RestoreOptions, Retention, StoreStatus};
use crate::store::portable::BackupSummary;
use crate::store::service::{AuditStore, IdentityStore, NewAuditEntry};
use crate::store::values::{signed, unsigned};

/// How many runs are forgotten in one transaction.
const AT_ONCE: u64 = 200;

#[async_trait]
impl MaintenanceStore for SqlStore {
    async fn status(&self) -> Result<StoreStatus> {
        let audit_broken_at = self.verify_audit().await?;
        let mut connection = self.reader.acquire().await?;
        let now = self.shared_now(&mut connection).await?;
        let mut counts = Vec::new();
        for counted in [
            "tenants",
            "directories",
            "bindings",
            "memberships",
            "intents WHERE settlement IS NULL",
            "runs",
            "plans",
            "audit",
        ] {
            let count: i64 = QueryBuilder::<Db>::new(format!("SELECT count(*) FROM {counted}"))
                .build_query_scalar()
                .fetch_one(&mut *connection)
                .await?;
            counts.push(unsigned(count)?);
        }
        let leases: i64 = sqlx::query_scalar("SELECT count(*) FROM leases WHERE expires_at > $1")
            .bind(now)
            .fetch_one(&mut *connection)
            .await?;
        let mut counts = counts.into_iter();
        let mut next = || counts.next().unwrap_or_default();
        Ok(StoreStatus {
            place: self.place(),
            kind: KIND,
            schema: schema_version(&mut connection).await?,
            bytes: unsigned(bytes_of_all(&mut connection).await?)?,
            tenants: next(),
            directories: next(),
            bindings: next(),
            memberships: next(),
            open_intents: next(),
            runs: next(),
            plans: next(),
            audit: next(),
            leases: unsigned(leases)?,
            audit_broken_at,
        })
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        let now = self.now();
        let cutoff = now - retention.runs.num_milliseconds();
        let mut pruned = Pruned {
            sessions: self.forget_expired_sessions().await?,
            answers: self.forget_answers().await?,
            ..Pruned::default()
        };
        pruned.plans = sqlx::query(
            "DELETE FROM plans WHERE applied_at <= $2 OR applied_at IS NULL AND expires_at <= $1",
        )
        .bind(now - retention.plans.num_milliseconds())
        .bind(cutoff)
        .execute(&self.writer)
        .await?
        .rows_affected();
        for (statement, count) in [
            ("DELETE FROM jobs WHERE ended_at <= $1", &mut pruned.jobs),
            ("DELETE FROM samples WHERE at <= $1", &mut pruned.samples),
        ] {
            let done = sqlx::query(statement).bind(cutoff).execute(&self.writer).await?;
            *count = done.rows_affected();
        }
        self.prune_runs(cutoff, &mut pruned).await?;
        pruned.contents = self.forget_all_unused().await?;
        Ok(pruned)
    }

    async fn backup(&self, to: &Path) -> Result<BackupSummary> {
        self.export(to).await
    }

    async fn restore(
        &self,
        from: &Path,
        options: RestoreOptions,
        audit: &NewAuditEntry,
    ) -> Result<BackupSummary> {
        self.import(from, options, audit).await
    }
}

impl SqlStore {
    /// Forgets runs that began and settled everything before the cutoff, and that no plan is of.
    async fn prune_runs(&self, cutoff: i64, pruned: &mut Pruned) -> Result<()> {
        loop {
            let mut transaction = self.write(&[]).await?;
            let runs: Vec<String> = sqlx::query_scalar(
                "SELECT id FROM runs WHERE started_at <= $1 AND (ended_at IS NULL OR ended_at <= $1) \
                 AND NOT EXISTS (SELECT 1 FROM intents i WHERE i.run = runs.id \
                                 AND (i.settlement IS NULL OR i.settled_at > $1)) \
                 AND NOT EXISTS (SELECT 1 FROM plans p WHERE p.run = runs.id) \
                 AND NOT EXISTS (SELECT 1 FROM staged_parts s WHERE s.run = runs.id) \
                 ORDER BY started_at LIMIT $2",
            )
            .bind(cutoff)
            .bind(signed(AT_ONCE))
            .fetch_all(&mut *transaction)
            .await?;
            for (table, column, count) in [
                ("intents", "run", &mut pruned.operations),
                ("runs", "id", &mut pruned.runs),
            ] {
                let mut delete = QueryBuilder::<Db>::new(format!("DELETE FROM {table} WHERE {column} IN ("));
                push_texts(&mut delete, &runs)?;
                delete.push(")");
                *count += delete.build().execute(&mut *transaction).await?.rows_affected();
            }
            transaction.commit().await?;
            if (runs.len() as u64) < AT_ONCE {
                return Ok(());
            }
        }
    }
}
