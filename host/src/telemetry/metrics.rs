//! What is counted, in the names and units of Prometheus, and nothing about who is in which group.
//!
//! Every label has few values that the program itself names (vendors, kinds, results, classes of status); only what is
//! in [`super::connections`] is told for each connection. So 1,000 tenants of two directories are some 20,000 series.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::egress::recorder::Sent;

/// What all names begin with.
pub const PREFIX: &str = "groupcast";

/// How plugins break their bounds, in the words of the audit log.
const VIOLATIONS: [&str; 15] = [
    "crashed",
    "stack-exhausted",
    "broken-contract",
    "computed-too-long",
    "never-ended",
    "too-much",
    "too-much-at-once",
    "held-too-much",
    "flooded",
    "forbidden-request",
    "forbidden-call",
    "not-approved",
    "unusable-plan",
    "plan-over-limits",
    "false-report",
];

/// Counts parts of seconds.
pub(super) type Seconds = Counter<f64, AtomicU64>;

/// One label: what kind of run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfKind {
    pub(super) kind: &'static str,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RunEnded {
    pub(super) kind: &'static str,
    pub(super) result: &'static str,
}

/// A change and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Change {
    pub(super) vendor: &'static str,
    pub(super) operation: &'static str,
    pub(super) result: &'static str,
}

/// An answer of a vendor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answer {
    pub(super) vendor: &'static str,
    pub(super) status: &'static str,
}

/// One label: whose API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfVendor {
    pub(super) vendor: &'static str,
}

/// One label: what the store was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfOperation {
    pub(super) operation: &'static str,
}

/// One label: how a plugin broke its limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfViolation {
    pub(super) violation: &'static str,
}

/// A request to this host's own API or console.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Served {
    pub(super) method: String,
    pub(super) route: String,
    pub(super) status: u16,
}

/// One label: of which route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfRoute {
    pub(super) route: String,
}

/// Everything that is counted as it happens.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) runs: Family<RunEnded, Counter>,
    pub(super) run_seconds: Family<OfKind, Histogram, fn() -> Histogram>,
    pub(super) changes: Family<Change, Counter>,
    pub(super) requests: Family<Answer, Counter>,
    pub(super) request_seconds: Family<OfVendor, Histogram, fn() -> Histogram>,
    pub(super) throttled: Family<OfVendor, Counter>,
    pub(super) refused: Counter,
    pub(super) violations: Family<OfViolation, Counter>,
    pub(super) guest_memory: Histogram,
    pub(super) guest_cpu: Seconds,
    pub(super) queued: Gauge,
    pub(super) running: Gauge,
    pub(super) queue_seconds: Histogram,
    pub(super) store_seconds: Family<OfOperation, Histogram, fn() -> Histogram>,
    pub(super) store_failures: Family<OfOperation, Counter>,
    pub(super) lease_losses: Counter,
    pub(super) audit_entries: Counter,
    pub(super) dead_man_failures: Counter,
    pub(super) served: Family<Served, Counter>,
    pub(super) served_seconds: Family<OfRoute, Histogram, fn() -> Histogram>,
}

fn of_requests() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

fn of_runs() -> Histogram {
    Histogram::new([0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0])
}

fn of_store() -> Histogram {
    Histogram::new([0.000_5, 0.002, 0.01, 0.05, 0.25, 1.0, 5.0])
}

fn of_waiting() -> Histogram {
    Histogram::new([0.01, 0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0])
}

fn of_memory() -> Histogram {
    const MIB: f64 = 1_048_576.0;
    Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0].map(|size| size * MIB))
}

impl Metrics {
    /// The metrics, in a registry of their own.
    pub(super) fn new() -> (Self, Registry) {
        let metrics = Self {
            runs: Family::default(),
            run_seconds: Family::new_with_constructor(of_runs),
            changes: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(of_requests),
            throttled: Family::default(),
            refused: Counter::default(),
            violations: Family::default(),
            guest_memory: of_memory(),
            guest_cpu: Seconds::default(),
            queued: Gauge::default(),
            running: Gauge::default(),
            queue_seconds: of_waiting(),
            store_seconds: Family::new_with_constructor(of_store),
            store_failures: Family::default(),
            lease_losses: Counter::default(),
            audit_entries: Counter::default(),
            dead_man_failures: Counter::default(),
            served: Family::default(),
            served_seconds: Family::new_with_constructor(of_requests),
        };
        metrics.begin();
        let mut registry = Registry::with_prefix(PREFIX);
        metrics.register(&mut registry);
        (metrics, registry)
    }

    /// Makes the series that alerts watch: one that appears with its first event has no increase that an alert could see.
    fn begin(&self) {
        for vendor in ["jumpcloud", "google", "entra"] {
            self.throttled.get_or_create(&OfVendor { vendor }).inc_by(0);
            for status in ["2xx", "3xx", "4xx", "5xx", "none"] {
                self.requests.get_or_create(&Answer { vendor, status }).inc_by(0);
            }
        }
        for kind in ["plan", "apply", "undo", "check"] {
            for result in ["done", "changes-pending", "refused", "failed", "handed-over"] {
                self.runs.get_or_create(&RunEnded { kind, result }).inc_by(0);
            }
        }
        for vendor in ["google", "entra"] {
            for operation in ["create-group", "update-group", "add-member", "remove-member"] {
                for result in ["applied", "already", "refused", "abandoned"] {
                    self.changes
                        .get_or_create(&Change {
                            vendor,
                            operation,
                            result,
                        })
                        .inc_by(0);
                }
            }
        }
        for violation in VIOLATIONS {
            self.violations
                .get_or_create(&OfViolation { violation })
                .inc_by(0);
        }
    }

    fn register(&self, registry: &mut Registry) {
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "Which program this is", Info::new(build));
        registry.register("runs", "Runs that ended, by kind and result", self.runs.clone());
        registry.register(
            "run_duration_seconds",
            "From a run's beginning to its end",
            self.run_seconds.clone(),
        );
        registry.register(
            "changes",
            "Operations in directories, by vendor, operation and what became of them",
            self.changes.clone(),
        );
        registry.register(
            "vendor_requests",
            "Requests to vendors, by the class of their status; none where no answer came",
            self.requests.clone(),
        );
        registry.register(
            "vendor_request_duration_seconds",
            "From the connection in hand to the last byte of a vendor's answer",
            self.request_seconds.clone(),
        );
        registry.register(
            "vendor_throttled",
            "Answers by which a vendor asks for fewer requests: 429, Google's 403 for quotas, or such a part of a batch",
            self.throttled.clone(),
        );
        registry.register(
            "vendor_requests_refused",
            "Requests of the component that the egress gate did not let out",
            self.refused.clone(),
        );
        registry.register(
            "plugin_violations",
            "Runs that a plugin's crash or a broken limit ended",
            self.violations.clone(),
        );
        registry.register(
            "guest_memory_peak_bytes",
            "The most memory that a component used in a run",
            self.guest_memory.clone(),
        );
        registry.register(
            "guest_cpu_seconds",
            "Time that components computed",
            self.guest_cpu.clone(),
        );
        registry.register(
            "jobs_queued",
            "Jobs that wait for their turn",
            self.queued.clone(),
        );
        registry.register("jobs_running", "Jobs at work", self.running.clone());
        registry.register(
            "job_wait_seconds",
            "How long jobs waited for their turn",
            self.queue_seconds.clone(),
        );
        registry.register(
            "store_duration_seconds",
            "How long the store took, by what it was asked for",
            self.store_seconds.clone(),
        );
        registry.register(
            "store_failures",
            "What the store could not do for reasons of its own",
            self.store_failures.clone(),
        );
        registry.register(
            "lease_losses",
            "Runs that lost their directory to the clock or to another host",
            self.lease_losses.clone(),
        );
        registry.register(
            "audit_entries",
            "Entries that this process wrote into the audit log",
            self.audit_entries.clone(),
        );
        registry.register(
            "dead_man_failures",
            "Pings of the dead man's switch that did not arrive",
            self.dead_man_failures.clone(),
        );
        registry.register(
            "http_requests",
            "Requests that this host answered, by method, route and status",
            self.served.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "How long this host took to answer",
            self.served_seconds.clone(),
        );
    }

    /// A vendor answered, or did not.
    pub(super) fn request(&self, sent: &Sent) {
        let vendor = sent.vendor.credential();
        self.requests
            .get_or_create(&Answer {
                vendor,
                status: class(sent.status),
            })
            .inc();
        self.request_seconds
            .get_or_create(&OfVendor { vendor })
            .observe(sent.duration.as_secs_f64());
        if sent.quota.throttled {
            self.throttled.get_or_create(&OfVendor { vendor }).inc();
        }
    }
}

/// The class of a status: a label of few values.
pub(super) fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(100..200) => "1xx",
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(_) => "5xx",
    }
}
