//! The target's behaviour against a scripted Google; batches are really packed and unpacked.

mod reading;
mod writing;

use std::cell::RefCell;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json as value};

use super::*;
use crate::environment::TransportError;
use crate::failure::FailureKind;
use crate::http::testing::{Scripted, TestWorld, json, run};
use crate::ledger::Settlement;
use crate::plan::model::{MemberKind, Role};
use crate::plan::part::{GroupRef, Operation, RemovalReason};

const BASE: &str = "/admin/directory/v1/";

fn google<'a>(world: &'a TestWorld<'_>, domains: &[&str]) -> Google<'a> {
    let settings = Settings {
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..Settings::default()
    };
    Google::new(
        Client::new(world.environment(), "https://admin.example", classify, 1),
        &settings,
    )
}

fn refusal(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        value!({"error": {"code": code, "message": message, "errors": [{"reason": reason, "message": message}]}}),
    )
}

fn not_found(what: &str) -> (u16, Value) {
    refusal(404, "notFound", &format!("Resource Not Found: {what}"))
}

/// A Google that answers single calls and batches alike: `METHOD path` below the API, with the body.
fn serve<'a>(mut answer: impl FnMut(&str, &Value) -> (u16, Value) + 'a) -> TestWorld<'a> {
    TestWorld::new(move |request| {
        if request.uri().path() == "/batch" {
            return batch_answer(request, |line, body| Some(answer(line, body)));
        }
        let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let (status, body) = answer(&line(request.method().as_str(), request.uri().path()), &body);
        json(status, &body)
    })
}

fn line(method: &str, path: &str) -> String {
    format!(
        "{method} {}",
        path.split('?').next().unwrap().strip_prefix(BASE).unwrap()
    )
}

/// Answers a batch, last part first; a part that gets none is left out.
#[allow(clippy::unnecessary_wraps, reason = "so that it stands in a script as it is")]
fn batch_answer(
    request: &Request<Bytes>,
    mut answer: impl FnMut(&str, &Value) -> Option<(u16, Value)>,
) -> Scripted {
    let text = String::from_utf8(request.body().to_vec()).unwrap();
    let boundary = request.headers()["content-type"]
        .to_str()
        .unwrap()
        .split("boundary=")
        .nth(1)
        .unwrap();
    let mut parts = Vec::new();
    for part in text
        .split(&format!("--{boundary}"))
        .filter(|part| part.contains("Content-ID"))
    {
        let (outer, inner) = part.split_once("\r\n\r\n").unwrap();
        let id = outer
            .split("Content-ID: <")
            .nth(1)
            .unwrap()
            .split('>')
            .next()
            .unwrap();
        let (head, body) = inner.split_once("\r\n\r\n").unwrap();
        let mut words = head.split(' ');
        let line = line(words.next().unwrap(), words.next().unwrap());
        let body = serde_json::from_str(body.trim()).unwrap_or(Value::Null);
        if let Some((status, body)) = answer(&line, &body) {
            let body = if status == 204 {
                String::new()
            } else {
                body.to_string()
            };
            parts.push(format!(
                "--b\r\nContent-Type: application/http\r\nContent-ID: <response-{id}>\r\n\r\nHTTP/1.1 {status} X\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n",
                body.len()
            ));
        }
    }
    parts.reverse();
    let body = format!("{}--b--\r\n", parts.concat());
    crate::http::testing::text(200, "multipart/mixed; boundary=b", &body)
}
