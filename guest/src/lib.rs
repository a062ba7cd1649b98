//! The sync logic of Groupcast.
//!
//! On wasm32 this crate is the component `groupcast.wasm`; elsewhere it is an ordinary library with
//! the same engine over the same traits ([`environment`]), so that tests and benchmarks run it natively.
//!
//! The rooms: [`plan`] decides and knows neither vendors nor clocks nor sockets; [`complete`] proves that a
//! read is whole; [`names`] keeps large readings small; [`words`] tells
//! numbers; [`jumpcloud`], [`google`] and [`entra`] speak to one vendor each, through [`http`];
//! [`apply`] carries out what was approved; [`engine`] puts these together for each export of the WIT world.

pub mod apply;
pub mod complete;
#[cfg(target_arch = "wasm32")]
mod component;
pub mod engine;
pub mod entra;
pub mod environment;
pub mod failure;
pub mod feed;
pub mod google;
pub mod http;
pub mod jumpcloud;
pub mod ledger;
pub mod manifest;
pub mod names;
pub mod plan;
pub mod settings;
pub mod target;
pub mod words;
