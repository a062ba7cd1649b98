//! JumpCloud: reads, and nothing else (R8).

use super::{Decoded, Refusal, Single, WireRequest};

/// The one read by POST: the query of Directory Insights.
const EVENTS: &str = "/insights/directory/v1/events";

/// Understands a request to JumpCloud.
///
/// # Errors
/// If it is no read.
pub fn decode(request: &WireRequest<'_>) -> Result<Decoded, Refusal> {
    let single = Single::of(request)?;
    match (request.method, single.path.segments().as_slice()) {
        ("GET", ["api" | "insights", ..]) => single.no_body()?,
        ("POST", _) if single.path.as_str() == EVENTS => {
            single.no_query()?;
            single.object(&[
                "service",
                "start_time",
                "end_time",
                "limit",
                "sort",
                "fields",
                "search_term",
                "search_after",
            ])?;
        }
        ("GET", _) => return Err(Refusal::Unknown(single.label)),
        _ => return Err(Refusal::SourceWrite(single.label)),
    }
    Ok(Decoded::single(single.read(None)))
}

#[cfg(test)]
mod tests {
    use super::super::super::headers::Plain;
    use super::super::super::origin::Origin;
    use super::*;

    fn decode_one(method: &str, path: &str, body: &str) -> Result<Decoded, Refusal> {
        let origin = Origin::base("https://console.jumpcloud.com").unwrap();
        let headers: Plain = vec![("content-type".into(), "application/json".into())];
        decode(&WireRequest {
            origin: &origin,
            method,
            path,
            query: None,
            headers: &headers,
            body: body.as_bytes(),
        })
    }

    #[test]
    fn r8_every_request_to_jumpcloud_that_is_no_read_is_refused() {
        for (method, path) in [
            ("POST", "/api/v2/usergroups/1/members"),
            ("POST", "/api/systemusers"),
            ("POST", "/api/search/systemusers"),
            ("PUT", "/api/systemusers/1"),
            ("PATCH", "/api/v2/gsuites/1"),
            ("DELETE", "/api/v2/usergroups/1"),
            ("POST", "/insights/directory/v1/events/count"),
            ("OPTIONS", "/api/v2/usergroups"),
            ("TRACE", "/api/v2/usergroups"),
            ("get", "/api/v2/usergroups"),
        ] {
            assert!(
                matches!(decode_one(method, path, "{}"), Err(Refusal::SourceWrite(_))),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn r8_reads_and_the_event_query_pass() {
        assert!(
            decode_one("GET", "/api/v2/usergroups", "")
                .unwrap()
                .writes()
                .is_empty()
        );
        let query = r#"{"service":["directory"],"start_time":"2026-01-01T00:00:00Z","limit":10}"#;
        assert!(decode_one("POST", EVENTS, query).unwrap().writes().is_empty());
        assert!(decode_one("POST", EVENTS, r#"{"limit":1,"limit":2}"#).is_err());
        assert!(decode_one("GET", "/api/v2/usergroups", "{}").is_err());
        assert!(decode_one("GET", "/console/export", "").is_err());
    }
}
