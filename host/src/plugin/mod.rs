//! The sandbox: loads a component, links it to what world `sync` names, runs one export of it in a fresh instance under
//! limits. What may not enter: vendors, credentials, the store, configuration. Those are behind [`RunServices`].

mod apart;
mod asked;
mod bindings;
mod compiled;
mod compiler;
mod computing;
mod convert;
mod cost;
mod engine;
mod error;
mod folder;
mod http;
mod imports;
pub mod journal;
mod limits;
mod load;
mod manifest;
mod nothing;
mod pull;
mod run;
mod services;
mod state;
mod tapped;
mod violation;

pub use apart::{RUN_ARGUMENTS, RunnerProcess, run_here, starts_itself};
pub use compiler::{COMPILE_SECONDS, CompilerProcess, compile_here};
pub use engine::PluginEngine;
pub use error::{Blame, PluginError, RunError};
pub use folder::{PluginFolder, is_digest};
pub use limits::RunLimits;
pub use load::{ALLOWED_IMPORTS, EMBEDDED, LARGEST_PLUGIN, Outside, Plugin, inspect, read_file};
pub use manifest::{Credential, EgressRule, Manifest};
pub use pull::{Pulled, Puller, RegistryCredential, SCHEME as OCI_SCHEME};
pub use run::{Sandbox, Usage};
pub use services::{Event, LogLevel, NoAnswer, Page, RunServices};
pub use violation::{Flood, Violation};
