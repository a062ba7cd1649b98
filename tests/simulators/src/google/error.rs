//! Google's error answers: their shape, and the ones the Directory API is known to give.
//!
//! Messages and reasons are Google's own, since clients tell errors apart by them.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// What ends a call early. Boxed, since every call can fail and few do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError(Box<Detail>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Detail {
    code: u16,
    reason: &'static str,
    domain: &'static str,
    message: String,
    inner_message: Option<&'static str>,
    status: Option<&'static str>,
    location: Option<(String, &'static str)>,
    retry_after: Option<u32>,
}

impl Detail {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            domain: "global",
            message: message.into(),
            inner_message: None,
            status: None,
            location: None,
            retry_after: None,
        }
    }
}

impl From<Detail> for ApiError {
    fn from(detail: Detail) -> Self {
        Self(Box::new(detail))
    }
}

impl ApiError {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Detail::new(code, reason, message).into()
    }

    /// 404 for a key of this name: `groupKey`, `memberKey`, `userKey`.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, "notFound", format!("Resource Not Found: {what}"))
    }

    /// 400 for a value of this name that Google cannot use.
    pub(super) fn invalid_input(what: &str) -> Self {
        Self::new(400, "invalid", format!("Invalid Input: {what}"))
    }

    pub(super) fn missing_field(what: &str) -> Self {
        Self::new(400, "required", format!("Missing required field: {what}"))
    }

    pub(super) fn member_exists() -> Self {
        Self::new(409, "duplicate", "Member already exists.")
    }

    pub(super) fn entity_exists() -> Self {
        Self::new(409, "duplicate", "Entity already exists.")
    }

    pub(super) fn cyclic() -> Self {
        Self::new(412, "conditionNotMet", "Cyclic memberships not allowed")
    }

    pub(super) fn domain_not_found() -> Self {
        Self::new(404, "domainNotFound", "Domain not found.")
    }

    pub(super) fn forbidden() -> Self {
        Self::new(403, "forbidden", "Not Authorized to access this resource/api")
    }

    /// 403 where the API is not enabled in the caller's Cloud project (Google's service infrastructure answers so before
    /// the Directory API sees anything).
    pub(super) fn api_disabled() -> Self {
        Detail {
            domain: "usageLimits",
            status: Some("PERMISSION_DENIED"),
            ..Detail::new(
                403,
                "accessNotConfigured",
                "Admin SDK API has not been used in project 123456789012 before or it is disabled. Enable it by visiting \
                 https://console.developers.google.com/apis/api/admin.googleapis.com/overview?project=123456789012 then \
                 retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and \
                 retry.",
            )
        }
        .into()
    }

    pub(super) fn insufficient_scopes() -> Self {
        Detail {
            inner_message: Some("Insufficient Permission"),
            status: Some("PERMISSION_DENIED"),
            ..Detail::new(
                403,
                "insufficientPermissions",
                "Request had insufficient authentication scopes.",
            )
        }
        .into()
    }

    pub(super) fn no_credentials() -> Self {
        Detail {
            inner_message: Some("Login Required."),
            status: Some("UNAUTHENTICATED"),
            location: Some(("Authorization".to_owned(), "header")),
            ..Detail::new(
                401,
                "required",
                "Request is missing required authentication credential. Expected OAuth 2 access token, \
                 login cookie or other valid authentication credential. See \
                 https://developers.google.com/identity/sign-in/web/devconsole-project.",
            )
        }
        .into()
    }

    pub(super) fn bad_credentials() -> Self {
        Detail {
            inner_message: Some("Invalid Credentials"),
            status: Some("UNAUTHENTICATED"),
            location: Some(("Authorization".to_owned(), "header")),
            ..Detail::new(
                401,
                "authError",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
                 cookie or other valid authentication credential. See \
                 https://developers.google.com/identity/sign-in/web/devconsole-project.",
            )
        }
        .into()
    }

    /// 400 for a body or query that does not fit the published interface.
    pub(super) fn bad_payload(message: impl Into<String>) -> Self {
        Detail {
            status: Some("INVALID_ARGUMENT"),
            ..Detail::new(400, "badRequest", message)
        }
        .into()
    }

    /// 400 for one query parameter's value.
    pub(super) fn bad_parameter(name: &str, message: impl Into<String>) -> Self {
        Detail {
            location: Some((name.to_owned(), "parameter")),
            ..Detail::new(400, "invalidParameter", message)
        }
        .into()
    }

    /// One of the three quota answers.
    pub(super) fn quota(
        code: u16,
        reason: &'static str,
        message: &'static str,
        retry_after: Option<u32>,
    ) -> Self {
        Detail {
            domain: "usageLimits",
            retry_after,
            ..Detail::new(code, reason, message)
        }
        .into()
    }

    fn body(&self) -> Value {
        let mut inner = json!({
            "domain": self.0.domain,
            "reason": self.0.reason,
            "message": self.0.inner_message.unwrap_or(&self.0.message),
        });
        if let (Some((location, kind)), Some(inner)) = (&self.0.location, inner.as_object_mut()) {
            inner.insert("location".to_owned(), json!(location));
            inner.insert("locationType".to_owned(), json!(kind));
        }
        let mut error = json!({"code": self.0.code, "message": self.0.message, "errors": [inner]});
        if let (Some(status), Some(error)) = (self.0.status, error.as_object_mut()) {
            error.insert("status".to_owned(), json!(status));
        }
        json!({ "error": error })
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let mut response = super::reply::json(self.0.code, &self.body(), true);
        if let Some(seconds) = self.0.retry_after {
            response
                .headers_mut()
                .insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Google's answer where no API lives at a path: a page, not JSON.
pub(super) fn no_such_page(path: &str) -> Response<Bytes> {
    let path = path.replace('&', "&amp;").replace('<', "&lt;");
    super::reply::plain(
        StatusCode::NOT_FOUND,
        "text/html; charset=UTF-8",
        format!(
            "<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n<p><b>404.</b> That's \
             an error.\n<p>The requested URL <code>{path}</code> was not found on this server.\n"
        ),
    )
}
