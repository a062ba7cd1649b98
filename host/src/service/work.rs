//! Work: jobs that are asked for, the runs of the past, why somebody is (not) in a group, and pausing.

use groupcast_guest::engine::Explanation;
use tokio_util::sync::CancellationToken;

use super::{EventFilter, Principal, Result, Scope, Service, ServiceError, Subscription};
use crate::schedule::{EngineError, TriggerAnswer};
use crate::store::service::{JobRecord, NewAuditEntry, Pause, Role, RunState, Trigger, Work};
use crate::store::{ConnectionId, OutcomeQuery, OutcomeRecord, RunQuery, RunRecord};

/// A run as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// What the run was.
    pub record: RunRecord,
    /// Its operations, the first of them.
    pub outcomes: Vec<OutcomeRecord>,
}

impl Service {
    /// Begins work on a connection, or says which job is under way.
    ///
    /// # Errors
    /// Not allowed; no such connection; one is at work; the host stops.
    pub async fn start(&self, who: &Principal, id: &ConnectionId, work: Work) -> Result<JobRecord> {
        self.require_directory(who, id, Role::Operator).await?;
        if let Work::Undo { run } = &work {
            let record = self.store.run(run).await?;
            if record.is_none_or(|record| record.connection != *id) {
                return Err(ServiceError::not_found("run", run));
            }
        }
        let mut audit = Self::entry(who, Some(&id.tenant), "work.asked", id.to_string());
        audit.after = serde_json::to_value(&work).ok();
        self.store.append_audit(&audit).await?;
        let trigger = Trigger::Request {
            by: who.actor.subject.clone(),
        };
        match self.engine.trigger(id, work, trigger).await? {
            TriggerAnswer::Begun { job } => self.job(who, &job).await,
            TriggerAnswer::AlreadyRunning { job } => Err(ServiceError::AlreadyRunning {
                connection: id.to_string(),
                job,
            }),
        }
    }

    /// One job.
    ///
    /// # Errors
    /// There is none that the caller sees.
    pub async fn job(&self, who: &Principal, id: &str) -> Result<JobRecord> {
        let job = self.store.job(id).await?;
        let job = job.ok_or_else(|| ServiceError::not_found("job", id))?;
        self.require_of(who, &job.connection.tenant, Role::Viewer, "job", id)?;
        Ok(job)
    }

    /// Jobs of a connection, the latest first.
    ///
    /// # Errors
    /// Not allowed; the store.
    pub async fn jobs(&self, who: &Principal, id: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>> {
        self.require_directory(who, id, Role::Viewer).await?;
        Ok(self.store.jobs(id, limit.clamp(1, 1_000)).await?)
    }

    /// Asks a job to end before its next write, whichever process has it.
    ///
    /// # Errors
    /// There is none that the caller sees; it has ended; not allowed.
    pub async fn cancel(&self, who: &Principal, id: &str) -> Result<JobRecord> {
        let job = self.job(who, id).await?;
        self.require(who, Some(&job.connection.tenant), Role::Operator)?;
        if job.ended_at.is_some() {
            return Err(ServiceError::Refused(format!("job {id} has ended already")));
        }
        let audit = Self::entry(who, Some(&job.connection.tenant), "work.cancelled", id);
        self.store.append_audit(&audit).await?;
        // In the store first: a host that stops now hands it over, and whoever takes it over looks there.
        if !self.store.ask_to_cancel(id).await? {
            return Err(ServiceError::Refused(format!("job {id} has ended already")));
        }
        match self.engine.cancel(&job.id).await {
            // Another process has it: that one looks into the store every so often.
            Err(EngineError::NoJob(_)) => {}
            asked => asked?,
        }
        self.job(who, id).await
    }

    /// Lets no run of a connection begin by itself until it is resumed.
    ///
    /// # Errors
    /// Not allowed; no such connection.
    pub async fn pause(&self, who: &Principal, id: &ConnectionId, reason: &str) -> Result<()> {
        let reason: String = reason
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(500)
            .collect();
        let pause = Pause {
            by: who.actor.subject.clone(),
            at: self.now(),
            reason,
        };
        let audit = self
            .change_of_run_state(who, id, "schedule.paused", |state| {
                state.paused = Some(pause.clone());
            })
            .await?;
        Ok(self.engine.pause(id, pause, &audit).await?)
    }

    /// Lets runs begin by themselves again.
    ///
    /// # Errors
    /// Not allowed; no such connection.
    pub async fn resume(&self, who: &Principal, id: &ConnectionId) -> Result<()> {
        let audit = self
            .change_of_run_state(who, id, "schedule.resumed", |state| state.paused = None)
            .await?;
        Ok(self.engine.resume(id, &audit).await?)
    }

    /// Releases a connection that failed too often.
    ///
    /// # Errors
    /// Not allowed; no such connection.
    pub async fn release(&self, who: &Principal, id: &ConnectionId) -> Result<()> {
        let audit = self
            .change_of_run_state(who, id, "schedule.released", |state| {
                state.quarantine = None;
                state.failures = 0;
                state.not_before = None;
            })
            .await?;
        Ok(self.engine.release(id, &audit).await?)
    }

    /// The audit log's entry for a change of what is remembered, if the caller may make it.
    async fn change_of_run_state(
        &self,
        who: &Principal,
        id: &ConnectionId,
        action: &str,
        change: impl FnOnce(&mut RunState),
    ) -> Result<NewAuditEntry> {
        self.directory(who, id).await?;
        self.require(who, Some(&id.tenant), Role::Operator)?;
        let before = self.store.run_state(id).await?;
        let mut after = before.clone();
        change(&mut after);
        let mut audit = Self::entry(who, Some(&id.tenant), action, id.to_string());
        audit.before = serde_json::to_value(&before).ok();
        audit.after = serde_json::to_value(&after).ok();
        Ok(audit)
    }

    /// Runs, the latest first: those that the caller sees.
    ///
    /// # Errors
    /// Not allowed; the store.
    pub async fn runs(&self, who: &Principal, query: RunQuery) -> Result<Vec<RunRecord>> {
        if let Some(tenant) = &query.tenant {
            self.require(who, Some(tenant), Role::Viewer)?;
            return Ok(self.store.runs(&query).await?);
        }
        match who.tenants() {
            Scope::All => Ok(self.store.runs(&query).await?),
            Scope::Some(names) => {
                let mut all = Vec::new();
                for name in names {
                    let query = RunQuery {
                        tenant: Some(name),
                        ..query.clone()
                    };
                    all.extend(self.store.runs(&query).await?);
                }
                all.sort_by(|one, other| (other.started_at, &other.id).cmp(&(one.started_at, &one.id)));
                let limit = if query.limit == 0 {
                    1_000
                } else {
                    query.limit.min(1_000)
                };
                all.truncate(usize::try_from(limit).unwrap_or(1_000));
                Ok(all)
            }
        }
    }

    /// One run with its first operations.
    ///
    /// # Errors
    /// There is none that the caller sees.
    pub async fn run(&self, who: &Principal, id: &str) -> Result<RunView> {
        let record = self.store.run(id).await?;
        let record = record.ok_or_else(|| ServiceError::not_found("run", id))?;
        self.require_of(who, &record.connection.tenant, Role::Viewer, "run", id)?;
        let outcomes = self.outcomes_of(&record, 0).await?;
        Ok(RunView { record, outcomes })
    }

    /// A run's operations after one of them, at most 1,000.
    ///
    /// # Errors
    /// There is no such run that the caller sees.
    pub async fn outcomes(&self, who: &Principal, run: &str, after: u64) -> Result<Vec<OutcomeRecord>> {
        let record = self.store.run(run).await?;
        let record = record.ok_or_else(|| ServiceError::not_found("run", run))?;
        self.require_of(who, &record.connection.tenant, Role::Viewer, "run", run)?;
        self.outcomes_of(&record, after).await
    }

    async fn outcomes_of(&self, run: &RunRecord, after: u64) -> Result<Vec<OutcomeRecord>> {
        let Ok(directory) = self.groupcast.directory_key(&run.connection) else {
            return Ok(Vec::new());
        };
        let query = OutcomeQuery::OfRun {
            run: run.id.clone(),
            after,
        };
        Ok(self.store.outcomes(&directory, &query).await?)
    }

    /// Why a person is (not) in a group, or why a group is in its state. Never writes.
    ///
    /// # Errors
    /// Not allowed; something could not be read.
    pub async fn why(
        &self,
        who: &Principal,
        id: &ConnectionId,
        person: Option<&str>,
        group: &str,
    ) -> Result<Explanation> {
        self.require_directory(who, id, Role::Viewer).await?;
        Ok(self
            .groupcast
            .why(id, person, group, &CancellationToken::new())
            .await?)
    }

    /// Watches what happens, as far as the caller sees it.
    ///
    /// # Errors
    /// The job or connection is none that the caller sees.
    pub async fn watch_events(
        &self,
        who: &Principal,
        connection: Option<&ConnectionId>,
        job: Option<&str>,
        seen: Option<u64>,
    ) -> Result<Subscription> {
        if let Some(id) = connection {
            self.require_directory(who, id, Role::Viewer).await?;
        }
        if let Some(job) = job {
            self.job(who, job).await?;
        }
        let filter = EventFilter {
            scope: who.tenants(),
            connection: connection.cloned(),
            job: job.map(str::to_owned),
        };
        Ok(self.events.subscribe(filter, seen))
    }
}
