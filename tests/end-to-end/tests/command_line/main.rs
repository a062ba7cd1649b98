//! The program as a person runs it: the real binary, its two streams, its exit code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod commands;
mod components;
mod configuration;
#[allow(
    dead_code,
    reason = "made for the tests of the component, which use more of it"
)]
#[path = "../component/forge.rs"]
mod forge;
mod freezing;
mod handing_over;
mod plugins;
mod postgres;
mod program;
mod recordings;
mod registry;
mod secrecy;
mod secrets;
mod serving;
mod vendors;
mod watching;
mod web;
mod without_account;
mod zero;
