//! One run: a fresh instance, one export called under every limit, and the store thrown away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use groupcast_guest::engine::{Explanation, Finding, PlanSummary, Question, Report, Run};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::apart;
use super::asked::{Answered, Asked};
use super::computing::{self, Body, Ended, Pace, Watch};
use super::convert;
use super::engine::PluginEngine;
use super::error::RunError;
use super::limits::RunLimits;
use super::load::Plugin;
use super::manifest::Manifest;
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

/// How a run came out, wherever it computed.
pub(super) struct Ran {
    pub(super) outcome: Result<Answered, RunError>,
    pub(super) memory_peak: u64,
    /// Whether it handed over more of something than a run may.
    pub(super) has_flooded: bool,
    /// Processor time that it used in another process.
    pub(super) elsewhere: Duration,
}

impl Ran {
    /// It ended before it could tell anything of itself.
    pub(super) fn failed(error: RunError) -> Self {
        Self {
            outcome: Err(error),
            memory_peak: 0,
            has_flooded: false,
            elsewhere: Duration::ZERO,
        }
    }
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
        match self
            .call(plugin, services, CancellationToken::new(), Asked::Describe)
            .await?
        {
            (Answered::Manifest(manifest), _) => Ok(manifest),
            _ => Err(misunderstood()),
        }
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
        match self
            .call(plugin, services, cancel, Asked::Check(run.clone()))
            .await?
        {
            (Answered::Findings(findings), usage) => Ok((findings, usage)),
            _ => Err(misunderstood()),
        }
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
        match self
            .call(plugin, services, cancel, Asked::Plan(run.clone()))
            .await?
        {
            (Answered::Plan(summary), usage) => Ok((summary, usage)),
            _ => Err(misunderstood()),
        }
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
        match self
            .call(plugin, services, cancel, Asked::Apply(run.clone()))
            .await?
        {
            (Answered::Report(report), usage) => Ok((report, usage)),
            _ => Err(misunderstood()),
        }
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
        let asked = Asked::Explain(run.clone(), question.clone());
        match self.call(plugin, services, cancel, asked).await? {
            (Answered::Explanation(explanation), usage) => Ok((explanation, usage)),
            _ => Err(misunderstood()),
        }
    }

    async fn call(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        cancel: CancellationToken,
        asked: Asked,
    ) -> Result<(Answered, Usage), RunError> {
        let process = self.engine.process_for(plugin, services.as_ref());
        let is_quick = plugin.is_quick() && !self.limits.known_to_be_long;
        let pace = match (self.limits.slow_lane, is_quick) {
            (true, _) if process.is_some() => Pace::Elsewhere,
            (false, _) => Pace::Unhindered,
            (true, true) => Pace::Quick,
            (true, false) => Pace::Slow,
        };
        let watch = Watch::new(self.engine.slow_lane(), pace);
        let body = match process {
            Some((process, component)) => apart::outside(
                process,
                component,
                Arc::clone(&services),
                Arc::clone(&watch),
                self.engine.limits().clone(),
                self.limits.clone(),
                asked,
            ),
            None => self.here(plugin, Arc::clone(&services), Arc::clone(&watch), asked),
        };
        let (ran, usage) = self.watched(body, &watch, cancel).await;
        match &ran.outcome {
            Ok(_) => plugin.earned(!ran.has_flooded && watch.computed() < computing::QUICK),
            Err(RunError::Violation(violation)) => {
                plugin.earned(false);
                services.violated(violation);
            }
            _ => {}
        }
        ran.outcome.map(|answered| (answered, usage))
    }

    /// The same in this process, for whoever made it for this one run; who watches from outside tells of violations.
    pub(super) async fn call_inside(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        asked: Asked,
    ) -> (Ran, Usage) {
        let watch = Watch::new(self.engine.slow_lane(), Pace::Unhindered);
        let body = self.here(plugin, services, Arc::clone(&watch), asked);
        self.watched(body, &watch, CancellationToken::new()).await
    }

    /// An instance of its own in this process.
    fn here(
        &self,
        plugin: &Plugin,
        services: Arc<dyn RunServices>,
        watch: Arc<Watch>,
        asked: Asked,
    ) -> Body<Ran> {
        let state = RunState::new(services, self.limits.clone(), Arc::clone(&watch));
        let mut store = Store::new(self.engine.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(self.limits.call_bytes);
        bound_computing(&mut store, Arc::clone(&watch), self.limits.cpu);

        let (pre, limits) = (plugin.pre.clone(), self.limits.clone());
        let body = async move {
            let outcome = async {
                let instance = pre.instantiate_async(&mut store).await?;
                asked
                    .call(instance.groupcast_sync_directory_sync(), &mut store)
                    .await
            };
            let outcome = match outcome.await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(RunError::Failed(convert::failure(error))),
                Err(error) => Err(blame(&store, &limits, &watch, &error)),
            };
            let state = store.data();
            Ran {
                outcome,
                memory_peak: state.meter.memory_peak as u64,
                has_flooded: state.has_flooded(),
                elsewhere: Duration::ZERO,
            }
        };
        // In whichever lane it goes on, it belongs to the span of whoever began it.
        Box::pin(body.in_current_span())
    }

    /// Runs it to its end, or until it must stop.
    async fn watched(&self, body: Body<Ran>, watch: &Arc<Watch>, cancel: CancellationToken) -> (Ran, Usage) {
        let started = Instant::now();
        // The clock is outside of the call: epochs never interrupt a guest that waits in a host call.
        let stop = async {
            tokio::select! {
                biased;
                () = cancel.cancelled() => RunError::Cancelled,
                () = watch.ending() => match watch.reason() {
                    Some(violation) => RunError::Violation(violation),
                    None => RunError::Cancelled,
                },
                () = tokio::time::sleep(self.limits.wall) => self.late(watch),
            }
        };
        let ran = match computing::run(body, watch, self.engine.slow_lane(), stop).await {
            Ended::Itself(ran) => ran,
            Ended::Stopped(why) => Ran::failed(why),
            Ended::Broken(how) => Ran::failed(RunError::Host(how)),
        };
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let usage = Usage {
            memory_peak_bytes: ran.memory_peak,
            wall_ms: milliseconds(started.elapsed()),
            cpu_ms: milliseconds(watch.computed().saturating_add(ran.elsewhere)),
        };
        (ran, usage)
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

/// An answer to another question than the one that was asked: no component can give it, since each export has its type.
fn misunderstood() -> RunError {
    RunError::Host("the process of the run answered what nobody asked".to_owned())
}

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
    let too_much = |what: &'static str| Violation::TooMuch {
        what: what.into(),
        setting: "memory_mib".into(),
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
