//! What an engine remembers of its connections and jobs while it runs: who waits, who is at work, what is next.
//!
//! Nothing in here waits or asks anybody: it is looked at and changed under one lock.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::AbortHandle;

use super::control::JobControl;
use super::fair::{Class, Fair, Places};
use super::timetable::Beginning;
use super::{EngineError, Timetable};
use crate::store::service::{JobRecord, JobState, RunState, Trigger, Work};
use crate::store::{ConnectionId, RunEnd};

/// From how long on a job counts as one that takes long.
pub(super) const LONG: Duration = Duration::from_secs(30);
/// What a job is expected to take where nothing is known of it.
const UNKNOWN: Duration = Duration::from_millis(500);

/// All of it.
pub(super) struct Table {
    pub(super) stopping: bool,
    pub(super) slots: BTreeMap<ConnectionId, Slot>,
    pub(super) fair: Fair,
    by_key: HashMap<u64, ConnectionId>,
    /// Counts jobs, so that the end of one is never taken for the end of another of the same connection.
    last_key: u64,
}

/// One connection.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) timetable: Option<Timetable>,
    pub(super) next: Option<Beginning>,
    /// Since when it is known here: what came due before, where nothing was ever taken, is not missed.
    pub(super) since: Option<DateTime<Utc>>,
    /// What was last seen of it in the store.
    pub(super) state: RunState,
    pub(super) active: Option<Active>,
    pub(super) last: Option<RunEnd>,
    /// How long its last sync took.
    took: Option<Duration>,
    /// Nobody names it any more; it goes when its job has ended.
    removed: bool,
}

/// A job of this process.
pub(super) struct Active {
    pub(super) key: u64,
    pub(super) record: JobRecord,
    pub(super) control: JobControl,
    pub(super) task: Option<AbortHandle>,
    /// In the queue; before, it is being written down.
    waiting: bool,
}

/// A job whose turn it is.
pub(super) struct Turn {
    pub(super) job: JobRecord,
    pub(super) key: u64,
    pub(super) control: JobControl,
}

/// What became of a wish to begin a job.
pub(super) enum Entered {
    /// It has the connection's place; it is to be written down, and then to wait. With it, the job that had the place
    /// and never began.
    New(u64, Option<Box<JobRecord>>),
    /// Another one has it.
    Busy(String),
}

impl Table {
    pub(super) fn new(places: Places) -> Self {
        Self {
            stopping: false,
            slots: BTreeMap::new(),
            fair: Fair::new(places),
            by_key: HashMap::new(),
            last_key: 0,
        }
    }

    /// The connection, unless it is gone or on its way out.
    pub(super) fn slot(&mut self, id: &ConnectionId) -> Result<&mut Slot, EngineError> {
        self.slots
            .get_mut(id)
            .filter(|slot| !slot.removed)
            .ok_or_else(|| EngineError::NoConnection(id.clone()))
    }

    pub(super) fn put(&mut self, id: &ConnectionId, timetable: Option<Timetable>, now: DateTime<Utc>) {
        let slot = self.slots.entry(id.clone()).or_default();
        slot.since.get_or_insert(now);
        slot.timetable = timetable;
        slot.removed = false;
    }

    /// Gives a job the connection's place.
    pub(super) fn enter(&mut self, record: JobRecord) -> Result<Entered, EngineError> {
        if self.stopping {
            return Err(EngineError::Stopping);
        }
        let id = record.connection.clone();
        let mut displaced = None;
        if let Some(active) = &self.slot(&id)?.active {
            let key = active.key;
            let gives_way = !matches!(active.record.trigger, Trigger::Request { .. })
                && matches!(record.trigger, Trigger::Request { .. });
            // What is being written down, or at work, is not in the queue.
            if !gives_way || !self.fair.withdraw(&id.tenant, key) {
                let job = self
                    .slot(&id)?
                    .active
                    .as_ref()
                    .map(|active| active.record.id.clone());
                return Ok(Entered::Busy(job.unwrap_or_default()));
            }
            self.by_key.remove(&key);
            displaced = self
                .slot(&id)?
                .active
                .take()
                .map(|active| Box::new(active.record));
        }
        self.last_key += 1;
        let key = self.last_key;
        self.by_key.insert(key, id.clone());
        self.slot(&id)?.active = Some(Active {
            key,
            record,
            control: JobControl::default(),
            task: None,
            waiting: false,
        });
        Ok(Entered::New(key, displaced))
    }

    /// A job that was written down waits for its turn.
    pub(super) fn wait(&mut self, key: u64) {
        let Some(id) = self.by_key.get(&key) else { return };
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let expected = slot.took.unwrap_or(UNKNOWN);
        let Some(active) = slot.active.as_mut().filter(|active| active.key == key) else {
            return;
        };
        active.waiting = true;
        let class = match active.record.trigger {
            Trigger::Request { .. } => Class::Request,
            Trigger::Event => Class::Event,
            Trigger::Schedule => Class::Schedule,
        };
        let cost = u64::try_from(expected.as_millis()).unwrap_or(u64::MAX);
        self.fair.enqueue(&id.tenant, key, class, expected >= LONG, cost);
    }

    /// The job whose turn it is, as it begins.
    pub(super) fn begin_next(&mut self, now: DateTime<Utc>) -> Option<Turn> {
        if self.stopping {
            return None;
        }
        loop {
            let key = self.fair.next()?;
            let active = self
                .by_key
                .get(&key)
                .and_then(|id| self.slots.get_mut(id))
                .and_then(|slot| slot.active.as_mut())
                .filter(|active| active.key == key);
            let Some(active) = active else {
                self.fair.ended(key, 0);
                continue;
            };
            active.waiting = false;
            active.record.state = JobState::Running;
            active.record.began_at = Some(now);
            return Some(Turn {
                job: active.record.clone(),
                key,
                control: active.control.clone(),
            });
        }
    }

    pub(super) fn began(&mut self, key: u64, task: AbortHandle) {
        if let Some(active) = self.active(key) {
            active.task = Some(task);
        }
    }

    fn active(&mut self, key: u64) -> Option<&mut Active> {
        self.by_key
            .get(&key)
            .and_then(|id| self.slots.get_mut(id))
            .and_then(|slot| slot.active.as_mut())
            .filter(|active| active.key == key)
    }

    /// A job has gone: it ended, or never began. `took`: how long it was at work; none where it never began.
    pub(super) fn gone(&mut self, key: u64, end: Option<RunEnd>, took: Option<Duration>) {
        let Some(id) = self.by_key.remove(&key) else {
            return;
        };
        match took {
            Some(took) => self
                .fair
                .ended(key, u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            None => {
                self.fair.withdraw(&id.tenant, key);
            }
        }
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        if let Some(active) = slot.active.take_if(|active| active.key == key) {
            if let (Work::Sync { .. }, Some(took)) = (&active.record.work, took) {
                slot.took = Some(took);
            }
            if end.is_some() {
                slot.last = end;
            }
        }
        if slot.removed && slot.active.is_none() {
            self.slots.remove(&id);
        }
    }

    /// Takes a job out of the queue; none where it does not wait.
    pub(super) fn withdraw(&mut self, job: &str) -> Result<Option<(u64, JobRecord)>, EngineError> {
        let active = self
            .slots
            .values_mut()
            .filter_map(|slot| slot.active.as_mut())
            .find(|active| active.record.id == job)
            .ok_or_else(|| EngineError::NoJob(job.to_owned()))?;
        if active.waiting {
            let (key, record) = (active.key, active.record.clone());
            return Ok(Some((key, record)));
        }
        active.control.cancel();
        Ok(None)
    }

    /// Forgets a connection; a job at work is cancelled, one that waits is answered to be ended.
    pub(super) fn remove(&mut self, id: &ConnectionId) -> Result<Option<(u64, JobRecord)>, EngineError> {
        let slot = self.slot(id)?;
        slot.timetable = None;
        slot.next = None;
        slot.removed = true;
        match &slot.active {
            Some(active) if active.waiting => Ok(Some((active.key, active.record.clone()))),
            Some(active) => {
                active.control.cancel();
                Ok(None)
            }
            None => {
                self.slots.remove(id);
                Ok(None)
            }
        }
    }

    /// What is due, taken off the timetable: whoever begins it sets what is next.
    pub(super) fn take_due(&mut self, now: DateTime<Utc>) -> Vec<(ConnectionId, Beginning)> {
        let mut due = Vec::new();
        for (id, slot) in &mut self.slots {
            if let Some(next) = slot.next.take_if(|next| next.at <= now) {
                due.push((id.clone(), next));
            }
        }
        due
    }

    /// When the next thing is due.
    pub(super) fn next_at(&self) -> Option<DateTime<Utc>> {
        self.slots
            .values()
            .filter_map(|slot| slot.next.map(|next| next.at))
            .min()
    }

    /// Nothing begins any more: what is at work is cancelled, what waits stays written down for whoever comes next.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        let waiting: Vec<u64> = self
            .slots
            .values()
            .filter_map(|slot| slot.active.as_ref())
            .filter(|active| {
                active.control.stop();
                active.waiting
            })
            .map(|active| active.key)
            .collect();
        for key in waiting {
            self.gone(key, None, None);
        }
    }
}
