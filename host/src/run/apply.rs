//! `apply`: what was approved, under lease and permit, operation by operation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use groupcast_guest::engine::{Extent, Report};
use groupcast_guest::plan::part::{Operation, Part};
use groupcast_guest::words::{count, fitting};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;

use super::ConnectionName;
use super::cut_off::{self, CutOff, handed_over};
use super::groupcast::Groupcast;
use super::host::{Access, ApprovedIntents};
use super::lease::HeldLease;
use super::outcome::{ApplyOutcome, OperationOutcome, RunFailure, RunFailureKind, Selection};
use super::recorder::{RequestCounts, RunRecorder};
use super::setup::ConnectionSetup;
use super::switch::ManagedSwitch;
use crate::egress::learned::ApprovedOperations;
use crate::egress::permit::{ManagedQuestion, OpenIntents, RunPermit};
use crate::egress::policy::Phase;
use crate::plugin::{RunError, RunServices, Usage};
use crate::recording::Kind;
use crate::store::{Mode, OutcomeQuery, Parts, PlanQuery, PlanRecord, RunKind, RunResult};

/// Who approves when a person types a command.
const APPROVER: &str = "command line";

/// The switch for one run. Off once is off for this run: being switched on again is a plan to approve (R38), not a run
/// to go on.
struct Latched {
    switch: Arc<ManagedSwitch>,
    on: AtomicBool,
}

#[async_trait]
impl ManagedQuestion for Latched {
    async fn is_managed(&self) -> Result<bool, String> {
        if self.on.load(Ordering::SeqCst) && !self.switch.is_on().await.map_err(|error| error.to_string())? {
            self.on.store(false, Ordering::SeqCst);
        }
        Ok(self.on.load(Ordering::SeqCst))
    }
}

/// How an `apply` of the component went.
struct Carried {
    result: Result<(Report, Usage), RunError>,
    recorder: Arc<RunRecorder>,
    /// What cut it off, where something did that the component cannot know.
    cut_off: Option<CutOff>,
}

impl Groupcast {
    /// Approves parts of a plan and carries out exactly these (R44). `hash` may be its beginning.
    ///
    /// # Errors
    /// Refused: no such plan, expired, applied before, directory switched off, somebody else at work. Failed: a
    /// vendor or the component; applying the same plan again goes on where this ended.
    pub async fn apply(
        &self,
        connection: &ConnectionName,
        hash: &str,
        selection: Selection,
        cancel: &CancellationToken,
    ) -> Result<ApplyOutcome, RunFailure> {
        self.apply_reading(connection, hash, selection, Extent::Whole, cancel)
            .await
    }

    /// The same, where a sync reads no more than what changed.
    ///
    /// # Errors
    /// As [`Self::apply`].
    #[tracing::instrument(target = "groupcast::trace", name = "run", skip_all, fields(
        otel.name = "run apply", kind = "apply", tenant = connection.tenant, connection = connection.name,
        run = Empty, result = Empty, otel.status_code = Empty
    ))]
    pub(super) async fn apply_reading(
        &self,
        connection: &ConnectionName,
        hash: &str,
        selection: Selection,
        read: Extent,
        cancel: &CancellationToken,
    ) -> Result<ApplyOutcome, RunFailure> {
        let setup = &*self.setup(connection)?;
        let managed = setup.switch.is_on().await?;
        let before = self.store.see_managed(&setup.id, managed).await?;
        if !managed {
            return Err(RunFailure::refused(format!(
                "group management is switched off for {connection}; set `managed = true` in the configuration, \
                 plan again and approve the plan"
            )));
        }
        if before == Some(false) && self.goes_on() {
            return Err(RunFailure::refused(format!(
                "group management was switched off for {connection} and on again since this apply was handed over, so \
                 it does not go on; plan again and approve the plan"
            )));
        }
        let record = self.find_plan(setup, hash).await?;
        self.refuse_risk(setup, &record).await?;
        let record = self.approved(setup, record, &selection).await?;
        let approved = self
            .store
            .approved_parts(&setup.directory_key, &record.hash)
            .await?;
        let mut operations = Vec::new();
        for part in &approved {
            let bytes = self
                .store
                .part_bytes(&setup.directory_key, &record.hash, part.position)
                .await?;
            let read = Part::from_bytes(&bytes).map_err(|reason| {
                RunFailure::failed(format!(
                    "part {} of plan {} does not read: {reason}",
                    part.position, record.hash
                ))
            })?;
            operations.extend(
                read.operations
                    .into_iter()
                    .map(|operation| (part.group.clone(), operation)),
            );
        }

        let run = self.start(setup, RunKind::Apply, Some(&record.hash)).await?;
        let positions = approved.iter().map(|part| part.position).collect();
        let planned = operations.len() as u64;
        let Carried {
            result,
            recorder,
            cut_off,
        } = self
            .carry_out(setup, &run, &record.hash, positions, operations, read, cancel)
            .await?;
        let outcomes = self.outcomes(setup, &run).await?;
        if cut_off == Some(CutOff::SwitchedOff) {
            self.store.see_managed(&setup.id, false).await?;
        }
        if let Ok((report, usage)) = &result
            && let Some(violation) =
                self.doubted(setup, report, planned, &self.known(setup, &outcomes).await?)
        {
            recorder.violated(&violation);
            let failure = RunFailure::failed(violation.to_string());
            self.end(&run, RunResult::Failed, &failure.message, &recorder, *usage)
                .await;
            return Err(failure);
        }
        match result {
            Ok((report, usage)) => {
                self.store
                    .mark_applied(&setup.directory_key, &record.hash, &run)
                    .await?;
                let clean = report.failed == 0 && report.moved.is_empty();
                if selection.groups.is_none() {
                    // Somebody has looked at a plan and approved it: from now on syncs may go on by themselves. An
                    // undo is the exception (R45): it must not be done again by the next sync.
                    if record.summary.get("undo").is_none() {
                        self.store.set_mode(&setup.id, Mode::Active).await?;
                    }
                }
                // The age of the last success says since when a directory is not known to be in step: what could not be
                // read whole, and what was left out, is not.
                let whole = selection.groups.is_none() && self.stored(setup, &record).await?.frozen() == 0;
                if clean && whole {
                    self.store.record_success(&setup.id).await?;
                }
                let message = format!(
                    "{} applied, {} refused, {} moved",
                    count(report.applied, "operation", "operations"),
                    report.failed,
                    count(report.moved.len() as u64, "group", "groups")
                );
                let message = match self.earlier().last() {
                    Some(earlier) => format!("{message}; it went on where run {earlier} was handed over"),
                    None => message,
                };
                let end = if clean {
                    RunResult::Done
                } else {
                    RunResult::ChangesPending
                };
                self.end(&run, end, &message, &recorder, usage).await;
                Ok(ApplyOutcome {
                    run,
                    hash: record.hash,
                    report,
                    outcomes,
                    requests: recorder.counts(),
                    usage,
                })
            }
            Err(error) => {
                let failure = Self::failure(error, &recorder);
                let is_handed_over = matches!(cut_off, Some(CutOff::HandedOver { .. }));
                let failure = cut_off::told(
                    connection,
                    cut_off,
                    failure,
                    &outcomes,
                    recorder.counts().writes() > 0,
                );
                let end = match failure.kind {
                    _ if is_handed_over => RunResult::HandedOver,
                    RunFailureKind::Refused => RunResult::Refused,
                    RunFailureKind::Failed => RunResult::Failed,
                };
                self.end(&run, end, &failure.to_string(), &recorder, Usage::default())
                    .await;
                Err(failure)
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what one run of the component is made of"
    )]
    /// Runs the component's `apply` over approved parts, under the directory's lease and the write permit. Nothing else
    /// than `operations` can be intended or pass.
    ///
    /// # Errors
    /// Somebody else is at work in the directory; the run is recorded as refused then.
    async fn carry_out(
        &self,
        setup: &ConnectionSetup,
        run: &str,
        hash: &str,
        positions: Vec<u64>,
        operations: Vec<(String, Operation)>,
        read: Extent,
        cancel: &CancellationToken,
    ) -> Result<Carried, RunFailure> {
        let setup = &match self.identified(setup, run).await {
            Ok(setup) => setup,
            Err(failure) => {
                self.end_refused(setup, run, &failure).await;
                return Err(failure);
            }
        };
        let (store, times) = (Arc::clone(&self.store), setup.lease_times);
        let lease = if self.goes_on() {
            HeldLease::wait_for(store, &setup.directory_key, run, times, cancel).await
        } else {
            HeldLease::acquire(store, &setup.directory_key, run, times).await
        };
        let (lease, renewal) = match lease {
            Ok((lease, renewal)) => (Arc::new(lease), renewal),
            Err(failure) => {
                if let Some(job) = self.hand_over(cancel) {
                    let failure = RunFailure::failed(handed_over(&job));
                    self.end_unbegun(setup, run, RunResult::HandedOver, &failure)
                        .await;
                    return Err(failure);
                }
                self.end_refused(setup, run, &failure).await;
                return Err(failure);
            }
        };
        let intents = Arc::new(ApprovedIntents::new(
            operations
                .iter()
                .map(|(group, operation)| (group.clone(), operation.to_json())),
        ));
        let managed = Arc::new(Latched {
            switch: Arc::clone(&setup.switch),
            on: AtomicBool::new(true),
        });
        let permit = RunPermit {
            lease: Arc::clone(&lease.fresh),
            managed: Arc::clone(&managed) as Arc<dyn ManagedQuestion>,
            cancelled: cancel.clone(),
            approved: Arc::new(ApprovedOperations::new(
                operations.into_iter().map(|(_, operation)| operation),
            )),
            intents: Arc::clone(&intents) as Arc<dyn OpenIntents>,
        };
        let access = Access::Apply {
            hash: hash.to_owned(),
            positions: Mutex::new(positions.into_iter().rev().collect()),
            approved: intents,
            lease: Arc::clone(&lease),
        };
        let (host, recorder) = self.host(setup, run, Phase::Writes, Arc::new(permit), access);
        let services: Arc<dyn RunServices> = Arc::clone(&host) as Arc<dyn RunServices>;
        let asked = self.run_of(setup, run, read).await?;
        let (services, recording) = self.recorded(setup, Kind::Apply, &asked, None, services);
        let result = self
            .sandbox_of(setup, (Kind::Apply, read))
            .apply(self.plugin_of(setup), services, cancel.clone(), &asked)
            .await;
        recording.end(&result);
        if let Ok((_, usage)) = &result {
            setup.habits.learn((Kind::Apply, read), usage);
        }
        let cut_off = if !managed.on.load(Ordering::SeqCst) {
            Some(CutOff::SwitchedOff)
        } else if !lease.is_held() {
            Some(CutOff::LeaseLapsed)
        } else if cancel.is_cancelled() && result.is_err() {
            let handed_over = self.hand_over(cancel);
            Some(handed_over.map_or(CutOff::Stopped, |job| CutOff::HandedOver { job }))
        } else {
            None
        };
        // A run that lost its directory is no success, whatever the component made of it: others may have been at work
        // in it since, and what this run would record of its end is no longer true.
        let result = match result {
            Ok(_) if cut_off == Some(CutOff::LeaseLapsed) => Err(RunError::Cancelled),
            result => result,
        };
        // The call has ended, and with it every request of this run, unless it was cancelled: then one may still be on
        // the wire. The directory is given back once the last has let go, or runs out by itself.
        drop(host);
        if let Some(lease) = alone(lease, setup.lease_times.longest_request).await {
            lease.release(renewal).await;
        }
        Ok(Carried {
            result,
            recorder,
            cut_off,
        })
    }

    /// Settles what an earlier run left open, where it left anything, so that the next plan is made of what is so (R47).
    /// It reads back and writes to the ledger alone: no operation is approved.
    ///
    /// # Errors
    /// Somebody else is at work in the directory, or nothing could be read back.
    pub(super) async fn settle_open(
        &self,
        setup: &ConnectionSetup,
        cancel: &CancellationToken,
    ) -> Result<(), RunFailure> {
        if !setup.switch.is_on().await? || self.store.unsettled(&setup.directory_key, 0).await?.is_empty() {
            return Ok(());
        }
        let run = self.start(setup, RunKind::Apply, None).await?;
        let carried = self
            .carry_out(setup, &run, "", Vec::new(), Vec::new(), Extent::Whole, cancel)
            .await?;
        match carried.result {
            Ok((_, usage)) => {
                let message = "what an earlier run left open was read back and settled";
                self.end(&run, RunResult::Done, message, &carried.recorder, usage)
                    .await;
                Ok(())
            }
            Err(error) => {
                let failure = Self::failure(error, &carried.recorder);
                let (told, usage) = (failure.to_string(), Usage::default());
                self.end(&run, RunResult::Failed, &told, &carried.recorder, usage)
                    .await;
                Err(failure)
            }
        }
    }

    /// R34: a connection that is being enabled writes nothing while bound groups have no email, unless somebody has
    /// accepted what the vendor warns of.
    async fn refuse_risk(&self, setup: &ConnectionSetup, record: &PlanRecord) -> Result<(), RunFailure> {
        let enabling = self.store.connection(&setup.id).await?.mode == Mode::PlanOnly;
        if !enabling || setup.settings.acknowledge {
            return Ok(());
        }
        let at_risk: Vec<String> = self
            .stored(setup, record)
            .await?
            .parts
            .iter()
            .filter(|part| part.warnings.iter().any(|warning| warning.code == "at-risk"))
            .map(|part| match part.group.users {
                Some(users) => format!("“{}” ({})", part.group.name, count(users, "person", "people")),
                None => format!("“{}” (people not counted)", part.group.name),
            })
            .collect();
        if at_risk.is_empty() {
            return Ok(());
        }
        Err(RunFailure::refused(format!(
            "{} is being enabled, and {} bound to it without an email: {}. JumpCloud warns that these people can be \
             suspended. Give the groups an email or unbind them, then plan again; or go on all the same with \
             `--acknowledge`, or `acknowledge = true` in the configuration",
            setup.id,
            fitting(at_risk.len() as u64, "a group is", "groups are"),
            at_risk.join(", ")
        )))
    }

    async fn end_refused(&self, setup: &ConnectionSetup, run: &str, failure: &RunFailure) {
        self.end_unbegun(setup, run, RunResult::Refused, failure).await;
    }

    async fn end_unbegun(&self, setup: &ConnectionSetup, run: &str, result: RunResult, failure: &RunFailure) {
        let end = crate::store::RunEnd::new(result, failure.to_string());
        let nothing = (RequestCounts::default(), Usage::default());
        self.observer
            .ended(&self.run_ref(&setup.id, run), &end, &nothing.0, &nothing.1);
        if let Err(error) = self.store.end_run(run, &end, &serde_json::Value::Null).await {
            tracing::warn!(%error, run, "the end of a run could not be recorded");
        }
    }

    /// The plan of a connection whose hash begins so.
    async fn find_plan(&self, setup: &ConnectionSetup, hash: &str) -> Result<PlanRecord, RunFailure> {
        if hash.is_empty() || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(RunFailure::refused(format!(
                "{hash:?} is no plan's hash; `groupcast plan` prints it"
            )));
        }
        let query = PlanQuery {
            tenant: Some(setup.id.tenant.clone()),
            connection: Some(setup.id.name.clone()),
            hash_prefix: Some(hash.to_ascii_lowercase()),
            ..PlanQuery::default()
        };
        let mut found = self.store.plans(&query).await?;
        // What was planned while the connection named its directory otherwise is another directory's.
        found.retain(|plan| plan.directory == setup.directory_key);
        match (found.pop(), found.is_empty()) {
            (Some(plan), true) => Ok(plan),
            (None, _) => Err(RunFailure::refused(format!(
                "{} has no plan {hash}; make one with `groupcast plan --connection {}`",
                setup.id, setup.id
            ))),
            (Some(_), false) => Err(RunFailure::refused(format!(
                "several plans of {} begin with {hash}; write more of the hash",
                setup.id
            ))),
        }
    }

    /// Approves the selected parts; releases what they hold first, where asked to.
    async fn approved(
        &self,
        setup: &ConnectionSetup,
        record: PlanRecord,
        selection: &Selection,
    ) -> Result<PlanRecord, RunFailure> {
        let plan = self.stored(setup, &record).await?;
        let mut groups = Vec::new();
        if let Some(names) = &selection.groups {
            for name in names {
                let part = plan
                    .parts
                    .iter()
                    .find(|part| part.group.id == *name || part.group.name == *name);
                let part = part.ok_or_else(|| {
                    RunFailure::refused(format!("plan {} speaks of no group {name:?}", record.hash))
                })?;
                groups.push(part.group.id.clone());
            }
        }
        let parts = if selection.groups.is_some() {
            Parts::Groups(groups.clone())
        } else {
            Parts::All
        };
        let mut record = record;
        if selection.release_held {
            let holding: Vec<String> = plan
                .parts
                .iter()
                .filter(|part| selection.groups.is_none() || groups.contains(&part.group.id))
                .filter(|part| part.held.iter().any(|held| held.approvable))
                .map(|part| part.group.id.clone())
                .collect();
            if !holding.is_empty() {
                record = self
                    .store
                    .release_held(&setup.directory_key, &record.hash, &holding)
                    .await?;
            }
        }
        Ok(self
            .store
            .approve(&setup.directory_key, &record.hash, &parts, APPROVER)
            .await?)
    }

    /// Every operation of a run and what became of it, in order.
    pub(super) async fn outcomes(
        &self,
        setup: &ConnectionSetup,
        run: &str,
    ) -> Result<Vec<OperationOutcome>, RunFailure> {
        let mut outcomes = Vec::new();
        let mut after = 0;
        loop {
            let query = OutcomeQuery::OfRun {
                run: run.to_owned(),
                after,
            };
            let page = self.store.outcomes(&setup.directory_key, &query).await?;
            let Some(last) = page.last() else {
                return Ok(outcomes);
            };
            after = last.intent;
            for record in page {
                let operation: Operation = serde_json::from_str(&record.operation).map_err(|error| {
                    RunFailure::failed(format!("intent {} does not read: {error}", record.intent))
                })?;
                outcomes.push(OperationOutcome {
                    group: record.group,
                    operation,
                    settlement: record.settlement,
                    status: record.status,
                    reason: record.reason,
                    request_id: record.request_id,
                });
            }
        }
    }
}

/// The value once nobody else holds it; none where that takes longer than `patience`.
async fn alone<T>(mut shared: Arc<T>, patience: Duration) -> Option<T> {
    const STEP: Duration = Duration::from_millis(5);
    let begun = Instant::now();
    loop {
        match Arc::try_unwrap(shared) {
            Ok(value) => return Some(value),
            Err(_) if begun.elapsed() > patience => return None,
            Err(still) => shared = still,
        }
        tokio::time::sleep(STEP).await;
    }
}
