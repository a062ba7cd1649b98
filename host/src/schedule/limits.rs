//! How much a host does at once.

use std::time::Duration;

use super::fair::Places;

/// How much the engine does at once.
#[derive(Debug, Clone, Copy)]
pub struct EngineLimits {
    /// Runs at the same time, of all tenants and of one.
    pub places: Places,
    /// How long a stop waits for the runs under way.
    pub stop_deadline: Duration,
}

impl EngineLimits {
    /// So many runs of all tenants at once, and so many of one. A quarter of the places, at least one where there are
    /// several, is kept for runs that do not take long.
    pub fn of(runs_at_once: usize, per_tenant: usize) -> Self {
        Self {
            places: Places {
                all: runs_at_once,
                kept_for_short: runs_at_once.div_ceil(4).min(runs_at_once.saturating_sub(1)),
                per_tenant,
            },
            stop_deadline: Duration::from_secs(30),
        }
    }

    /// How many runs a machine does at once, where nothing is said: most of a run is waiting for vendors, so four for
    /// each processor; but no more than half of the memory holds if all of them take what one may (`each`, bytes).
    pub fn runs_at_once(each: usize) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let by_memory = memory().map_or(usize::MAX, |memory| memory / 2 / each.max(1));
        (4 * processors).min(by_memory).clamp(2, 256)
    }
}

/// The machine's memory in bytes, as far as Linux says it; a container's limit is its own.
fn memory() -> Option<usize> {
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    if let Some(limit) = limit.and_then(|text| text.trim().parse().ok()) {
        return Some(limit);
    }
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1_024)
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self::of(8, 2)
    }
}
