//! Why the service did not do what a form asked, as a status and a notice for a person.

use axum::http::StatusCode;

use super::page::{Notice, sentence};
use super::words::Tone;
use crate::service::ServiceError;

/// Why the service did not do it, as a status and a notice.
pub fn refusal(error: &ServiceError) -> (StatusCode, Notice) {
    let (status, tone, title) = match error {
        ServiceError::NotFound { .. } => (StatusCode::NOT_FOUND, Tone::Bad, "There is no such thing here"),
        ServiceError::Forbidden { .. } => (StatusCode::FORBIDDEN, Tone::Bad, "Your role does not allow this"),
        ServiceError::Conflict { .. } => (StatusCode::CONFLICT, Tone::Care, "This changed meanwhile"),
        ServiceError::Invalid { .. } => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Tone::Bad,
            "Something is not right yet",
        ),
        ServiceError::Declared { .. } => (
            StatusCode::CONFLICT,
            Tone::Care,
            "This is set in the configuration file",
        ),
        ServiceError::AlreadyRunning { .. } => (StatusCode::CONFLICT, Tone::Care, "A run is under way"),
        ServiceError::Refused(_) => (StatusCode::CONFLICT, Tone::Care, "This was not done"),
        ServiceError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, Tone::Care, "Not now"),
        ServiceError::Failed(_) => (
            StatusCode::BAD_GATEWAY,
            Tone::Bad,
            "The vendor or the network failed",
        ),
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            Tone::Bad,
            "Something went wrong on our side",
        ),
    };
    let lines = match error {
        ServiceError::Invalid { problems } => problems
            .iter()
            .map(|one| {
                let place = if one.place.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", one.place)
                };
                let help = one
                    .help
                    .as_ref()
                    .map_or(String::new(), |help| format!(" ({help})"));
                format!("{place}{}{help}", one.message)
            })
            .collect(),
        ServiceError::Internal(_) => {
            vec!["Try again; if it happens again, the log of the host says why.".to_owned()]
        }
        other => vec![sentence(&other.to_string())],
    };
    let notice = Notice {
        tone,
        title: title.to_owned(),
        lines,
    };
    (status, notice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Invalid;

    #[test]
    fn what_went_wrong_inside_is_for_the_log_alone() {
        let (status, notice) = refusal(&ServiceError::Internal("row 7 of table tokens".to_owned()));
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(notice.lines.iter().all(|line| !line.contains("tokens")));
    }

    #[test]
    fn all_that_is_wrong_in_a_form_is_told_with_its_place_and_what_to_do() {
        let problems = vec![Invalid {
            place: "google.admin".to_owned(),
            message: "this is no address".to_owned(),
            help: Some("write one, such as a@example.com".to_owned()),
        }];
        let (status, notice) = refusal(&ServiceError::Invalid { problems });
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            notice.lines,
            ["google.admin: this is no address (write one, such as a@example.com)"]
        );
    }
}
