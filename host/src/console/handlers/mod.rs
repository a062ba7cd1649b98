//! From requests to pages: each handler asks the service, fills a page, and answers it. What the service refuses comes
//! out as a page that says why, with the way back.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::assets;
use super::page::{page, see_other};
use super::pages::sign_in::Problem;
use super::reader::{Reader, tenant_href};
use super::refusal::refusal;
use crate::api::Web;
use crate::config::ServiceSection;
use crate::service::{Scope, Service, ServiceError};

mod charts;
mod directory;
mod form;
mod groups;
mod history;
mod jobs;
mod limits;
mod plan;
mod plugins;
mod runs;
mod schedule;
mod settings;
mod sign_in;
mod start;
mod tenants;
mod why;

/// What handlers share.
pub type Host = State<Arc<Service>>;

/// A handler's answer.
pub type Answer = Result<Response, Refused>;

/// What the service refused; [`mend`] makes a page of it.
#[derive(Debug, Clone)]
pub struct Refused(Arc<ServiceError>);

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Self {
        Self(Arc::new(error))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// An identity provider that people sign in by: what it is called.
pub type Provider = String;

/// What the identity provider of a configuration is called: its host.
pub fn provider(section: &ServiceSection) -> Option<Provider> {
    let oidc = section.oidc.as_ref()?;
    let host = url::Url::parse(&oidc.issuer)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    Some(host.unwrap_or_else(|| oidc.issuer.clone()))
}

/// The console. Its sign-in page's form, and signing out, are the API's, which knows sessions.
pub fn router(service: Arc<Service>, provider: Option<Provider>) -> Router<Web> {
    let open = Router::new()
        .route("/assets/{name}", get(asset))
        .route("/theme", post(form::theme))
        .route("/sign-in", get(sign_in::page))
        .with_state(provider);
    Router::new().merge(open).merge(pages(service))
}

fn pages(service: Arc<Service>) -> Router<Web> {
    let directory = "/tenants/{tenant}/directories/{directory}";
    let at = |rest: &str| format!("{directory}{rest}");
    Router::new()
        .route("/", get(home))
        .route("/tenants", get(tenants::list))
        .route("/tenants/new", get(start::new_tenant).post(start::create_tenant))
        .route("/tenants/{tenant}", get(tenants::home))
        .route("/tenants/{tenant}/runs", get(runs::of_tenant))
        .route("/tenants/{tenant}/settings", get(settings::jumpcloud))
        .route(
            "/tenants/{tenant}/settings/jumpcloud",
            post(settings::keep_jumpcloud),
        )
        .route("/tenants/{tenant}/settings/enabled", post(settings::switch))
        .route(
            "/tenants/{tenant}/secrets",
            get(settings::secrets).post(settings::set_secret),
        )
        .route("/tenants/{tenant}/secrets/remove", post(settings::remove_secret))
        .route(
            "/tenants/{tenant}/tokens",
            get(settings::tokens).post(settings::make_token),
        )
        .route("/tenants/{tenant}/tokens/revoke", post(settings::revoke_token))
        .route(
            "/tenants/{tenant}/access",
            get(settings::access).post(settings::grant),
        )
        .route("/tenants/{tenant}/access/remove", post(settings::remove_grant))
        .route("/tenants/{tenant}/audit", get(history::audit))
        .route(
            "/tenants/{tenant}/plugins",
            get(plugins::of_tenant).post(plugins::choose),
        )
        .route("/plugins", get(plugins::of_host))
        .route("/tokens", get(settings::tokens).post(settings::make_token))
        .route("/tokens/revoke", post(settings::revoke_token))
        .route("/access", get(settings::access).post(settings::grant))
        .route("/access/remove", post(settings::remove_grant))
        .route("/audit", get(history::audit))
        .route(
            "/tenants/{tenant}/directories/new",
            get(start::new_directory).post(start::create_directory),
        )
        .route(directory, get(directory::details))
        .route(&at("/enable"), get(directory::look).post(directory::enable))
        .route(&at("/disable"), post(directory::disable))
        .route(&at("/pause"), post(directory::pause))
        .route(&at("/resume"), post(directory::resume))
        .route(&at("/release"), post(directory::release))
        .route(&at("/schedule"), get(schedule::page).post(schedule::keep))
        .route(&at("/limits"), get(limits::page).post(limits::keep))
        .route(&at("/policy"), post(directory::policy))
        .route(&at("/forget"), post(directory::forget))
        .route(&at("/work"), post(jobs::begin))
        .route(&at("/groups"), get(groups::list))
        .route(&at("/groups/{group}"), get(groups::one).post(groups::change))
        .route(&at("/plans"), get(plan::list))
        .route(&at("/plans/{plan}"), get(plan::one))
        .route(&at("/plans/{plan}/approve"), post(plan::approve))
        .route(&at("/runs"), get(runs::of_directory))
        .route(&at("/runs/{run}"), get(runs::one))
        .route(&at("/runs/{run}/undo"), post(jobs::undo))
        .route(&at("/jobs/{job}"), get(jobs::one))
        .route(&at("/jobs/{job}/events"), get(jobs::events))
        .route(&at("/jobs/{job}/cancel"), post(jobs::cancel))
        .route(&at("/why"), get(why::ask))
        .route(&at("/history"), get(history::of_directory))
        .route(&at("/charts"), get(charts::of_directory))
        .layer(from_fn(mend))
        .with_state(service)
}

async fn asset(request: Request) -> Response {
    let Some(asset) = assets::at(request.uri().path()) else {
        return axum::http::StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.content).into_response()
}

/// To where somebody has most to do: all tenants, or the one that they see.
async fn home(reader: Reader) -> Response {
    match reader.who.tenants() {
        Scope::Some(names) if names.len() == 1 => see_other(
            &names
                .first()
                .map_or_else(|| "/tenants".to_owned(), |name| tenant_href(name)),
        ),
        _ => see_other("/tenants"),
    }
}

/// Makes a page of what the service refused. A part of a page that htmx asked for stays as it was; the notice alone is
/// put in.
async fn mend(reader: Reader, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(Refused(error)) = response.extensions_mut().remove::<Refused>() else {
        return response;
    };
    if let ServiceError::Internal(detail) = error.as_ref() {
        tracing::error!(detail, "a page could not be shown");
    }
    let (status, notice) = refusal(&error);
    let mut shell = reader.shell("This did not work", "");
    shell.notice = Some(notice);
    let mut answered = page(
        status,
        &Problem {
            shell,
            back: reader.back(),
        },
    );
    if reader.htmx {
        answered.headers_mut().insert(
            HeaderName::from_static("hx-reswap"),
            HeaderValue::from_static("none"),
        );
    }
    answered
}
