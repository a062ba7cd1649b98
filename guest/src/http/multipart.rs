//! HTTP requests packed into one `multipart/mixed` body and their responses read back out of one, as Google's
//! batch endpoint has it (<https://developers.google.com/workspace/admin/directory/v1/guides/batch>).
//!
//! Reading is strict: a part that cannot be read is no answer. Parts are matched by `Content-ID` and never
//! by their order.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::answer::Answer;
use super::call::Call;

/// A body and its content type.
#[derive(Debug, Clone)]
pub struct Packed {
    /// `multipart/mixed; boundary=…`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Packs calls; part `n` gets the content ID `<part-n>`. `nonce` makes the boundary (the run's seed feeds it).
pub fn pack(calls: &[Call], nonce: u64) -> Packed {
    let mut nonce = nonce;
    let boundary = loop {
        let boundary = format!("groupcast-{nonce:016x}");
        let inside = calls
            .iter()
            .any(|call| contains(call.body_bytes(), boundary.as_bytes()));
        if !inside {
            break boundary;
        }
        nonce = nonce.wrapping_add(1);
    };
    let mut body = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        let head = format!(
            "--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <part-{number}>\r\n\r\n{} {} HTTP/1.1\r\n",
            call.method(),
            call.path_and_query()
        );
        body.extend_from_slice(head.as_bytes());
        for (name, value) in &call.headers {
            body.extend_from_slice(format!("{name}: ").as_bytes());
            body.extend_from_slice(value.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        if !call.body_bytes().is_empty() {
            body.extend_from_slice(format!("Content-Length: {}\r\n", call.body_bytes().len()).as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(call.body_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Packed {
        content_type: format!("multipart/mixed; boundary={boundary}"),
        body,
    }
}

/// Reads the answers to `calls` out of a batch answer: one entry a call, none where its part is missing, comes
/// twice or cannot be read.
///
/// # Errors
/// Why the body as a whole is not a batch answer.
pub fn unpack(answer: &Answer, calls: &[Call]) -> Result<Vec<Option<Answer>>, String> {
    let boundary = answer
        .header("content-type")
        .and_then(boundary)
        .ok_or("the answer to a batch names no multipart boundary")?;
    let delimiter = format!("--{boundary}");
    let mut answers: Vec<Option<Answer>> = vec![None; calls.len()];
    let mut twice = vec![false; calls.len()];
    for part in split(&answer.body, delimiter.as_bytes()) {
        let Some((number, status, headers, body)) = read_part(part) else {
            continue;
        };
        let (Some(place), Some(call)) = (answers.get_mut(number), calls.get(number)) else {
            continue;
        };
        if let (Some(mark), true) = (twice.get_mut(number), place.is_some()) {
            *mark = true;
        }
        *place = Some(Answer {
            status,
            headers,
            body: Bytes::copy_from_slice(body),
            place: call.place(),
        });
    }
    for (place, twice) in answers.iter_mut().zip(twice) {
        if twice {
            *place = None;
        }
    }
    Ok(answers)
}

fn boundary(content_type: &str) -> Option<String> {
    let mut parts = content_type.split(';');
    if !parts.next()?.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// The parts between delimiters that stand at the beginning of a line. A last part without a delimiter after it
/// is cut off and left out.
fn split<'a>(body: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let from = at;
        at += line.len();
        let Some(rest) = line.strip_prefix(delimiter) else {
            continue;
        };
        let rest = rest.trim_ascii();
        if !rest.is_empty() && rest != b"--" {
            continue;
        }
        if let Some(part) = start.and_then(|start| body.get(start..from)) {
            let part = part.strip_suffix(b"\n").unwrap_or(part);
            parts.push(part.strip_suffix(b"\r").unwrap_or(part));
        }
        if rest == b"--" {
            return parts;
        }
        start = Some(at);
    }
    parts
}

/// Number, status, headers and body of one part.
fn read_part(part: &[u8]) -> Option<(usize, u16, HeaderMap, &[u8])> {
    let (outer, inner) = head(part)?;
    let outer = headers(outer)?;
    let kind = outer.get("content-type")?.to_str().ok()?;
    if !kind.to_ascii_lowercase().starts_with("application/http") {
        return None;
    }
    // Google answers `<response-part-0>`, and some answers repeat a prefix of its own before our ID.
    let id = outer.get("content-id")?.to_str().ok()?.trim();
    let id = id.strip_prefix('<')?.strip_suffix('>')?;
    let number = id.rsplit_once("part-")?.1;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = number.parse().ok()?;
    let line_end = inner.iter().position(|byte| *byte == b'\n')?;
    let (status_line, rest) = inner.split_at_checked(line_end + 1)?;
    let mut words = std::str::from_utf8(status_line).ok()?.split_ascii_whitespace();
    if !words.next()?.starts_with("HTTP/") {
        return None;
    }
    let status: u16 = words.next()?.parse().ok()?;
    let (inner_head, body) = head(rest)?;
    let headers = headers(inner_head)?;
    let body = match headers.get("content-length") {
        // A body shorter than announced was cut; one longer has the line end before the next delimiter.
        Some(length) => body.get(..length.to_str().ok()?.trim().parse().ok()?)?,
        None => body,
    };
    (100..600)
        .contains(&status)
        .then_some((number, status, headers, body))
}

/// Header lines and what comes after the empty line. A head that ends without one has no body.
fn head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let end = at + line.len();
        if line.trim_ascii().is_empty() && line.ends_with(b"\n") {
            return Some((bytes.get(..at)?, bytes.get(end..)?));
        }
        at = end;
    }
    Some((bytes, &[]))
}

fn headers(bytes: &[u8]) -> Option<HeaderMap> {
    let mut unfolded = String::new();
    for line in std::str::from_utf8(bytes).ok()?.lines() {
        if line.starts_with([' ', '\t']) {
            unfolded.push(' ');
            unfolded.push_str(line.trim());
        } else {
            unfolded.push('\n');
            unfolded.push_str(line.trim_end());
        }
    }
    let mut headers = HeaderMap::new();
    for line in unfolded.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.append(
            HeaderName::try_from(name.trim()).ok()?,
            HeaderValue::try_from(value.trim()).ok()?,
        );
    }
    Some(headers)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(count: usize) -> Vec<Call> {
        (0..count)
            .map(|number| Call::get(&["things", &number.to_string()]))
            .collect()
    }

    fn answer(body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            "multipart/mixed; boundary=\"batch_x\"".parse().unwrap(),
        );
        Answer {
            status: 200,
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
            place: "POST /batch".to_owned(),
        }
    }

    fn part(id: &str, body: &str) -> String {
        format!(
            "--batch_x\r\nContent-Type: application/http\r\nContent-ID:{id}\r\n\r\nHTTP/1.1 200 OK\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}\r\n",
            body.len()
        )
    }

    #[test]
    fn calls_are_packed_as_whole_requests() {
        let call = Call::new(http::Method::POST, &["groups", "g 1", "members"])
            .json(&serde_json::json!({"id": "1"}));
        let packed = pack(&[call], 7);
        let text = String::from_utf8(packed.body).unwrap();
        assert_eq!(
            text,
            "--groupcast-0000000000000007\r\nContent-Type: application/http\r\nContent-ID: <part-0>\r\n\r\n\
             POST /groups/g%201/members HTTP/1.1\r\ncontent-type: application/json\r\nContent-Length: 10\r\n\r\n\
             {\"id\":\"1\"}\r\n--groupcast-0000000000000007--\r\n"
        );
        assert_eq!(
            packed.content_type,
            "multipart/mixed; boundary=groupcast-0000000000000007"
        );
    }

    #[test]
    fn a_boundary_never_stands_inside_a_part() {
        let call = Call::new(http::Method::POST, &["a"]).body("text/plain", "--groupcast-0000000000000007");
        assert!(pack(&[call], 7).content_type.ends_with("0008"));
    }

    #[test]
    fn parts_come_in_any_order_and_with_a_folded_content_id() {
        let body = format!(
            "preamble\r\n{}{}{}--batch_x--\r\n",
            part(" <response-part-2>", "[2]"),
            part("\r\n <response-part-0>", "[0]"),
            part(" <response-groupcast+part-1>", "[1]")
        );
        let answers = unpack(&answer(&body), &calls(3)).unwrap();
        for (number, answer) in answers.iter().enumerate() {
            let answer = answer.as_ref().unwrap();
            assert_eq!(answer.body, format!("[{number}]"));
            assert_eq!(answer.place, format!("GET /things/{number}"));
        }
    }

    #[test]
    fn a_part_that_is_missing_doubled_cut_or_foreign_is_no_answer() {
        let good = part(" <response-part-0>", "[0]");
        let doubled = part(" <response-part-1>", "[1]").repeat(2);
        let foreign = part(" <response-part-9>", "[9]");
        let unnamed = part(" <response>", "[2]");
        let cut = "--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-part-3>\r\n\r\n\
                   HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\":";
        let body = format!("{good}{doubled}{foreign}{unnamed}{cut}");
        let answers = unpack(&answer(&body), &calls(4)).unwrap();
        let answered: Vec<bool> = answers.iter().map(Option::is_some).collect();
        assert_eq!(answered, [true, false, false, false]);
        let body = format!("{good}{cut}\r\n--batch_x--");
        assert!(
            unpack(&answer(&body), &calls(4)).unwrap()[3].is_none(),
            "shorter than it says"
        );
    }

    #[test]
    fn an_answer_without_a_body_is_read() {
        let body = "--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-part-0>\r\n\r\n\
                    HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n\r\n--batch_x--";
        let answers = unpack(&answer(body), &calls(1)).unwrap();
        assert_eq!(answers[0].as_ref().unwrap().status, 204);
    }

    #[test]
    fn an_answer_that_is_no_multipart_is_an_error() {
        let mut page = answer("<html>");
        page.headers.insert("content-type", "text/html".parse().unwrap());
        assert!(unpack(&page, &calls(1)).is_err());
    }
}
