//! One run: a fresh instance, one export called under every limit, and the store thrown away.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use groupcast_guest::engine::answers::{SUBJECT_GROUP, SUBJECT_PERSON};
use groupcast_guest::engine::{
    Explanation, Extent, Finding, PlanSummary, Question, Report, Run, Severity, Step,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::bindings::exports::groupcast::sync::directory_sync as wit;
use super::bindings::groupcast::sync::types;
use super::computing::{self, Body, Ended, Pace, Watch};
use super::convert;
use super::engine::PluginEngine;
use super::error::RunError;
use super::limits::RunLimits;
use super::load::Plugin;
use super::manifest::{Credential, EgressRule, Manifest};
use super::services::RunServices;
use super::state::RunState;
use super::violation::Violation;

/// What a call used, for the run's record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// The most linear memory in use, bytes.
    pub memory_peak_bytes: u64,
    /// From start to end.
    pub wall_ms: u64,
    /// Of these, computing: time of a processor.
    #[serde(default)]
    pub cpu_ms: u64,
}

impl Usage {
    /// Whether the run computed for so long that it was in the slow lane, where there is one.
    pub fn was_long(&self) -> bool {
        u128::from(self.cpu_ms) >= computing::QUICK.as_millis()
    }
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
                Box::new(|exports, store| {
                    Box::pin(async move { Ok(Ok(exports.call_describe(store).await?)) })
                }),
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
            .call(
                plugin,
                services,
                cancel,
                Box::new(move |exports, store| {
                    Box::pin(async move { exports.call_check(store, &run).await })
                }),
            )
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
            .call(
                plugin,
                services,
                cancel,
                Box::new(move |exports, store| Box::pin(async move { exports.call_plan(store, &run).await })),
            )
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
            .call(
                plugin,
                services,
                cancel,
                Box::new(move |exports, store| {
                    Box::pin(async move { exports.call_apply(store, &run).await })
                }),
            )
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
            .call(
                plugin,
                services,
                cancel,
                Box::new(move |exports, store| {
                    Box::pin(async move { exports.call_explain(store, &run, &question).await })
                }),
            )
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

    async fn call<T: Send + 'static>(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        cancel: CancellationToken,
        export: Export<T>,
    ) -> Result<(T, Usage), RunError> {
        let started = Instant::now();
        let is_quick = plugin.is_quick() && !self.limits.known_to_be_long;
        let pace = match (self.limits.slow_lane, is_quick) {
            (false, _) => Pace::Unhindered,
            (true, true) => Pace::Quick,
            (true, false) => Pace::Slow,
        };
        let watch = Watch::new(self.engine.slow_lane(), pace);
        let state = RunState::new(Arc::clone(&services), self.limits.clone(), Arc::clone(&watch));
        let mut store = Store::new(self.engine.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(self.limits.call_bytes);
        bound_computing(&mut store, Arc::clone(&watch), self.limits.cpu);

        let (pre, limits, watched) = (plugin.pre.clone(), self.limits.clone(), Arc::clone(&watch));
        let body = async move {
            let outcome = async {
                let instance = pre.instantiate_async(&mut store).await?;
                export(instance.groupcast_sync_directory_sync(), &mut store).await
            };
            let outcome = match outcome.await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(RunError::Failed(convert::failure(error))),
                Err(error) => Err(blame(&store, &limits, &watched, &error)),
            };
            let state = store.data();
            (outcome, state.meter.memory_peak as u64, state.has_flooded())
        };
        // In whichever lane it goes on, it belongs to the span of whoever began it.
        let body: Body<(Result<T, RunError>, u64, bool)> = Box::pin(body.in_current_span());
        // The clock is outside of the call: epochs never interrupt a guest that waits in a host call.
        let stop = async {
            tokio::select! {
                biased;
                () = cancel.cancelled() => RunError::Cancelled,
                () = watch.ending() => match watch.reason() {
                    Some(violation) => RunError::Violation(violation),
                    None => RunError::Cancelled,
                },
                () = tokio::time::sleep(self.limits.wall) => self.late(&watch),
            }
        };
        let (outcome, peak, has_flooded) =
            match computing::run(body, &watch, self.engine.slow_lane(), stop).await {
                Ended::Itself(ended) => ended,
                Ended::Stopped(why) => (Err(why), 0, false),
                Ended::Broken(how) => (Err(RunError::Host(how)), 0, false),
            };
        match &outcome {
            Ok(_) => plugin.earned(!has_flooded && watch.computed() < computing::QUICK),
            Err(RunError::Violation(violation)) => {
                plugin.earned(false);
                services.violated(violation);
            }
            _ => {}
        }
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let usage = Usage {
            memory_peak_bytes: peak,
            wall_ms: milliseconds(started.elapsed()),
            cpu_ms: milliseconds(watch.computed()),
        };
        outcome.map(|value| (value, usage))
    }

    /// The time is up. Who waited for nobody is to blame; who waited for a vendor or the store may not be.
    fn late(&self, watch: &Watch) -> RunError {
        let limit = self.limits.wall;
        if watch.idle() >= limit / 2 {
            RunError::Violation(Violation::NeverEnded { limit })
        } else {
            RunError::WallLimit(limit)
        }
    }
}

/// A call of one export, as something that owns what it needs.
type Export<T> = Box<
    dyn for<'a> FnOnce(
            &'a wit::Guest,
            &'a mut Store<RunState>,
        )
            -> Pin<Box<dyn Future<Output = wasmtime::Result<Result<T, types::Error>>> + Send + 'a>>
        + Send,
>;

/// Whose fault an error of the engine is. All but a host that has no room is the guest's.
fn blame(store: &Store<RunState>, limits: &RunLimits, watch: &Watch, error: &wasmtime::Error) -> RunError {
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return RunError::Host(format!("{error:#}"));
    }
    RunError::Violation(violation(store, limits, watch, error))
}

fn violation(
    store: &Store<RunState>,
    limits: &RunLimits,
    watch: &Watch,
    error: &wasmtime::Error,
) -> Violation {
    let how = error.root_cause().to_string();
    let too_much = |what| Violation::TooMuch {
        what,
        setting: "memory_mib",
    };
    if let Some(what) = store.data().meter.exceeded {
        return too_much(what);
    }
    // What it did first counts, and not that it fell over what came of it.
    if let Some(reason) = watch.reason() {
        return reason;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Violation::ComputedTooLong { limit: limits.cpu },
        Some(Trap::StackOverflow) => Violation::StackExhausted,
        Some(trap) => Violation::Crashed {
            how: trap.to_string(),
        },
        None if matches!(
            error.downcast_ref::<ResourceTableError>(),
            Some(ResourceTableError::Full)
        ) =>
        {
            too_much("handles")
        }
        None if how.contains("resource limit exceeded") => too_much("instances"),
        None if how.contains("fuel allocated for hostcalls") => Violation::TooMuchAtOnce {
            limit: limits.call_bytes,
        },
        // Whatever else ends a call came from lifting or lowering a value, or from a handle that is none.
        None => Violation::BrokenContract { how },
    }
}

/// Every epoch the guest yields to the other runs; past its budget it is stopped. What counts is the time that it
/// computes, and the time that the store works for it: a guest that waits for a vendor is not running.
fn bound_computing(store: &mut Store<RunState>, watch: Arc<Watch>, budget: Duration) {
    store.set_epoch_deadline(SLICE);
    store.epoch_deadline_callback(move |_| {
        if watch.is_over(budget) {
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
