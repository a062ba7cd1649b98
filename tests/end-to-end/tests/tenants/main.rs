//! Many tenants in one process: each has a tenant's own ledger, credentials and schedule; the vendors behind them are the
//! same simulators. How many runs a machine does, how long each waits, and what an idle tenant and a run cost in memory
//! is measured and printed. `make tenants` does it with a thousand; an ordinary run with fewer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod fairness;
mod many;
mod service;
