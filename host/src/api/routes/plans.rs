//! Plans: shown part by part, approved as a whole or by group.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{Params, Place, Strict};
use super::super::caller::Caller;
use super::super::page::{Items, PageQuery, after, limit};
use super::super::problem::Problem;
use super::super::views::{Plan, PlanPart};
use super::super::web::Web;
use super::{DirectoryPath, json, page};
use crate::store::ConnectionId;

/// Plans of a directory, the latest first.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/plans", tag = "plans",
    params(DirectoryPath), responses((status = 200, body = Items<Plan>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<DirectoryPath>,
) -> Result<Response, Problem> {
    let plans = web.service.plans(&caller.principal, &path.id()).await?;
    page(&uri, &Items::all(plans.into_iter().map(Plan::from).collect()))
}

/// A plan in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PlanPath {
    /// The tenant's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::super::fields::name")]
    tenant: String,
    /// The directory's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::super::fields::name")]
    directory: String,
    /// The plan's hash, or a beginning of it that no other plan has.
    #[param(min_length = 8, max_length = 64, pattern = "^[0-9a-f]+$")]
    #[serde(deserialize_with = "super::super::fields::hash")]
    plan: String,
}

impl PlanPath {
    fn parts(self) -> (ConnectionId, String) {
        (ConnectionId::new(self.tenant, self.directory), self.plan)
    }
}

/// One plan.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/plans/{plan}", tag = "plans",
    params(PlanPath), responses((status = 200, body = Plan)))]
pub(super) async fn read(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<PlanPath>,
) -> Result<Response, Problem> {
    let (id, hash) = path.parts();
    let view = web.service.plan(&caller.principal, &id, &hash).await?;
    json(StatusCode::OK, &Plan::from(view))
}

/// What happens to each group.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/plans/{plan}/parts", tag = "plans",
    params(PlanPath, PageQuery), responses((status = 200, body = Items<PlanPart>)))]
pub(super) async fn parts(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<PlanPath>,
    Params(query): Params<PageQuery>,
) -> Result<Response, Problem> {
    let (id, hash) = path.parts();
    let mark = after(query.cursor.as_deref())?
        .map(|mark| {
            mark.parse().map_err(|_| {
                Problem::invalid_value("cursor", "this is no cursor of this list; begin without one")
            })
        })
        .transpose()?;
    let found = web
        .service
        .plan_parts(&caller.principal, &id, &hash, mark, limit(query.limit)?)
        .await?;
    page(&uri, &Items::of(found, PlanPart::from))
}

/// What is approved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    /// Source groups by ID; none is all.
    #[schema(max_items = 10000)]
    #[serde(default)]
    groups: Option<Vec<String>>,
    /// Whether what these groups hold back becomes part of the plan first. That gives another plan, which is answered.
    #[serde(default)]
    release_held: bool,
}

/// Approves a plan, or some groups of it. A job with the work `apply` then does exactly that.
#[utoipa::path(post, path = "/tenants/{tenant}/directories/{directory}/plans/{plan}/approvals", tag = "plans",
    params(PlanPath), request_body = Approval, responses((status = 200, body = Plan)))]
pub(super) async fn approve(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<PlanPath>,
    Strict(approval): Strict<Approval>,
) -> Result<Response, Problem> {
    let (id, hash) = path.parts();
    let plan = web
        .service
        .approve(
            &caller.principal,
            &id,
            &hash,
            approval.groups.as_deref(),
            approval.release_held,
        )
        .await?;
    json(StatusCode::OK, &Plan::from(plan))
}
