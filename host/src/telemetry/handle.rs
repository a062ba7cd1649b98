//! The handle that everybody who has something to tell holds.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::Registry;

use super::connections::{self, Connections, Late, Watched, gauge};
use super::metrics::{Metrics, OfOperation, OfRoute, OfViolation, Served};
use super::secrets::Expiries;
use crate::store::service::RunState;
use crate::store::{Clock, ConnectionId, Store, system_clock};

/// What is watched of this host. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Telemetry(pub(super) Arc<Inner>);

/// The registry, and what is told when it is read.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    registry: Registry,
}

/// What everything in this room knows of.
pub(super) struct Shared {
    pub(super) metrics: Metrics,
    pub(super) connections: Connections,
    pub(super) expiries: Expiries,
    pub(super) clock: Clock,
    pub(super) store: OnceLock<Arc<dyn Store>>,
    pub(super) compiled: AtomicBool,
    pub(super) stopping: AtomicBool,
    /// When the scheduler last looked at the clock, in milliseconds since 1970; 0: it does not serve.
    pub(super) beat: AtomicI64,
    started: DateTime<Utc>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new(system_clock())
    }
}

impl Telemetry {
    /// Watches nothing yet. The clock is what ages are told by.
    pub fn new(clock: Clock) -> Self {
        let (metrics, mut registry) = Metrics::new();
        let shared = Arc::new(Shared {
            metrics,
            connections: Connections::default(),
            expiries: Expiries::default(),
            started: clock(),
            clock,
            store: OnceLock::new(),
            compiled: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            beat: AtomicI64::new(0),
        });
        registry.register_collector(Box::new(Arc::clone(&shared)));
        Self(Arc::new(Inner { shared, registry }))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    /// What Prometheus reads, in the text format of OpenMetrics 1.0: `application/openmetrics-text; version=1.0.0;
    /// charset=utf-8`.
    pub fn metrics_text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.0.registry) {
            // Writing to a string cannot fail; a metric that cannot be written would.
            tracing::error!(%error, "metrics could not be written");
        }
        text
    }

    /// From now on this connection is watched; again: replaces what was known of its schedule.
    pub fn watch(&self, connection: &ConnectionId, watched: Watched) {
        let shared = self.shared();
        shared.connections.watch(connection, watched, (shared.clock)());
    }

    /// This connection is no longer served.
    pub fn forget(&self, connection: &ConnectionId) {
        self.shared().connections.forget(connection);
    }

    /// A run of this connection ended well at this moment: source and target were in step.
    pub fn succeeded(&self, connection: &ConnectionId, at: DateTime<Utc>) {
        self.shared().connections.succeeded(connection, at);
    }

    /// What the scheduler remembers of this connection changed.
    pub fn is_in_state(&self, connection: &ConnectionId, state: RunState) {
        self.shared().connections.is_in_state(connection, state);
    }

    /// The connections that should have succeeded by now.
    pub fn late(&self) -> Vec<Late> {
        let shared = self.shared();
        shared.connections.late((shared.clock)())
    }

    /// The scheduler looked at the clock: it is alive. To be called at least once a minute while it serves.
    pub fn beat(&self) {
        let shared = self.shared();
        shared
            .beat
            .store((shared.clock)().timestamp_millis(), Ordering::Relaxed);
    }

    /// The store is open: readiness asks it from now on.
    pub fn opened(&self, store: Arc<dyn Store>) {
        // A second store of the same process is watched too; the first is the one that is asked.
        let _ = self.shared().store.set(store);
    }

    /// The component is compiled.
    pub fn compiled(&self) {
        self.shared().compiled.store(true, Ordering::Relaxed);
    }

    /// The host stops: it takes no more work.
    pub fn stopping(&self) {
        self.shared().stopping.store(true, Ordering::Relaxed);
    }

    /// An entry was written into the audit log.
    pub fn audited(&self) {
        self.shared().metrics.audit_entries.inc();
    }

    /// A plugin broke out of what it may do, or tried: `violation` is one of few fixed words.
    pub fn violated(&self, violation: &'static str) {
        self.shared()
            .metrics
            .violations
            .get_or_create(&OfViolation { violation })
            .inc();
    }

    /// The store did something, or could not.
    pub(super) fn stored(&self, operation: &'static str, took: Duration, failed: bool) {
        let metrics = &self.shared().metrics;
        let labels = OfOperation { operation };
        metrics
            .store_seconds
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        if failed {
            metrics.store_failures.get_or_create(&labels).inc();
        }
    }

    /// This host answered a request to its own API or console. `route` is the pattern that matched and never the path
    /// itself, which anybody can make up.
    pub fn served(&self, method: &http::Method, route: &str, status: u16, took: Duration) {
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let metrics = &self.shared().metrics;
        metrics
            .served
            .get_or_create(&Served {
                method: method.to_owned(),
                route: route.to_owned(),
                status,
            })
            .inc();
        metrics
            .served_seconds
            .get_or_create(&OfRoute {
                route: route.to_owned(),
            })
            .observe(took.as_secs_f64());
    }

    /// When a secret's content expires, where that is known. Only its name is told.
    pub fn secret_expires(&self, tenant: Option<&str>, name: &str, at: Option<DateTime<Utc>>) {
        self.shared().expiries.put(tenant, name, at);
    }
}

impl Shared {
    /// What is told of the host itself.
    pub(super) fn encode_host(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        now: DateTime<Utc>,
    ) -> std::fmt::Result {
        self.expiries.encode(encoder, now)?;
        gauge(
            encoder,
            "start_time_seconds",
            "When this process started",
            connections::timestamp(self.started),
        )?;
        gauge(
            encoder,
            "scheduler_beat_timestamp_seconds",
            "When the scheduler last looked at the clock; 0 where it does not serve",
            self.beat.load(Ordering::Relaxed) as f64 / 1_000.0,
        )?;
        let spent = ConstCounter::new(computed());
        spent.encode(encoder.encode_descriptor(
            "cpu_seconds",
            "Time that this process computed, since it started",
            None,
            MetricType::Counter,
        )?)?;
        gauge(
            encoder,
            "resident_memory_bytes",
            "Memory of this process that is in use",
            resident(),
        )
    }
}

/// Seconds that this process computed.
fn computed() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Bytes of this process in memory; 0 where the system does not say.
fn resident() -> f64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        })
        .map_or(0.0, |kibibytes| kibibytes * 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telemetry() -> Telemetry {
        Telemetry::new(Arc::new(|| "2026-01-05T10:00:00Z".parse().unwrap()))
    }

    #[test]
    fn ages_grow_while_nothing_runs() {
        let telemetry = telemetry();
        let id = ConnectionId::new("acme", "google");
        let watched = Watched {
            schedule: None,
            max_age: None,
        };
        telemetry.watch(&id, watched);
        telemetry.succeeded(&id, "2026-01-05T09:00:00Z".parse().unwrap());
        let text = telemetry.metrics_text();
        let line =
            "groupcast_connection_last_success_age_seconds{tenant=\"acme\",connection=\"google\"} 3600.0";
        assert!(text.contains(line), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn two_thousand_connections_are_told_and_what_is_over_the_cap_is_counted() {
        let telemetry = telemetry();
        let watched = Watched {
            schedule: None,
            max_age: None,
        };
        for number in 0..MOST + 7 {
            telemetry.watch(
                &ConnectionId::new(format!("tenant-{number}"), "google"),
                watched.clone(),
            );
        }
        let text = telemetry.metrics_text();
        let told = text
            .lines()
            .filter(|line| line.starts_with("groupcast_connection_late{"))
            .count();
        assert_eq!(told, MOST);
        assert!(
            text.contains("groupcast_connections_untold 7.0"),
            "{}",
            text.len()
        );
    }

    const MOST: usize = connections::MOST_CONNECTIONS;

    #[test]
    fn labels_that_others_chose_cannot_break_the_format() {
        let telemetry = telemetry();
        telemetry.secret_expires(
            Some("a\"b"),
            "key\nforged 1",
            Some("2026-01-06T10:00:00Z".parse().unwrap()),
        );
        telemetry.served(
            &http::Method::from_bytes(b"BREW").unwrap(),
            "/api/v1/tenants/{tenant}",
            418,
            Duration::ZERO,
        );
        let text = telemetry.metrics_text();
        assert!(
            text.contains("{tenant=\"a\\\"b\",secret=\"key\\nforged 1\"} 86400.0"),
            "{text}"
        );
        assert!(text.contains("method=\"other\""), "{text}");
    }
}
