//! The sign-in page. Its form goes to the API's `POST /sign-in`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;

use super::Provider;
use super::form::{Query, query as fields_of, text};
use crate::api::local;
use crate::console::page::{self, Notice, Shell};
use crate::console::pages::sign_in::{ProviderLink, SignIn};
use crate::console::reader::theme;
use crate::console::words::Tone;

/// `GET /sign-in`.
pub async fn page(
    State(provider): State<Option<Provider>>,
    cookies: CookieJar,
    axum::extract::Query(query): Query,
) -> Response {
    let next = local(&text(&query, "next")).to_owned();
    let wrong = match text(&query, "error").as_str() {
        "token" => Some((
            "This token opens nothing",
            "It may be mistyped, expired or revoked. Ask an administrator for another.",
        )),
        "grant" => Some((
            "You are known, but were granted nothing here",
            "Ask an administrator of this host to grant you a role.",
        )),
        "provider" => Some((
            "The identity provider did not sign you in",
            "Try again; the log of the host says why.",
        )),
        "expired" => Some((
            "This sign-in was not begun here, or took too long",
            "Nobody was signed in. Begin again with the button below.",
        )),
        _ => None,
    };
    let shell = Shell {
        title: "Sign in".to_owned(),
        theme: theme(&cookies),
        notice: wrong.map(|(title, line)| Notice {
            tone: Tone::Bad,
            title: title.to_owned(),
            lines: vec![line.to_owned()],
        }),
        ..Shell::default()
    };
    page::page(
        StatusCode::OK,
        &SignIn {
            shell,
            provider: provider.map(|name| ProviderLink {
                href: format!("/sign-in/oidc?{}", fields_of(&[("next", &next)])),
                name,
            }),
            next,
        },
    )
}
