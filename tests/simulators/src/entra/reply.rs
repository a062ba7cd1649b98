//! What Graph answers: a status, headers and JSON, or an error in Graph's one shape. Everything about
//! the form of an answer is here, nothing about what it means.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// An answer before it is put on the wire.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Value>,
    /// A body that is no JSON (`$count`).
    pub text: Option<String>,
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Some(body),
            text: None,
        }
    }

    pub fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub fn no_content() -> Self {
        Self {
            status: 204,
            headers: Vec::new(),
            body: None,
            text: None,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn into_response(self) -> Response<Bytes> {
        let (bytes, kind) = match (self.body, self.text) {
            (Some(body), _) => (
                Bytes::from(body.to_string()),
                Some(
                    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
                ),
            ),
            (None, Some(text)) => (Bytes::from(text), Some("text/plain")),
            (None, None) => (Bytes::new(), None),
        };
        let mut response = Response::new(bytes);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(kind) = kind {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A refusal in Graph's shape. `code` is empty where the OData validator refuses.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    pub details: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

pub(super) type Answer = Result<Reply, Refusal>;

impl Refusal {
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: None,
            headers: Vec::new(),
        }
    }

    /// 400 `Request_BadRequest`.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "Request_BadRequest", message)
    }

    /// 400 `Request_UnsupportedQuery`.
    pub fn query(message: impl Into<String>) -> Self {
        Self::new(400, "Request_UnsupportedQuery", message)
    }

    /// 400 of the OData validator: an empty code, and details that name the property.
    pub fn invalid(target: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut refusal = Self::new(400, "", message.clone());
        refusal.details = Some(json!([{"code": "", "target": target, "message": message}]));
        refusal
    }

    /// 404 for an object that is not there, or not yet.
    pub fn absent(id: &str) -> Self {
        Self::new(
            404,
            "Request_ResourceNotFound",
            format!(
                "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    /// 403 for a missing permission.
    pub fn denied() -> Self {
        Self::new(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    /// 400 for an unknown path segment.
    pub fn segment(name: &str) -> Self {
        Self::new(
            400,
            "BadRequest",
            format!("Resource not found for the segment '{name}'."),
        )
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn into_reply(self, now_ms: u64, request_id: &str, client_request_id: &str) -> Reply {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "innerError": {
                "date": moment(now_ms).trim_end_matches('Z'),
                "request-id": request_id,
                "client-request-id": client_request_id,
            }
        });
        if let (Some(details), Some(map)) = (self.details, error.as_object_mut()) {
            map.insert("details".to_owned(), details);
        }
        let mut reply = Reply::json(self.status, json!({ "error": error }));
        reply.headers = self.headers;
        reply
    }
}

/// Milliseconds since the epoch as `2026-03-24T10:31:42Z`, the precision that Graph writes.
pub(crate) fn moment(now_ms: u64) -> String {
    let seconds = now_ms / 1000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a civil date, in eras of 400 years that start in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_a_civil_date() {
        assert_eq!(moment(0), "1970-01-01T00:00:00Z");
        assert_eq!(moment(1_709_210_096_000), "2024-02-29T12:34:56Z");
        assert_eq!(moment(1_767_225_599_999), "2025-12-31T23:59:59Z");
    }

    #[test]
    fn a_validators_refusal_has_an_empty_code() {
        let reply = Refusal::invalid("mailNickname", "no").into_reply(0, "r", "c");
        let body = reply.body.unwrap();
        assert_eq!(body["error"]["code"], "");
        assert_eq!(body["error"]["innerError"]["request-id"], "r");
        assert_eq!(body["error"]["details"][0]["target"], "mailNickname");
    }
}
