//! Jobs: work that is asked for, and what became of it.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::body::{Params, Place, Strict};
use super::super::caller::Caller;
use super::super::page::{Items, limit};
use super::super::problem::Problem;
use super::super::views::{ApiWork, Job};
use super::super::web::Web;
use super::{DirectoryPath, json, locate, page};

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Latest {
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// Jobs of a directory, the latest first.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/jobs", tag = "work",
    params(DirectoryPath, Latest), responses((status = 200, body = Items<Job>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<DirectoryPath>,
    Params(query): Params<Latest>,
) -> Result<Response, Problem> {
    let jobs = web
        .service
        .jobs(&caller.principal, &path.id(), limit(query.limit)?)
        .await?;
    page(&uri, &Items::all(jobs.into_iter().map(Job::from).collect()))
}

/// Begins work: a check, a plan, a sync, an apply of what was approved, or a plan of the way back. `/jobs/{job}` and its
/// events say how far it is.
#[utoipa::path(post, path = "/tenants/{tenant}/directories/{directory}/jobs", tag = "work",
    params(DirectoryPath), request_body = ApiWork, responses((status = 202, body = Job)))]
pub(super) async fn start(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
    Strict(work): Strict<ApiWork>,
) -> Result<Response, Problem> {
    let job = web
        .service
        .start(&caller.principal, &path.id(), work.into())
        .await?;
    let place = format!("/jobs/{}", job.id);
    let mut response = json(StatusCode::ACCEPTED, &Job::from(job))?;
    locate(&mut response, &place);
    Ok(response)
}

/// A job in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct JobPath {
    /// The job's ID.
    #[param(min_length = 1, max_length = 128)]
    #[serde(deserialize_with = "super::super::fields::text::<_, 1, 128>")]
    pub job: String,
}

/// One job.
#[utoipa::path(get, path = "/jobs/{job}", tag = "work", params(JobPath), responses((status = 200, body = Job)))]
pub(super) async fn read(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<JobPath>,
) -> Result<Response, Problem> {
    let job = web.service.job(&caller.principal, &path.job).await?;
    json(StatusCode::OK, &Job::from(job))
}

/// Asks a job to end before its next write. One that another process of this store has ends within half a minute.
#[utoipa::path(post, path = "/jobs/{job}/cancel", tag = "work", params(JobPath),
    responses((status = 202, body = Job)))]
pub(super) async fn cancel(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<JobPath>,
) -> Result<Response, Problem> {
    let job = web.service.cancel(&caller.principal, &path.job).await?;
    json(StatusCode::ACCEPTED, &Job::from(job))
}
