//! The commands' trait over the real façade.

use std::collections::BTreeMap;

use async_trait::async_trait;
use groupcast_guest::engine::{Explanation, Extent};
use tokio_util::sync::CancellationToken;

use super::operations::{
    ApplyOutcome, CheckReport, ConnectionName, Operations, PlanOutcome, RunEnd, RunFailure, RunRecord,
    Selection, StoredPlan, SyncOutcome,
};
use crate::run::Groupcast;
use crate::store::{RunKind, RunResult};

#[async_trait]
impl Operations for Groupcast {
    fn connections(&self) -> Vec<ConnectionName> {
        Self::connections(self)
    }

    fn resolve(&self, name: Option<&str>) -> Result<Vec<ConnectionName>, String> {
        Self::resolve(self, name).map_err(|unknown| unknown.to_string())
    }

    async fn check(
        &self,
        connection: &ConnectionName,
        cancel: &CancellationToken,
    ) -> Result<CheckReport, RunFailure> {
        Self::check(self, connection, cancel).await
    }

    async fn plan(
        &self,
        connection: &ConnectionName,
        cancel: &CancellationToken,
    ) -> Result<PlanOutcome, RunFailure> {
        Self::plan(self, connection, cancel).await
    }

    async fn stored_plan(&self, hash: &str) -> Result<Option<StoredPlan>, RunFailure> {
        Self::stored_plan(self, hash).await
    }

    async fn apply(
        &self,
        connection: &ConnectionName,
        hash: &str,
        selection: Selection,
        cancel: &CancellationToken,
    ) -> Result<ApplyOutcome, RunFailure> {
        Self::apply(self, connection, hash, selection, cancel).await
    }

    async fn sync(
        &self,
        connection: &ConnectionName,
        read: Extent,
        cancel: &CancellationToken,
    ) -> Result<SyncOutcome, RunFailure> {
        Self::sync(self, connection, read, cancel).await
    }

    async fn undo(&self, run: &str, cancel: &CancellationToken) -> Result<PlanOutcome, RunFailure> {
        Self::undo(self, run, cancel).await
    }

    async fn why(
        &self,
        connection: &ConnectionName,
        person: Option<&str>,
        group: &str,
        cancel: &CancellationToken,
    ) -> Result<Explanation, RunFailure> {
        Self::why(self, connection, person, group, cancel).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, RunFailure> {
        Ok(Self::runs(self, limit).await?.into_iter().map(record).collect())
    }
}

fn record(run: crate::store::RunRecord) -> RunRecord {
    let end = run.end.as_ref().map(|end| match end.result {
        RunResult::Done => RunEnd::Done,
        RunResult::ChangesPending => RunEnd::Pending,
        RunResult::Refused => RunEnd::Refused,
        RunResult::Failed => RunEnd::Failed,
        RunResult::HandedOver => RunEnd::HandedOver,
    });
    let kind = match run.kind {
        RunKind::Plan => "plan",
        RunKind::Apply => "apply",
        RunKind::Sync => "sync",
        RunKind::Undo => "undo",
        RunKind::Check => "check",
    };
    let mut counters = BTreeMap::new();
    if let Some(vendors) = run
        .counters
        .pointer("/requests/vendors")
        .and_then(serde_json::Value::as_object)
    {
        for (vendor, counts) in vendors {
            if let Some(requests) = counts.get("requests").and_then(serde_json::Value::as_u64) {
                counters.insert(format!("{vendor} requests"), requests);
            }
        }
    }
    RunRecord {
        id: run.id,
        connection: run.connection,
        kind: kind.to_owned(),
        started: run.started_at,
        ended: run.ended_at,
        end,
        message: run
            .end
            .map(|end| end.message)
            .filter(|message| !message.is_empty()),
        counters,
        plan: run.plan,
    }
}
