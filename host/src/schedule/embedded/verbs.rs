//! What can be asked of the embedded engine.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::{AbortOnDrop, EmbeddedEngine, LOOK_AT_THE_CLOCK};
use crate::schedule::judge::released;
use crate::schedule::table::Slot;
use crate::schedule::{Engine, EngineError, Load, Runner, Served, Status, Timetable, TriggerAnswer};
use crate::store::ConnectionId;
use crate::store::service::{JobRecord, NewAuditEntry, Pause, RunState, Trigger, Work};

/// So many connections are asked of the store one by one; of more, all are.
const FEW: usize = 8;

fn status_of(slot: &Slot, state: RunState, now: DateTime<Utc>) -> Status {
    Status {
        next: slot.next.map(|next| next.at),
        job: slot.active.as_ref().map(|active| active.record.clone()),
        last: slot.last.clone(),
        why: why(slot.timetable.as_ref(), &state, now),
        state,
    }
}

/// Why nothing begins by itself, or later than the pattern says.
fn why(timetable: Option<&Timetable>, state: &RunState, now: DateTime<Utc>) -> Option<String> {
    let shown = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    if let Some(quarantine) = &state.quarantine {
        return Some(format!(
            "in quarantine since {}: {}. To get out: {}",
            shown(quarantine.at),
            quarantine.reason.trim_end_matches('.'),
            quarantine.way_out
        ));
    }
    if let Some(pause) = &state.paused {
        let reason = if pause.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", pause.reason)
        };
        return Some(format!(
            "paused by {} since {}{reason}",
            pause.by,
            shown(pause.at)
        ));
    }
    let Some(timetable) = timetable else {
        return Some("it has no schedule, so runs begin only when asked for".to_owned());
    };
    if !timetable.enabled {
        return Some("its schedule is switched off".to_owned());
    }
    if let Some(again) = state.not_before.filter(|again| *again > now) {
        return Some(format!(
            "{} in a row failed; it is tried again at {}",
            if state.failures == 1 {
                "the last run".to_owned()
            } else {
                format!("{} runs", state.failures)
            },
            shown(again)
        ));
    }
    timetable.quiet_until(now).map(|until| {
        let what = if timetable.only_plans(now) {
            "runs only plan"
        } else {
            "nothing begins by itself"
        };
        format!("quiet hours: {what} until {}", shown(until))
    })
}

#[async_trait]
impl<R: Runner> Engine for EmbeddedEngine<R> {
    async fn put_schedule(
        &self,
        connection: &ConnectionId,
        timetable: Option<Timetable>,
    ) -> Result<(), EngineError> {
        self.inner
            .table()
            .put(connection, timetable, self.inner.time.now());
        let state = self.inner.kept.run_state(connection).await?;
        self.inner.set_next(connection, state);
        Ok(())
    }

    async fn changed(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        let state = self.inner.kept.run_state(connection).await?;
        if state.quarantine.is_none() && state.not_before.is_none() {
            return Ok(());
        }
        tracing::info!(%connection, "what it depends on was changed, so it runs by itself again");
        self.inner.change_state(connection, None, &released).await
    }

    async fn remove(&self, connection: &ConnectionId) -> Result<(), EngineError> {
        let waiting = {
            let mut table = self.inner.table();
            let waiting = table.remove(connection)?;
            if let Some((key, _)) = &waiting {
                table.gone(*key, None, None);
            }
            waiting
        };
        if let Some((_, job)) = waiting {
            self.inner
                .end_unbegun(job, "its connection was removed before its turn came")
                .await;
        }
        Ok(())
    }

    async fn trigger(
        &self,
        connection: &ConnectionId,
        work: Work,
        trigger: Trigger,
    ) -> Result<TriggerAnswer, EngineError> {
        self.inner
            .begin(self.inner.record(connection, work, trigger))
            .await
    }

    async fn cancel(&self, job: &str) -> Result<(), EngineError> {
        self.inner.cancel_job(job).await
    }

    async fn pause(
        &self,
        connection: &ConnectionId,
        pause: Pause,
        audit: &NewAuditEntry,
    ) -> Result<(), EngineError> {
        self.inner
            .change_state(connection, Some(audit), &|state| {
                state.paused = Some(pause.clone())
            })
            .await
    }

    async fn resume(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError> {
        // A second ago, so that what is due at this very moment is not taken for missed.
        let now = self.inner.time.now() - TimeDelta::seconds(1);
        self.inner
            .change_state(connection, Some(audit), &|state| {
                state.paused = None;
                state.last_due = Some(state.last_due.map_or(now, |last| last.max(now)));
            })
            .await
    }

    async fn release(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError> {
        self.inner.change_state(connection, Some(audit), &released).await
    }

    async fn status(&self, connection: &ConnectionId) -> Result<Status, EngineError> {
        let state = self.inner.kept.run_state(connection).await?;
        let now = self.inner.time.now();
        Ok(status_of(self.inner.table().slot(connection)?, state, now))
    }

    async fn statuses(&self, connections: &[ConnectionId]) -> Result<Vec<Status>, EngineError> {
        let mut states = HashMap::new();
        if connections.len() <= FEW {
            for connection in connections {
                states.insert(connection.clone(), self.inner.kept.run_state(connection).await?);
            }
        } else {
            states.extend(self.inner.kept.run_states().await?);
        }
        let now = self.inner.time.now();
        let mut table = self.inner.table();
        Ok(connections
            .iter()
            .map(|connection| {
                let state = states.remove(connection).unwrap_or_default();
                let slot = table.slot(connection);
                slot.map_or_else(|_| Status::default(), |slot| status_of(slot, state, now))
            })
            .collect())
    }

    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>, EngineError> {
        Ok(self.inner.kept.jobs(connection, limit).await?)
    }

    fn load(&self) -> Load {
        let table = self.inner.table();
        let (running, long) = table.fair.at_work();
        Load {
            queued: table.fair.waiting(),
            running,
            long,
            places: table.fair.most(),
        }
    }

    async fn serve(&self, stop: CancellationToken) -> Served {
        let life = CancellationToken::new();
        let living = {
            let (inner, life) = (Arc::clone(&self.inner), life.clone());
            tokio::spawn(async move { inner.live(life).await })
        };
        // Whoever drops this future has died, as far as others are concerned.
        let _guard = AbortOnDrop(living.abort_handle());
        let mut looked = self.inner.time.now();
        let served = loop {
            self.inner.begin_due();
            let quiet = self.inner.quiet();
            tokio::select! {
                biased;
                () = stop.cancelled() => break self.inner.stop().await,
                () = self.inner.changed.notified() => {}
                () = self.inner.time.sleep(quiet) => {}
            }
            let now = self.inner.time.now();
            if (now - looked)
                .to_std()
                .is_ok_and(|since| since >= LOOK_AT_THE_CLOCK)
            {
                looked = now;
                self.inner.look_at_the_store().await;
            }
        };
        life.cancel();
        let _ = living.await;
        served
    }
}
