//! What `--json` prints: one document a command, named by `format`. These shapes are a promise: fields are only added
//! within a version. Plan parts are the plan's own canonical form (`wit/plan-part.schema.json`), untouched.

use groupcast_guest::failure::VendorAnswer;
use serde::Serialize;

use super::exit::Exit;
use super::operations::ConnectionName;
use super::problem::Problem;

mod kept;
mod looks;
mod plans;
mod replays;

pub use kept::*;
pub use looks::*;
pub use plans::*;
pub use replays::*;

/// What all commands that go over connections print: `groupcast/<command>/1`.
#[derive(Debug, Serialize)]
pub struct Document<T> {
    /// Name and version of the shape.
    pub format: String,
    /// The process's exit code.
    pub exit: u8,
    /// One entry a connection, in the configuration's order.
    pub connections: Vec<Entry<T>>,
}

/// One connection's result, or its failure.
#[derive(Debug, Serialize)]
pub struct Entry<T> {
    /// `tenant/connection`.
    pub connection: String,
    /// What came of it; absent where it failed.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub result: Option<T>,
    /// What went wrong; absent where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEntry>,
}

/// A command that could not begin: `groupcast/error/1`.
#[derive(Debug, Serialize)]
pub struct ErrorDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// What went wrong.
    pub error: ErrorEntry,
}

/// What went wrong.
#[derive(Debug, Serialize)]
pub struct ErrorEntry {
    /// `refused` (nothing was done) or `failed`.
    pub kind: &'static str,
    /// To what; absent where the message names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What happened and what to do.
    pub message: String,
    /// The vendor's answer: status, reason, request ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<VendorAnswer>,
}

impl From<&Problem> for ErrorEntry {
    fn from(problem: &Problem) -> Self {
        Self {
            kind: if problem.exit == Exit::Refused {
                "refused"
            } else {
                "failed"
            },
            place: (!problem.place.is_empty()).then(|| problem.place.clone()),
            message: problem.message.clone(),
            vendor: problem.vendor.clone(),
        }
    }
}

impl<T> Document<T> {
    /// An empty document of a command.
    pub fn new(command: &str) -> Self {
        Self {
            format: format!("groupcast/{command}/1"),
            exit: 0,
            connections: Vec::new(),
        }
    }

    /// Adds a connection's result.
    pub fn push(&mut self, connection: &ConnectionName, result: Result<T, &Problem>) {
        let (result, error) = match result {
            Ok(result) => (Some(result), None),
            Err(problem) => (None, Some(ErrorEntry::from(problem))),
        };
        self.connections.push(Entry {
            connection: connection.to_string(),
            result,
            error,
        });
    }
}
