//! Runs of the past, and those under way.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::body::{Params, Place};
use super::super::caller::Caller;
use super::super::page::{Items, after, cursor, limit};
use super::super::problem::Problem;
use super::super::views::{Outcome, Run};
use super::super::web::Web;
use super::{json, page};
use crate::store::{RunMark, RunQuery};

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichRuns {
    /// Only of this tenant.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    tenant: Option<String>,
    /// Only of this directory of the tenant.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    directory: Option<String>,
    /// Only those that have not ended.
    unfinished: Option<bool>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// Runs, the latest first.
#[utoipa::path(get, path = "/runs", tag = "work", params(WhichRuns),
    responses((status = 200, body = Items<Run>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<WhichRuns>,
) -> Result<Response, Problem> {
    let mark = after(query.cursor.as_deref())?
        .map(|mark| RunMark::parse(&mark).ok_or_else(no_cursor))
        .transpose()?;
    let limit = limit(query.limit)?;
    let query = RunQuery {
        tenant: query.tenant,
        connection: query.directory,
        unfinished: query.unfinished.unwrap_or_default(),
        after: mark,
        limit: limit + 1,
    };
    let mut found = web.service.runs(&caller.principal, query).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| cursor(&RunMark::behind(last).to_string()));
    let items = found.into_iter().map(Run::from).collect();
    page(&uri, &Items { items, next })
}

fn no_cursor() -> Problem {
    Problem::invalid_value("cursor", "this is no cursor of this list; begin without one")
}

/// A run in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RunPath {
    /// The run's ID.
    #[param(min_length = 1, max_length = 128)]
    #[serde(deserialize_with = "super::super::fields::text::<_, 1, 128>")]
    run: String,
}

/// One run.
#[utoipa::path(get, path = "/runs/{run}", tag = "work", params(RunPath), responses((status = 200, body = Run)))]
pub(super) async fn read(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<RunPath>,
) -> Result<Response, Problem> {
    let view = web.service.run(&caller.principal, &path.run).await?;
    json(StatusCode::OK, &Run::from(view.record))
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutcomesAfter {
    /// `next` of the page before.
    #[param(max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// A run's operations, and what the vendor answered; at most 1,000 a page.
#[utoipa::path(get, path = "/runs/{run}/outcomes", tag = "work", params(RunPath, OutcomesAfter),
    responses((status = 200, body = Items<Outcome>)))]
pub(super) async fn outcomes(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<RunPath>,
    Params(query): Params<OutcomesAfter>,
) -> Result<Response, Problem> {
    let mark = match after(query.cursor.as_deref())? {
        None => 0,
        Some(mark) => mark
            .parse::<u64>()
            .ok()
            .filter(|mark| i64::try_from(*mark).is_ok())
            .ok_or_else(no_cursor)?,
    };
    let found = web.service.outcomes(&caller.principal, &path.run, mark).await?;
    let next = match found.last() {
        Some(last) if found.len() >= 1_000 => Some(cursor(&last.intent.to_string())),
        _ => None,
    };
    let items = found.into_iter().map(Outcome::from).collect();
    page(&uri, &Items { items, next })
}
