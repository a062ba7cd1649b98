//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a POST that is sent again with its key is done once, and
//! answered as it was the first time.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

use super::caller::Caller;
use super::guard::whole;
use super::problem::{Kind, Problem, REQUEST, request_id};
use super::web::Web;
use crate::store::service::{Repeated, ServiceStore};

/// The header.
const KEY: &str = "idempotency-key";
/// Which headers of an answer are kept with it.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::ETAG, header::LOCATION];

/// What is kept of an answer in place of its body: for answers that show a secret once.
#[derive(Debug, Clone)]
pub(super) struct KeepInstead(pub bytes::Bytes);

/// The layer.
pub(super) async fn once(State(web): State<Web>, request: Request, next: Next) -> Result<Response, Problem> {
    let key = match request.headers().get(KEY) {
        Some(key) if request.method() == Method::POST => key.to_str().ok().map(str::to_owned),
        _ => return Ok(next.run(request).await),
    };
    // A blank within is a text to HTTP, and no key to the document.
    let fits =
        |key: &String| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.filter(fits).ok_or_else(|| {
        Problem::new(
            Kind::MALFORMED,
            "an Idempotency-Key has 1 to 255 visible ASCII characters, such as a UUID",
        )
    })?;
    let Some(caller) = request.extensions().get::<Caller>() else {
        return Ok(next.run(request).await);
    };
    let subject = caller.principal.actor.subject.clone();
    let (parts, body) = request.into_parts();
    let body = whole(body).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let fingerprint = digest(&[subject.as_bytes(), path.as_bytes(), &body]);
    // One's own keys only: another's key says nothing about what they did.
    let key = digest(&[subject.as_bytes(), key.as_bytes()]);
    let store: Arc<dyn ServiceStore> = Arc::clone(web.identity.store());
    let claimed = store.claim_answer(&key, &fingerprint).await;
    match claimed.map_err(|error| Problem::internal(&error))? {
        Repeated::First => {}
        Repeated::UnderWay => {
            let detail =
                "the first request with this Idempotency-Key is still at work; ask again in a moment";
            return Err(Problem::new(Kind::CONFLICT, detail).retry_after(std::time::Duration::from_secs(1)));
        }
        Repeated::Other => {
            let detail = "this Idempotency-Key was used for another request; use a new one for each request";
            return Err(Problem::new(Kind::KEY_REUSED, detail));
        }
        Repeated::Done {
            status,
            headers,
            body,
        } => return Ok(again(status, &headers, body)),
    }
    let request = Request::from_parts(parts, Body::from(body));
    // A task of its own: what was begun is done and kept even where the client gives up.
    let work = REQUEST.scope(request_id(), async move {
        let answered = std::panic::AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await;
        let response = answered.unwrap_or_else(|_| Problem::internal(&"a handler panicked").into_response());
        keep(store.as_ref(), &key, response).await
    });
    match tokio::spawn(work).await {
        Ok(response) => Ok(response),
        Err(error) => Err(Problem::internal(&error)),
    }
}

async fn keep(store: &dyn ServiceStore, key: &str, response: Response) -> Response {
    let status = response.status();
    let passing = status.is_server_error()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
    let (parts, body) = response.into_parts();
    let kept = if passing {
        store.drop_answer(key).await
    } else {
        match whole(body).await {
            Ok(body) => {
                let instead = parts.extensions.get::<KeepInstead>();
                let keep = instead.map_or(&body, |instead| &instead.0);
                let headers = headers_text(&parts.headers);
                let kept = store.keep_answer(key, status.as_u16(), &headers, keep).await;
                told(kept);
                return Response::from_parts(parts, Body::from(body));
            }
            // Larger than what is kept: none of the answers to a POST is.
            Err(problem) => {
                told(store.drop_answer(key).await);
                return problem.into_response();
            }
        }
    };
    told(kept);
    Response::from_parts(parts, body)
}

fn told(kept: crate::store::Result<()>) {
    if let Err(error) = kept {
        tracing::warn!(%error, "the answer to a request with an idempotency key was not kept");
    }
}

fn headers_text(headers: &HeaderMap) -> String {
    let kept: Vec<(&str, &str)> = KEPT
        .iter()
        .filter_map(|name| Some((name.as_str(), headers.get(name)?.to_str().ok()?)))
        .collect();
    serde_json::to_string(&kept).unwrap_or_default()
}

fn again(status: u16, headers: &str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let headers: Vec<(String, String)> = serde_json::from_str(headers).unwrap_or_default();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(
        HeaderName::from_static("idempotent-replayed"),
        HeaderValue::from_static("true"),
    );
    response
}

/// Of several texts, none of which can run into the next.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
