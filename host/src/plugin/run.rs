//! One run: a fresh instance, one export called under every limit, and the store thrown away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use groupcast_guest::engine::answers::{SUBJECT_GROUP, SUBJECT_PERSON};
use groupcast_guest::engine::{
    Explanation, Extent, Finding, PlanSummary, Question, Report, Run, Severity, Step,
};
use tokio_util::sync::CancellationToken;
use wasmtime::{Store, Trap, UpdateDeadline};

use super::bindings::exports::groupcast::sync::directory_sync as wit;
use super::bindings::groupcast::sync::types;
use super::convert;
use super::engine::{EPOCH, PluginEngine};
use super::error::RunError;
use super::limits::RunLimits;
use super::load::Plugin;
use super::manifest::{Credential, EgressRule, Manifest};
use super::services::RunServices;
use super::state::RunState;

/// What a call used, for the run's record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// The most linear memory in use, bytes.
    pub memory_peak_bytes: u64,
    /// From start to end.
    pub wall_ms: u64,
}

/// How many epochs one slice of computing has before the guest yields to others.
const SLICE: u64 = 1;

/// Calls exports of a plugin, each in a fresh instance.
pub struct Sandbox {
    engine: Arc<PluginEngine>,
    limits: RunLimits,
}

impl Sandbox {
    /// A sandbox whose runs each have these limits.
    pub fn new(engine: Arc<PluginEngine>, limits: RunLimits) -> Self {
        Self { engine, limits }
    }

    /// Calls `describe`. No import does anything meanwhile.
    ///
    /// # Errors
    /// [`RunError`] if the plugin does not answer properly.
    pub async fn describe(&self, plugin: &Plugin) -> Result<Manifest, RunError> {
        let services: Arc<dyn RunServices> = Arc::new(super::nothing::Nothing);
        let (manifest, _) = self
            .call(
                plugin,
                services,
                CancellationToken::new(),
                async |exports, store| Ok(Ok(exports.call_describe(store).await?)),
            )
            .await?;
        Ok(Manifest {
            name: manifest.name,
            version: manifest.version,
            vendors: manifest.vendors,
            credentials: manifest
                .credentials
                .into_iter()
                .map(|credential| Credential {
                    name: credential.name,
                    purpose: credential.purpose,
                    scopes: credential.scopes,
                })
                .collect(),
            egress: manifest
                .egress
                .into_iter()
                .map(|rule| EgressRule {
                    credential: rule.credential,
                    method: rule.method,
                    path: rule.path,
                    writes: rule.writes,
                    batch: rule.batch,
                })
                .collect(),
            settings_schema: manifest.settings_schema,
        })
    }

    /// Calls `check`.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn check(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        cancel: CancellationToken,
        run: &Run,
    ) -> Result<(Vec<Finding>, Usage), RunError> {
        let run = to_run(run);
        let (findings, usage) = self
            .call(plugin, services, cancel, async |exports, store| {
                exports.call_check(store, &run).await
            })
            .await?;
        let findings = findings
            .into_iter()
            .map(|finding| Finding {
                severity: match finding.severity {
                    wit::Severity::Info => Severity::Info,
                    wit::Severity::Warning => Severity::Warning,
                    wit::Severity::Problem => Severity::Problem,
                },
                code: finding.code,
                place: finding.place,
                message: finding.message,
                vendor: finding.vendor.map(convert::vendor_answer),
            })
            .collect();
        Ok((findings, usage))
    }

    /// Calls `plan`.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn plan(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        cancel: CancellationToken,
        run: &Run,
    ) -> Result<(PlanSummary, Usage), RunError> {
        let run = to_run(run);
        let (summary, usage) = self
            .call(plugin, services, cancel, async |exports, store| {
                exports.call_plan(store, &run).await
            })
            .await?;
        let summary = PlanSummary {
            groups: summary.groups,
            operations: summary.operations,
            adds: summary.adds,
            removals: summary.removals,
            held: summary.held,
            at_rest: summary.at_rest,
            verified_at: summary.verified_at,
        };
        Ok((summary, usage))
    }

    /// Calls `apply`.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn apply(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        cancel: CancellationToken,
        run: &Run,
    ) -> Result<(Report, Usage), RunError> {
        let run = to_run(run);
        let (report, usage) = self
            .call(plugin, services, cancel, async |exports, store| {
                exports.call_apply(store, &run).await
            })
            .await?;
        Ok((
            Report {
                applied: report.applied,
                failed: report.failed,
                moved: report.moved,
            },
            usage,
        ))
    }

    /// Calls `explain`.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn explain(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        cancel: CancellationToken,
        run: &Run,
        question: &Question,
    ) -> Result<(Explanation, Usage), RunError> {
        let run = to_run(run);
        let question = wit::Question {
            person: question.person.clone(),
            group: question.group.clone(),
        };
        let (explanation, usage) = self
            .call(plugin, services, cancel, async |exports, store| {
                exports.call_explain(store, &run, &question).await
            })
            .await?;
        let mut told = Explanation {
            conclusion: explanation.conclusion,
            group: None,
            people: Vec::new(),
            steps: Vec::new(),
        };
        for step in explanation.steps {
            match step.code.as_str() {
                SUBJECT_GROUP => told.group = Some(step.message),
                SUBJECT_PERSON => told.people.push(step.message),
                _ => told.steps.push(Step {
                    code: step.code,
                    holds: step.holds,
                    message: step.message,
                }),
            }
        }
        Ok((told, usage))
    }

    async fn call<T>(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        cancel: CancellationToken,
        export: impl AsyncFnOnce(&wit::Guest, &mut Store<RunState>) -> wasmtime::Result<Result<T, types::Error>>,
    ) -> Result<(T, Usage), RunError> {
        let started = Instant::now();
        let mut store = Store::new(self.engine.engine(), RunState::new(services, self.limits.clone()));
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(self.limits.call_bytes);
        bound_computing(&mut store, self.limits.cpu);

        // The timer is outside the call: epochs never interrupt a guest that waits in a host call.
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(RunError::Cancelled),
            outcome = tokio::time::timeout(self.limits.wall, async {
                let instance = plugin.pre.instantiate_async(&mut store).await?;
                export(instance.groupcast_sync_directory_sync(), &mut store).await
            }) => outcome,
        };
        let usage = Usage {
            memory_peak_bytes: store.data().meter.memory_peak as u64,
            wall_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        match outcome {
            Err(_) => Err(RunError::WallLimit(self.limits.wall)),
            Ok(Err(error)) => Err(self.blame(&store, &error)),
            Ok(Ok(Err(error))) => Err(RunError::Failed(convert::failure(error))),
            Ok(Ok(Ok(value))) => Ok((value, usage)),
        }
    }

    fn blame(&self, store: &Store<RunState>, error: &wasmtime::Error) -> RunError {
        if let Some(what) = store.data().meter.exceeded {
            return RunError::ResourceLimit {
                what,
                setting: "memory_mib",
            };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => RunError::CpuLimit(self.limits.cpu),
            Some(trap) => RunError::Trap(trap.to_string()),
            None if error.to_string().contains("concurrent") => RunError::Host(format!("{error:#}")),
            None => RunError::Trap(error.root_cause().to_string()),
        }
    }
}

/// Every epoch the guest yields to the other runs; past its budget it is stopped. Only epochs that pass
/// while it computes count: a guest that waits in a host call is not running.
fn bound_computing(store: &mut Store<RunState>, budget: Duration) {
    let slices = u64::try_from(budget.as_millis() / EPOCH.as_millis().max(1))
        .unwrap_or(u64::MAX)
        .max(1);
    let mut used = 0u64;
    store.set_epoch_deadline(SLICE);
    store.epoch_deadline_callback(move |_| {
        used = used.saturating_add(1);
        if used > slices {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::YieldCustom(
            SLICE,
            Box::pin(tokio::task::yield_now()),
        ))
    });
}

fn to_run(run: &Run) -> types::Run {
    types::Run {
        id: run.id.clone(),
        source: types::Source {
            vendor: run.source.vendor.clone(),
            base_url: run.source.base_url.clone(),
            events_base_url: run.source.events_base_url.clone(),
            directory: run.source.directory.clone(),
        },
        target: types::Target {
            vendor: run.target.vendor.clone(),
            base_url: run.target.base_url.clone(),
        },
        settings: run.settings.clone(),
        seed: run.seed,
        read: match run.read {
            Extent::Whole => types::Extent::Whole,
            Extent::Changes => types::Extent::Changes,
        },
    }
}
