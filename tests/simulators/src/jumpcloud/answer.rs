//! How JumpCloud answers: JSON, and a refusal in the words of the API that was asked.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// What serving an endpoint comes to.
pub(super) type Answer = Result<Response<Bytes>, Refusal>;

/// A request refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub message: String,
    /// The `error` of RFC 6749, section 5.2; only the token endpoint shows it.
    pub oauth: &'static str,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            oauth: "invalid_request",
        }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn oauth(status: StatusCode, error: &'static str, message: &str) -> Self {
        Self {
            oauth: error,
            ..Self::new(status, message)
        }
    }
}

/// The API whose words a refusal takes; told by the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Console API version 1: `{message}`.
    Version1,
    /// Console API version 2 and Directory Insights: `{code, message, status}`.
    Version2,
    /// The token endpoint: `{error, error_description}`.
    Token,
}

impl Dialect {
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/oauth2/") {
            Self::Token
        } else if path.starts_with("/api/") && !path.starts_with("/api/v2/") {
            Self::Version1
        } else {
            Self::Version2
        }
    }
}

pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn ok(body: &Value) -> Response<Bytes> {
    json_answer(StatusCode::OK, body)
}

pub(super) fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Adds a header; a value that no header can hold is left out.
pub(super) fn set_header(response: &mut Response<Bytes>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

pub(super) fn refused(refusal: &Refusal, dialect: Dialect) -> Response<Bytes> {
    let body = match dialect {
        Dialect::Version1 => json!({"message": refusal.message}),
        Dialect::Version2 => json!({
            "code": refusal.status.as_u16(),
            "message": refusal.message,
            "status": refusal.status.canonical_reason().unwrap_or("Error"),
        }),
        Dialect::Token => json!({"error": refusal.oauth, "error_description": refusal.message}),
    };
    let mut response = json_answer(refusal.status, &body);
    if refusal.status == StatusCode::UNAUTHORIZED && dialect == Dialect::Token {
        set_header(&mut response, "www-authenticate", "Basic realm=\"jumpcloud\"");
    }
    response
}
