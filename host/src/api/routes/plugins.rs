//! Components of others: kept, granted, revoked, removed. Which of them a tenant runs is a field of the tenant.

use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{Params, Place, Strict};
use super::super::caller::Caller;
use super::super::guard::at_most;
use super::super::page::Items;
use super::super::problem::{Kind, Problem};
use super::super::views::{ApiPlugin, ApiPluginDescription, ApiPluginGrant};
use super::super::web::Web;
use super::{TenantPath, bounded, json, made, page};
use crate::plugin::{LARGEST_PLUGIN, OCI_SCHEME};

/// A component in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PluginPath {
    /// The component's SHA-256, in lower-case hexadecimal.
    #[param(pattern = "^[0-9a-f]{64}$")]
    #[serde(deserialize_with = "super::super::fields::digest")]
    digest: String,
}

/// Components that this host keeps, or that something was granted to.
#[utoipa::path(get, path = "/plugins", tag = "plugins", responses((status = 200, body = Items<ApiPlugin>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
) -> Result<Response, Problem> {
    let found = web.service.plugins(&caller.principal).await?;
    page(
        &uri,
        &Items::all(found.into_iter().map(ApiPlugin::from).collect()),
    )
}

/// Where a component is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginToPull {
    /// A reference that is pinned by the manifest's digest, so that it means the same tomorrow.
    #[schema(
        min_length = 80,
        max_length = 512,
        pattern = "^oci://[!-~]+@sha256:[0-9a-f]{64}$",
        example = "oci://ghcr.io/example/sync@sha256:0000000000000000000000000000000000000000000000000000000000000000"
    )]
    reference: String,
}

/// Fetches a component from an OCI registry and keeps it. Nothing is granted to it. It is compiled, and asked what it is,
/// in its sandbox.
#[utoipa::path(post, path = "/plugins", tag = "plugins", request_body = PluginToPull,
    responses((status = 201, body = ApiPluginDescription)))]
pub(super) async fn pull(
    State(web): State<Web>,
    caller: Caller,
    Strict(new): Strict<PluginToPull>,
) -> Result<Response, Problem> {
    bounded("reference", &new.reference, 512)?;
    if !new.reference.starts_with(OCI_SCHEME) {
        return Err(Problem::invalid_value(
            "reference",
            "write it as oci://registry/repository@sha256:… with the manifest's digest",
        ));
    }
    let described = web.service.pull_plugin(&caller.principal, &new.reference).await?;
    let place = format!("/plugins/{}", described.view.digest);
    made(&place, &ApiPluginDescription::from(described), None)
}

/// One component that this host keeps, with what it asks for.
#[utoipa::path(get, path = "/plugins/{digest}", tag = "plugins", params(PluginPath),
    responses((status = 200, body = ApiPluginDescription)))]
pub(super) async fn read(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<PluginPath>,
) -> Result<Response, Problem> {
    let described = web.service.plugin(&caller.principal, &path.digest).await?;
    json(StatusCode::OK, &ApiPluginDescription::from(described))
}

/// The bytes of a component.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "for the document alone")]
pub(super) struct Component(Vec<u8>);

/// Keeps a component that is sent under its own digest; sent again, nothing changes. Nothing is granted to it. It is
/// compiled, and asked what it is, in its sandbox.
#[utoipa::path(put, path = "/plugins/{digest}", tag = "plugins", params(PluginPath),
    request_body(content = Component, content_type = "application/octet-stream"),
    responses((status = 200, body = ApiPluginDescription)))]
pub(super) async fn add(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<PluginPath>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Before megabytes are read of somebody who may not send them.
    web.service.may_keep_plugins(&caller.principal)?;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !matches!(kind, Some("application/octet-stream" | "application/wasm")) {
        return Err(Problem::new(
            Kind::MEDIA_TYPE,
            "only a component's bytes are taken; send `Content-Type: application/octet-stream`",
        ));
    }
    let most = usize::try_from(LARGEST_PLUGIN).unwrap_or(usize::MAX);
    let bytes = at_most(most, body).await?;
    let described = web
        .service
        .add_plugin(&caller.principal, &path.digest, bytes.to_vec())
        .await?;
    json(StatusCode::OK, &ApiPluginDescription::from(described))
}

/// Forgets a component. Grants stay, and are good for nothing until it is added again; tenants that use it do not run.
#[utoipa::path(delete, path = "/plugins/{digest}", tag = "plugins", params(PluginPath),
    responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<PluginPath>,
) -> Result<Response, Problem> {
    web.service.remove_plugin(&caller.principal, &path.digest).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What is granted, and to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PluginGrantToMake {
    /// Whose runs may use it; none: those of any tenant.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default)]
    tenant: Option<String>,
    /// Only requests that read: it can plan, and apply nothing.
    #[serde(default)]
    only_reads: bool,
}

/// Lets a tenant, or every tenant, run a component, with the requests that it asks for. It takes the place of what was
/// granted before. The tenant runs it once it is chosen in the tenant's `plugin`.
#[utoipa::path(put, path = "/plugins/{digest}/grants", tag = "plugins", params(PluginPath),
    request_body = PluginGrantToMake, responses((status = 200, body = ApiPluginGrant)))]
pub(super) async fn grant(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<PluginPath>,
    Strict(new): Strict<PluginGrantToMake>,
) -> Result<Response, Problem> {
    let granted = web
        .service
        .grant_plugin(
            &caller.principal,
            &path.digest,
            new.tenant.as_deref(),
            new.only_reads,
        )
        .await?;
    json(StatusCode::OK, &ApiPluginGrant::from(granted))
}

/// Which grant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhosePlugin {
    /// Of this tenant; left out: of every tenant.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    tenant: Option<String>,
}

/// Takes back what was granted. Runs that use the component begin no more; one that is under way goes on to its end, or
/// is cancelled as a job.
#[utoipa::path(delete, path = "/plugins/{digest}/grants", tag = "plugins", params(PluginPath, WhosePlugin),
    responses((status = 204, description = "It is granted no longer.")))]
pub(super) async fn revoke(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<PluginPath>,
    Params(whose): Params<WhosePlugin>,
) -> Result<Response, Problem> {
    web.service
        .revoke_plugin(&caller.principal, &path.digest, whose.tenant.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Components that a tenant may run: those granted to it, and to every tenant.
#[utoipa::path(get, path = "/tenants/{tenant}/plugins", tag = "plugins", params(TenantPath),
    responses((status = 200, body = Items<ApiPluginGrant>)))]
pub(super) async fn of_tenant(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<TenantPath>,
) -> Result<Response, Problem> {
    let found = web.service.plugins_of(&caller.principal, &path.tenant).await?;
    page(
        &uri,
        &Items::all(found.into_iter().map(ApiPluginGrant::from).collect()),
    )
}
