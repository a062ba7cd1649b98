//! Problem documents (RFC 9457): what each refusal of the API looks like.
//!
//! `detail` says what happened, to what, and what to do; `instance` is the request's ID, as in the log and the audit
//! log. What went wrong inside the host is in the log alone.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

tokio::task_local! {
    /// The ID of the request that is being answered.
    pub(super) static REQUEST: String;
}

/// The ID of the request that is being answered; empty outside of one.
pub(super) fn request_id() -> String {
    REQUEST.try_with(Clone::clone).unwrap_or_default()
}

/// A kind of problem: its name, title and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    name: &'static str,
    title: &'static str,
    status: StatusCode,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $title:literal, $status:ident;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $constant: Self = Self {
                name: $name,
                title: $title,
                status: StatusCode::$status,
            };)*
        }
    };
}

kinds! {
    /// What was sent cannot be read.
    MALFORMED = "malformed", "The request cannot be read", BAD_REQUEST;
    /// Nobody is signed in.
    UNAUTHENTICATED = "unauthenticated", "Nobody is signed in", UNAUTHORIZED;
    /// Somebody is, who may not.
    FORBIDDEN = "forbidden", "Not allowed", FORBIDDEN;
    /// A request that another site made somebody's browser send.
    CROSS_SITE = "cross-site", "Not sent from here", FORBIDDEN;
    /// There is none.
    NOT_FOUND = "not-found", "Not found", NOT_FOUND;
    /// Not with this method.
    METHOD = "method-not-allowed", "Method not allowed", METHOD_NOT_ALLOWED;
    /// It exists already, or is at work.
    CONFLICT = "conflict", "Conflict", CONFLICT;
    /// It stands in the configuration file.
    DECLARED = "declared", "Declared in the configuration file", CONFLICT;
    /// One is at work.
    RUNNING = "already-running", "Already running", CONFLICT;
    /// A rule of the product said no.
    REFUSED = "refused", "Refused", CONFLICT;
    /// Not the version that was seen.
    STALE = "stale", "Changed meanwhile", PRECONDITION_FAILED;
    /// Too much was sent.
    TOO_LARGE = "too-large", "Too large", PAYLOAD_TOO_LARGE;
    /// The address is too long.
    URI_TOO_LONG = "uri-too-long", "Address too long", URI_TOO_LONG;
    /// Not JSON.
    MEDIA_TYPE = "media-type", "Content type not taken", UNSUPPORTED_MEDIA_TYPE;
    /// For another host.
    MISDIRECTED = "misdirected", "Not this host", MISDIRECTED_REQUEST;
    /// What was given is wrong.
    INVALID = "invalid", "What was given is wrong", UNPROCESSABLE_ENTITY;
    /// The key was used for another request.
    KEY_REUSED = "idempotency-key-reused", "Idempotency key used before", UNPROCESSABLE_ENTITY;
    /// A change without the version that it is of.
    PRECONDITION = "precondition-required", "Version needed", PRECONDITION_REQUIRED;
    /// Too many requests.
    RATE = "rate-limited", "Too many requests", TOO_MANY_REQUESTS;
    /// A defect, or the store.
    INTERNAL = "internal", "Failed inside", INTERNAL_SERVER_ERROR;
    /// A vendor or the network failed.
    FAILED = "failed", "Something behind this host failed", BAD_GATEWAY;
    /// Not now.
    BUSY = "busy", "Not now", SERVICE_UNAVAILABLE;
    /// It took too long.
    SLOW = "timed-out", "Took too long", GATEWAY_TIMEOUT;
}

/// One value that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct InvalidValue {
    /// Where: `google.admin`, `limit`; empty for the whole.
    pub place: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub help: Option<String>,
}

/// The document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Which kind of problem; stable: `urn:groupcast:problem:not-found`.
    #[serde(rename = "type")]
    kind: String,
    /// What the kind is called.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened, to what, and what to do.
    detail: String,
    /// The request's ID, as in the log.
    instance: String,
    /// What is wrong where, where values are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<InvalidValue>,
    /// The version that the object has now, where it was changed meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    current: Option<u64>,
}

/// A refusal.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<InvalidValue>,
    current: Option<u64>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of a kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            current: None,
            headers: Vec::new(),
        }
    }

    /// Values that are wrong.
    pub fn invalid(errors: Vec<InvalidValue>) -> Self {
        let detail = errors
            .iter()
            .map(|one| match one.place.as_str() {
                "" => one.message.clone(),
                place => format!("{place}: {}", one.message),
            })
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            errors,
            ..Self::new(Kind::INVALID, detail)
        }
    }

    /// One value that is wrong.
    pub fn invalid_value(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![InvalidValue {
            place: place.into(),
            message: message.into(),
            help: None,
        }])
    }

    /// A defect, or the store: the cause is for the log alone.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        let request = request_id();
        tracing::error!(%request, %cause, "a request failed inside");
        let detail = format!("the host failed; its log says why, at request {request}");
        Self::new(Kind::INTERNAL, detail)
    }

    /// Something behind the host failed: what is told is what the service says.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(Kind::BUSY, detail).retry_after(Duration::from_secs(5))
    }

    /// With the version that the object has now.
    #[must_use]
    pub fn current(mut self, current: Option<u64>) -> Self {
        self.current = current;
        self
    }

    /// With when to try again.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            kind: format!("urn:groupcast:problem:{}", self.kind.name),
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            detail: self.detail,
            instance: request_id(),
            errors: self.errors,
            current: self.current,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (self.kind.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.kind.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"groupcast\""),
            );
        }
        headers.extend(self.headers);
        response
    }
}
