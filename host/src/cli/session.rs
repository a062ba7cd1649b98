//! One call of the program: its options, its streams, and what it reaches.

use std::io::Write;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::arguments::{Accepted, Shared};
use super::exit::Exit;
use super::operations::{ConnectionName, Operations, RunFailure};
use super::problem::Problem;
use super::progress::Progress;
use super::render::failure::failure;
use super::render::plan::{Approval, Detail};
use super::surroundings::{Opening, Surroundings};

/// One call of the program.
pub struct Session<'a> {
    /// Options of every command.
    pub shared: &'a Shared,
    /// What it reaches.
    pub surroundings: &'a dyn Surroundings,
    /// Ends it.
    pub cancel: CancellationToken,
    /// Shows runs at work.
    pub progress: Arc<Progress>,
    /// Results.
    pub out: &'a mut dyn Write,
    /// Everything else.
    pub errors: &'a mut dyn Write,
}

impl Session<'_> {
    /// Opens the host.
    pub async fn open(&self) -> Result<Arc<dyn Operations>, Problem> {
        self.surroundings.open(self.opening()).await
    }

    /// The same where somebody accepts something for this call.
    pub async fn open_accepting(&self, accepted: &Accepted) -> Result<Arc<dyn Operations>, Problem> {
        let opening = Opening {
            acknowledge: accepted.acknowledge,
            ..self.opening()
        };
        self.surroundings.open(opening).await
    }

    /// How it is opened.
    pub fn opening(&self) -> Opening<'_> {
        Opening {
            config: &self.shared.config,
            plugin: self.shared.plugin.as_deref(),
            connection: self.shared.connection.as_deref(),
            record: self.shared.record,
            acknowledge: false,
            observer: self.progress.clone(),
        }
    }

    /// The connections that the options mean.
    pub fn connections(&self, operations: &dyn Operations) -> Result<Vec<ConnectionName>, Problem> {
        let connections = operations
            .resolve(self.shared.connection.as_deref())
            .map_err(Problem::refused)?;
        if connections.is_empty() {
            return Err(Problem::refused(format!(
                "{} has no connection; add a [google] or an [entra] section",
                self.shared.config.display()
            )));
        }
        Ok(connections)
    }

    /// How much is shown.
    pub fn detail(&self) -> Detail {
        if self.shared.verbose > 0 {
            Detail::ALL
        } else {
            Detail::GLANCE
        }
    }

    /// How a plan of a connection is approved with these very options.
    pub fn approval(&self, operations: &dyn Operations, connection: &ConnectionName, hash: &str) -> Approval {
        let config = self.shared.config.to_string_lossy();
        Approval {
            hash: hash.to_owned(),
            connection: (operations.connections().len() > 1).then(|| connection.to_string()),
            config: (config != "groupcast.toml").then(|| config.into_owned()),
        }
    }

    /// Prints a result as text.
    pub fn text(&mut self, text: &str) -> Result<(), Problem> {
        self.progress.clear();
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// Prints a result as JSON.
    pub fn document(&mut self, document: &impl Serialize) -> Result<(), Problem> {
        let json = serde_json::to_string_pretty(document)
            .map_err(|error| Problem::failed(format!("the result has no JSON form: {error}")))?;
        self.text(&format!("{json}\n"))
    }

    /// Shows a failure that does not end the command.
    pub fn failure(&mut self, problem: &Problem) -> Result<(), Problem> {
        self.progress.clear();
        Ok(self.errors.write_all(failure(problem).as_bytes())?)
    }
}

/// A run's failure, with the connection that it happened to.
pub fn problem(connection: &ConnectionName, failure: RunFailure) -> Problem {
    Problem::from(failure).at(connection.to_string())
}

impl From<RunFailure> for Problem {
    fn from(failure: RunFailure) -> Self {
        Self {
            exit: match failure.kind {
                super::operations::RunFailureKind::Refused => Exit::Refused,
                super::operations::RunFailureKind::Failed => Exit::Failed,
            },
            place: String::new(),
            message: failure.message,
            vendor: failure.vendor,
        }
    }
}
