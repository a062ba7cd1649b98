//! A store that is watched: how long each call takes, and what passes through it that is worth counting.
//!
//! What begins and ends a run, what a change became, a lost lease: all of it is written to the store anyway, so that this
//! is where it is counted, once and by whichever way it came.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use chrono::Duration;
use tracing::Instrument as _;

use super::Telemetry;
use super::metrics::{Change, OfKind, RunEnded};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome, Settlement};
use crate::store::{
    ConnectionId, ConnectionRecord, ConnectionStore, DirectoryKey, Exported, Lease, LeaseAnswer, LeaseStore,
    LedgerStore, Mode, NewPlan, NewRun, OutcomeQuery, OutcomeRecord, Page, PartRecord, Parts, PlanQuery,
    PlanRecord, PlanStore, Result, RunEnd, RunKind, RunQuery, RunRecord, RunResult, RunStore, StateEntry,
    StateStore, Store, StoreError,
};

/// How many runs and intents are remembered at once; what a process forgets is not counted, and nothing else happens.
const REMEMBERED: usize = 200_000;

/// A store and who watches it.
pub struct WatchedStore {
    pub(super) inner: Arc<dyn Store>,
    pub(super) telemetry: Telemetry,
    memory: Mutex<Memory>,
}

/// What was begun and has not ended.
#[derive(Default)]
struct Memory {
    runs: HashMap<String, (RunKind, Instant)>,
    intents: HashMap<u64, &'static str>,
}

impl WatchedStore {
    /// Watches a store. It is also the one that readiness asks.
    pub fn new(inner: Arc<dyn Store>, telemetry: Telemetry) -> Self {
        telemetry.opened(Arc::clone(&inner));
        Self {
            inner,
            telemetry,
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn timed<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let began = Instant::now();
        let span = tracing::debug_span!(target: super::traces::STORE, "store", operation);
        let result = call.instrument(span).await;
        let failed = matches!(
            result,
            Err(StoreError::Database(_) | StoreError::Busy | StoreError::Damaged(_))
        );
        self.telemetry.stored(operation, began.elapsed(), failed);
        result
    }

    fn count_end(&self, run: &str, end: &RunEnd, counters: &serde_json::Value) {
        let known = self.memory().runs.remove(run);
        let metrics = &self.telemetry.shared().metrics;
        let kind = known.map_or("unknown", |(kind, _)| kind_word(kind));
        metrics
            .runs
            .get_or_create(&RunEnded {
                kind,
                result: result_word(end.result),
            })
            .inc();
        if let Some((_, began)) = known {
            metrics
                .run_seconds
                .get_or_create(&OfKind { kind })
                .observe(began.elapsed().as_secs_f64());
        }
        let used = |key: &str| {
            counters
                .pointer(&format!("/usage/{key}"))
                .and_then(serde_json::Value::as_u64)
                .filter(|used| *used > 0)
        };
        if let Some(bytes) = used("memory_peak_bytes") {
            metrics.guest_memory.observe(bytes as f64);
        }
        if let Some(milliseconds) = used("cpu_ms") {
            metrics.guest_cpu.inc_by(milliseconds as f64 / 1_000.0);
        }
    }

    fn count_changes(&self, directory: &DirectoryKey, outcomes: &[Outcome]) {
        let vendor = vendor_of(directory);
        let mut memory = self.memory();
        for outcome in outcomes {
            let operation = memory.intents.remove(&outcome.intent).unwrap_or("unknown");
            self.telemetry
                .shared()
                .metrics
                .changes
                .get_or_create(&Change {
                    vendor,
                    operation,
                    result: match outcome.settlement {
                        Settlement::Applied => "applied",
                        Settlement::Already => "already",
                        Settlement::Refused => "refused",
                        Settlement::Abandoned => "abandoned",
                    },
                })
                .inc();
        }
    }

    fn count_lost_lease<T>(&self, result: &Result<T>) {
        if matches!(result, Err(StoreError::LeaseLost { .. })) {
            self.telemetry.shared().metrics.lease_losses.inc();
        }
    }
}

/// The key's middle: `tenant/vendor/identity`.
fn vendor_of(directory: &DirectoryKey) -> &'static str {
    match directory.as_str().split('/').nth(1) {
        Some("google") => "google",
        Some("entra") => "entra",
        _ => "other",
    }
}

fn kind_word(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Plan => "plan",
        RunKind::Apply => "apply",
        RunKind::Sync => "sync",
        RunKind::Undo => "undo",
        RunKind::Check => "check",
    }
}

fn result_word(result: RunResult) -> &'static str {
    match result {
        RunResult::Done => "done",
        RunResult::ChangesPending => "changes-pending",
        RunResult::Refused => "refused",
        RunResult::Failed => "failed",
        RunResult::HandedOver => "handed-over",
    }
}

/// Which operation it is; a plugin's own words are no label.
fn operation_word(operation: &str) -> &'static str {
    #[derive(serde::Deserialize)]
    struct Head {
        r#do: String,
    }
    let head = serde_json::from_str::<Head>(operation);
    match head.as_ref().map(|head| head.r#do.as_str()) {
        Ok("create-group") => "create-group",
        Ok("update-group") => "update-group",
        Ok("add-member") => "add-member",
        Ok("remove-member") => "remove-member",
        _ => "unknown",
    }
}

/// Calls the inner store and takes the time.
macro_rules! watched {
    ($store:ident, $operation:ident($($argument:expr),*)) => {
        $store.timed(stringify!($operation), $store.inner.$operation($($argument),*)).await
    };
}
pub(super) use watched;

#[async_trait]
impl LedgerStore for WatchedStore {
    async fn bindings(&self, directory: &DirectoryKey, after: Option<&str>) -> Result<Page<Binding>> {
        watched!(self, bindings(directory, after))
    }

    async fn memberships(
        &self,
        directory: &DirectoryKey,
        group: &str,
        after: Option<&str>,
    ) -> Result<Page<Membership>> {
        watched!(self, memberships(directory, group, after))
    }

    async fn intend(
        &self,
        directory: &DirectoryKey,
        run: &str,
        lease: &Lease,
        intents: &[Intent],
    ) -> Result<Vec<u64>> {
        let result = watched!(self, intend(directory, run, lease, intents));
        self.count_lost_lease(&result);
        let ids = result?;
        let mut memory = self.memory();
        if memory.intents.len() < REMEMBERED {
            for (id, intent) in ids.iter().zip(intents) {
                memory.intents.insert(*id, operation_word(&intent.operation));
            }
        }
        drop(memory);
        Ok(ids)
    }

    async fn settle(&self, directory: &DirectoryKey, outcomes: &[Outcome]) -> Result<()> {
        watched!(self, settle(directory, outcomes))?;
        self.count_changes(directory, outcomes);
        Ok(())
    }

    async fn amend(&self, directory: &DirectoryKey, effects: &[Effect]) -> Result<()> {
        watched!(self, amend(directory, effects))
    }

    async fn unsettled(&self, directory: &DirectoryKey, after: u64) -> Result<Vec<OpenIntent>> {
        watched!(self, unsettled(directory, after))
    }

    async fn outcomes(&self, directory: &DirectoryKey, query: &OutcomeQuery) -> Result<Vec<OutcomeRecord>> {
        watched!(self, outcomes(directory, query))
    }

    async fn exported(&self, directory: &DirectoryKey) -> Result<Exported> {
        watched!(self, exported(directory))
    }

    async fn applied_operations(
        &self,
        directory: &DirectoryKey,
        run: &str,
        after: u64,
    ) -> Result<Vec<OutcomeRecord>> {
        watched!(self, applied_operations(directory, run, after))
    }
}

#[async_trait]
impl StateStore for WatchedStore {
    async fn state_get(&self, directory: &DirectoryKey, key: &str) -> Result<Option<StateEntry>> {
        watched!(self, state_get(directory, key))
    }

    async fn state_put(
        &self,
        directory: &DirectoryKey,
        key: &str,
        value: &[u8],
        expected: Option<u64>,
    ) -> Result<Option<u64>> {
        watched!(self, state_put(directory, key, value, expected))
    }
}

#[async_trait]
impl RunStore for WatchedStore {
    async fn start_run(&self, run: &NewRun) -> Result<()> {
        watched!(self, start_run(run))?;
        let mut memory = self.memory();
        if memory.runs.len() < REMEMBERED {
            memory.runs.insert(run.id.clone(), (run.kind, Instant::now()));
        }
        Ok(())
    }

    async fn set_run_plan(&self, run: &str, plan: &str) -> Result<()> {
        watched!(self, set_run_plan(run, plan))
    }

    async fn end_run(&self, run: &str, end: &RunEnd, counters: &serde_json::Value) -> Result<()> {
        watched!(self, end_run(run, end, counters))?;
        self.count_end(run, end, counters);
        Ok(())
    }

    async fn run(&self, run: &str) -> Result<Option<RunRecord>> {
        watched!(self, run(run))
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>> {
        watched!(self, runs(query))
    }

    async fn latest_runs(&self, connections: &[ConnectionId]) -> Result<Vec<RunRecord>> {
        watched!(self, latest_runs(connections))
    }
}

#[async_trait]
impl PlanStore for WatchedStore {
    async fn stage_parts(&self, run: &str, first: u64, parts: &[Vec<u8>]) -> Result<()> {
        watched!(self, stage_parts(run, first, parts))
    }

    async fn drop_staged(&self, run: &str) -> Result<()> {
        watched!(self, drop_staged(run))
    }

    async fn seal_plan(&self, plan: &NewPlan) -> Result<PlanRecord> {
        watched!(self, seal_plan(plan))
    }

    async fn plan(&self, directory: &DirectoryKey, hash: &str) -> Result<Option<PlanRecord>> {
        watched!(self, plan(directory, hash))
    }

    async fn plans(&self, query: &PlanQuery) -> Result<Vec<PlanRecord>> {
        watched!(self, plans(query))
    }

    async fn parts(&self, directory: &DirectoryKey, hash: &str) -> Result<Vec<PartRecord>> {
        watched!(self, parts(directory, hash))
    }

    async fn read_parts(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(PartRecord, Vec<u8>)>> {
        watched!(self, read_parts(directory, hash, after, limit))
    }

    async fn part_bytes(&self, directory: &DirectoryKey, hash: &str, position: u64) -> Result<Vec<u8>> {
        watched!(self, part_bytes(directory, hash, position))
    }

    async fn approve(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        parts: &Parts,
        approver: &str,
    ) -> Result<PlanRecord> {
        watched!(self, approve(directory, hash, parts, approver))
    }

    async fn approved_parts(&self, directory: &DirectoryKey, hash: &str) -> Result<Vec<PartRecord>> {
        watched!(self, approved_parts(directory, hash))
    }

    async fn release_held(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        groups: &[String],
    ) -> Result<PlanRecord> {
        watched!(self, release_held(directory, hash, groups))
    }

    async fn mark_applied(&self, directory: &DirectoryKey, hash: &str, run: &str) -> Result<()> {
        watched!(self, mark_applied(directory, hash, run))
    }

    async fn forget_expired(&self, longer_than: Duration) -> Result<u64> {
        watched!(self, forget_expired(longer_than))
    }
}

#[async_trait]
impl ConnectionStore for WatchedStore {
    async fn connection(&self, id: &ConnectionId) -> Result<ConnectionRecord> {
        watched!(self, connection(id))
    }

    async fn connections(&self, tenants: &[String]) -> Result<BTreeMap<ConnectionId, ConnectionRecord>> {
        watched!(self, connections(tenants))
    }

    async fn set_mode(&self, id: &ConnectionId, mode: Mode) -> Result<()> {
        watched!(self, set_mode(id, mode))
    }

    async fn see_managed(&self, id: &ConnectionId, managed: bool) -> Result<Option<bool>> {
        watched!(self, see_managed(id, managed))
    }

    async fn record_success(&self, id: &ConnectionId) -> Result<()> {
        watched!(self, record_success(id))?;
        let now = (self.telemetry.shared().clock)();
        self.telemetry.succeeded(id, now);
        Ok(())
    }
}

#[async_trait]
impl LeaseStore for WatchedStore {
    async fn acquire_lease(
        &self,
        directory: &DirectoryKey,
        holder: &str,
        life: Duration,
        longest_request: Duration,
    ) -> Result<LeaseAnswer> {
        watched!(self, acquire_lease(directory, holder, life, longest_request))
    }

    async fn renew_lease(&self, lease: &Lease, life: Duration, longest_request: Duration) -> Result<Lease> {
        let result = watched!(self, renew_lease(lease, life, longest_request));
        self.count_lost_lease(&result);
        result
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        watched!(self, release_lease(lease))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;

    async fn store() -> (tempfile::TempDir, WatchedStore, Telemetry) {
        let folder = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        let telemetry = Telemetry::default();
        let store = WatchedStore::new(Arc::new(inner), telemetry.clone());
        (folder, store, telemetry)
    }

    #[tokio::test]
    async fn a_run_is_counted_by_its_kind_and_result_with_what_its_component_used() {
        let (_folder, store, telemetry) = store().await;
        let run = NewRun {
            id: "1".to_owned(),
            connection: ConnectionId::new("acme", "google"),
            kind: RunKind::Plan,
            plan: None,
        };
        store.start_run(&run).await.unwrap();
        let counters = serde_json::json!({ "usage": { "memory_peak_bytes": 9_000_000, "cpu_ms": 1_500 } });
        store
            .end_run("1", &RunEnd::new(RunResult::Failed, "no"), &counters)
            .await
            .unwrap();
        let text = telemetry.metrics_text();
        for line in [
            "groupcast_runs_total{kind=\"plan\",result=\"failed\"} 1",
            "groupcast_run_duration_seconds_count{kind=\"plan\"} 1",
            "groupcast_guest_memory_peak_bytes_sum 9000000.0",
            "groupcast_guest_cpu_seconds_total 1.5",
            "groupcast_store_duration_seconds_count{operation=\"end_run\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[tokio::test]
    async fn changes_are_counted_once_they_are_settled_and_lost_leases_when_they_show() {
        let (_folder, store, telemetry) = store().await;
        let directory = DirectoryKey::new("acme", "entra", "f1");
        let run = NewRun {
            id: "1".to_owned(),
            connection: ConnectionId::new("acme", "entra"),
            kind: RunKind::Apply,
            plan: None,
        };
        store.start_run(&run).await.unwrap();
        let LeaseAnswer::Granted(lease) = store
            .acquire_lease(&directory, "1", Duration::seconds(60), Duration::seconds(1))
            .await
            .unwrap()
        else {
            panic!("nobody else holds it");
        };
        let intent = Intent {
            group: "g".to_owned(),
            operation: r#"{"do":"add-member","group":{"id":"x"},"principal":"p","user":"u","address":"a"}"#
                .to_owned(),
        };
        let ids = store
            .intend(&directory, "1", &lease, std::slice::from_ref(&intent))
            .await
            .unwrap();
        let outcome = Outcome {
            intent: *ids.first().unwrap(),
            settlement: Settlement::Refused,
            status: Some(403),
            reason: None,
            request_id: None,
            effects: Vec::new(),
        };
        store.settle(&directory, &[outcome]).await.unwrap();
        store.release_lease(&lease).await.unwrap();
        assert!(store.intend(&directory, "1", &lease, &[intent]).await.is_err());
        let text = telemetry.metrics_text();
        for line in [
            "groupcast_changes_total{vendor=\"entra\",operation=\"add-member\",result=\"refused\"} 1",
            "groupcast_lease_losses_total 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
