//! The sandbox: Groupcast doing its job against simulated vendors, for whoever has no accounts to try it with.
//!
//! The simulators ([`simulators`]) stand behind real sockets with TLS, a folder ([`folder`]) holds an ordinary
//! configuration with secrets in files, and a story ([`story`]) is told through the same operations that the command
//! line uses; the console ([`console`]) stands beside it. What was promised is judged against the simulators' own state
//! ([`expectation`]), never against what Groupcast says about itself.
//!
//! What may not enter: a way around the product. The sandbox has no access that an operator would not have, apart from
//! the clicks of the simulated administrator.

#![allow(
    clippy::result_large_err,
    reason = "an error here ends the sandbox, once; boxing it would buy nothing"
)]

mod command;
mod console;
mod expectation;
mod folder;
mod many;
mod requests;
mod simulators;
mod story;

use std::path::PathBuf;

pub use command::{run_sandbox, run_simulators};
pub use console::{ConsoleOptions, OpenService, console};
pub use folder::Folder;
pub use simulators::{SimulatorsOptions, simulators};
pub use story::{Open, SandboxEnd, SandboxOptions, sandbox};

/// Why the sandbox or the simulators could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A file of the user's cannot be read.
    #[error("cannot read {path}: {source}; name a file that is there and that you may read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder of ours cannot be written.
    #[error("cannot write {path}: {source}; set TMPDIR to a folder with room that you may write to")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing more can be shown.
    #[error("the output is gone: {0}")]
    Output(#[from] std::io::Error),
    /// The organisation file is wrong.
    #[error(transparent)]
    Organisation(#[from] groupcast_simulators::organisation::OrganisationError),
    /// The faults file is wrong.
    #[error("the faults file {path} is wrong at {place}: {reason}; tests/simulators/README.md describes it")]
    Faults {
        /// The file.
        path: PathBuf,
        /// Where in it.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// The simulators do not start.
    #[error(transparent)]
    Start(#[from] groupcast_simulators::server::StartError),
    /// A click of the simulated administrator went wrong.
    #[error("the simulated administrator could not click: {0}; please report this")]
    Click(#[from] groupcast_simulators::jumpcloud::AdministrationError),
    /// Groupcast did not open on the sandbox's own configuration.
    #[error("the sandbox's configuration was not accepted: {0}")]
    Open(String),
    /// A run of the story ended badly.
    #[error("{what} failed: {failure}")]
    Run {
        /// Which run, of which connection.
        what: String,
        /// Why.
        failure: crate::cli::operations::RunFailure,
    },
}
