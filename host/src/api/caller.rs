//! What a handler asks for of whoever sent the request.
//!
//! - [`Caller`]: somebody is signed in, by token or session; else 401. For the API.
//! - [`SignedIn`]: somebody is signed in by session; else they are led to the sign-in page. For the console.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::problem::{Kind, Problem};
use super::web::Web;
use crate::service::Principal;
use crate::store::service::SessionRecord;

/// Whoever sent a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who they are, and what they may do.
    pub principal: Principal,
    /// Their session; none where they came with a token.
    pub session: Option<SessionRecord>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            Problem::new(
                Kind::UNAUTHENTICATED,
                "send a token: `Authorization: Bearer gc_...`; `groupcast token create` makes one",
            )
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// Whoever is signed in to the console.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who they are, and what they may do.
    pub principal: Principal,
    /// Their session. Each form sends `session.csrf` back as the field `csrf`; a script sends it as the header
    /// `x-csrf-token`.
    pub session: SessionRecord,
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        if let Some(Caller {
            principal,
            session: Some(session),
        }) = parts.extensions.get::<Caller>().cloned()
        {
            return Ok(Self { principal, session });
        }
        // Whoever sent a form comes back to where forms are, not to the form's own address.
        let next = parts.uri.path_and_query().map_or("/", |whole| whole.as_str());
        let next = if parts.method == http::Method::GET {
            next
        } else {
            "/"
        };
        let sign_in = sign_in_url(next, None);
        if parts.headers.contains_key("hx-request") {
            let mut response = StatusCode::UNAUTHORIZED.into_response();
            if let Ok(value) = HeaderValue::from_str(&sign_in_url("/", None)) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static("hx-redirect"), value);
            }
            return Err(response);
        }
        Err(Redirect::to(&sign_in).into_response())
    }
}

/// The sign-in page, with where to go afterwards and what went wrong before.
pub fn sign_in_url(next: &str, error: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let next = local(next);
    if next != "/" {
        query.append_pair("next", next);
    }
    if let Some(error) = error {
        query.append_pair("error", error);
    }
    match query.finish() {
        none if none.is_empty() => "/sign-in".to_owned(),
        query => format!("/sign-in?{query}"),
    }
}

/// A path of this host; anything else is its root, so that nobody is led elsewhere by a link to the sign-in page.
pub fn local(next: &str) -> &str {
    let fits = next.len() <= 1_024
        && next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.chars().all(|letter| letter.is_ascii_graphic())
        && !next.starts_with("/sign-");
    if fits { next } else { "/" }
}

/// The session cookie's value.
pub(super) fn session_cookie(web: &Web, headers: &HeaderMap) -> Option<String> {
    CookieJar::from_headers(headers)
        .get(web.cookie_name())
        .map(|cookie| cookie.value().to_owned())
        .filter(|value| !value.is_empty() && value.len() <= 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_host() {
        for elsewhere in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "javascript:alert(1)",
            "/a\r\nset-cookie: x",
            "/ evil",
            "",
            "/sign-out",
        ] {
            assert_eq!(local(elsewhere), "/", "{elsewhere}");
        }
        assert_eq!(local("/tenants/acme?tab=groups"), "/tenants/acme?tab=groups");
        assert_eq!(
            sign_in_url("/a?b=c", Some("token")),
            "/sign-in?next=%2Fa%3Fb%3Dc&error=token"
        );
    }
}
