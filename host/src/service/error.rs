//! Why the service did not do what it was asked.

use crate::run::{RunFailure, RunFailureKind};
use crate::schedule::EngineError;
use crate::store::StoreError;
use crate::store::service::Role;

/// One thing that is wrong with what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Where, as in the configuration format: `google.admin`, `jumpcloud.api_key`.
    pub place: String,
    /// What.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Why the service did not do what it was asked. Each message says what happened, to what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// There is none; or it is another tenant's, which is not told apart.
    #[error("there is no {what} {name}")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// They may see it, but not do this.
    #[error("this needs the role {need:?}; ask an administrator for it")]
    Forbidden {
        /// The least role that may.
        need: Role,
    },
    /// It changed since the caller looked, or exists already.
    #[error("{message}")]
    Conflict {
        /// What happened and what to do.
        message: String,
        /// The version that it has now.
        current: Option<u64>,
    },
    /// What was given is wrong.
    #[error("{}", .problems.iter().map(|one| format!("{}: {}", one.place, one.message)).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// All that is wrong.
        problems: Vec<Invalid>,
    },
    /// It stands in the configuration file.
    #[error("{what} is declared in the configuration file; change it there, and restart the host")]
    Declared {
        /// What.
        what: String,
    },
    /// One is at work.
    #[error("{connection} has job {job} under way; wait for it, or cancel it")]
    AlreadyRunning {
        /// Of which connection.
        connection: String,
        /// Which.
        job: String,
    },
    /// A rule of the product said no.
    #[error("{0}")]
    Refused(String),
    /// Nothing is wrong, but not now.
    #[error("{0}")]
    Busy(String),
    /// A vendor or the network failed.
    #[error("{0}")]
    Failed(String),
    /// A defect, or the store. The text is for the log.
    #[error("{0}")]
    Internal(String),
}

impl ServiceError {
    /// There is none, or it is another tenant's.
    pub fn not_found(what: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound {
            what,
            name: name.into(),
        }
    }

    /// One value is wrong.
    pub fn invalid(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            problems: vec![Invalid {
                place: place.into(),
                message: message.into(),
                help: None,
            }],
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoRun(run) => Self::not_found("run", run),
            StoreError::NoPlan(plan) => Self::not_found("plan", plan),
            StoreError::NoPart { part, .. } => Self::not_found("part of the plan for", part),
            StoreError::PlanExpired { .. } | StoreError::PlanApplied(_) | StoreError::NothingHeld { .. } => {
                Self::Refused(error.to_string())
            }
            StoreError::TooMuch { .. } | StoreError::Unstorable { .. } | StoreError::Mark(_) => {
                Self::invalid("", error.to_string())
            }
            StoreError::Busy => Self::Busy(error.to_string()),
            other => Self::Internal(other.to_string()),
        }
    }
}

impl From<RunFailure> for ServiceError {
    fn from(failure: RunFailure) -> Self {
        match failure.kind {
            RunFailureKind::Refused => Self::Refused(failure.to_string()),
            RunFailureKind::Failed => Self::Failed(failure.to_string()),
        }
    }
}

impl From<EngineError> for ServiceError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NoConnection(id) => Self::not_found("connection", id.to_string()),
            EngineError::NoJob(_) => Self::Refused(error.to_string()),
            EngineError::Stopping => Self::Busy(error.to_string()),
            EngineError::Store(error) => error.into(),
        }
    }
}

/// The service's results.
pub type Result<T> = std::result::Result<T, ServiceError>;
