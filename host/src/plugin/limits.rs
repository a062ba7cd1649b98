//! What one run may use. Every limit ends that run with a typed reason and touches no other.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

/// Limits of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// Bytes of linear memory, all memories together.
    pub memory_bytes: usize,
    /// Elements of all tables together.
    pub table_elements: usize,
    /// Core instances, memories and tables: each at most this many.
    pub instances: usize,
    /// Time the guest may compute; waiting for a host call does not count.
    pub cpu: Duration,
    /// Time from start to end, waiting included.
    pub wall: Duration,
    /// Log bytes and progress events that are kept; more are dropped and counted.
    pub log_bytes: u64,
    /// Bytes that one call may hand to the host (a plan part, a batch of intents).
    pub call_bytes: usize,
    /// Resource handles alive at once.
    pub handles: usize,
    /// Bytes of all plan parts of a run.
    pub plan_bytes: u64,
    /// Bytes of requests and answers that are open at once: they lie in the host's memory.
    pub held_bytes: usize,
    /// Requests that are open at once, those included whose body the guest is still writing.
    pub open_requests: usize,
    /// Requests that the gate refuses before the run is ended.
    pub refused_requests: u32,
    /// Entries (intents, outcomes, effects) that a run may hand to the ledger.
    pub ledger_entries: u64,
    /// Bytes that a run may hand to the state.
    pub state_bytes: u64,
    /// Whether a run that computes for long makes way for others, by going on with low priority.
    pub slow_lane: bool,
    /// Whether the last such run computed for long: where there is a slow lane, this one begins in it.
    pub known_to_be_long: bool,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            // A directory of 100,000 people and 500,000 memberships is planned within it.
            memory_bytes: 128 << 20,
            table_elements: 100_000,
            instances: 10,
            cpu: Duration::from_secs(300),
            wall: Duration::from_secs(3_600),
            log_bytes: 1 << 20,
            call_bytes: 24 << 20,
            handles: 10_000,
            plan_bytes: 1 << 30,
            // Several of the largest answers at once.
            held_bytes: 128 << 20,
            open_requests: 1_000,
            refused_requests: 1_000,
            // A takeover of 500,000 memberships, several times over.
            ledger_entries: 5_000_000,
            state_bytes: 256 << 20,
            slow_lane: false,
            known_to_be_long: false,
        }
    }
}

/// Sums over all memories and tables of a store: wasmtime's own `StoreLimits` counts each by itself, so
/// that a component of several memories could take several times the limit.
#[derive(Debug)]
pub(super) struct Meter {
    limits: RunLimits,
    memory: usize,
    tables: usize,
    /// The most memory that was in use.
    pub(super) memory_peak: usize,
    /// Which limit was refused, for the run's end.
    pub(super) exceeded: Option<&'static str>,
}

impl Meter {
    pub(super) fn new(limits: RunLimits) -> Self {
        Self {
            limits,
            memory: 0,
            tables: 0,
            memory_peak: 0,
            exceeded: None,
        }
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_sub(current).saturating_add(desired);
        if wanted > self.limits.memory_bytes {
            self.exceeded = Some("memory");
            return Ok(false);
        }
        self.memory = wanted;
        self.memory_peak = self.memory_peak.max(wanted);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.tables.saturating_sub(current).saturating_add(desired);
        if wanted > self.limits.table_elements {
            self.exceeded = Some("table elements");
            return Ok(false);
        }
        self.tables = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_counted_together() {
        let mut meter = Meter::new(RunLimits {
            memory_bytes: 100,
            ..RunLimits::default()
        });
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(
            !meter.memory_growing(0, 60, None).unwrap(),
            "a second memory shares the limit"
        );
        assert!(meter.memory_growing(60, 100, None).unwrap());
        assert_eq!(meter.memory_peak, 100);
        assert_eq!(meter.exceeded, Some("memory"));
    }
}
