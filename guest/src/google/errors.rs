//! Google's error table: by status and reason, and by words where Google answers plain text.
//!
//! What a caller understands better than this table (404, 409, 412, 400, 403 `forbidden` about one address) is accepted
//! here and read there.

use serde::Deserialize;

use crate::failure::{Failure, FailureKind};
use crate::http::{Answer, Ruling, Verdict};

/// Characters of Google's message that are kept: the address where an API can be switched on lies within.
const KEPT: usize = 400;

#[derive(Deserialize)]
struct Body {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    errors: Vec<ErrorItem>,
    #[serde(default)]
    status: Option<String>,
}

#[derive(Deserialize)]
struct ErrorItem {
    #[serde(default)]
    reason: Option<String>,
}

/// What Google said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Its reason, such as `duplicate`; empty where it gave none.
    pub reason: String,
    /// Its message, shortened.
    pub message: String,
    /// Whether it was Google's own error form.
    pub own: bool,
}

/// Reads an error answer.
pub(super) fn said(answer: &Answer) -> Said {
    match serde_json::from_slice::<Body>(&answer.body) {
        Ok(Body { error }) => Said {
            reason: error
                .errors
                .into_iter()
                .find_map(|item| item.reason)
                .or(error.status)
                .unwrap_or_default(),
            message: shorten(&error.message.unwrap_or_default()),
            own: true,
        },
        Err(_) => Said {
            reason: String::new(),
            message: shorten(&String::from_utf8_lossy(
                answer.body.get(..KEPT).unwrap_or(&answer.body),
            )),
            own: false,
        },
    }
}

fn shorten(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(KEPT)
        .collect()
}

/// The ruling on an answer of Google's.
pub fn classify(answer: &Answer) -> Verdict {
    if answer.is_success() {
        return Verdict::accept();
    }
    let said = said(answer);
    let (ruling, message) = rule(answer.status, &said);
    if ruling == Ruling::Accept {
        return Verdict::new(ruling, said.reason, "");
    }
    Verdict::new(
        ruling,
        said.reason,
        if said.own && !said.message.is_empty() {
            format!("{message} Google says: {}", said.message)
        } else {
            message.to_owned()
        },
    )
}

fn rule(status: u16, said: &Said) -> (Ruling, &'static str) {
    const BUSY: (Ruling, &str) = (
        Ruling::Throttled,
        "Google asks for fewer requests; run again later.",
    );
    const FAULT: (Ruling, &str) = (
        Ruling::Transient,
        "Google has a fault of its own that outlasted the retries; run again later.",
    );
    let words = said.message.to_ascii_lowercase();
    match (status, said.reason.as_str()) {
        (429, _) => BUSY,
        (403, "quotaExceeded" | "rateLimitExceeded" | "userRateLimitExceeded") => BUSY,
        (403, "") if words.contains("rate higher than") || words.contains("quota exceeded") => BUSY,
        (503, _) if words.contains("quota exceeded") => BUSY,
        (_, "backendError" | "internalError" | "systemError" | "serviceNotAvailable") => FAULT,
        (408 | 500.., _) => FAULT,
        (401, _) => (
            Ruling::Refused(FailureKind::Unauthorized),
            "Google refused the credential `google`. Check the service account's key, that it still exists, and the \
             administrator it acts for.",
        ),
        (403, "domainCannotUseApis") => (
            Ruling::Refused(FailureKind::Unauthorized),
            "API access is switched off for this Google Workspace domain. Switch it on in the Admin console (Security, \
             Access and data control, API controls, API access).",
        ),
        (403, "accessNotConfigured" | "SERVICE_DISABLED") => (
            Ruling::Refused(FailureKind::Unauthorized),
            "The Admin SDK API is switched off in the service account's Google Cloud project. In the Google Cloud console, APIs & \
             Services, Library, Admin SDK API, choose Enable, and wait some minutes.",
        ),
        // About one address or group outside the domain, or about everything: the caller knows what it asked.
        (403, "forbidden") => (Ruling::Accept, ""),
        (403, _) => (
            Ruling::Refused(FailureKind::Unauthorized),
            "The credential `google` lacks a scope or its administrator a right. Grant the scopes \
             https://www.googleapis.com/auth/admin.directory.group and \
             https://www.googleapis.com/auth/admin.directory.user.readonly to the service account (domain-wide \
             delegation), and let it act for somebody with the role Groups Admin.",
        ),
        (400 | 404 | 409 | 412, _) if said.own => (Ruling::Accept, ""),
        // "Not found" is believed of Google's own words alone: a proxy's page proves nothing.
        (404, _) => (
            Ruling::Refused(FailureKind::Vendor),
            "Something answered 404 that is not Google's API. Check the base URL and what stands between this machine \
             and Google.",
        ),
        _ => (
            Ruling::Refused(FailureKind::Vendor),
            "Google refused the request in a way that this version does not know.",
        ),
    }
}

/// What exactly is wrong, by status and reason.
pub(super) fn diagnose(failure: &Failure) -> Option<&'static str> {
    let answer = failure.vendor.as_ref()?;
    Some(match (answer.status, answer.reason.as_str()) {
        (403, "accessNotConfigured" | "SERVICE_DISABLED") => "api-disabled",
        (403, "domainCannotUseApis") => "api-access-off",
        (403, "forbidden") => "admin-role-missing",
        (403, "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT") => "scope-missing",
        (401, _) => "credential-refused",
        _ => return None,
    })
}

/// The message for a 403 `forbidden` to something that the directory's own administrator must be able to do.
pub(super) const FORBIDDEN: &str = "The administrator that the credential `google` acts for may not do this. In \
     the Admin console, Account, Admin roles, Groups Admin, Assign, give it that role, or let `admin` name somebody who has \
     it.";

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: String) -> Answer {
        Answer {
            status,
            headers: http::HeaderMap::new(),
            body: body.into(),
            place: "GET /admin/directory/v1/groups/x".to_owned(),
        }
    }

    fn error(status: u16, reason: &str, message: &str) -> Answer {
        let body = serde_json::json!({"error": {"code": status, "message": message,
            "errors": [{"domain": "global", "reason": reason, "message": message}]}});
        answer(status, body.to_string())
    }

    #[test]
    fn every_row_of_the_table() {
        use FailureKind::{Unauthorized, Vendor};
        for (status, reason, message, expected) in [
            (409, "duplicate", "Member already exists.", Ruling::Accept),
            (404, "notFound", "Resource Not Found: groupKey", Ruling::Accept),
            (404, "notFound", "Resource Not Found: memberKey", Ruling::Accept),
            (400, "invalid", "Invalid Input: memberKey", Ruling::Accept),
            (
                400,
                "required",
                "Missing required field: memberKey",
                Ruling::Accept,
            ),
            (
                412,
                "conditionNotMet",
                "Cyclic memberships not allowed",
                Ruling::Accept,
            ),
            (409, "conflict", "", Ruling::Accept),
            (404, "domainNotFound", "Domain not found.", Ruling::Accept),
            (
                403,
                "forbidden",
                "Not Authorized to access this resource/api",
                Ruling::Accept,
            ),
            (403, "domainCannotUseApis", "", Ruling::Refused(Unauthorized)),
            (403, "insufficientPermissions", "", Ruling::Refused(Unauthorized)),
            (403, "quotaExceeded", "", Ruling::Throttled),
            (403, "rateLimitExceeded", "", Ruling::Throttled),
            (403, "userRateLimitExceeded", "", Ruling::Throttled),
            (429, "rateLimitExceeded", "", Ruling::Throttled),
            (503, "serviceNotAvailable", "", Ruling::Transient),
            (
                503,
                "",
                "quota exceeded for the current request",
                Ruling::Throttled,
            ),
            (500, "backendError", "", Ruling::Transient),
            (500, "internalError", "", Ruling::Transient),
            (400, "systemError", "", Ruling::Transient),
            (502, "", "", Ruling::Transient),
            (504, "", "", Ruling::Transient),
            (401, "authError", "", Ruling::Refused(Unauthorized)),
            (410, "deleted", "", Ruling::Refused(Vendor)),
        ] {
            let verdict = classify(&error(status, reason, message));
            assert_eq!(verdict.ruling, expected, "{status} {reason} {message}");
            assert_eq!(verdict.reason, reason);
        }
    }

    #[test]
    fn plain_text_and_pages_are_understood() {
        for (status, body, expected) in [
            (403, "Request rate higher than configured.", Ruling::Throttled),
            (
                429,
                "Quota exceeded for quota metric 'Queries'",
                Ruling::Throttled,
            ),
            (
                403,
                "<html>blocked</html>",
                Ruling::Refused(FailureKind::Unauthorized),
            ),
            (404, "<html>404</html>", Ruling::Refused(FailureKind::Vendor)),
            (502, "<html>", Ruling::Transient),
        ] {
            assert_eq!(
                classify(&answer(status, body.to_owned())).ruling,
                expected,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn r07_a_missing_scope_names_credential_scope_and_fix() {
        let message = classify(&error(403, "insufficientPermissions", "no scope")).message;
        for part in ["`google`", "admin.directory.group", "delegation"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
