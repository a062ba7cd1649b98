//! The routes of `/api/v1`: each takes a request apart, asks the service, and puts the answer together.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Items, link};
use super::problem::Problem;
use super::version;
use super::web::Web;
use crate::store::ConnectionId;
use crate::store::service::Version;

mod access;
mod audit;
mod directories;
mod events;
mod groups;
mod history;
mod jobs;
mod plans;
mod plugins;
mod runs;
mod secrets;
mod tenants;

/// Where the API is.
pub(super) const BASE: &str = "/api/v1";

/// All routes, with their descriptions.
pub(super) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(access::whoami))
        .routes(routes!(access::tokens, access::create_token))
        .routes(routes!(access::revoke_token))
        .routes(routes!(access::grants, access::put_grant, access::remove_grant))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::read, tenants::change, tenants::remove))
        .routes(routes!(plugins::list, plugins::pull))
        .routes(routes!(plugins::read, plugins::add, plugins::remove))
        .routes(routes!(plugins::grant, plugins::revoke))
        .routes(routes!(plugins::of_tenant))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put, secrets::remove))
        .routes(routes!(directories::list, directories::create))
        .routes(routes!(
            directories::read,
            directories::change,
            directories::remove
        ))
        .routes(routes!(directories::preflight))
        .routes(routes!(directories::manage))
        .routes(routes!(directories::pause))
        .routes(routes!(directories::resume))
        .routes(routes!(directories::release))
        .routes(routes!(groups::list))
        .routes(routes!(groups::read, groups::change))
        .routes(routes!(groups::why))
        .routes(routes!(jobs::list, jobs::start))
        .routes(routes!(jobs::read))
        .routes(routes!(jobs::cancel))
        .routes(routes!(plans::list))
        .routes(routes!(plans::read))
        .routes(routes!(plans::parts))
        .routes(routes!(plans::approve))
        .routes(routes!(runs::list))
        .routes(routes!(runs::read))
        .routes(routes!(runs::outcomes))
        .routes(routes!(history::bindings))
        .routes(routes!(history::memberships))
        .routes(routes!(history::samples))
        .routes(routes!(history::changes))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(events::all))
        .routes(routes!(events::of_job))
}

/// A tenant in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TenantPath {
    /// The tenant's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::fields::name")]
    pub tenant: String,
}

/// A directory in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DirectoryPath {
    /// The tenant's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::fields::name")]
    pub tenant: String,
    /// The directory's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::fields::name")]
    pub directory: String,
}

impl DirectoryPath {
    pub(super) fn id(self) -> ConnectionId {
        ConnectionId::new(self.tenant, self.directory)
    }
}

/// JSON with a status.
fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| Problem::internal(&error))?;
    let mut response = (status, body).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An object with its version.
fn object(status: StatusCode, body: &impl Serialize, version: Option<Version>) -> Result<Response, Problem> {
    let mut response = json(status, body)?;
    version::tell(response.headers_mut(), version);
    Ok(response)
}

/// A new object: where it is, and its version.
fn made(path: &str, body: &impl Serialize, version: Option<Version>) -> Result<Response, Problem> {
    let mut response = object(StatusCode::CREATED, body, version)?;
    locate(&mut response, path);
    Ok(response)
}

fn locate(response: &mut Response, path: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("{BASE}{path}")) {
        response.headers_mut().insert(header::LOCATION, value);
    }
}

/// A page with a link to the next one.
fn page<T: Serialize>(uri: &Uri, items: &Items<T>) -> Result<Response, Problem> {
    let mut response = json(StatusCode::OK, items)?;
    if let Some((name, value)) = link(uri, items.next.as_deref()) {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// A text of a caller's, bounded as the document says.
fn bounded(place: &str, text: &str, most: usize) -> Result<(), Problem> {
    let length = text.chars().count();
    if length == 0 || length > most {
        return Err(Problem::invalid_value(
            place,
            format!("this has 1 to {most} characters; it has {length}"),
        ));
    }
    Ok(())
}
