//! Tenants' secrets: a value goes in and never comes out.

use axum::extract::{OriginalUri, State};
use axum::response::Response;

use super::super::body::Place;
use super::super::caller::Caller;
use super::super::page::Items;
use super::super::problem::Problem;
use super::super::views::Secret;
use super::super::web::Web;
use super::{TenantPath, page};

/// Names of a tenant's secrets, never their values.
#[utoipa::path(get, path = "/tenants/{tenant}/secrets", tag = "secrets", params(TenantPath),
    responses((status = 200, body = Items<Secret>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<TenantPath>,
) -> Result<Response, Problem> {
    let secrets = web.service.secrets(&caller.principal, &path.tenant).await?;
    page(&uri, &Items::all(secrets.into_iter().map(Secret::from).collect()))
}
