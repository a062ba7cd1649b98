//! Misdeeds over the network: requests that no sync may make.

use super::bindings::exports::groupcast::sync::directory_sync as wit;
use super::bindings::groupcast::sync::{progress, types as sync};
use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use super::bindings::wasi::io::streams::StreamError;
use super::{Deed, Order};

/// What it asks for in its manifest, which grants nothing.
pub fn rules() -> Vec<wit::EgressRule> {
    let rule = |credential: &str, method: &str, path: &str, writes| wit::EgressRule {
        credential: credential.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        writes,
        batch: false,
    };
    vec![
        rule("google", "DELETE", "/admin/directory/v1/users/{user}", true),
        rule("entra", "DELETE", "/v1.0/users/{user}", true),
        rule("google", "GET", "/admin/directory/v1/groups/{group}", false),
    ]
}

pub fn act(misdeed: &str, order: &Order) -> Option<Deed> {
    Some(match misdeed {
        // Method, scheme, authority, path, body (empty: none), and headers as `name: value`.
        "ask" => {
            let [method, scheme, authority, path, body, headers @ ..] = order.arguments() else {
                panic!("arguments are missing");
            };
            send(method, scheme, authority, path, body.as_bytes(), headers)
        }
        // Each header must be refused before there is a request; then there is nothing more to do.
        "set-headers" => {
            for header in order.arguments() {
                let (name, value) = header.split_once(": ").unwrap();
                assert!(Fields::new().append(name, value.as_bytes()).is_err());
                assert!(Fields::new().set(name, &[value.as_bytes().to_vec()]).is_err());
                assert!(Fields::from_list(&[(name.to_owned(), value.as_bytes().to_vec())]).is_err());
            }
            Ok(())
        }
        // Each URL must be refused before there is a request.
        "set-places" => {
            for place in order.arguments() {
                let request = OutgoingRequest::new(Fields::new());
                let (authority, path) = place.split_once(' ').unwrap();
                let refused = request.set_authority(Some(authority)).is_err()
                    || request.set_path_with_query(Some(path)).is_err();
                assert!(refused, "{place}");
            }
            Ok(())
        }
        _ => return None,
    })
}

/// A GET.
pub fn get(authority: &str, path: &str) -> Deed {
    send("GET", "https", authority, path, b"", &[])
}

/// Sends a request, and tells everybody what came back.
fn send(method: &str, scheme: &str, authority: &str, path: &str, body: &[u8], headers: &[String]) -> Deed {
    let fields = Fields::new();
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        if fields.append(name, value.as_bytes()).is_err() {
            return Err(denied("header"));
        }
    }
    let request = OutgoingRequest::new(fields);
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if scheme == "https" {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let made = request.set_method(&method).is_ok()
        && request.set_scheme(Some(&scheme)).is_ok()
        && request.set_authority(Some(authority)).is_ok()
        && request.set_path_with_query(Some(path)).is_ok();
    if !made {
        return Err(denied("place"));
    }
    let outgoing = request.body().unwrap();
    let Ok(future) = outgoing_handler::handle(request, None) else {
        return Err(denied("handle"));
    };
    if !body.is_empty() {
        let stream = outgoing.write().unwrap();
        for piece in body.chunks(4_096) {
            let _ = stream.blocking_write_and_flush(piece);
        }
    }
    let _ = OutgoingBody::finish(outgoing, None);
    future.subscribe().block();
    match future.get().unwrap().unwrap() {
        Ok(response) => {
            let all = response.headers().entries();
            let all = all
                .iter()
                .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
            tell(&format!(
                "{} {}",
                response.status(),
                all.collect::<Vec<_>>().join(" ")
            ));
            tell(&String::from_utf8_lossy(&read(response.consume().unwrap())));
            Ok(())
        }
        Err(ErrorCode::HttpRequestDenied) => Err(denied("request")),
        Err(other) => Err(denied(&format!("{other:?}"))),
    }
}

fn read(body: IncomingBody) -> Vec<u8> {
    let stream = body.stream().unwrap();
    let mut whole = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(piece) => whole.extend(piece),
            Err(StreamError::Closed) => return whole,
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn tell(text: &str) {
    progress::log(progress::Level::Error, text);
}

fn denied(place: &str) -> sync::Error {
    sync::Error::PermanentDenied(sync::Failure {
        message: "refused".to_owned(),
        place: place.to_owned(),
        vendor: None,
    })
}
