//! Runs: the verbs of Groupcast (check, plan, apply, sync, undo, why) over the sandbox, the gate and the store.
//!
//! [`Groupcast`] is the façade that the command line and the service speak to. What may not enter: clap, terminals,
//! HTTP servers; and anything that decides about groups, which is the component's business.

mod apply;
mod catalogue;
mod check;
mod customer;
mod cut_off;
mod going_on;
mod groupcast;
mod guard;
mod habits;
mod host;
mod job;
mod jobs;
mod lease;
mod observer;
mod outcome;
mod planning;
mod recorded;
mod recorder;
mod sample;
mod setup;
mod slot;
mod stored;
mod switch;
mod undo;
mod view;
mod why;

pub use catalogue::{Catalogue, CatalogueGroup, SourceDirectory};
pub use groupcast::{Groupcast, OpenError, OpenOptions, UnknownConnection};
pub use jobs::{JobRunner, engine_limits};
pub use lease::LeaseTimes;
pub use observer::{NoObserver, Observer, RunRef};
pub use outcome::{
    ApplyOutcome, CheckReport, OperationOutcome, PlanOutcome, Repetition, RunFailure, RunFailureKind,
    Selection, StoredPlan, SyncOutcome,
};
pub use recorder::{RequestCounts, VendorCounts};
pub use setup::{Attempt, ConnectionSetup, SetupError, attempts, attempts_with, connections, run_limits};
pub use slot::ConnectionSource;
pub use stored::{open_store, prune_daily, store_location};
pub use switch::{ManagedSwitch, SwitchError, SwitchFile};

/// A connection's name: `tenant/connection`.
pub type ConnectionName = crate::store::ConnectionId;
