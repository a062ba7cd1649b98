//! Who is asking, API tokens, and grants.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::body::{Params, Place, Strict};
use super::super::caller::Caller;
use super::super::page::Items;
use super::super::problem::Problem;
use super::super::repeat::KeepInstead;
use super::super::views::{ApiRole, Grant, Token, WhoAmI};
use super::super::web::Web;
use super::{bounded, json, made, page};
use crate::service::NewToken;

/// Who is asking, and what they may do.
#[utoipa::path(get, path = "/whoami", tag = "access", responses((status = 200, body = WhoAmI)))]
pub(super) async fn whoami(caller: Caller) -> Result<Response, Problem> {
    json(StatusCode::OK, &WhoAmI::from(&caller.principal))
}

/// Whose tokens or grants.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OfTenant {
    /// Only of this tenant; who administers the whole host may leave it out.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    tenant: Option<String>,
}

/// API tokens.
#[utoipa::path(get, path = "/tokens", tag = "access", params(OfTenant),
    responses((status = 200, body = Items<Token>)))]
pub(super) async fn tokens(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<OfTenant>,
) -> Result<Response, Problem> {
    let tokens = web
        .service
        .tokens(&caller.principal, query.tenant.as_deref())
        .await?;
    page(&uri, &Items::all(tokens.into_iter().map(Token::from).collect()))
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenToMake {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// For which tenant; none: for the whole host.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default)]
    tenant: Option<String>,
    /// What it may do.
    role: ApiRole,
    /// Until when it is good; none: until it is revoked.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

/// A new token. It is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewTokenMade {
    /// What is kept of it.
    #[serde(flatten)]
    record: Token,
    /// The token itself; none where the answer is repeated.
    secret: Option<String>,
}

/// Makes a token. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/tokens", tag = "access", request_body = TokenToMake,
    responses((status = 201, body = NewTokenMade)))]
pub(super) async fn create_token(
    State(web): State<Web>,
    caller: Caller,
    Strict(new): Strict<TokenToMake>,
) -> Result<Response, Problem> {
    bounded("name", &new.name, 100)?;
    let new = NewToken {
        name: new.name,
        tenant: new.tenant,
        role: new.role.into(),
        expires_at: new.expires_at,
    };
    let (record, secret) = web.service.create_token(&caller.principal, new).await?;
    let path = format!("/tokens/{}", record.id);
    let without = NewTokenMade {
        record: record.clone().into(),
        secret: None,
    };
    let with = NewTokenMade {
        record: record.into(),
        secret: Some(secret.expose_secret().to_owned()),
    };
    let mut response = made(&path, &with, None)?;
    // A repeated request gets the record: a secret is kept nowhere, the answers to repeated requests included.
    let kept = serde_json::to_vec(&without).map_err(|error| Problem::internal(&error))?;
    response.extensions_mut().insert(KeepInstead(kept.into()));
    Ok(response)
}

/// A token in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TokenPath {
    /// The token's ID; never the token itself, which has no place in an address.
    #[param(pattern = "^[0-9a-f]{16}$")]
    #[serde(deserialize_with = "super::super::fields::identifier")]
    token: String,
}

/// Revokes a token, now.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "access", params(TokenPath),
    responses((status = 204, description = "It opens nothing any more.")))]
pub(super) async fn revoke_token(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<TokenPath>,
) -> Result<Response, Problem> {
    web.service.revoke_token(&caller.principal, &path.token).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What people, and groups of the identity provider, may do.
#[utoipa::path(get, path = "/grants", tag = "access", params(OfTenant),
    responses((status = 200, body = Items<Grant>)))]
pub(super) async fn grants(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<OfTenant>,
) -> Result<Response, Problem> {
    let grants = web
        .service
        .grants(&caller.principal, query.tenant.as_deref())
        .await?;
    page(&uri, &Items::all(grants.into_iter().map(Grant::from).collect()))
}

/// A grant to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantToMake {
    /// `email:alice@example.com` or `group:platform-admins`.
    #[schema(min_length = 7, max_length = 300, pattern = "^(email|group):.+$")]
    subject: String,
    /// For which tenant; none: for the whole host.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default)]
    tenant: Option<String>,
    /// What they may do; it takes the place of what they had.
    role: ApiRole,
}

/// Grants a role.
#[utoipa::path(put, path = "/grants", tag = "access", request_body = GrantToMake,
    responses((status = 200, body = Grant)))]
pub(super) async fn put_grant(
    State(web): State<Web>,
    caller: Caller,
    Strict(new): Strict<GrantToMake>,
) -> Result<Response, Problem> {
    let grant = web
        .service
        .put_grant(
            &caller.principal,
            &new.subject,
            new.tenant.as_deref(),
            new.role.into(),
        )
        .await?;
    json(StatusCode::OK, &Grant::from(grant))
}

/// Which grant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichGrant {
    /// Whose.
    #[param(min_length = 7, max_length = 300)]
    #[serde(deserialize_with = "super::super::fields::text::<_, 7, 300>")]
    subject: String,
    /// For which tenant; none: for the whole host.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    tenant: Option<String>,
}

/// Takes a role away.
#[utoipa::path(delete, path = "/grants", tag = "access", params(WhichGrant),
    responses((status = 204, description = "They have it no longer.")))]
pub(super) async fn remove_grant(
    State(web): State<Web>,
    caller: Caller,
    Params(which): Params<WhichGrant>,
) -> Result<Response, Problem> {
    web.service
        .remove_grant(&caller.principal, &which.subject, which.tenant.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
