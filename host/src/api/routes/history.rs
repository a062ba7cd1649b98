//! The ledger, and what charts are drawn of.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::body::{Params, Place};
use super::super::caller::Caller;
use super::super::page::{Items, after};
use super::super::problem::Problem;
use super::super::views::{Binding, Changes, Sample};
use super::super::web::Web;
use super::groups::GroupPath;
use super::{DirectoryPath, page};
use crate::store::ConnectionId;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LedgerAfter {
    /// `next` of the page before.
    #[param(max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// What source groups are tied to, as the ledger has it.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/bindings", tag = "ledger",
    params(DirectoryPath, LedgerAfter), responses((status = 200, body = Items<Binding>)))]
pub(super) async fn bindings(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<DirectoryPath>,
    Params(query): Params<LedgerAfter>,
) -> Result<Response, Problem> {
    let mark = after(query.cursor.as_deref())?;
    let found = web
        .service
        .bindings(&caller.principal, &path.id(), mark.as_deref())
        .await?;
    page(&uri, &Items::of(found, Binding::from))
}

/// A membership, as the ledger has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Membership {
    /// The target group's immutable ID.
    target: String,
    /// The member's immutable ID in the target.
    principal: String,
    /// `ours`, `adopted` or `foreign`.
    provenance: String,
    /// The source user that it stands for.
    user: Option<String>,
    /// Last known address; shown, never compared.
    address: String,
}

impl From<crate::ledger::Membership> for Membership {
    fn from(membership: crate::ledger::Membership) -> Self {
        let provenance = serde_json::to_value(membership.provenance).ok();
        Self {
            target: membership.target,
            principal: membership.principal,
            user: membership.user,
            address: membership.address,
            provenance: provenance
                .as_ref()
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

/// Memberships of a group, as the ledger has them.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/bindings/{group}/memberships",
    tag = "ledger", params(GroupPath, LedgerAfter), responses((status = 200, body = Items<Membership>)))]
pub(super) async fn memberships(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<GroupPath>,
    Params(query): Params<LedgerAfter>,
) -> Result<Response, Problem> {
    let mark = after(query.cursor.as_deref())?;
    let id = ConnectionId::new(path.tenant, path.directory);
    let found = web
        .service
        .memberships(&caller.principal, &id, &path.group, mark.as_deref())
        .await?;
    page(&uri, &Items::of(found, Membership::from))
}

/// Since when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// The last 30 days where nothing is said.
    since: Option<DateTime<Utc>>,
}

impl Since {
    /// The store's own years: what lies outside of them is nothing that happened.
    fn moment(&self) -> DateTime<Utc> {
        let usual = Utc::now() - chrono::Duration::days(30);
        let since = self.since.unwrap_or(usual);
        since.clamp(DateTime::UNIX_EPOCH, Utc::now())
    }
}

/// How a directory was at the end of its runs, for charts.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/samples", tag = "history",
    params(DirectoryPath, Since), responses((status = 200, body = Items<Sample>)))]
pub(super) async fn samples(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<DirectoryPath>,
    Params(query): Params<Since>,
) -> Result<Response, Problem> {
    let found = web
        .service
        .samples(&caller.principal, &path.id(), query.moment())
        .await?;
    page(&uri, &Items::all(found.into_iter().map(Sample::from).collect()))
}

/// Changes that the vendor did, a day and kind.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/changes", tag = "history",
    params(DirectoryPath, Since), responses((status = 200, body = Items<Changes>)))]
pub(super) async fn changes(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<DirectoryPath>,
    Params(query): Params<Since>,
) -> Result<Response, Problem> {
    let found = web
        .service
        .changes_per_day(&caller.principal, &path.id(), query.moment())
        .await?;
    page(&uri, &Items::all(found.into_iter().map(Changes::from).collect()))
}
