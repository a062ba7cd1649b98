//! Live events (server-sent events): each has an ID, and whoever comes back with `Last-Event-ID` gets what they missed. A
//! reader that is too slow is told how many events it missed, and holds nothing up.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::body::{Params, Place};
use super::super::caller::Caller;
use super::super::problem::Problem;
use super::super::web::Web;
use super::jobs::JobPath;
use crate::service::{Subscription, Watched};
use crate::store::ConnectionId;

/// So often is something sent, so that neither side takes the other for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The longest that one stream lasts: then the client comes back, and whether it still may is looked at again.
const LONGEST: Duration = Duration::from_secs(900);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichEvents {
    /// Only of this tenant's directory; needs `directory`.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    tenant: Option<String>,
    /// Only of this directory; needs `tenant`.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    directory: Option<String>,
}

/// What happens, as it happens: runs that begin, how far they are, what was refused, how they ended.
#[utoipa::path(get, path = "/events", tag = "events", params(WhichEvents),
    responses((status = 200, description = "A stream that goes on.", body = String,
        content_type = "text/event-stream")))]
pub(super) async fn all(
    State(web): State<Web>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<WhichEvents>,
) -> Result<Response, Problem> {
    let connection = match (query.tenant, query.directory) {
        (None, None) => None,
        (Some(tenant), Some(directory)) => Some(ConnectionId::new(tenant, directory)),
        _ => {
            return Err(Problem::invalid_value(
                "directory",
                "give both tenant and directory, or neither",
            ));
        }
    };
    let seen = seen(&headers)?;
    let subscription = web
        .service
        .watch_events(&caller.principal, connection.as_ref(), None, seen)
        .await?;
    Ok(answer(web, subscription, None))
}

/// The same of one job; the stream ends with it.
#[utoipa::path(get, path = "/jobs/{job}/events", tag = "events", params(JobPath),
    responses((status = 200, description = "A stream that ends with the job.", body = String,
        content_type = "text/event-stream")))]
pub(super) async fn of_job(
    State(web): State<Web>,
    caller: Caller,
    headers: HeaderMap,
    Place(path): Place<JobPath>,
) -> Result<Response, Problem> {
    let seen = Some(seen(&headers)?.unwrap_or_default());
    let subscription = web
        .service
        .watch_events(&caller.principal, None, Some(&path.job), seen)
        .await?;
    Ok(answer(web, subscription, Some((caller, path.job))))
}

fn seen(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(given) = headers.get("last-event-id") else {
        return Ok(None);
    };
    given
        .to_str()
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or_else(|| Problem::invalid_value("Last-Event-ID", "this is no event's ID; it is a number"))
}

struct Watching {
    web: Web,
    subscription: Subscription,
    /// The job, where the stream ends with it.
    job: Option<(Caller, String)>,
    until: tokio::time::Instant,
    ended: bool,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if self.ended {
            return None;
        }
        loop {
            let look = Duration::from_secs(2);
            tokio::select! {
                biased;
                () = self.web.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                next = self.subscription.next() => {
                    let event = match next? {
                        Watched::Event(event) => Event::default()
                            .id(event.id.to_string())
                            .event("run")
                            .json_data(&event)
                            .unwrap_or_default(),
                        Watched::Missed(count) => Event::default()
                            .event("missed")
                            .data(format!("{{\"missed\":{count}}}")),
                    };
                    return Some((Ok(event), self));
                }
                // A job may have several runs: only its record says that it has ended.
                () = tokio::time::sleep(look), if self.job.is_some() => {
                    let Some((caller, id)) = &self.job else { continue };
                    match self.web.service.job(&caller.principal, id).await {
                        Ok(job) if job.ended_at.is_none() => {}
                        Ok(job) => {
                            self.ended = true;
                            let shown = super::super::views::Job::from(job);
                            let event = Event::default().event("ended").json_data(&shown).unwrap_or_default();
                            return Some((Ok(event), self));
                        }
                        Err(_) => return None,
                    }
                }
            }
        }
    }
}

fn answer(web: Web, subscription: Subscription, job: Option<(Caller, String)>) -> Response {
    let watching = Watching {
        web,
        subscription,
        job,
        until: tokio::time::Instant::now() + LONGEST,
        ended: false,
    };
    let stream = stream::unfold(watching, Watching::next);
    let mut response = Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here"))
        .into_response();
    response.headers_mut().insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}
