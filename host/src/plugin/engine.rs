//! The wasmtime engine: one for the process, with a clock of epochs that no guest can stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::apart::{self, RunnerProcess};
use super::compiled;
use super::compiler::{Compiler, CompilerProcess};
use super::computing::SlowLane;
use super::error::PluginError;
use super::limits::RunLimits;

/// How often the epoch advances: the longest that a guest computes without being looked at.
const EPOCH: Duration = Duration::from_millis(10);

/// The engine and the thread that advances its epoch.
pub struct PluginEngine {
    engine: Engine,
    stop: Arc<AtomicBool>,
    slow_lane: SlowLane,
    compiler: Compiler,
    runner: Mutex<Option<RunnerProcess>>,
    limits: RunLimits,
}

impl PluginEngine {
    /// An engine that can hold `runs` runs at once, each within `limits`. Where the address space does not
    /// allow a pool of that size (39-bit machines, `ulimit -v`, some containers), memory is taken on demand.
    ///
    /// # Errors
    /// [`PluginError::Engine`] if wasmtime cannot run on this machine.
    pub fn new(runs: u32, limits: &RunLimits) -> Result<Self, PluginError> {
        let engine = Engine::new(&config(Some(pool(runs, limits)), limits))
            .or_else(|_| Engine::new(&config(None, limits)))
            .map_err(|error| PluginError::Engine(format!("{error:#}")))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (weak, stopped) = (engine.weak(), Arc::clone(&stop));
        // A real thread: a guest that never yields can pin the worker that drives all timers.
        std::thread::Builder::new()
            .name("groupcast-epoch".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    std::thread::sleep(EPOCH);
                    match weak.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            })
            .map_err(|error| PluginError::Engine(format!("cannot start the epoch's thread: {error}")))?;
        let made = Self {
            engine,
            stop,
            slow_lane: SlowLane::new()?,
            compiler: Compiler::new(),
            runner: Mutex::default(),
            limits: limits.clone(),
        };
        if let Some(program) = apart::this_program() {
            made.compile_in(CompilerProcess::of(program, limits.memory_bytes));
            made.run_in(RunnerProcess::of(program));
        }
        Ok(made)
    }

    pub(super) fn compiler(&self) -> &Compiler {
        &self.compiler
    }

    /// The limits that it was made for: compiled code depends on them.
    pub(super) fn limits(&self) -> &RunLimits {
        &self.limits
    }

    /// The process that runs components of others, where there is one.
    pub(super) fn runner(&self) -> MutexGuard<'_, Option<RunnerProcess>> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slow_lane(&self) -> &SlowLane {
        &self.slow_lane
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Drop for PluginEngine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn config(pool: Option<PoolingAllocationConfig>, limits: &RunLimits) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    // No WASI 0.3 is in use, and calls are cheaper without its bookkeeping.
    config.concurrency_support(false);
    // What the world does not need is off: less to go wrong.
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    // A recording must replay on another machine: not even the bits of a NaN may depend on it.
    config.cranelift_nan_canonicalization(true);
    config.max_wasm_stack(1 << 20);
    config.memory_reservation(limits.memory_bytes as u64);
    config.memory_guard_size(32 << 20);
    config.cache(compiled::cache());
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

fn pool(runs: u32, limits: &RunLimits) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let each = u32::try_from(limits.instances).unwrap_or(u32::MAX);
    // All totals grow together: one that lags is the one that refuses.
    pool.total_component_instances(runs);
    pool.total_core_instances(runs.saturating_mul(each));
    pool.total_memories(runs.saturating_mul(2));
    pool.total_tables(runs.saturating_mul(each));
    pool.total_stacks(runs);
    pool.max_memory_size(limits.memory_bytes);
    pool.max_core_instances_per_component(each);
    pool.max_memories_per_component(2);
    pool.max_tables_per_component(each);
    pool.table_elements(limits.table_elements);
    pool
}
