//! Directories: what a tenant's groups go to.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::body::{Place, Strict};
use super::super::caller::Caller;
use super::super::page::Items;
use super::super::problem::Problem;
use super::super::refusal::of_change;
use super::super::version::IfMatch;
use super::super::views::{ApiPreflight, Directory, Vendor, declared};
use super::super::web::Web;
use super::{DirectoryPath, TenantPath, bounded, json, made, object, page};
use crate::service::{DirectoryView, NewDirectory};
use crate::store::ConnectionId;

/// Directories of a tenant, by name.
#[utoipa::path(get, path = "/tenants/{tenant}/directories", tag = "directories", params(TenantPath),
    responses((status = 200, body = Items<Directory>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<TenantPath>,
) -> Result<Response, Problem> {
    let found = web.service.directories(&caller.principal, &path.tenant).await?;
    page(
        &uri,
        &Items::all(found.into_iter().map(Directory::from).collect()),
    )
}

/// A directory to connect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectoryToMake {
    /// Its name: lower-case letters, digits and `-`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    name: String,
    /// Of which vendor.
    vendor: Vendor,
    /// Its settings: a `[google]` or `[entra]` section. It begins unmanaged, whatever is said here.
    #[schema(schema_with = super::super::views::directory_section)]
    section: Value,
}

/// Connects a directory. It begins unmanaged and plan-only.
#[utoipa::path(post, path = "/tenants/{tenant}/directories", tag = "directories", params(TenantPath),
    request_body = DirectoryToMake, responses((status = 201, body = Directory)))]
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<TenantPath>,
    Strict(new): Strict<DirectoryToMake>,
) -> Result<Response, Problem> {
    let new = NewDirectory {
        id: ConnectionId::new(path.tenant, new.name),
        vendor: new.vendor.into(),
        section: new.section,
    };
    let view = web.service.create_directory(&caller.principal, new).await?;
    let place = format!("/tenants/{}/directories/{}", view.id.tenant, view.id.name);
    let version = version_of(&view);
    made(&place, &Directory::from(view), version)
}

fn version_of(view: &DirectoryView) -> Option<u64> {
    declared(view.declared).1
}

fn shown(view: DirectoryView) -> Result<Response, Problem> {
    let version = version_of(&view);
    object(StatusCode::OK, &Directory::from(view), version)
}

/// One directory.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}", tag = "directories",
    params(DirectoryPath), responses((status = 200, body = Directory)))]
pub(super) async fn read(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
) -> Result<Response, Problem> {
    shown(web.service.directory(&caller.principal, &path.id()).await?)
}

/// Changes a directory's settings by a JSON merge patch (RFC 7396) of its section. Group management is switched by its own
/// request.
#[utoipa::path(patch, path = "/tenants/{tenant}/directories/{directory}", tag = "directories",
    params(DirectoryPath), request_body(content = Object, content_type = "application/merge-patch+json"),
    responses((status = 200, body = Directory)))]
pub(super) async fn change(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
    IfMatch(version): IfMatch,
    Strict(patch): Strict<serde_json::Map<String, Value>>,
) -> Result<Response, Problem> {
    let patch = Value::Object(patch);
    let view = web
        .service
        .change_directory(&caller.principal, &path.id(), version, &patch)
        .await
        .map_err(of_change)?;
    shown(view)
}

/// Forgets a directory. Nothing is deleted at the vendor, and what was done stays on record.
#[utoipa::path(delete, path = "/tenants/{tenant}/directories/{directory}", tag = "directories",
    params(DirectoryPath), responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    web.service
        .remove_directory(&caller.principal, &path.id(), version)
        .await
        .map_err(of_change)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Finds out what switching group management on would mean: who would be at risk, and whether two engines would fight.
/// Asks the vendors, and never writes.
#[utoipa::path(post, path = "/tenants/{tenant}/directories/{directory}/preflight", tag = "directories",
    params(DirectoryPath), responses((status = 200, body = ApiPreflight)))]
pub(super) async fn preflight(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
) -> Result<Response, Problem> {
    let found = web.service.preflight(&caller.principal, &path.id()).await?;
    json(StatusCode::OK, &ApiPreflight::from(found))
}

/// The switch of group management.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Management {
    /// On or off.
    managed: bool,
    /// Accepts what the preflight found.
    #[serde(default)]
    acknowledge: bool,
}

/// Switches group management on or off. On is refused with what the preflight found, unless that is acknowledged; off
/// stops work in flight before its next write.
#[utoipa::path(put, path = "/tenants/{tenant}/directories/{directory}/management", tag = "directories",
    params(DirectoryPath), request_body = Management, responses((status = 200, body = Directory)))]
pub(super) async fn manage(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
    IfMatch(version): IfMatch,
    Strict(switch): Strict<Management>,
) -> Result<Response, Problem> {
    let view = web
        .service
        .set_managed(
            &caller.principal,
            &path.id(),
            version,
            switch.managed,
            switch.acknowledge,
        )
        .await
        .map_err(of_change)?;
    shown(view)
}

/// Why it is paused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseReason {
    /// For whoever looks at it later.
    #[schema(max_length = 500)]
    #[serde(default)]
    reason: String,
}

/// Lets no run begin by itself until it is resumed.
#[utoipa::path(post, path = "/tenants/{tenant}/directories/{directory}/pause", tag = "directories",
    params(DirectoryPath), request_body = PauseReason,
    responses((status = 204, description = "It is paused.")))]
pub(super) async fn pause(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
    Strict(why): Strict<PauseReason>,
) -> Result<Response, Problem> {
    if !why.reason.is_empty() {
        bounded("reason", &why.reason, 500)?;
    }
    web.service
        .pause(&caller.principal, &path.id(), &why.reason)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Lets runs begin by themselves again.
#[utoipa::path(post, path = "/tenants/{tenant}/directories/{directory}/resume", tag = "directories",
    params(DirectoryPath), responses((status = 204, description = "It runs again.")))]
pub(super) async fn resume(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
) -> Result<Response, Problem> {
    web.service.resume(&caller.principal, &path.id()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Releases a directory that failed so often that it no longer runs by itself.
#[utoipa::path(post, path = "/tenants/{tenant}/directories/{directory}/release", tag = "directories",
    params(DirectoryPath), responses((status = 204, description = "It runs again.")))]
pub(super) async fn release(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
) -> Result<Response, Problem> {
    web.service.release(&caller.principal, &path.id()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
