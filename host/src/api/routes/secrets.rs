//! Tenants' secrets: a value goes in and never comes out.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{Place, Strict};
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

/// A secret in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SecretPath {
    /// The tenant's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::super::fields::name")]
    tenant: String,
    /// The secret's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9._-]+$")]
    #[serde(deserialize_with = "super::super::fields::secret_name")]
    secret: String,
}

/// The longest value, in characters; a service account's key file has under 3,000.
const LONGEST: usize = 65_536;

/// A value to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretToSet {
    /// The value: a key, or a whole key file's text.
    #[schema(format = Password, min_length = 1, max_length = 65536, write_only)]
    value: String,
    /// When what it opens expires, where that is known.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

/// Sets a secret: makes it, or replaces its value. Runs that begin from now on use it.
#[utoipa::path(put, path = "/tenants/{tenant}/secrets/{secret}", tag = "secrets", params(SecretPath),
    request_body = SecretToSet, responses((status = 204, description = "It is kept, sealed.")))]
pub(super) async fn put(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<SecretPath>,
    Strict(secret): Strict<SecretToSet>,
) -> Result<Response, Problem> {
    if secret.value.chars().count() > LONGEST {
        let message = format!("a secret has {LONGEST} characters at most");
        return Err(Problem::invalid_value("value", message));
    }
    let value = SecretString::from(secret.value);
    web.service
        .set_secret(
            &caller.principal,
            &path.tenant,
            &path.secret,
            value,
            secret.expires_at,
        )
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Forgets a secret.
#[utoipa::path(delete, path = "/tenants/{tenant}/secrets/{secret}", tag = "secrets", params(SecretPath),
    responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<SecretPath>,
) -> Result<Response, Problem> {
    web.service
        .remove_secret(&caller.principal, &path.tenant, &path.secret)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
