//! Graph's error table: what an answer means for us. Pure. Every row of the vendor's list that we rely on has
//! a test. Graph asks not to branch on messages; where two causes share status and code, the message is
//! still the only way to tell them apart, and those rows say so.

use serde_json::Value;

use super::types::ErrorDocument;
use crate::failure::{Failure, FailureKind, VendorAnswer};

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It was done, or here is what was asked for.
    Done,
    /// Too fast: wait, then send the same again (429; with or without `Retry-After`).
    Throttled,
    /// A passing fault: send the same again (500, 502, 503, 504, 408).
    Transient,
    /// Not carried out, since another part of the batch was not (424).
    Depended,
    /// The credential was refused (401).
    Unauthenticated,
    /// The credential lacks a permission, or the object is one that it may not touch (403).
    Forbidden,
    /// Does not exist, or is not replicated to this server yet (404).
    Missing,
    /// At least one of the members is in the group already; nobody was added (400, by message).
    MemberAlready,
    /// A kind of group that Graph never changes: mail-enabled or mastered on premises (400, by message).
    ReadOnlyKind,
    /// Refused for another reason; sending the same again is refused again.
    Refused,
    /// Nothing that Graph answers: a redirect, or a body that is not its own.
    Unreadable,
}

/// An answer, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What it means.
    pub meaning: Meaning,
    /// Status, reason and request ID, for the ledger and for `why`.
    pub answer: VendorAnswer,
    /// Graph's own sentence; empty where it gave none.
    pub message: String,
}

/// Understands a status and a body (JSON where it is JSON).
pub fn classify(status: u16, body: Option<&Value>, request_id: Option<String>) -> Classified {
    let error = body
        .and_then(|body| serde_json::from_value::<ErrorDocument>(body.clone()).ok())
        .map(|document| document.error);
    let reason = error
        .as_ref()
        .and_then(|error| error.code.clone())
        .unwrap_or_default();
    let message = error
        .as_ref()
        .and_then(|error| error.message.clone())
        .unwrap_or_default();
    let inner_id = error
        .as_ref()
        .and_then(|error| error.inner_error.as_ref())
        .and_then(|inner| inner.get("request-id"))
        .and_then(Value::as_str)
        .map(str::to_owned);
    Classified {
        meaning: meaning(status, &reason, &message),
        answer: VendorAnswer {
            status,
            reason,
            request_id: request_id.or(inner_id),
        },
        message,
    }
}

fn meaning(status: u16, reason: &str, message: &str) -> Meaning {
    let says = |part: &str| message.to_ascii_lowercase().contains(part);
    match status {
        200..=299 => Meaning::Done,
        429 => Meaning::Throttled,
        // "TooManyRequests" has been seen with 503 too; both wait, the wait is the vendor's where it names one.
        503 | 509 if reason == "TooManyRequests" => Meaning::Throttled,
        408 | 500 | 502 | 503 | 504 | 509 => Meaning::Transient,
        424 => Meaning::Depended,
        401 => Meaning::Unauthenticated,
        403 => Meaning::Forbidden,
        404 => Meaning::Missing,
        // Two writes to one object at the same moment; the same request passes a moment later.
        400 | 409 if reason == "Directory_ConcurrencyViolation" => Meaning::Transient,
        400 if says("references already exist") => Meaning::MemberAlready,
        400 if says("mail-enabled security group")
            || says("distribution list")
            || says("on-premises mastered") =>
        {
            Meaning::ReadOnlyKind
        }
        400..=499 => Meaning::Refused,
        500..=599 => Meaning::Transient,
        _ => Meaning::Unreadable,
    }
}

/// What a person must do about a refused permission.
pub const PERMISSIONS: &str = "In Entra ID, under App registrations, API permissions, give this application the \
    Microsoft Graph application permissions Group.ReadWrite.All (create and update groups), \
    GroupMember.ReadWrite.All (members) and User.Read.All (find users), and grant admin consent";

impl Classified {
    /// Whether the same request may be sent again.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.meaning,
            Meaning::Throttled | Meaning::Transient | Meaning::Depended
        )
    }

    /// What happened and what to do, for a person.
    pub fn explain(&self) -> String {
        let said = match (self.answer.reason.as_str(), self.message.as_str()) {
            ("", "") => format!("status {}", self.answer.status),
            ("", message) => format!("status {}: {message}", self.answer.status),
            (reason, "") => format!("status {} {reason}", self.answer.status),
            (reason, message) => format!("status {} {reason}: {message}", self.answer.status),
        };
        let advice = match self.meaning {
            Meaning::Done => "It was done".to_owned(),
            Meaning::Throttled => "Microsoft Graph asks to slow down; run again later".to_owned(),
            Meaning::Transient => "Microsoft Graph had a passing fault; run again later".to_owned(),
            Meaning::Depended => "Another request of the same batch was not done; run again".to_owned(),
            Meaning::Unauthenticated => {
                "Microsoft Graph refused the credential `entra`. Check the tenant, the client ID \
                and that the client secret or certificate has not expired"
                    .to_owned()
            }
            Meaning::Forbidden => format!(
                "Microsoft Graph refused the credential `entra` a permission. {PERMISSIONS}; role-assignable groups and groups in a \
                 restricted management unit stay out of reach and must be taken out of the sync"
            ),
            Meaning::Missing => {
                "Microsoft Graph does not know the object; if it was created or restored lately, \
                run again in some minutes"
                    .to_owned()
            }
            Meaning::MemberAlready => "The person is in the group already".to_owned(),
            Meaning::ReadOnlyKind => {
                "Groups of this kind can be changed only in Exchange or on premises, not by \
                Microsoft Graph; tie the source group to a plain security group"
                    .to_owned()
            }
            Meaning::Refused => "Microsoft Graph refused the request".to_owned(),
            Meaning::Unreadable => {
                "This is no answer that Microsoft Graph gives; check the base URL and any \
                proxy in between"
                    .to_owned()
            }
        };
        format!("{advice} ({said}).")
    }

    /// The failure of a read that cannot go on without this answer.
    pub fn to_failure(&self, place: impl Into<String>) -> Failure {
        let kind = match self.meaning {
            Meaning::Throttled => FailureKind::Throttled(None),
            Meaning::Transient | Meaning::Depended => FailureKind::Transient,
            Meaning::Unauthenticated | Meaning::Forbidden => FailureKind::Unauthorized,
            _ => FailureKind::Vendor,
        };
        Failure::new(kind, place, self.explain()).answered(self.answer.clone())
    }
}

/// What exactly is wrong, by status and code.
pub fn diagnose(failure: &Failure) -> Option<&'static str> {
    let answer = failure.vendor.as_ref()?;
    Some(match (answer.status, answer.reason.as_str()) {
        (403, "Authorization_RequestDenied") => "permission-missing",
        (401, _) => "credential-refused",
        (429, _) => "throttled",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(status: u16, code: &str, message: &str) -> Classified {
        classify(
            status,
            Some(&json!({"error": {"code": code, "message": message,
                "innerError": {"date": "2026-01-01T00:00:00", "request-id": "req-1"}}})),
            None,
        )
    }

    #[test]
    fn every_row_of_the_error_table_means_what_it_should() {
        let rows: &[(u16, &str, &str, Meaning)] = &[
            (429, "TooManyRequests", "Too many requests", Meaning::Throttled),
            (429, "", "", Meaning::Throttled),
            (503, "serviceNotAvailable", "", Meaning::Transient),
            (503, "TooManyRequests", "", Meaning::Throttled),
            (504, "", "", Meaning::Transient),
            (500, "Service_InternalServerError", "", Meaning::Transient),
            (502, "", "", Meaning::Transient),
            (424, "", "Failed Dependency", Meaning::Depended),
            (
                401,
                "InvalidAuthenticationToken",
                "Access token has expired.",
                Meaning::Unauthenticated,
            ),
            (
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
                Meaning::Forbidden,
            ),
            (
                404,
                "Request_ResourceNotFound",
                "Resource 'x' does not exist or one of its queried reference-property objects are not present.",
                Meaning::Missing,
            ),
            (
                400,
                "Request_BadRequest",
                "One or more added object references already exist for the following modified properties: 'members'.",
                Meaning::MemberAlready,
            ),
            (
                400,
                "Request_BadRequest",
                "Cannot Update a mail-enabled security groups and or distribution list.",
                Meaning::ReadOnlyKind,
            ),
            (
                400,
                "Request_BadRequest",
                "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.",
                Meaning::ReadOnlyKind,
            ),
            (
                400,
                "Request_BadRequest",
                "The same object can only be present once as an add/remove change",
                Meaning::Refused,
            ),
            (
                400,
                "Request_BadRequest",
                "Write requests are only supported on contained entities",
                Meaning::Refused,
            ),
            (400, "", "Invalid filter clause", Meaning::Refused),
            (
                409,
                "Request_MultipleObjectsWithSameKeyValue",
                "",
                Meaning::Refused,
            ),
            (410, "resyncRequired", "", Meaning::Refused),
            (302, "", "", Meaning::Unreadable),
            (204, "", "", Meaning::Done),
        ];
        for (status, code, message, expected) in rows {
            assert_eq!(
                error(*status, code, message).meaning,
                *expected,
                "{status} {code} {message}"
            );
        }
    }

    #[test]
    fn r7_a_refused_permission_names_the_permissions_and_the_fix() {
        let failure =
            error(403, "Authorization_RequestDenied", "Insufficient privileges").to_failure("/groups");
        assert_eq!(failure.kind, FailureKind::Unauthorized);
        for word in [
            "Group.ReadWrite.All",
            "GroupMember.ReadWrite.All",
            "User.Read.All",
            "admin consent",
        ] {
            assert!(failure.message.contains(word), "{word}: {}", failure.message);
        }
        assert_eq!(failure.vendor.unwrap().request_id.as_deref(), Some("req-1"));
    }

    #[test]
    fn r7_a_refused_credential_is_told_apart_from_a_missing_permission() {
        let failure = error(401, "InvalidAuthenticationToken", "expired").to_failure("/users");
        assert_eq!(failure.kind, FailureKind::Unauthorized);
        assert!(failure.message.contains("client secret"), "{}", failure.message);
    }

    #[test]
    fn an_error_page_of_a_proxy_is_understood_by_its_status_alone() {
        let html = Value::String("<html>bad gateway</html>".into());
        assert_eq!(classify(502, Some(&html), None).meaning, Meaning::Transient);
        assert_eq!(classify(404, None, None).answer.reason, "");
    }

    #[test]
    fn the_answer_header_wins_over_the_body_for_the_request_id() {
        let body = json!({"error": {"code": "x", "message": "", "innerError": {"request-id": "inner"}}});
        assert_eq!(
            classify(400, Some(&body), Some("outer".into()))
                .answer
                .request_id
                .as_deref(),
            Some("outer")
        );
    }
}
