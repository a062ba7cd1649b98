//! Signing in and out of the console: by a token in a form, or by the identity provider. The page itself, at `/sign-in`, is
//! the console's; it gets what went wrong as `?error=`: `token`, `grant`, `provider`, `expired`.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use axum_extra::extract::cookie::CookieJar;
use http::{HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::body::Params;
use super::caller::{Caller, local, session_cookie, sign_in_url};
use super::guard::Arrived;
use super::oidc::{CALLBACK, OidcError};
use super::problem::Problem;
use super::rate::Counted;
use super::web::Web;
use crate::service::identity::IdentityError;

/// The routes.
pub(super) fn router(web: &Web) -> Router<Web> {
    let attempts = Router::new()
        .route("/sign-in", post(by_token))
        .route("/sign-in/oidc", get(to_provider))
        .route(CALLBACK, get(from_provider))
        .route_layer(axum::middleware::from_fn_with_state(web.clone(), count));
    Router::new().route("/sign-out", post(sign_out)).merge(attempts)
}

/// Attempts are fewer than requests.
async fn count(State(web): State<Web>, request: Request, next: Next) -> Result<Response, Problem> {
    let arrived = request.extensions().get::<Arrived>();
    let address = arrived.map(|arrived| arrived.address);
    if let Some(address) = address {
        web.rates.sign_in(&Counted::address(address))?;
    }
    Ok(next.run(request).await)
}

#[derive(Deserialize)]
struct SignInForm {
    token: String,
    #[serde(default)]
    next: String,
}

async fn by_token(
    State(web): State<Web>,
    Extension(arrived): Extension<Arrived>,
    headers: http::HeaderMap,
    jar: CookieJar,
    Form(form): Form<SignInForm>,
) -> Result<Response, Problem> {
    let token = Zeroizing::new(form.token);
    let before = session_cookie(&web, &headers);
    let begun = web
        .identity
        .sign_in_with_token(token.trim(), before.as_deref(), Some(&arrived.address()))
        .await;
    match begun {
        Ok((cookie, _)) => {
            let jar = jar.add(web.cookie(web.cookie_name(), cookie.expose_secret()));
            Ok((jar, Redirect::to(local(&form.next))).into_response())
        }
        Err(IdentityError::Store(error)) => Err(Problem::internal(&error)),
        Err(_) => Ok(Redirect::to(&sign_in_url(&form.next, Some("token"))).into_response()),
    }
}

/// What is kept in the browser while somebody is at the provider.
fn begun_cookie(web: &Web) -> &'static str {
    if web.is_secure() {
        "__Host-groupcast-sign-in"
    } else {
        "groupcast-sign-in"
    }
}

#[derive(Deserialize)]
struct NextQuery {
    #[serde(default)]
    next: String,
}

async fn to_provider(
    State(web): State<Web>,
    jar: CookieJar,
    Params(query): Params<NextQuery>,
) -> Result<Response, Problem> {
    let Some(provider) = &web.oidc else {
        return Ok(Redirect::to("/sign-in").into_response());
    };
    match provider.begin(local(&query.next)).await {
        Ok(begun) => {
            let cookie = web.cookie(begun_cookie(&web), begun.cookie);
            Ok((jar.add(cookie), Redirect::to(begun.url.as_str())).into_response())
        }
        Err(error) => {
            tracing::error!(%error, "a sign-in by the identity provider could not begin");
            Ok(Redirect::to(&sign_in_url(&query.next, Some("provider"))).into_response())
        }
    }
}

#[derive(Deserialize)]
struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn from_provider(
    State(web): State<Web>,
    Extension(arrived): Extension<Arrived>,
    headers: http::HeaderMap,
    jar: CookieJar,
    Params(query): Params<CallbackQuery>,
) -> Result<Response, Problem> {
    let Some(provider) = &web.oidc else {
        return Ok(Redirect::to("/sign-in").into_response());
    };
    let begun = jar
        .get(begun_cookie(&web))
        .map(|cookie| cookie.value().to_owned());
    // Once only, whatever comes of it.
    let jar = jar.remove(web.no_cookie(begun_cookie(&web)));
    let address = arrived.address();
    let who = match (begun, query.state, query.code) {
        (Some(begun), Some(state), Some(code)) => provider.finish(&begun, &state, code).await,
        (Some(_), Some(_), None) => Err(OidcError::Refused(format!(
            "{}: {}",
            query.error.as_deref().unwrap_or("no code"),
            query.error_description.as_deref().unwrap_or("no reason given"),
        ))),
        _ => Err(OidcError::State),
    };
    let (person, next) = match who {
        Ok(who) => who,
        Err(error) => {
            let code = match error {
                OidcError::State => "expired",
                _ => "provider",
            };
            tracing::warn!(%error, "a sign-in by the identity provider failed");
            web.identity
                .refused("nobody", &error.to_string(), Some(&address))
                .await;
            return Ok((jar, Redirect::to(&sign_in_url("/", Some(code)))).into_response());
        }
    };
    let before = session_cookie(&web, &headers);
    match web
        .identity
        .sign_in_person(person, before.as_deref(), Some(&address))
        .await
    {
        Ok((cookie, _)) => {
            let jar = jar.add(web.cookie(web.cookie_name(), cookie.expose_secret()));
            Ok((jar, Redirect::to(local(&next))).into_response())
        }
        Err(IdentityError::Store(error)) => Err(Problem::internal(&error)),
        Err(_) => Ok((jar, Redirect::to(&sign_in_url("/", Some("grant")))).into_response()),
    }
}

async fn sign_out(
    State(web): State<Web>,
    Extension(arrived): Extension<Arrived>,
    caller: Option<Caller>,
    headers: http::HeaderMap,
    jar: CookieJar,
) -> Result<Response, Problem> {
    if let Some(cookie) = session_cookie(&web, &headers) {
        web.identity.sign_out(&cookie, Some(&arrived.address())).await?;
    }
    let by_provider = caller.is_some_and(|caller| caller.principal.actor.subject.starts_with("email:"));
    let elsewhere = match &web.oidc {
        Some(provider) if by_provider => provider.sign_out_url().await,
        _ => None,
    };
    let to = elsewhere.map_or_else(|| "/sign-in".to_owned(), String::from);
    let jar = jar.remove(web.no_cookie(web.cookie_name()));
    let mut response = (jar, Redirect::to(&to)).into_response();
    response.headers_mut().insert(
        HeaderName::from_static("clear-site-data"),
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    Ok(response)
}
