//! The Groupcast host.
//!
//! Runs the sync component in a sandbox ([`plugin`]) and gives it what its world names. The binary is a thin shell
//! over this library; tests drive the library.

pub mod api;
mod aside;
pub mod cli;
pub mod config;
pub mod console;
pub mod credentials;
pub mod egress;
pub mod ledger;
pub mod plugin;
pub mod recording;
pub mod run;
pub mod sandbox;
pub mod schedule;
pub mod secrets;
pub mod service;
pub mod store;
pub mod telemetry;
