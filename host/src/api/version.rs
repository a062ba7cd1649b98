//! Versions as entity tags (RFC 9110): an object's `ETag` goes back as `If-Match` with each change of it, so that nobody
//! overwrites what they never saw.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::problem::{Kind, Problem};
use crate::store::service::Version;

/// The version that the caller saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IfMatch(pub Version);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(given) = parts.headers.get(header::IF_MATCH) else {
            return Err(Problem::new(
                Kind::PRECONDITION,
                "say which version you change: read the object, and send its ETag back as If-Match",
            ));
        };
        given
            .to_str()
            .ok()
            .and_then(|text| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok())
            .map(Self)
            .ok_or_else(|| {
                Problem::new(
                    Kind::STALE,
                    "this If-Match is no version of the object; send its ETag as it was given, such as \"3\"",
                )
            })
    }
}

/// Says an object's version.
pub(super) fn tell(headers: &mut HeaderMap, version: Option<Version>) {
    if let Some(value) = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        headers.insert(header::ETAG, value);
    }
}
