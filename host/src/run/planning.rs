//! Plans: both sides are read and the plan is kept; a sync applies what needs nobody's approval. What may not enter: how an
//! approved plan is applied.

use std::sync::Arc;

use groupcast_guest::engine::Extent;
use groupcast_guest::plan::part::Part;
use groupcast_guest::words::count;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;

use super::groupcast::Groupcast;
use super::host::Access;
use super::outcome::{PlanOutcome, RunFailure, StoredPlan, SyncOutcome};
use super::recorder::RunRecorder;
use super::setup::ConnectionSetup;
use super::{ConnectionName, Selection};
use crate::egress::permit::NoPermit;
use crate::egress::policy::Phase;
use crate::plugin::{RunServices, Usage};
use crate::recording::Kind;
use crate::store::{Mode, NewPlan, PlanRecord, RunKind, RunResult};

impl Groupcast {
    /// Reads both sides and keeps the plan. Never writes to a vendor.
    ///
    /// # Errors
    /// If something could not be read, or the plan not be kept.
    pub async fn plan(
        &self,
        connection: &ConnectionName,
        cancel: &CancellationToken,
    ) -> Result<PlanOutcome, RunFailure> {
        self.plan_reading(connection, Extent::Whole, cancel).await
    }

    #[tracing::instrument(target = "groupcast::trace", name = "run", skip_all, fields(
        otel.name = "run plan", kind = "plan", tenant = connection.tenant, connection = connection.name,
        run = Empty, result = Empty, otel.status_code = Empty
    ))]
    pub(super) async fn plan_reading(
        &self,
        connection: &ConnectionName,
        read: Extent,
        cancel: &CancellationToken,
    ) -> Result<PlanOutcome, RunFailure> {
        let setup = &*self.setup(connection)?;
        self.store
            .see_managed(&setup.id, setup.switch.is_on().await?)
            .await?;
        let run = self.start(setup, RunKind::Plan, None).await?;
        let access = Access::Plan {
            staged: AsyncMutex::default(),
        };
        let (host, recorder) = self.host(setup, &run, Phase::Reads, Arc::new(NoPermit), access);
        let services: Arc<dyn RunServices> = Arc::clone(&host) as Arc<dyn RunServices>;
        let asked = self.run_of(setup, &run, read).await?;
        let (services, recording) = self.recorded(setup, Kind::Plan, &asked, None, services);
        let planned = self
            .sandbox_of(setup, (Kind::Plan, read))
            .plan(self.plugin_of(setup), services, cancel.clone(), &asked)
            .await;
        recording.end(&planned);
        if let Ok((_, usage)) = &planned {
            setup.habits.learn((Kind::Plan, read), usage);
        }
        let (summary, usage) = match planned {
            Ok(planned) => planned,
            Err(error) => {
                let failure = Self::failure(error, &recorder);
                if let Err(error) = self.store.drop_staged(&run).await {
                    tracing::warn!(%error, run, "what a failed plan left could not be dropped");
                }
                self.end(
                    &run,
                    RunResult::Failed,
                    &failure.to_string(),
                    &recorder,
                    Usage::default(),
                )
                .await;
                return Err(failure);
            }
        };
        let kept = async {
            host.flush().await?;
            self.store
                .seal_plan(&NewPlan {
                    run: run.clone(),
                    connection: setup.id.clone(),
                    directory: setup.directory_key.clone(),
                    summary: serde_json::to_value(summary).unwrap_or_default(),
                    lifetime: None,
                })
                .await
        };
        let record = match kept.await {
            Ok(record) => record,
            Err(error) => {
                let _told = host.not_staged(&error);
                if let Err(error) = self.store.drop_staged(&run).await {
                    tracing::warn!(%error, run, "what a failed plan left could not be dropped");
                }
                self.end(&run, RunResult::Failed, &error.to_string(), &recorder, usage)
                    .await;
                return Err(error.into());
            }
        };
        self.store.set_run_plan(&run, &record.hash).await?;
        if let Some(job) = &self.job {
            job.planned(&record.hash);
        }
        let plan = self.stored(setup, &record).await?;
        self.observer
            .planned(&self.run_ref(&setup.id, &run), &plan, &summary);
        let result = if plan.has_work() || plan.has_held() {
            RunResult::ChangesPending
        } else {
            RunResult::Done
        };
        let mut message = format!(
            "{} planned, {} held",
            count(summary.operations, "operation", "operations"),
            summary.held
        );
        if summary.verified_at.is_some() {
            let all = summary.groups.saturating_add(summary.at_rest);
            message = format!(
                "{message}; {} of {} looked at",
                summary.groups,
                count(all, "group", "groups")
            );
        }
        self.end(&run, result, &message, &recorder, usage).await;
        Ok(PlanOutcome {
            run,
            plan,
            summary,
            requests: recorder.counts(),
            usage,
        })
    }

    /// A plan with its parts read back.
    pub(super) async fn stored(
        &self,
        setup: &ConnectionSetup,
        record: &PlanRecord,
    ) -> Result<StoredPlan, RunFailure> {
        let mut parts = Vec::new();
        for part in self.store.parts(&setup.directory_key, &record.hash).await? {
            let bytes = self
                .store
                .part_bytes(&setup.directory_key, &record.hash, part.position)
                .await?;
            parts.push(Part::from_bytes(&bytes).map_err(|reason| {
                RunFailure::failed(format!(
                    "part {} of plan {} does not read: {reason}",
                    part.position, record.hash
                ))
            })?);
        }
        Ok(StoredPlan {
            hash: record.hash.clone(),
            parts,
            created: record.created_at,
            expires: record.expires_at,
        })
    }

    /// A stored plan of any connection, by its whole hash.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn stored_plan(&self, hash: &str) -> Result<Option<StoredPlan>, RunFailure> {
        for setup in self.connections.ready() {
            if let Some(record) = self.store.plan(&setup.directory_key, hash).await? {
                return Ok(Some(self.stored(&setup, &record).await?));
            }
        }
        Ok(None)
    }

    /// Plans, and applies what is within limits, unless the connection is new (plan-only). With [`Extent::Changes`] it
    /// reads what changed since the last whole reading, as far as change feeds prove what that is.
    ///
    /// # Errors
    /// As [`Self::plan`] and [`Self::apply`].
    pub async fn sync(
        &self,
        connection: &ConnectionName,
        read: Extent,
        cancel: &CancellationToken,
    ) -> Result<SyncOutcome, RunFailure> {
        let setup = &*self.setup(connection)?;
        self.settle_open(setup, cancel).await?;
        self.store
            .see_managed(&setup.id, setup.switch.is_on().await?)
            .await?;
        // What somebody is to approve is the whole of it (R34, R38, R45).
        let read = match self.store.connection(&setup.id).await?.mode {
            Mode::PlanOnly => Extent::Whole,
            Mode::Active => read,
        };
        let plan = self.plan_reading(connection, read, cancel).await?;
        if !plan.plan.has_work() {
            if plan.plan.has_held() {
                let why = "all changes are held".to_owned();
                return Ok(SyncOutcome::Planned { plan, why });
            }
            // What could not be read is not in step, only unknown.
            if plan.plan.frozen() == 0 {
                self.store.record_success(&setup.id).await?;
            }
            return Ok(SyncOutcome::Nothing(plan));
        }
        if self.store.connection(&setup.id).await?.mode == Mode::PlanOnly {
            let why = format!(
                "{connection} only plans until a plan of it was approved: look at the plan, then run \
                 `groupcast apply --connection {connection} --plan {}`",
                plan.plan.hash.get(..12).unwrap_or_default()
            );
            return Ok(SyncOutcome::Planned { plan, why });
        }
        if let Some(why) = self.waits(setup, &plan).await? {
            return Ok(SyncOutcome::Planned { plan, why });
        }
        let apply = self
            .apply_reading(connection, &plan.plan.hash, Selection::default(), read, cancel)
            .await?;
        Ok(SyncOutcome::Applied { plan, apply })
    }

    /// Why another component's plan waits for somebody's approval, if it does.
    async fn waits(&self, setup: &ConnectionSetup, plan: &PlanOutcome) -> Result<Option<String>, RunFailure> {
        let plugin = self.plugin_of(setup);
        if plugin.is_built_in() {
            return Ok(None);
        }
        if let Some(violation) = self.over_limits(setup, &plan.plan.parts).await? {
            let about = self.run_ref(&setup.id, &plan.run);
            let recorder = RunRecorder::new(about, Arc::clone(&self.observer), &plugin.digest);
            recorder.violated(&violation);
            self.audit_violations(&recorder).await;
            return Ok(Some(violation.to_string()));
        }
        Ok((!self.trusted.contains(&plugin.digest)).then(|| {
            format!(
                "the plan is of component {}, whose plans wait for approval: look at it, then apply it by its hash, or \
                 name the component in plugins.trusted",
                plugin.digest.get(..12).unwrap_or_default()
            )
        }))
    }
}
