//! `POST /v1.0/$batch`: up to twenty requests in one, each judged, throttled and struck by faults alone.
//! The answers come in another order than the requests, as they may.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use serde_json::{Map, Value, json};

use super::reply::{Refusal, Reply};
use super::{EntraSimulator, token};
use crate::Vendor;
use crate::faults::{Disruption, Fault, Faults};

/// Requests in one batch.
const MOST_PARTS: usize = 20;

struct Part {
    id: String,
    method: Method,
    /// With `/v1.0`.
    path: String,
    query: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    depends_on: Vec<String>,
}

fn broken(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "BadRequest", message)
}

/// Reads a batch; one malformed part makes the whole batch malformed.
fn read(request: &Request<Bytes>) -> Result<Vec<Part>, Refusal> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Err(broken(
            "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
        ));
    }
    let body: Value =
        serde_json::from_slice(request.body()).map_err(|_| broken("Invalid batch payload format."))?;
    let list = body
        .get("requests")
        .and_then(Value::as_array)
        .ok_or_else(|| broken("Invalid batch payload format."))?;
    if list.is_empty() {
        return Err(broken("Invalid batch payload format."));
    }
    if list.len() > MOST_PARTS {
        return Err(broken(format!(
            "Number of batch request steps exceeds the maximum value of {MOST_PARTS}."
        )));
    }
    let mut parts: Vec<Part> = Vec::new();
    for value in list {
        let part = read_part(value, request.headers())?;
        if parts.iter().any(|other| other.id == part.id) {
            return Err(broken(format!(
                "Request Id: {} has to be unique in a batch.",
                part.id
            )));
        }
        parts.push(part);
    }
    // What a request waits for has to stand before it, so there is no circle either.
    let mut earlier: BTreeSet<&str> = BTreeSet::new();
    for part in &parts {
        if part.depends_on.iter().any(|id| !earlier.contains(id.as_str())) {
            return Err(broken(format!("Invalid dependency for request Id: {}.", part.id)));
        }
        earlier.insert(&part.id);
    }
    Ok(parts)
}

fn read_part(value: &Value, outer: &HeaderMap) -> Result<Part, Refusal> {
    // Microsoft's library for Python writes `depends_on` into every request: taken, and without effect.
    let known = [
        "id",
        "method",
        "url",
        "headers",
        "body",
        "dependsOn",
        "depends_on",
    ];
    let map = value
        .as_object()
        .filter(|map| map.keys().all(|name| known.contains(&name.as_str())))
        .ok_or_else(|| broken("Invalid batch payload format."))?;
    let text = |name: &str| {
        map.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| {
                broken(format!(
                    "The property '{name}' is required for each request of a batch."
                ))
            })
    };
    let method = match text("method")?.to_ascii_uppercase().as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        "PATCH" => Method::PATCH,
        "PUT" => Method::PUT,
        "DELETE" => Method::DELETE,
        other => return Err(broken(format!("Invalid method '{other}' in a batch."))),
    };
    let url = text("url")?;
    if url.contains("://") || url.starts_with("//") {
        return Err(broken("Invalid batch payload format."));
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut headers = HeaderMap::new();
    if let Some(given) = map.get("headers") {
        let given = given
            .as_object()
            .ok_or_else(|| broken("Invalid batch payload format."))?;
        for (name, value) in given {
            let (Ok(name), Some(Ok(value))) = (
                name.to_ascii_lowercase().parse::<HeaderName>(),
                value.as_str().map(HeaderValue::from_str),
            ) else {
                return Err(broken("Invalid batch payload format."));
            };
            headers.insert(name, value);
        }
    }
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(authorization) = outer.get(header::AUTHORIZATION)
    {
        headers.insert(header::AUTHORIZATION, authorization.clone());
    }
    let depends_on = match map.get("dependsOn") {
        None => Vec::new(),
        Some(value) => value
            .as_array()
            .and_then(|list| {
                list.iter()
                    .map(|id| id.as_str().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()
            })
            .ok_or_else(|| broken("Invalid batch payload format."))?,
    };
    let body = map
        .get("body")
        .filter(|body| !body.is_null())
        .map(|body| Bytes::from(body.to_string()));
    Ok(Part {
        id: text("id")?.to_owned(),
        method,
        path: format!("/v1.0/{}", path.trim_start_matches('/')),
        query: query.to_owned(),
        headers,
        body,
        depends_on,
    })
}

impl EntraSimulator {
    /// Answers a batch.
    pub(super) fn batch(
        &mut self,
        request: &Request<Bytes>,
        origin: &str,
        faults: &mut Faults,
        fault: Option<&Fault>,
    ) -> Response<Bytes> {
        let client_request_id = request
            .headers()
            .get("client-request-id")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let checked = if request.method() == Method::POST {
            token::bearer(&self.state, request.headers(), self.now_ms).and_then(|_| read(request))
        } else {
            Err(Refusal::new(405, "BadRequest", "A batch is sent by POST."))
        };
        let parts = match checked {
            Ok(parts) => parts,
            Err(refusal) => return self.refuse(refusal, &client_request_id).into_response(),
        };
        let mut statuses: BTreeMap<String, u16> = BTreeMap::new();
        let mut answers: Vec<Value> = Vec::new();
        let mut disruption = None;
        for part in &parts {
            let failed = part
                .depends_on
                .iter()
                .any(|id| statuses.get(id).is_some_and(|status| *status >= 400));
            let response = if failed {
                self.refuse(
                    Refusal::new(
                        424,
                        "FailedDependency",
                        "A request that this one depends on has failed.",
                    ),
                    "",
                )
                .into_response()
            } else {
                self.part(part, origin, faults)
            };
            if let Some(found) = response.extensions().get::<Disruption>() {
                disruption = Some(*found);
            }
            statuses.insert(part.id.clone(), response.status().as_u16());
            answers.push(shown(&part.id, &response));
        }
        match fault {
            Some(Fault::DropItems { count }) => answers.truncate(answers.len().saturating_sub(*count)),
            Some(Fault::RepeatItems { count }) => {
                let again: Vec<Value> = answers.iter().rev().take(*count).cloned().collect();
                answers.extend(again);
            }
            _ => {}
        }
        // Answers come in any order: clients must go by the ID.
        answers.reverse();
        let throttled = statuses.values().any(|status| *status == 429);
        let status = if throttled && self.state.throttle.batch_answers_424 {
            424
        } else {
            200
        };
        let request_id = self.state.new_id("request");
        let echoed = if client_request_id.is_empty() {
            request_id.clone()
        } else {
            client_request_id
        };
        let mut response = Reply::json(status, json!({ "responses": answers }))
            .with("request-id", request_id)
            .with("client-request-id", echoed)
            .into_response();
        // A connection carries the whole batch, so what breaks a part breaks all.
        if let Some(disruption) = disruption {
            response.extensions_mut().insert(disruption);
        }
        response
    }

    fn part(&mut self, part: &Part, origin: &str, faults: &mut Faults) -> Response<Bytes> {
        let refusal = if part.path == "/v1.0/$batch" {
            Some(broken("A batch cannot hold a batch."))
        } else if part.body.is_some() && !part.headers.contains_key(header::CONTENT_TYPE) {
            Some(broken(
                "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
            ))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.refuse(refusal, "").into_response();
        }
        let fault = faults.strike_part(Vendor::Entra, &part.method, &part.path, &part.query);
        let body = part.body.clone().unwrap_or_default();
        let (now_ms, is_read) = (self.now_ms, part.method == Method::GET);
        Faults::around(fault, now_ms, is_read, |fault| {
            if fault == Some(&Fault::RevokeTokens) {
                self.revoke_tokens();
            }
            self.graph(
                &part.method,
                &part.path,
                &part.query,
                &part.headers,
                &body,
                origin,
                fault,
            )
            .into_response()
        })
    }
}

/// A part's answer as the batch's answer holds it.
fn shown(id: &str, response: &Response<Bytes>) -> Value {
    let mut entry = Map::new();
    entry.insert("id".to_owned(), json!(id));
    entry.insert("status".to_owned(), json!(response.status().as_u16()));
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            let name = match name.as_str() {
                "content-type" => "Content-Type".to_owned(),
                "location" => "Location".to_owned(),
                "retry-after" => "Retry-After".to_owned(),
                other => other.to_owned(),
            };
            value.to_str().ok().map(|value| (name, json!(value)))
        })
        .collect();
    entry.insert("headers".to_owned(), Value::Object(headers));
    if !response.body().is_empty() {
        let body = serde_json::from_slice(response.body())
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(response.body()).into_owned()));
        entry.insert("body".to_owned(), body);
    }
    Value::Object(entry)
}
