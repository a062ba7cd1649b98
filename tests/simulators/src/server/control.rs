//! The control endpoints: what a test in another process, or a curious person with a browser, reaches.
//!
//! | path | method | body |
//! |---|---|---|
//! | `/_simulator/state` | GET | the state of all three vendors |
//! | `/_simulator/requests` | GET, DELETE | the log, or forget it |
//! | `/_simulator/faults` | GET, PUT | the rules in force, an array of [`Rule`]; PUT replaces them |
//! | `/_simulator/clicks` | POST | what an administrator clicks in JumpCloud, a [`Click`] |
//!
//! They are struck by no fault and are not logged.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
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
        ("POST", "clicks") => click(shared, request.body()),
        (_, "state" | "requests" | "faults" | "clicks") => (
            StatusCode::METHOD_NOT_ALLOWED,
            json!({"error": "this control endpoint does not take that method"}),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            json!({"error": "there are four control endpoints: state, requests, faults and clicks"}),
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

/// What an administrator clicks in JumpCloud: groups by name or ID, people by their ID.
#[derive(Debug, Deserialize)]
#[serde(tag = "click", rename_all = "kebab-case", deny_unknown_fields)]
enum Click {
    /// Makes somebody a direct member.
    AddUser {
        /// To which group.
        group: String,
        /// Whom.
        user: String,
    },
    /// Ends a direct membership.
    RemoveUser {
        /// From which group.
        group: String,
        /// Whose.
        user: String,
    },
    /// Sets or removes a group's email.
    SetEmail {
        /// Of which group.
        group: String,
        /// The address; none removes it.
        email: Option<String>,
    },
    /// Renames a group.
    Rename {
        /// Which.
        group: String,
        /// What it is called from now on.
        name: String,
    },
}

fn click(shared: &Shared, body: &[u8]) -> (StatusCode, Value) {
    let click: Click = match serde_json::from_slice(body) {
        Ok(click) => click,
        Err(error) => {
            let message = format!("this is no click: {error}");
            return (StatusCode::BAD_REQUEST, json!({ "error": message }));
        }
    };
    let mut source = lock(&shared.jumpcloud);
    let groups = source.organisation().groups.clone();
    let id = |named: &str| {
        let found = groups.iter().find(|group| group.name == named);
        found.map_or_else(|| named.to_owned(), |group| group.id.clone())
    };
    let clicked = match &click {
        Click::AddUser { group, user } => source.add_user_to_group(&id(group), user),
        Click::RemoveUser { group, user } => source.remove_user_from_group(&id(group), user),
        Click::SetEmail { group, email } => source.set_group_email(&id(group), email.as_deref()),
        Click::Rename { group, name } => source.rename_group(&id(group), name),
    };
    match clicked {
        Ok(()) => (StatusCode::OK, json!({})),
        Err(error) => (StatusCode::BAD_REQUEST, json!({ "error": error.to_string() })),
    }
}
