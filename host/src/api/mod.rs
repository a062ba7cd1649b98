//! The HTTP API (axum): routes, sign-in, problem documents, OpenAPI, live events.
//!
//! A thin shell over [`crate::service`], which decides who may do what. What may not enter: decisions about groups, SQL.
//!
//! The console stands on the same listener and behind the same guards ([`guard`]). Its handlers are routes over [`Web`]
//! and ask for:
//! - [`SignedIn`]: the principal and the session (`session.csrf` goes into each form as the field `csrf`, or into
//!   `hx-headers` as `x-csrf-token`); whoever is not signed in is led to `/sign-in`. That page is the console's; its form
//!   posts `token` and `next` to `/sign-in`, a link to `/sign-in/oidc?next=...` leads to the identity provider where
//!   [`Web`]`::oidc` is some, and a form with `csrf` posts to `/sign-out`.
//! - Changes by POST, PUT, PATCH and DELETE are checked for their CSRF token before a handler sees them.
//! - The content security policy takes nothing inline: scripts and styles are files of this host.

#![allow(
    clippy::result_large_err,
    reason = "an error here is the answer itself, made once a request; boxing it would buy nothing"
)]

mod body;
mod caller;
mod certificate;
mod fields;
mod front;
pub mod guard;
pub mod oidc;
mod openapi;
mod page;
mod problem;
mod rate;
mod refusal;
mod repeat;
mod routes;
pub mod server;
mod sign_in;
mod version;
mod views;
mod web;

pub use body::{Params, Place, Strict};
pub use caller::{Caller, SignedIn, local, sign_in_url};
pub use front::{Front, FrontError};
pub use guard::{Arrived, CSRF_FIELD, CSRF_HEADER};
pub use openapi::text as openapi_text;
pub use problem::{InvalidValue, Kind, Problem};
pub use web::Web;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

/// Everything that the listener serves: the API, signing in and out, and what else is given (the console, probes).
pub fn application(web: &Web, others: Router<Web>) -> Router {
    let (api, _) = routes::router().split_for_parts();
    let api = Router::new()
        .nest(routes::BASE, api)
        .route("/api/v1/openapi.json", get(described))
        .layer(from_fn_with_state(web.clone(), repeat::once));
    Router::new()
        .merge(api)
        .merge(sign_in::router(web))
        .merge(others)
        .fallback(nothing)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(web.clone(), guard::same_site))
        .layer(from_fn_with_state(web.clone(), guard::identify))
        .layer(from_fn_with_state(web.clone(), guard::enter))
        .with_state(web.clone())
}

/// The document, which says nothing that is not public.
async fn described() -> Response {
    static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(openapi::text);
    let kind = [(http::header::CONTENT_TYPE, "application/json")];
    (kind, TEXT.as_str()).into_response()
}

async fn nothing(uri: http::Uri) -> Problem {
    Problem::new(
        Kind::NOT_FOUND,
        format!(
            "there is nothing at {}; /api/v1/openapi.json says what there is",
            uri.path()
        ),
    )
}

async fn not_so(method: http::Method, uri: http::Uri) -> Problem {
    Problem::new(
        Kind::METHOD,
        format!(
            "{} takes no {method}; the Allow header says what it takes",
            uri.path()
        ),
    )
}

#[cfg(test)]
mod tests;
