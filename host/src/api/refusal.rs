//! What the service refuses, as problem documents.

use super::problem::{InvalidValue, Kind, Problem};
use crate::service::ServiceError;

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let told = error.to_string();
        match error {
            ServiceError::NotFound { .. } => Self::new(Kind::NOT_FOUND, told),
            ServiceError::Forbidden { .. } => Self::new(Kind::FORBIDDEN, told),
            ServiceError::Conflict { current, .. } => Self::new(Kind::CONFLICT, told).current(current),
            ServiceError::Invalid { problems } => Self::invalid(
                problems
                    .into_iter()
                    .map(|one| InvalidValue {
                        place: one.place,
                        message: one.message,
                        help: one.help,
                    })
                    .collect(),
            ),
            ServiceError::Declared { .. } => Self::new(Kind::DECLARED, told),
            ServiceError::AlreadyRunning { .. } => Self::new(Kind::RUNNING, told),
            ServiceError::Refused(_) => Self::new(Kind::REFUSED, told),
            ServiceError::Busy(_) => Self::busy(told),
            ServiceError::Failed(_) => Self::new(Kind::FAILED, told),
            ServiceError::Internal(cause) => Self::internal(&cause),
        }
    }
}

/// Of a change with `If-Match`: another version is a precondition that failed.
pub(super) fn of_change(error: ServiceError) -> Problem {
    match error {
        ServiceError::Conflict { message, current } => Problem::new(Kind::STALE, message).current(current),
        other => other.into(),
    }
}
