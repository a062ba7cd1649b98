//! The façade: everything opened once, and what every run is made of.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use groupcast_guest::engine::{Extent, Run, SourceEnd, TargetEnd};
use groupcast_guest::settings::Settings;
use rand::Rng;

use super::ConnectionName;
use super::host::{Access, RunHost};
use super::job::JobRuns;
use super::observer::{NoObserver, Observer, RunRef};
use super::outcome::{Repetition, RunFailure};
use super::recorder::RunRecorder;
use super::setup::{Attempt, ConnectionSetup, SetupError};
use super::slot::{ConnectionSource, Slots};
use crate::config::Config;
use crate::egress::gate::{Gate, GateParts};
use crate::egress::permit::WritePermit;
use crate::egress::policy::{Phase, Policy};
use crate::plugin::{Plugin, PluginEngine, PluginError, PluginFolder, RunError, RunLimits, Sandbox, Usage};
use crate::recording::{Kind, Recordings};
use crate::store::{NewRun, RunEnd, RunKind, RunQuery, RunRecord, RunResult, Store, StoreError};
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

    /// The same for a run of a kind of which there are many: its beginning goes by how long the last one was.
    pub(super) fn sandbox_of(&self, setup: &ConnectionSetup, run: (Kind, Extent)) -> Sandbox {
        Sandbox::new(Arc::clone(&self.engine), setup.habits.limits(run, &setup.limits))
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
    let engine = Arc::new(blocking(move || PluginEngine::new(runs, &limits)).await?);
    let plugin = match plugin {
        Some(path) => {
            let origin = path.display().to_string();
            let bytes = blocking(move || crate::plugin::read_file(&path)).await?;
            engine.load(bytes, &origin).await?
        }
        None => {
            let engine = Arc::clone(&engine);
            Arc::new(blocking(move || Plugin::embedded(&engine)).await?)
        }
    };
    Ok((engine, plugin))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
) -> Result<T, PluginError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| PluginError::Engine(error.to_string()))?
}

/// Sortable by time, unique among processes.
pub(super) fn new_run_id() -> String {
    let now = chrono::Utc::now().format("%Y%m%dT%H%M%S%3f");
    format!("{now}-{:08x}", rand::rng().random::<u32>())
}
