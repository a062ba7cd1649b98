//! What the simulators were asked: one entry for each request, and one for each part of a batch. Tests
//! prove from it what was never sent, so an entry is made even where a fault breaks the connection.
//! Secrets do not enter: credentials are kept as a fingerprint, and only JSON bodies are kept.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Vendor;
use crate::faults::Disruption;

/// One request as it came, with what was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoggedRequest {
    /// Who was asked.
    pub vendor: Vendor,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path without query, percent-encoded as sent. For a part of a Graph batch with `/v1.0`.
    pub path: String,
    /// The query, percent-encoded as sent; empty where there was none.
    pub query: String,
    /// The status that the vendor answered; for a broken connection, what it would have been.
    pub status: u16,
    /// Scheme and fingerprint of the credential (`Bearer sha256:0123456789ab`), where there was one.
    pub authorization: Option<String>,
    /// True for a part of a batch; the batch itself has an entry before its parts.
    pub in_batch: bool,
    /// The body of anything but a read, where it is JSON.
    pub body: Option<Value>,
    /// What a fault did to the connection: `reset`, `truncate` or `delay`.
    pub disruption: Option<&'static str>,
}

impl LoggedRequest {
    /// Whether the request could have changed something: neither a read, nor a batch (its parts are
    /// listed), nor a request for a token, nor one of the reads that vendors take as `POST`.
    pub fn is_mutation(&self) -> bool {
        const READS_BY_POST: &[&str] = &[
            "/token",
            "/$batch",
            "/batch",
            "/getByIds",
            "/events",
            "/search/systemusers",
            "/checkMemberGroups",
        ];
        !(matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
            || self.method == "POST"
                && (READS_BY_POST.iter().any(|end| self.path.ends_with(end))
                    || self.path.starts_with("/batch/")
                    || self.path.ends_with("microsoft.graph.getByIds")))
    }
}

/// The entries of one exchange: the request, then the parts where it is a batch.
pub fn entries(
    vendor: Vendor,
    time_ms: u64,
    request: &Request<Bytes>,
    response: &Response<Bytes>,
) -> Vec<LoggedRequest> {
    let outer = LoggedRequest {
        vendor,
        time_ms,
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        status: response.status().as_u16(),
        authorization: fingerprint(request.headers()),
        in_batch: false,
        body: mutation_body(request.method().as_str(), request.body()),
        disruption: response
            .extensions()
            .get::<Disruption>()
            .map(|disruption| match disruption {
                Disruption::Reset => "reset",
                Disruption::Truncate(_) => "truncate",
                Disruption::Delay(_) => "delay",
                Disruption::Later(_) => "late-effect",
            }),
    };
    let parts = match vendor {
        Vendor::Entra if outer.path.ends_with("/$batch") => graph_parts(&outer, request, response),
        Vendor::Google if outer.path == "/batch" || outer.path.starts_with("/batch/") => {
            multipart_parts(&outer, request, response)
        }
        _ => Vec::new(),
    };
    let mut found = vec![outer];
    found.extend(parts);
    found
}

fn mutation_body(method: &str, body: &[u8]) -> Option<Value> {
    if method == "GET" {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// Which credential came, without the credential.
fn fingerprint(headers: &HeaderMap) -> Option<String> {
    let digest = |secret: &str| {
        let digits = hex::encode(Sha256::digest(secret.as_bytes()));
        format!("sha256:{}", digits.get(..12).unwrap_or_default())
    };
    if let Some(value) = headers.get(http::header::AUTHORIZATION) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let (scheme, secret) = text.split_once(' ').unwrap_or(("unknown", &text));
        return Some(format!("{scheme} {}", digest(secret)));
    }
    headers
        .get("x-api-key")
        .map(|value| format!("x-api-key {}", digest(&String::from_utf8_lossy(value.as_bytes()))))
}

fn graph_parts(
    outer: &LoggedRequest,
    request: &Request<Bytes>,
    response: &Response<Bytes>,
) -> Vec<LoggedRequest> {
    let parsed: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let answered: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let answers = answered.get("responses").and_then(Value::as_array);
    let list = parsed.get("requests").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|part| {
            let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
            let (path, query) = text("url").split_once('?').unwrap_or((text("url"), ""));
            let status = answers
                .into_iter()
                .flatten()
                .find(|answer| answer.get("id") == part.get("id"))
                .and_then(|answer| answer.get("status"))
                .and_then(Value::as_u64)
                .and_then(|status| u16::try_from(status).ok())
                .unwrap_or(outer.status);
            LoggedRequest {
                method: text("method").to_ascii_uppercase(),
                path: format!("/v1.0/{}", path.trim_start_matches('/')),
                query: query.to_owned(),
                status,
                in_batch: true,
                body: part.get("body").cloned(),
                ..outer.clone()
            }
        })
        .collect()
}

/// Parts of a `multipart/mixed` body of `application/http`, in order, as (its Content-ID, the HTTP text).
fn http_parts(headers: &HeaderMap, body: &[u8]) -> Vec<(String, String)> {
    let kind = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(boundary) = kind
        .split(';')
        .filter_map(|one| one.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"').to_owned())
    else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    text.split(&format!("--{boundary}"))
        .skip(1)
        .take_while(|part| !part.starts_with("--"))
        .filter_map(|part| part.trim_start_matches('\n').split_once("\n\n"))
        .map(|(head, inner)| {
            let id = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-id"))
                .map(|(_, value)| {
                    let value = value.trim().trim_matches(['<', '>']);
                    value.strip_prefix("response-").unwrap_or(value).to_owned()
                })
                .unwrap_or_default();
            (id, inner.to_owned())
        })
        .collect()
}

fn multipart_parts(
    outer: &LoggedRequest,
    request: &Request<Bytes>,
    response: &Response<Bytes>,
) -> Vec<LoggedRequest> {
    let answers = http_parts(response.headers(), response.body());
    http_parts(request.headers(), request.body())
        .into_iter()
        .enumerate()
        .filter_map(|(index, (id, text))| {
            let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
            let mut line = head.lines().next()?.split(' ');
            let (method, target) = (line.next()?, line.next()?);
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            // By the ID where the part has one, else by the place.
            let answer = answers
                .iter()
                .find(|(answered, _)| !id.is_empty() && *answered == id)
                .or_else(|| answers.get(index));
            let status = answer
                .and_then(|(_, text)| text.split(' ').nth(1))
                .and_then(|status| status.trim().parse().ok())
                .unwrap_or(outer.status);
            Some(LoggedRequest {
                method: method.to_ascii_uppercase(),
                path: format!("/{}", path.trim_start_matches('/')),
                query: query.to_owned(),
                status,
                in_batch: true,
                body: mutation_body(method, body.trim().as_bytes()),
                ..outer.clone()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn logged(
        vendor: Vendor,
        path: &str,
        kind: &str,
        body: &str,
        answer_kind: &str,
        answer: &str,
    ) -> Vec<LoggedRequest> {
        let request = Request::post(path)
            .header("content-type", kind)
            .header("authorization", "Bearer very-secret")
            .body(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap();
        let response = Response::builder()
            .header("content-type", answer_kind)
            .body(Bytes::copy_from_slice(answer.as_bytes()))
            .unwrap();
        entries(vendor, 1, &request, &response)
    }

    #[test]
    fn each_part_of_a_graph_batch_is_an_entry_with_its_own_status() {
        let body = json!({"requests": [
            {"id": "1", "method": "GET", "url": "/users?$top=1"},
            {"id": "2", "method": "POST", "url": "groups/g/members/$ref", "body": {"a": 1}},
        ]});
        let answer = json!({"responses": [{"id": "2", "status": 204}, {"id": "1", "status": 429}]});
        let found = logged(
            Vendor::Entra,
            "/v1.0/$batch",
            "application/json",
            &body.to_string(),
            "application/json",
            &answer.to_string(),
        );
        assert_eq!(found.len(), 3);
        assert_eq!(
            (found[1].path.as_str(), found[1].query.as_str(), found[1].status),
            ("/v1.0/users", "$top=1", 429)
        );
        assert_eq!(
            (found[2].path.as_str(), found[2].status, found[2].body.clone()),
            ("/v1.0/groups/g/members/$ref", 204, Some(json!({"a": 1})))
        );
        assert!(
            found[2].is_mutation() && found[2].in_batch && !found[0].is_mutation() && !found[1].is_mutation()
        );
    }

    #[test]
    fn each_part_of_a_google_batch_is_an_entry_with_its_own_status() {
        let body = "--b\r\nContent-Type: application/http\r\nContent-ID: <one>\r\n\r\nPOST /admin/directory/v1/groups/g/members?x=1 HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"email\":\"a@b\"}\r\n--b\r\nContent-Type: application/http\r\nContent-ID: <two>\r\n\r\nGET /admin/directory/v1/groups HTTP/1.1\r\n\r\n\r\n--b--\r\n";
        let answer = "--c\r\nContent-Type: application/http\r\nContent-ID: <response-two>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n--c\r\nContent-Type: application/http\r\nContent-ID: <response-one>\r\n\r\nHTTP/1.1 409 Conflict\r\n\r\n{}\r\n--c--";
        let found = logged(
            Vendor::Google,
            "/batch",
            "multipart/mixed; boundary=\"b\"",
            body,
            "multipart/mixed; boundary=c",
            answer,
        );
        assert_eq!(found.len(), 3);
        assert_eq!((found[1].method.as_str(), found[1].status), ("POST", 409));
        assert_eq!(found[1].path, "/admin/directory/v1/groups/g/members");
        assert_eq!(found[1].body, Some(json!({"email": "a@b"})));
        assert_eq!((found[2].status, &found[2].body), (200, &None));
    }

    #[test]
    fn a_credential_is_kept_as_a_fingerprint_alone() {
        let found = logged(
            Vendor::Entra,
            "/v1.0/groups",
            "application/json",
            "{}",
            "application/json",
            "{}",
        );
        let text = serde_json::to_string(&found).unwrap();
        assert!(!text.contains("very-secret"));
        assert!(
            found[0]
                .authorization
                .as_deref()
                .unwrap()
                .starts_with("Bearer sha256:")
        );
    }

    #[test]
    fn a_form_with_a_secret_is_not_kept() {
        let found = logged(
            Vendor::Entra,
            "/t/oauth2/v2.0/token",
            "application/x-www-form-urlencoded",
            "client_secret=s",
            "application/json",
            "{}",
        );
        assert_eq!(found[0].body, None);
        assert!(!found[0].is_mutation());
    }
}
