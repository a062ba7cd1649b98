//! `multipart/mixed` read strictly, for Google's batch endpoint.
//!
//! A lenient reader repairs what it is given, and two lenient readers repair differently. Here: lines end with CRLF,
//! nothing stands before the first boundary or after the last, the boundary's text is nowhere else, every part has
//! exactly the heads that a batch needs, and a length that is given is true.

use super::headers::{self, Plain};

/// One HTTP request within a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPart {
    /// Content-ID of the part, where it has one.
    pub id: Option<String>,
    /// Method, as it stands.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Inner headers, lower case, checked.
    pub headers: Plain,
    /// Inner body.
    pub body: Vec<u8>,
}

/// One HTTP response within a batch's answer, as far as learning needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchAnswer {
    /// Content-ID of the part: Google puts `response-` before the request's.
    pub id: Option<String>,
    /// Status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// The boundary in a content type.
///
/// # Errors
/// If it is not `multipart/mixed` with exactly one plain boundary.
pub fn boundary(content_type: &str) -> Result<String, String> {
    let (kind, parameters) = content_type
        .split_once(';')
        .ok_or("the content type of a batch must be multipart/mixed with a boundary")?;
    if !kind.trim().eq_ignore_ascii_case("multipart/mixed") {
        return Err(format!(
            "the content type of a batch is {kind:?} and not multipart/mixed"
        ));
    }
    let (name, value) = parameters
        .trim()
        .split_once('=')
        .ok_or("the content type of a batch has no boundary")?;
    if !name.eq_ignore_ascii_case("boundary") {
        return Err("the content type of a batch has another parameter than its boundary".into());
    }
    let value = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.+'".contains(&byte);
    if value.is_empty() || value.len() > 70 || !value.bytes().all(plain) {
        return Err("the boundary of a batch must be 1 to 70 letters, digits and -_=.+'".into());
    }
    Ok(value.to_owned())
}

/// Cuts a body at its boundaries.
fn cut<'a>(body: &'a str, boundary: &str) -> Result<Vec<&'a str>, String> {
    let delimiter = format!("--{boundary}");
    let mut rest = body
        .strip_prefix(&delimiter)
        .ok_or("a batch must begin with its boundary")?;
    let mut parts = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix("--") {
            if !matches!(end, "" | "\r\n") {
                return Err("a batch has something after its last boundary".into());
            }
            if parts.is_empty() {
                return Err("a batch without parts".into());
            }
            return Ok(parts);
        }
        rest = rest
            .strip_prefix("\r\n")
            .ok_or("a boundary of a batch is not followed by the end of its line")?;
        let (part, after) = rest
            .split_once(&delimiter)
            .ok_or("a batch ends without its last boundary")?;
        let part = part
            .strip_suffix("\r\n")
            .ok_or("the boundary stands within a part, not on a line of its own")?;
        parts.push(part);
        rest = after;
    }
}

/// Reads header lines up to the blank line; gives what is behind it.
fn head(text: &str) -> Result<(Plain, &str), String> {
    let mut fields = Plain::new();
    let mut rest = text;
    loop {
        if let Some(body) = rest.strip_prefix("\r\n") {
            return Ok((fields, body));
        }
        let (line, after) = match rest.split_once("\r\n") {
            Some(found) => found,
            // Heads alone, with neither a blank line nor a body.
            None if rest.is_empty() => return Ok((fields, "")),
            None => (rest, ""),
        };
        if line
            .bytes()
            .any(|byte| !(byte == b' ' || byte.is_ascii_graphic()))
        {
            return Err("a head of a batch part has a control character or a folded line".into());
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("{line:?} is no header line"))?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(format!("{name:?} is no header name"));
        }
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        rest = after;
    }
}

fn outer_head(fields: &Plain) -> Result<Option<String>, String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut id = None;
    let mut typed = false;
    for (name, value) in fields {
        if !seen.insert(name) {
            return Err(format!("a batch part has the header {name:?} twice"));
        }
        match name.as_str() {
            "content-type" if value.eq_ignore_ascii_case("application/http") => typed = true,
            "content-type" => {
                return Err(format!(
                    "a batch part is {value:?}; only application/http may be nested"
                ));
            }
            "content-id" => id = Some(value.clone()),
            "content-transfer-encoding" if value.eq_ignore_ascii_case("binary") => {}
            "mime-version" if value == "1.0" => {}
            _ => {
                return Err(format!(
                    "a batch part may not have the header {name:?}: {value:?}"
                ));
            }
        }
    }
    if typed {
        Ok(id)
    } else {
        Err("a batch part does not say that it is application/http".into())
    }
}

/// Reads a batch.
///
/// # Errors
/// What is not exactly as it must be.
pub fn requests(body: &[u8], boundary: &str) -> Result<Vec<BatchPart>, String> {
    let body = std::str::from_utf8(body).map_err(|_| "a batch that is no UTF-8")?;
    let mut ids = std::collections::BTreeSet::new();
    let mut parts = Vec::new();
    for text in cut(body, boundary)? {
        let (outer, inner) = head(text)?;
        let id = outer_head(&outer)?;
        if let Some(id) = &id
            && !ids.insert(id.clone())
        {
            return Err(format!("the Content-ID {id:?} comes twice"));
        }
        let (line, rest) = inner
            .split_once("\r\n")
            .ok_or("the request line of a batch part has no end")?;
        let mut words = line.split(' ');
        let (Some(method), Some(target), version, None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(format!("{line:?} is no request line"));
        };
        if !matches!(version, None | Some("HTTP/1.1")) {
            return Err(format!("{line:?} speaks another protocol than HTTP/1.1"));
        }
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(format!("{method:?} is no method"));
        }
        if !target.starts_with('/') || target.starts_with("//") {
            return Err(format!(
                "{target:?} is no relative URL; a batch part may only name a path"
            ));
        }
        if target.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(format!("{target:?} has a character that must be encoded"));
        }
        let (fields, body) = head(rest)?;
        let fields = headers::of_part(fields).map_err(|error| error.to_string())?;
        if let Some(length) = headers::get(&fields, "content-length")
            && length.parse() != Ok(body.len())
        {
            return Err(format!(
                "a batch part says it has {length} bytes and has {}",
                body.len()
            ));
        }
        parts.push(BatchPart {
            id,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: fields,
            body: body.as_bytes().to_vec(),
        });
    }
    Ok(parts)
}

/// Reads the vendor's answer to a batch. What is not as expected is left out: an answer only teaches.
pub fn answers(body: &[u8], boundary: &str) -> Vec<BatchAnswer> {
    let Ok(body) = std::str::from_utf8(body) else {
        return Vec::new();
    };
    let Ok(parts) = cut(body, boundary) else {
        return Vec::new();
    };
    parts
        .into_iter()
        .filter_map(|text| {
            let (outer, inner) = head(text).ok()?;
            let (line, rest) = inner.split_once("\r\n")?;
            let status = line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
            let (_, body) = head(rest).ok()?;
            Some(BatchAnswer {
                id: headers::get(&outer, "content-id").map(str::to_owned),
                status,
                body: body.as_bytes().to_vec(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PART: &str = "--b\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\n";

    fn one(inner: &str) -> Result<Vec<BatchPart>, String> {
        requests(format!("{PART}{inner}\r\n--b--\r\n").as_bytes(), "b")
    }

    #[test]
    fn an_ordinary_batch_is_read() {
        let body = format!(
            "{PART}DELETE /g/members/1 HTTP/1.1\r\n\r\n\r\n--b\r\nContent-Type: application/http\r\n\
             Content-Transfer-Encoding: binary\r\nContent-ID: <2>\r\n\r\nPOST /g/members HTTP/1.1\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}\r\n--b--\r\n"
        );
        let parts = requests(body.as_bytes(), "b").unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].method, "DELETE");
        assert_eq!(parts[0].id.as_deref(), Some("<1>"));
        assert!(parts[0].body.is_empty());
        assert_eq!(parts[1].target, "/g/members");
        assert_eq!(parts[1].body, b"{}");
    }

    #[test]
    fn r44_parts_that_two_readers_could_read_differently_are_refused() {
        for inner in [
            "DELETE /x HTTP/1.1\n\r\n",
            "DELETE /x HTTP/1.0\r\n\r\n",
            "DELETE  /x HTTP/1.1\r\n\r\n",
            "delete /x HTTP/1.1\r\n\r\n",
            "DELETE https://evil.example/x HTTP/1.1\r\n\r\n",
            "DELETE //evil.example/x HTTP/1.1\r\n\r\n",
            "POST /x HTTP/1.1\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
            "POST /x HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n",
            "POST /x HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "POST /x HTTP/1.1\r\nPrefer: a\r\nprefer: b\r\n\r\n",
            "POST /x HTTP/1.1\r\nPrefer: a\r\n folded\r\n\r\n",
            "POST /x HTTP/1.1\r\nContent-Length: 1\r\n\r\n{}",
            "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST /x HTTP/1.1\r\n\r\n{\"a\":\"\n--b\"}",
        ] {
            assert!(one(inner).is_err(), "{inner:?}");
        }
    }

    #[test]
    fn r44_envelopes_that_are_not_exact_are_refused() {
        for body in [
            "",
            "--b--",
            "preamble\r\n--b\r\nContent-Type: application/http\r\n\r\nGET /x\r\n\r\n\r\n--b--",
            "--b\r\nContent-Type: application/http\r\n\r\nGET /x\r\n\r\n\r\n--b--\r\nepilogue",
            "--b\r\nContent-Type: application/http\r\n\r\nGET /x\r\n\r\n\r\n--b",
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--",
            "--b\r\nContent-Type: application/http\r\nContent-Type: application/http\r\n\r\nGET /x\r\n\r\n\r\n--b--",
            "--b\r\n\r\nGET /x\r\n\r\n\r\n--b--",
            "--b\r\nContent-Type: application/http\r\nX-Other: 1\r\n\r\nGET /x\r\n\r\n\r\n--b--",
        ] {
            assert!(requests(body.as_bytes(), "b").is_err(), "{body:?}");
        }
        let twice = format!("{PART}GET /x\r\n\r\n\r\n{PART}GET /y\r\n\r\n\r\n--b--");
        assert!(
            requests(twice.as_bytes(), "b")
                .unwrap_err()
                .contains("comes twice")
        );
    }

    #[test]
    fn r44_a_boundary_must_be_plain_and_alone() {
        assert_eq!(boundary("multipart/mixed; boundary=\"a_b=1\"").unwrap(), "a_b=1");
        for other in [
            "multipart/mixed",
            "multipart/form-data; boundary=b",
            "multipart/mixed; boundary=",
            "multipart/mixed; boundary=b; boundary=c",
            "multipart/mixed; charset=x",
            "multipart/mixed; boundary=a b",
        ] {
            assert!(boundary(other).is_err(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(inner in "[ -~\r\n]{0,80}") {
            let _ = one(&inner);
            let _ = requests(inner.as_bytes(), "b");
            let _ = answers(inner.as_bytes(), "b");
            let _ = boundary(&inner);
        }

        #[test]
        fn r44_what_is_written_is_what_is_read(count in 1_usize..5, body in "[ -~]{0,40}") {
            prop_assume!(!body.contains("--b"));
            let mut text = String::new();
            for number in 0..count {
                text.push_str(&format!(
                    "--b\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\nPOST /p{number} HTTP/1.1\r\n\r\n{body}\r\n"
                ));
            }
            text.push_str("--b--\r\n");
            let parts = requests(text.as_bytes(), "b").unwrap();
            prop_assert_eq!(parts.len(), count);
            for (number, part) in parts.iter().enumerate() {
                prop_assert_eq!(&part.target, &format!("/p{number}"));
                prop_assert_eq!(part.body.as_slice(), body.as_bytes());
            }
        }
    }
}
