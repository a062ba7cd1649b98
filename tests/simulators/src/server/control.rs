//! The control endpoints: what a test in another process, or a curious person with a browser, reaches.
//!
//! | path | method | body |
//! |---|---|---|
//! | `/_simulator/state` | GET | the state of all three vendors |
//! | `/_simulator/requests` | GET, DELETE | the log, or forget it |
//! | `/_simulator/faults` | GET, PUT | the rules in force, an array of [`Rule`]; PUT replaces them |
//!
//! They are struck by no fault and are not logged.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use super::{Shared, lock};
use crate::faults::Rule;

/// Answers a control request; none where the request is for the vendor.
pub(super) fn answer(shared: &Shared, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let name = request.uri().path().strip_prefix("/_simulator/")?;
    let (status, body) = match (request.method().as_str(), name) {
        ("GET", "state") => (StatusCode::OK, shared.state()),
        ("GET", "requests") => (StatusCode::OK, json!(*lock(&shared.requests))),
        ("DELETE", "requests") => {
            lock(&shared.requests).clear();
            (StatusCode::OK, json!([]))
        }
        ("GET", "faults") => (StatusCode::OK, rules(shared)),
        ("PUT", "faults") => replace(shared, request.body()),
        (_, "state" | "requests" | "faults") => (
            StatusCode::METHOD_NOT_ALLOWED,
            json!({"error": "this control endpoint does not take that method"}),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            json!({"error": "there are three control endpoints: state, requests and faults"}),
        ),
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(response)
}

fn rules(shared: &Shared) -> Value {
    json!(lock(&shared.faults).rules().collect::<Vec<_>>())
}

fn replace(shared: &Shared, body: &[u8]) -> (StatusCode, Value) {
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, Vec<Rule>>(&mut reader) {
        Ok(rules) => {
            let mut faults = lock(&shared.faults);
            faults.clear();
            for rule in rules {
                faults.add(rule);
            }
        }
        Err(error) => {
            let place = error.path().to_string();
            let message = format!("the rules are wrong at {place}: {}", error.into_inner());
            return (StatusCode::BAD_REQUEST, json!({ "error": message }));
        }
    }
    (StatusCode::OK, rules(shared))
}
