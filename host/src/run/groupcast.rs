//! The façade: everything opened once, and the verbs that read.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use groupcast_guest::engine::{Extent, Run, SourceEnd, TargetEnd};
use groupcast_guest::plan::part::Part;
use groupcast_guest::settings::Settings;
use rand::Rng;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;

use super::host::{Access, RunHost};
use super::job::JobRuns;
use super::observer::{NoObserver, Observer, RunRef};
use super::outcome::{PlanOutcome, Repetition, RunFailure, StoredPlan, SyncOutcome};
use super::recorder::RunRecorder;
use super::setup::{Attempt, ConnectionSetup, SetupError};
use super::slot::{ConnectionSource, Slots};
use super::{ConnectionName, Selection};
use crate::config::Config;
use crate::egress::gate::{Gate, GateParts};
use crate::egress::permit::{NoPermit, WritePermit};
use crate::egress::policy::{Phase, Policy};
use crate::plugin::{
    Plugin, PluginEngine, PluginError, PluginFolder, RunError, RunLimits, RunServices, Sandbox, Usage,
};
use crate::recording::{Kind, Recordings};
use crate::store::{
    Mode, NewPlan, NewRun, PlanRecord, RunEnd, RunKind, RunQuery, RunRecord, RunResult, Store, StoreError,
};
use crate::telemetry::traces;

/// How many runs may be in flight at once in this process beside those of a schedule: what people ask for directly.
const RUNS_AT_ONCE: u32 = 32;

/// How the façade is opened.
pub struct OpenOptions {
    /// Another component than the built-in one.
    pub plugin: Option<PathBuf>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            plugin: None,
            observer: Arc::new(NoObserver),
        }
    }
}

/// Why the façade cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The component.
    #[error("{0}")]
    Plugin(#[from] PluginError),
    /// A connection.
    #[error("{0}")]
    Setup(#[from] SetupError),
}

/// A connection's name that means none, or several.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownConnection {
    message: String,
}

/// Everything that runs need, opened once. Clones share all of it.
#[derive(Clone)]
pub struct Groupcast {
    pub(super) store: Arc<dyn Store>,
    pub(super) plugin: Arc<Plugin>,
    pub(super) engine: Arc<PluginEngine>,
    pub(super) connections: Arc<Slots>,
    /// Where connections come from that are not ready yet.
    pub(super) source: Option<Arc<dyn ConnectionSource>>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) recordings: Option<Recordings>,
    /// Digests of components, besides the built-in one, whose plans may be applied without anybody's approval.
    pub(super) trusted: Arc<BTreeSet<String>>,
    /// The job that runs belong to, where one asked for them.
    pub(super) job: Option<Arc<JobRuns>>,
}

impl Groupcast {
    /// Opens the store, compiles the component and reads the secrets that the configuration names.
    ///
    /// # Errors
    /// What cannot be opened, and what to do. No vendor is asked anything yet.
    pub async fn open(config: Config, options: OpenOptions) -> Result<Self, OpenError> {
        let setups = super::setup::connections(&config).await?;
        let store = super::stored::open_store(&config).await?;
        let opened = Self::with_store(setups, store, options)
            .await?
            .trusting(config.plugins.trusted.clone());
        Ok(if config.record {
            opened.recording(config.recordings)
        } else {
            opened
        })
    }

    /// The same over connections and a store that are there already.
    ///
    /// # Errors
    /// If the component cannot be used.
    pub async fn with_store(
        setups: Vec<ConnectionSetup>,
        store: Arc<dyn Store>,
        options: OpenOptions,
    ) -> Result<Self, OpenError> {
        let limits = setups
            .first()
            .map(|setup| setup.limits.clone())
            .unwrap_or_default();
        let (engine, plugin) = compiled(options.plugin, limits, RUNS_AT_ONCE).await?;
        Ok(Self::with_plugin(setups, store, engine, plugin, options.observer))
    }

    /// The component that a configuration's runs use, compiled.
    ///
    /// # Errors
    /// If it cannot be used.
    pub async fn component(
        config: &Config,
        plugin: Option<PathBuf>,
    ) -> Result<(Arc<PluginEngine>, Arc<Plugin>), OpenError> {
        Ok({
            let places = super::jobs::engine_limits(config).places;
            let scheduled = u32::try_from(places.all + places.kept_for_short).unwrap_or(u32::MAX);
            let runs = RUNS_AT_ONCE.saturating_add(scheduled);
            compiled(plugin, super::setup::run_limits(config), runs).await?
        })
    }

    /// The same over a component that is compiled already: compiling it is the longest part of opening.
    pub fn with_plugin(
        setups: Vec<ConnectionSetup>,
        store: Arc<dyn Store>,
        engine: Arc<PluginEngine>,
        plugin: Arc<Plugin>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let connections = Arc::<Slots>::default();
        for setup in setups {
            connections.put(setup.id.clone(), Ok(setup));
        }
        Self {
            store,
            plugin,
            engine,
            connections,
            source: None,
            observer,
            recordings: None,
            trusted: Arc::default(),
            job: None,
        }
    }

    /// The same, where plans of these components, by digest, need nobody's approval while they are within the limits.
    #[must_use]
    pub fn trusting(mut self, digests: impl IntoIterator<Item = String>) -> Self {
        self.trusted = Arc::new(digests.into_iter().collect());
        self
    }

    /// A component that is kept in a folder, compiled for this host's runs.
    ///
    /// # Errors
    /// It is not there, was changed, or is no component.
    pub async fn kept_plugin(&self, folder: &PluginFolder, digest: &str) -> Result<Arc<Plugin>, PluginError> {
        let (folder, wanted) = (folder.clone(), digest.to_owned());
        let bytes = tokio::task::spawn_blocking(move || folder.read(&wanted))
            .await
            .map_err(|error| PluginError::Engine(error.to_string()))??;
        self.engine.load(bytes, &format!("plugin {digest}")).await
    }

    /// The engine that components of this host run in.
    pub fn plugin_engine(&self) -> &Arc<PluginEngine> {
        &self.engine
    }

    /// The component of a connection: its tenant's own, or else the host's.
    pub(super) fn plugin_of<'a>(&'a self, setup: &'a ConnectionSetup) -> &'a Arc<Plugin> {
        setup.plugin.as_ref().unwrap_or(&self.plugin)
    }

    /// The same, with every run recorded.
    #[must_use]
    pub fn recording(mut self, recordings: Recordings) -> Self {
        self.recordings = Some(recordings);
        self
    }

    /// With connections that may not be ready yet: see [`Self::prepare`].
    #[must_use]
    pub fn with_attempts(self, config: Config, attempts: Vec<Attempt>) -> Self {
        for (id, setup) in attempts {
            self.put_connection(id, setup);
        }
        self.with_source(Arc::new(config))
    }

    /// With a place to look again for connections that could not be set up: see [`Self::prepare`].
    #[must_use]
    pub fn with_source(mut self, source: Arc<dyn ConnectionSource>) -> Self {
        self.source = Some(source);
        self
    }

    /// The same for one job: what it runs is told to the observer, and remembered, under the job's ID.
    pub(super) fn for_job(&self, job: Arc<JobRuns>) -> Self {
        Self {
            job: Some(job),
            ..self.clone()
        }
    }

    /// A run as observers know it.
    pub(super) fn run_ref(&self, connection: &ConnectionName, run: &str) -> RunRef {
        RunRef {
            connection: connection.clone(),
            run: run.to_owned(),
            job: self.job.as_ref().map(|job| job.id().to_owned()),
        }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The component in use: where it came from, and its digest.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// All connections, by name.
    pub fn connections(&self) -> Vec<ConnectionName> {
        self.connections.names()
    }

    /// The connections that a name means: none is all; a connection's name alone is enough where only one has it.
    ///
    /// # Errors
    /// If it means none, or one of several.
    pub fn resolve(&self, name: Option<&str>) -> Result<Vec<ConnectionName>, UnknownConnection> {
        let all = self.connections();
        let Some(name) = name else {
            return Ok(all);
        };
        let found: Vec<_> = all
            .iter()
            .filter(|known| known.to_string() == name || known.name == name)
            .cloned()
            .collect();
        let known = || all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match found.len() {
            1 => Ok(found),
            0 => Err(UnknownConnection {
                message: format!(
                    "there is no connection {name:?}; the configuration has: {}",
                    known()
                ),
            }),
            _ => Err(UnknownConnection {
                message: format!(
                    "{name:?} is the name of several connections; write one of: {}",
                    known()
                ),
            }),
        }
    }

    pub(super) fn setup(&self, connection: &ConnectionName) -> Result<Arc<ConnectionSetup>, RunFailure> {
        self.connections.setup(connection)
    }

    pub(super) fn sandbox(&self, setup: &ConnectionSetup) -> Sandbox {
        Sandbox::new(Arc::clone(&self.engine), setup.limits.clone())
    }

    pub(super) async fn run_of(
        &self,
        setup: &ConnectionSetup,
        id: &str,
        read: Extent,
    ) -> Result<Run, RunFailure> {
        let settings = Settings {
            managed: setup.switch.is_on().await?,
            ..setup.settings.clone()
        };
        let settings = serde_json::to_string(&settings).map_err(|error| {
            RunFailure::failed(format!("the settings of {} cannot be written: {error}", setup.id))
        })?;
        Ok(Run {
            id: id.to_owned(),
            source: SourceEnd {
                vendor: "jumpcloud".to_owned(),
                base_url: setup.source_base_url.clone(),
                events_base_url: setup.events_base_url.clone(),
                directory: setup.directory.clone(),
            },
            target: TargetEnd {
                vendor: setup.vendor.to_owned(),
                base_url: setup.target_base_url.clone(),
            },
            settings,
            seed: rand::rng().random(),
            read,
        })
    }

    pub(super) fn host(
        &self,
        setup: &ConnectionSetup,
        run: &str,
        phase: Phase,
        permit: Arc<dyn WritePermit>,
        access: Access,
    ) -> (Arc<RunHost>, Arc<RunRecorder>) {
        let about = self.run_ref(&setup.id, run);
        let recorder = Arc::new(RunRecorder::new(
            about.clone(),
            Arc::clone(&self.observer),
            &self.plugin_of(setup).digest,
        ));
        let gate = Gate::new(GateParts {
            policy: Policy::new(phase, setup.bases.clone(), setup.rules.clone()),
            permit,
            credentials: Arc::clone(&setup.credentials),
            connections: Arc::clone(&setup.connections),
            recorder: Arc::clone(&recorder) as Arc<dyn crate::egress::recorder::Recorder>,
            limits: setup.egress_limits.clone(),
        });
        let host = RunHost {
            about,
            directory: setup.directory_key.clone(),
            store: Arc::clone(&self.store),
            gate,
            observer: Arc::clone(&self.observer),
            phases: traces::Phases::default(),
            recorder: Arc::clone(&recorder),
            access,
        };
        (Arc::new(host), recorder)
    }

    pub(super) async fn start(
        &self,
        setup: &ConnectionSetup,
        kind: RunKind,
        plan: Option<&str>,
    ) -> Result<String, RunFailure> {
        let run = new_run_id();
        self.store
            .start_run(&NewRun {
                id: run.clone(),
                connection: setup.id.clone(),
                kind,
                plan: plan.map(ToOwned::to_owned),
            })
            .await?;
        if let Some(job) = &self.job {
            job.began(&run);
        }
        traces::begun(&run);
        self.observer.began(&self.run_ref(&setup.id, &run), kind);
        Ok(run)
    }

    /// Records how a run ended; a store that fails then must not hide what happened before.
    pub(super) async fn end(
        &self,
        run: &str,
        result: RunResult,
        message: &str,
        recorder: &RunRecorder,
        usage: Usage,
    ) {
        let (end, requests) = (RunEnd::new(result, message), recorder.counts());
        let counters = serde_json::json!({ "requests": requests, "usage": usage });
        if let Err(error) = self.store.end_run(run, &end, &counters).await {
            tracing::warn!(%error, run, "the end of a run could not be recorded");
        }
        traces::ended(result);
        self.audit_violations(recorder).await;
        self.observer.ended(recorder.about(), &end, &requests, &usage);
    }

    /// Keeps how a run's component broke its bounds.
    pub(super) async fn audit_violations(&self, recorder: &RunRecorder) {
        for entry in recorder.violations() {
            if let Err(error) = self.store.append_audit(&entry).await {
                tracing::error!(%error, subject = entry.subject, "a violation could not be kept in the audit log");
            }
        }
    }

    /// What a person is told of a run that failed: the host knows more of a refusal than the component does.
    pub(super) fn failure(error: RunError, recorder: &RunRecorder) -> RunFailure {
        use groupcast_guest::failure::FailureKind;
        let refusal = recorder.refusal();
        match (error, refusal) {
            (RunError::Failed(failure), Some(refusal)) if failure.kind == FailureKind::Denied => {
                let mut told = RunFailure::of_failure(failure);
                told.message = refusal.told;
                if refusal.passing {
                    told.repetition = Repetition::MayHelp { pause: None };
                }
                told
            }
            // The component makes something else of a refusal when writes were on their way; the reason must not be lost.
            (RunError::Failed(failure), Some(refusal)) => {
                let mut told = RunFailure::of_failure(failure);
                told.message = format!("{} (refused by this host: {})", told.message, refusal.told);
                told
            }
            (RunError::Failed(failure), None)
                if failure.kind == FailureKind::Transient && failure.vendor.is_none() =>
            {
                let mut told = RunFailure::of_failure(failure);
                if let Some(silence) = recorder.silence() {
                    told.message = format!("{}: {silence}", told.message.trim_end_matches('.'));
                }
                told
            }
            (error, _) => error.into(),
        }
    }

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
            .sandbox(setup)
            .plan(self.plugin_of(setup), services, cancel.clone(), &asked)
            .await;
        recording.end(&planned);
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
        let mut message = format!("{} operations planned, {} held", summary.operations, summary.held);
        if summary.verified_at.is_some() {
            let all = summary.groups.saturating_add(summary.at_rest);
            message = format!("{message}; {} of {all} groups looked at", summary.groups);
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

    /// The latest runs.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, RunFailure> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(self
            .store
            .runs(&RunQuery {
                limit,
                ..RunQuery::default()
            })
            .await?)
    }
}

/// Compiling takes seconds of computing: not on a thread that others wait for.
async fn compiled(
    plugin: Option<PathBuf>,
    limits: RunLimits,
    runs: u32,
) -> Result<(Arc<PluginEngine>, Arc<Plugin>), PluginError> {
    let built_in = plugin.is_none();
    let (engine, embedded) = tokio::task::spawn_blocking(move || {
        let engine = PluginEngine::new(runs, &limits)?;
        let plugin = built_in.then(|| Plugin::embedded(&engine)).transpose()?;
        Ok::<_, PluginError>((Arc::new(engine), plugin))
    })
    .await
    .map_err(|error| PluginError::Engine(error.to_string()))??;
    let plugin = match (embedded, plugin) {
        (Some(embedded), _) => Arc::new(embedded),
        (None, Some(path)) => {
            let bytes = crate::plugin::read_file(&path)?;
            engine.load(bytes, &path.display().to_string()).await?
        }
        (None, None) => return Err(PluginError::Engine("there is no component to run".to_owned())),
    };
    Ok((engine, plugin))
}

/// Sortable by time, unique among processes.
pub(super) fn new_run_id() -> String {
    let now = chrono::Utc::now().format("%Y%m%dT%H%M%S%3f");
    format!("{now}-{:08x}", rand::rng().random::<u32>())
}
