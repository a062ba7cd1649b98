//! What is told of each connection: when it succeeded last, whether it is late, what waits in it.
//!
//! Ages are worked out when somebody asks, so that they grow while nothing runs. What may not enter: anything that names
//! a person or a group.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric as _};

use super::quota::Quota;
use crate::egress::recorder::Sent;
use crate::schedule::Schedule;
use crate::store::ConnectionId;
use crate::store::service::RunState;

/// Of how many connections each number is told; of more, none, and how many those are.
pub const MOST_CONNECTIONS: usize = 5_000;
/// How long after its second scheduled run a connection may still succeed in time.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// What is to be known of a connection to tell whether it is late.
#[derive(Debug, Clone)]
pub struct Watched {
    /// When its runs begin; none: only when asked for.
    pub schedule: Option<Schedule>,
    /// After how many seconds without success it is late; none: once two scheduled runs and an hour more have passed.
    pub max_age: Option<Duration>,
}

/// What waits in a connection, by its latest plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Operations that are held for approval (R43), or for good (R39).
    pub held: u64,
    /// Groups that could not be read whole (R42).
    pub frozen: u64,
    /// People who wait for their account (R5).
    pub people: u64,
    /// Groups in the plan or at rest.
    pub groups: u64,
}

#[derive(Debug)]
struct Known {
    watched: Watched,
    /// Where it never succeeded, it is as old as our knowing it.
    since: DateTime<Utc>,
    last_success: Option<DateTime<Utc>>,
    state: RunState,
    waiting: Option<Waiting>,
    quota: BTreeMap<&'static str, Quota>,
}

/// A connection that is late, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// Which.
    pub connection: ConnectionId,
    /// When it succeeded last.
    pub last_success: Option<DateTime<Utc>>,
    /// Why, for a person; names nobody.
    pub why: String,
}

/// All connections that are watched.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<BTreeMap<ConnectionId, Known>>);

impl Connections {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this connection is watched.
    pub(super) fn watch(&self, id: &ConnectionId, watched: Watched, now: DateTime<Utc>) {
        let mut all = self.lock();
        if let Some(known) = all.get_mut(id) {
            known.watched = watched;
            return;
        }
        let known = Known {
            watched,
            since: now,
            last_success: None,
            state: RunState::default(),
            waiting: None,
            quota: BTreeMap::new(),
        };
        all.insert(id.clone(), known);
    }

    /// No longer.
    pub(super) fn forget(&self, id: &ConnectionId) {
        self.lock().remove(id);
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.lock().keys().cloned().collect()
    }

    pub(super) fn succeeded(&self, id: &ConnectionId, at: DateTime<Utc>) {
        if let Some(known) = self.lock().get_mut(id) {
            known.last_success = known.last_success.max(Some(at));
        }
    }

    pub(super) fn waits(&self, id: &ConnectionId, waiting: Waiting) {
        if let Some(known) = self.lock().get_mut(id) {
            known.waiting = Some(waiting);
        }
    }

    pub(super) fn is_in_state(&self, id: &ConnectionId, state: RunState) {
        if let Some(known) = self.lock().get_mut(id) {
            known.state = state;
        }
    }

    pub(super) fn sent(&self, id: &ConnectionId, sent: &Sent) {
        if let Some(known) = self.lock().get_mut(id) {
            known
                .quota
                .entry(sent.vendor.credential())
                .or_insert_with(|| Quota::of(sent.vendor))
                .note(sent, Instant::now());
        }
    }

    /// The connections that should have succeeded by now. Paused ones are not: somebody wanted it so.
    pub(super) fn late(&self, now: DateTime<Utc>) -> Vec<Late> {
        self.lock()
            .iter()
            .filter_map(|(id, known)| {
                known.why_late(now).map(|why| Late {
                    connection: id.clone(),
                    last_success: known.last_success,
                    why,
                })
            })
            .collect()
    }
}

impl Known {
    /// Until when its next success is in time.
    fn due(&self) -> Option<DateTime<Utc>> {
        let from = self.last_success.unwrap_or(self.since);
        if let Some(age) = self.watched.max_age {
            return from.checked_add_signed(TimeDelta::from_std(age).ok()?);
        }
        let schedule = self.watched.schedule.as_ref()?;
        let first = schedule.next_after(from, 0)?;
        let second = schedule.next_after(first, 0)?;
        second.checked_add_signed(GRACE)
    }

    fn why_late(&self, now: DateTime<Utc>) -> Option<String> {
        if self.state.paused.is_some() {
            return None;
        }
        if let Some(quarantine) = &self.state.quarantine {
            return Some(format!(
                "in quarantine since {}",
                quarantine.at.format("%Y-%m-%d %H:%M UTC")
            ));
        }
        let due = self.due().filter(|due| *due < now)?;
        let last = self.last_success.map_or("never".to_owned(), |at| {
            format!("on {}", at.format("%Y-%m-%d %H:%M UTC"))
        });
        Some(format!(
            "succeeded {last}, and should have again by {}",
            due.format("%Y-%m-%d %H:%M UTC")
        ))
    }
}

/// A number that is told of each connection.
struct Told {
    name: &'static str,
    help: &'static str,
    value: fn(&mut Known, DateTime<Utc>) -> Option<f64>,
}

/// Whole seconds and their thousandths: what a Prometheus timestamp is.
pub(super) fn timestamp(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1_000.0
}

fn truth(holds: bool) -> Option<f64> {
    Some(f64::from(u8::from(holds)))
}

const TOLD: [Told; 11] = [
    Told {
        name: "connection_last_success_timestamp_seconds",
        help: "When the connection was last known to be in step; absent where it never was",
        value: |known, _| known.last_success.map(timestamp),
    },
    Told {
        name: "connection_last_success_age_seconds",
        help: "How long ago that was; where it never was, how long this host has known the connection",
        value: |known, now| {
            let from = known.last_success.unwrap_or(known.since);
            Some((timestamp(now) - timestamp(from)).max(0.0))
        },
    },
    Told {
        name: "connection_success_due_timestamp_seconds",
        help: "By when it should succeed again",
        value: |known, _| known.due().map(timestamp),
    },
    Told {
        name: "connection_late",
        help: "1 where it should have succeeded by now, or is in quarantine",
        value: |known, now| truth(known.why_late(now).is_some()),
    },
    Told {
        name: "connection_paused",
        help: "1 where somebody paused it",
        value: |known, _| truth(known.state.paused.is_some()),
    },
    Told {
        name: "connection_quarantined",
        help: "1 where it failed so often that it no longer runs by itself",
        value: |known, _| truth(known.state.quarantine.is_some()),
    },
    Told {
        name: "connection_failures",
        help: "Runs that failed one after the other, up to now",
        value: |known, _| Some(f64::from(known.state.failures)),
    },
    Told {
        name: "connection_held_operations",
        help: "Operations that its latest plan holds for approval",
        value: |known, _| known.waiting.map(|waiting| waiting.held as f64),
    },
    Told {
        name: "connection_frozen_groups",
        help: "Groups that its latest plan left alone, since they could not be read whole",
        value: |known, _| known.waiting.map(|waiting| waiting.frozen as f64),
    },
    Told {
        name: "connection_awaiting_people",
        help: "People who wait for an account in the directory, counted in each of their groups",
        value: |known, _| known.waiting.map(|waiting| waiting.people as f64),
    },
    Told {
        name: "connection_groups",
        help: "Groups that its latest plan knows",
        value: |known, _| known.waiting.map(|waiting| waiting.groups as f64),
    },
];

/// Labels of a connection.
fn labels(id: &ConnectionId) -> [(&'static str, String); 2] {
    [("tenant", id.tenant.clone()), ("connection", id.name.clone())]
}

impl Collector for super::Shared {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let now = (self.clock)();
        let mut all = self.connections.lock();
        let told = all.len().min(MOST_CONNECTIONS);
        gauge(
            &mut encoder,
            "connections",
            "Connections that this host serves",
            all.len() as f64,
        )?;
        gauge(
            &mut encoder,
            "connections_untold",
            "Connections of which nothing is told, since there are too many",
            (all.len() - told) as f64,
        )?;
        for Told { name, help, value } in TOLD {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (id, known) in all.iter_mut().take(MOST_CONNECTIONS) {
                if let Some(value) = value(known, now) {
                    ConstGauge::new(value).encode(family.encode_family(&labels(id))?)?;
                }
            }
        }
        let (name, help) = (
            "connection_quota_headroom_ratio",
            "What was left of a vendor's quota at the tightest moment of the last minute: by its own word, its published \
             limit, or (JumpCloud) how many requests a run may have under way",
        );
        let moment = Instant::now();
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (id, known) in all.iter_mut().take(MOST_CONNECTIONS) {
            for (vendor, quota) in &mut known.quota {
                let [tenant, connection] = labels(id);
                let labels = [tenant, connection, ("vendor", (*vendor).to_owned())];
                ConstGauge::new(quota.headroom(moment)).encode(family.encode_family(&labels)?)?;
            }
        }
        drop(all);
        self.encode_host(&mut encoder, now)
    }
}

/// One number without labels.
pub(super) fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> std::fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, ConstGauge::<f64>::TYPE)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::service::{Pause, Quarantine};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn hourly() -> Watched {
        Watched {
            schedule: Some(Schedule::parse("0 * * * *", "UTC", Duration::ZERO).unwrap()),
            max_age: None,
        }
    }

    fn connection() -> ConnectionId {
        ConnectionId::new("acme", "google")
    }

    #[test]
    fn a_connection_is_late_once_two_of_its_runs_and_an_hour_have_passed() {
        let connections = Connections::default();
        connections.watch(&connection(), hourly(), at("2026-01-05T08:30:00Z"));
        assert_eq!(connections.late(at("2026-01-05T11:00:00Z")), []);
        assert_eq!(
            connections.late(at("2026-01-05T11:00:01Z")).len(),
            1,
            "it never succeeded"
        );
        connections.succeeded(&connection(), at("2026-01-05T10:59:00Z"));
        assert_eq!(connections.late(at("2026-01-05T13:00:00Z")), []);
        let late = connections.late(at("2026-01-05T13:00:01Z"));
        assert_eq!(
            late.first().map(|late| late.why.as_str()),
            Some("succeeded on 2026-01-05 10:59 UTC, and should have again by 2026-01-05 13:00 UTC")
        );
    }

    #[test]
    fn a_weekend_makes_nobody_late() {
        let connections = Connections::default();
        let schedule = Schedule::parse("*/15 9-17 * * MON-FRI", "UTC", Duration::ZERO).unwrap();
        let watched = Watched {
            schedule: Some(schedule),
            max_age: None,
        };
        connections.watch(&connection(), watched, at("2026-01-09T09:00:00Z"));
        connections.succeeded(&connection(), at("2026-01-09T17:45:30Z"));
        assert_eq!(connections.late(at("2026-01-12T09:30:00Z")), [], "Monday morning");
        assert_eq!(connections.late(at("2026-01-12T10:15:01Z")).len(), 1);
    }

    #[test]
    fn a_success_is_never_taken_back_by_an_older_one() {
        let connections = Connections::default();
        connections.watch(&connection(), hourly(), at("2026-01-05T08:00:00Z"));
        connections.succeeded(&connection(), at("2026-01-05T10:00:00Z"));
        connections.succeeded(&connection(), at("2026-01-05T09:00:00Z"));
        assert_eq!(connections.late(at("2026-01-05T12:30:00Z")), []);
    }

    #[test]
    fn paused_connections_are_never_late_and_quarantined_ones_always() {
        let connections = Connections::default();
        let now = at("2026-01-05T08:00:00Z");
        connections.watch(&connection(), hourly(), now);
        connections.is_in_state(
            &connection(),
            RunState {
                quarantine: Some(Quarantine {
                    at: now,
                    reason: "the key was refused".to_owned(),
                    way_out: String::new(),
                }),
                ..RunState::default()
            },
        );
        assert_eq!(connections.late(now).len(), 1);
        connections.is_in_state(
            &connection(),
            RunState {
                paused: Some(Pause {
                    by: "alice".to_owned(),
                    at: now,
                    reason: String::new(),
                }),
                ..RunState::default()
            },
        );
        assert_eq!(connections.late(at("2027-01-05T08:00:00Z")), []);
    }

    #[test]
    fn without_a_schedule_only_a_given_age_makes_late() {
        let connections = Connections::default();
        let now = at("2026-01-05T08:00:00Z");
        let never = Watched {
            schedule: None,
            max_age: None,
        };
        connections.watch(&connection(), never, now);
        assert_eq!(connections.late(at("2027-01-05T08:00:00Z")), []);
        let minute = Watched {
            schedule: None,
            max_age: Some(Duration::from_secs(60)),
        };
        connections.watch(&connection(), minute, now);
        assert_eq!(connections.late(at("2026-01-05T08:01:01Z")).len(), 1);
    }
}
