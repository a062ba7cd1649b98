//! The batch endpoint's envelope: `multipart/mixed` of whole HTTP requests and answers.
//!
//! Only the envelope is read and written here; the calls in it are answered like any others.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};

use super::error::ApiError;

/// The most calls that one batch may hold.
pub(super) const MOST_PARTS: usize = 1000;

/// One call within a batch.
#[derive(Debug)]
pub(super) struct Part {
    pub content_id: Option<String>,
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

fn unreadable(why: &str) -> ApiError {
    ApiError::bad_payload(format!("Failed to parse batch request, error: {why}"))
}

/// Reads the envelope. `Err` refuses the batch whole; a part that cannot be read refuses it as well.
pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Part>, ApiError> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let boundary = boundary(content_type)
        .ok_or_else(|| unreadable("the content type is not multipart/mixed with a boundary."))?;
    let text = std::str::from_utf8(body).map_err(|_| unreadable("the body is not UTF-8."))?;
    let (open, close) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut parts: Vec<Vec<&str>> = Vec::new();
    let mut current: Option<Vec<&str>> = None;
    let mut closed = false;
    for line in text.split('\n') {
        let trimmed = line.trim_end();
        if trimmed == open || trimmed == close {
            parts.extend(current.take());
            if trimmed == close {
                closed = true;
                break;
            }
            current = Some(Vec::new());
        } else if let Some(lines) = &mut current {
            lines.push(line.strip_suffix('\r').unwrap_or(line));
        }
    }
    if !closed {
        return Err(unreadable("the closing boundary is missing."));
    }
    if parts.is_empty() {
        return Err(unreadable("0 items."));
    }
    if parts.len() > MOST_PARTS {
        return Err(unreadable(&format!(
            "The number of calls in this batch request ({}) exceeds the limit of {MOST_PARTS}.",
            parts.len()
        )));
    }
    parts.iter().map(|lines| part(lines)).collect()
}

fn boundary(content_type: &str) -> Option<String> {
    let mut pieces = content_type.split(';');
    if !pieces.next()?.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    pieces
        .filter_map(|piece| piece.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())
        .filter(|value| !value.is_empty())
}

fn part(lines: &[&str]) -> Result<Part, ApiError> {
    let mut lines = lines.iter().copied();
    let outer = header_block(&mut lines)?;
    let is_http = outer
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(';')
                .next()
                .unwrap_or("")
                .trim()
                .eq_ignore_ascii_case("application/http")
        });
    if !is_http {
        return Err(unreadable("a part's content type is not application/http."));
    }
    let content_id = outer
        .get("content-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let request_line = lines
        .find(|line| !line.trim().is_empty())
        .ok_or_else(|| unreadable("a part holds no request."))?;
    let mut words = request_line.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(unreadable("a part's request line is incomplete."));
    };
    if words
        .next()
        .is_some_and(|version| !version.starts_with("HTTP/1."))
        || words.next().is_some()
    {
        return Err(unreadable("a part's request line is malformed."));
    }
    if !target.starts_with('/') || target.starts_with("//") {
        return Err(unreadable("a part's URL is not relative to the host."));
    }
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| unreadable("a part's method is malformed."))?;
    let headers = header_block(&mut lines)?;
    let body = lines.collect::<Vec<_>>().join("\n");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Ok(Part {
        content_id,
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Bytes::from(body.trim_end().to_owned()),
    })
}

/// Header lines up to the empty one. Folded lines belong to the one before, as client libraries fold
/// long `Content-ID`s.
fn header_block<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<HeaderMap, ApiError> {
    let mut unfolded: Vec<String> = Vec::new();
    for line in lines {
        if line.trim().is_empty() {
            break;
        }
        match unfolded.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => {
                last.push(' ');
                last.push_str(line.trim());
            }
            _ => unfolded.push(line.to_owned()),
        }
    }
    let mut headers = HeaderMap::new();
    for line in unfolded {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| unreadable("a header has no colon."))?;
        let name = name
            .trim()
            .parse::<HeaderName>()
            .map_err(|_| unreadable("a header's name is malformed."))?;
        let value =
            HeaderValue::from_str(value.trim()).map_err(|_| unreadable("a header's value is malformed."))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Writes the envelope of the answers, each with the `Content-ID` of its request.
pub(super) fn write(
    answers: &[(Option<String>, Response<Bytes>)],
    boundary: &str,
    fold_content_ids: bool,
) -> Response<Bytes> {
    let mut text = String::new();
    for (content_id, answer) in answers {
        text.push_str(&format!("--{boundary}\r\nContent-Type: application/http\r\n"));
        if let Some(content_id) = content_id {
            let inner = content_id.trim().trim_start_matches('<').trim_end_matches('>');
            let colon = if fold_content_ids { ":\r\n " } else { ": " };
            text.push_str(&format!("Content-ID{colon}<response-{inner}>\r\n"));
        }
        let reason = answer.status().canonical_reason().unwrap_or("Unknown");
        text.push_str(&format!("\r\nHTTP/1.1 {} {reason}\r\n", answer.status().as_u16()));
        for (name, value) in answer.headers() {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
        }
        let body = String::from_utf8_lossy(answer.body());
        text.push_str(&format!("content-length: {}\r\n\r\n{body}\r\n", body.len()));
    }
    text.push_str(&format!("--{boundary}--\r\n"));
    let mut response = Response::new(Bytes::from(text));
    if let Ok(value) = HeaderValue::from_str(&format!("multipart/mixed; boundary={boundary}")) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}
