//! What happens, as it happens: for people who watch. Bounded, and nobody who watches slowly holds anything up: whoever
//! falls behind is told how much they missed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::egress::recorder::{Refused, Sent};
use crate::plugin::{Event, LogLevel, Usage};
use crate::run::{Observer, RequestCounts, RunRef};
use crate::store::{ConnectionId, RunEnd, RunKind};

use super::Scope;

/// How many events wait for a slow reader before the oldest go.
const WAITING: usize = 4_096;
/// How many are remembered for whoever comes back and says what they saw last.
const REMEMBERED: usize = 2_048;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceEvent {
    /// Grows by one with each event of this process.
    pub id: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Of which connection.
    pub connection: ConnectionId,
    /// In which run.
    pub run: String,
    /// Of which job.
    pub job: Option<String>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A run begins.
    Began {
        /// What for.
        kind: RunKind,
    },
    /// A run is this far.
    Progress {
        /// `reading-source`, `reading-target`, `planning`, `writing`, `verifying`.
        phase: String,
        /// Done.
        done: u64,
        /// To do, where known.
        total: Option<u64>,
        /// What is being worked on.
        message: String,
    },
    /// The component wrote a line to its log.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The line.
        message: String,
    },
    /// A request was refused by the gate.
    Refused {
        /// Method.
        method: String,
        /// Without its query.
        url: String,
        /// Why.
        reason: String,
    },
    /// A run ended.
    Ended {
        /// How.
        end: RunEnd,
        /// What was asked of the vendors.
        requests: RequestCounts,
    },
}

/// Which events somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// Of these tenants.
    pub scope: Scope,
    /// Of this connection alone.
    pub connection: Option<ConnectionId>,
    /// Of this job alone.
    pub job: Option<String>,
}

impl EventFilter {
    fn has(&self, event: &ServiceEvent) -> bool {
        self.scope.has(&event.connection.tenant)
            && self
                .connection
                .as_ref()
                .is_none_or(|one| *one == event.connection)
            && self
                .job
                .as_ref()
                .is_none_or(|job| event.job.as_ref() == Some(job))
    }
}

/// Where events come together and go out from.
pub struct EventHub {
    sender: broadcast::Sender<ServiceEvent>,
    past: Mutex<Past>,
}

#[derive(Default)]
struct Past {
    last: u64,
    events: VecDeque<ServiceEvent>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(WAITING),
            past: Mutex::default(),
        }
    }
}

impl EventHub {
    /// Watches from now on, and what is remembered after the event `seen`.
    pub fn subscribe(&self, filter: EventFilter, seen: Option<u64>) -> Subscription {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: what comes after the remembered ones comes by the channel, and nothing comes twice.
        let receiver = self.sender.subscribe();
        let remembered = match seen {
            Some(seen) => past
                .events
                .iter()
                .filter(|event| event.id > seen && filter.has(event))
                .cloned()
                .collect(),
            None => VecDeque::new(),
        };
        Subscription {
            filter,
            remembered,
            receiver,
        }
    }

    fn tell(&self, run: &RunRef, kind: EventKind) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.last += 1;
        let event = ServiceEvent {
            id: past.last,
            at: Utc::now(),
            connection: run.connection.clone(),
            run: run.run.clone(),
            job: run.job.clone(),
            kind,
        };
        if past.events.len() >= REMEMBERED {
            past.events.pop_front();
        }
        past.events.push_back(event.clone());
        // Nobody watches: nothing to do.
        let _ = self.sender.send(event);
    }
}

impl Observer for EventHub {
    fn event(&self, run: &RunRef, event: &Event) {
        self.tell(
            run,
            EventKind::Progress {
                phase: event.phase.clone(),
                done: event.done,
                total: event.total,
                message: event.message.clone(),
            },
        );
    }

    fn log(&self, run: &RunRef, level: LogLevel, message: &str) {
        let message = message.to_owned();
        self.tell(run, EventKind::Log { level, message });
    }

    fn began(&self, run: &RunRef, kind: RunKind) {
        self.tell(run, EventKind::Began { kind });
    }

    fn ended(&self, run: &RunRef, end: &RunEnd, requests: &RequestCounts, _usage: &Usage) {
        self.tell(
            run,
            EventKind::Ended {
                end: end.clone(),
                requests: requests.clone(),
            },
        );
    }

    fn sent(&self, _run: &RunRef, _sent: &Sent) {}

    fn refused(&self, run: &RunRef, refused: &Refused) {
        let url = refused.url.split('?').next().unwrap_or_default().to_owned();
        self.tell(
            run,
            EventKind::Refused {
                method: refused.method.clone(),
                url,
                reason: refused.reason.clone(),
            },
        );
    }
}

/// What somebody who watches gets next.
#[derive(Debug, Clone, PartialEq)]
pub enum Watched {
    /// Something happened.
    Event(Box<ServiceEvent>),
    /// They were too slow, and this many events of the host are gone.
    Missed(u64),
}

/// Somebody who watches.
pub struct Subscription {
    filter: EventFilter,
    remembered: VecDeque<ServiceEvent>,
    receiver: broadcast::Receiver<ServiceEvent>,
}

impl Subscription {
    /// Waits for what comes next; none when the host stops.
    pub async fn next(&mut self) -> Option<Watched> {
        if let Some(event) = self.remembered.pop_front() {
            return Some(Watched::Event(Box::new(event)));
        }
        loop {
            match self.receiver.recv().await {
                Ok(event) if self.filter.has(&event) => return Some(Watched::Event(Box::new(event))),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(count)) => return Some(Watched::Missed(count)),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(tenant: &str, job: &str) -> RunRef {
        RunRef {
            connection: ConnectionId::new(tenant, "google"),
            run: "r1".to_owned(),
            job: Some(job.to_owned()),
        }
    }

    fn of(tenant: &str) -> EventFilter {
        EventFilter {
            scope: Scope::Some(vec![tenant.to_owned()]),
            connection: None,
            job: None,
        }
    }

    #[tokio::test]
    async fn one_tenant_never_sees_anothers_events() {
        let hub = EventHub::default();
        let mut watching = hub.subscribe(of("acme"), None);
        hub.began(&run("other", "j1"), RunKind::Plan);
        hub.began(&run("acme", "j2"), RunKind::Plan);
        let Some(Watched::Event(event)) = watching.next().await else {
            panic!()
        };
        assert_eq!((event.connection.tenant.as_str(), event.id), ("acme", 2));
    }

    #[tokio::test]
    async fn whoever_comes_back_gets_what_they_missed_once() {
        let hub = EventHub::default();
        for number in 0..3 {
            hub.began(&run("acme", &format!("j{number}")), RunKind::Plan);
        }
        let mut watching = hub.subscribe(of("acme"), Some(1));
        hub.began(&run("acme", "j3"), RunKind::Plan);
        let mut ids = Vec::new();
        for _ in 0..3 {
            let Some(Watched::Event(event)) = watching.next().await else {
                panic!()
            };
            ids.push(event.id);
        }
        assert_eq!(ids, [2, 3, 4]);
    }

    #[tokio::test]
    async fn whoever_is_too_slow_is_told_and_goes_on() {
        let hub = EventHub::default();
        let mut watching = hub.subscribe(of("acme"), None);
        for _ in 0..WAITING + 10 {
            hub.began(&run("acme", "j"), RunKind::Plan);
        }
        assert_eq!(watching.next().await, Some(Watched::Missed(10)));
        assert!(matches!(watching.next().await, Some(Watched::Event(_))));
    }
}
