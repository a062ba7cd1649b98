//! Tenants.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{Params, Place, Strict};
use super::super::caller::Caller;
use super::super::page::{Items, after, limit};
use super::super::problem::Problem;
use super::super::refusal::of_change;
use super::super::version::IfMatch;
use super::super::views::{Tenant, declared};
use super::super::web::Web;
use super::{TenantPath, made, object, page};
use crate::service::{NewTenant, TenantChange, TenantView};

/// Which tenants.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TenantQuery {
    /// In name or title.
    #[param(max_length = 200)]
    #[serde(
        default,
        deserialize_with = "super::super::fields::optional_text::<_, 0, 200>"
    )]
    search: Option<String>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// Tenants that the caller sees, by name.
#[utoipa::path(get, path = "/tenants", tag = "tenants", params(TenantQuery),
    responses((status = 200, body = Items<Tenant>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<TenantQuery>,
) -> Result<Response, Problem> {
    let (mark, limit) = (after(query.cursor.as_deref())?, limit(query.limit)?);
    let found = web
        .service
        .tenants(&caller.principal, query.search.as_deref(), mark.as_deref(), limit)
        .await?;
    page(&uri, &Items::of(found, Tenant::from))
}

/// A tenant to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantToMake {
    /// Lower-case letters, digits and `-`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    name: String,
    /// What people call it; its name where none is given.
    #[schema(max_length = 200)]
    #[serde(default)]
    title: String,
    /// Where its groups come from. Secrets are named (`{ "stored": "jumpcloud" }`), never given here.
    #[schema(schema_with = super::super::views::jumpcloud)]
    jumpcloud: Value,
}

/// Makes a tenant.
#[utoipa::path(post, path = "/tenants", tag = "tenants", request_body = TenantToMake,
    responses((status = 201, body = Tenant)))]
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    Strict(new): Strict<TenantToMake>,
) -> Result<Response, Problem> {
    let new = NewTenant {
        name: new.name,
        title: new.title,
        jumpcloud: new.jumpcloud,
    };
    let view = web.service.create_tenant(&caller.principal, new).await?;
    let (path, version) = (format!("/tenants/{}", view.name), version_of(&view));
    made(&path, &Tenant::from(view), version)
}

fn version_of(view: &TenantView) -> Option<u64> {
    declared(view.declared).1
}

/// One tenant.
#[utoipa::path(get, path = "/tenants/{tenant}", tag = "tenants", params(TenantPath),
    responses((status = 200, body = Tenant)))]
pub(super) async fn read(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<TenantPath>,
) -> Result<Response, Problem> {
    let view = web.service.tenant(&caller.principal, &path.tenant).await?;
    let version = version_of(&view);
    object(StatusCode::OK, &Tenant::from(view), version)
}

/// A change of a tenant; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantToChange {
    /// What people call it.
    #[schema(max_length = 200, nullable = false)]
    #[serde(default, deserialize_with = "given")]
    title: Option<String>,
    /// The whole section.
    #[schema(schema_with = super::super::views::jumpcloud, required = false)]
    #[serde(default, deserialize_with = "given")]
    jumpcloud: Option<Value>,
    /// The plugin by digest; `null` is the built-in one.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    #[serde(default, deserialize_with = "given")]
    plugin: Option<Option<String>>,
    /// Whether its runs begin at all.
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "given")]
    enabled: Option<bool>,
}

/// A field that is there: `null` is a value, and is refused where the type takes none.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Changes a tenant of the version that the caller saw.
#[utoipa::path(patch, path = "/tenants/{tenant}", tag = "tenants", params(TenantPath),
    request_body = TenantToChange, responses((status = 200, body = Tenant)))]
pub(super) async fn change(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<TenantPath>,
    IfMatch(version): IfMatch,
    Strict(change): Strict<TenantToChange>,
) -> Result<Response, Problem> {
    let change = TenantChange {
        title: change.title,
        jumpcloud: change.jumpcloud,
        plugin: change.plugin,
        enabled: change.enabled,
    };
    let view = web
        .service
        .change_tenant(&caller.principal, &path.tenant, version, change)
        .await
        .map_err(of_change)?;
    let version = version_of(&view);
    object(StatusCode::OK, &Tenant::from(view), version)
}

/// Forgets a tenant with its directories, tokens, grants and secrets. What was done for it stays on record.
#[utoipa::path(delete, path = "/tenants/{tenant}", tag = "tenants", params(TenantPath),
    responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<TenantPath>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    web.service
        .remove_tenant(&caller.principal, &path.tenant, version)
        .await
        .map_err(of_change)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
