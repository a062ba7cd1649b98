//! Which headers pass, both ways. What is not named here does not.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that a request of the guest may have; batch parts have their own, shorter list.
const REQUEST: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "client-request-id",
    "consistencylevel",
    "content-length",
    "content-type",
    "host",
    "if-match",
    "if-none-match",
    "prefer",
    "return-client-request-id",
    "user-agent",
];

/// Headers that a part of a batch may have.
const PART: &[&str] = &[
    "accept",
    "consistencylevel",
    "content-length",
    "content-type",
    "if-match",
    "prefer",
];

/// Headers of an answer that the guest gets to see, beside `x-ms-*`.
const RESPONSE: &[&str] = &[
    "client-request-id",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "link",
    "location",
    "odata-version",
    "preference-applied",
    "request-id",
    "retry-after",
    "x-limit",
    "x-request-id",
    "x-result-count",
    "x-search_after",
    "x-sort",
    "x-total-count",
];

/// Headers that carry a credential: named apart, so that the message can say where credentials come from.
const CREDENTIALS: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-org-id",
];

/// Why a request's headers were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A credential.
    #[error(
        "the header {0:?} carries a credential; the component may not set it: the host adds credentials itself, \
         from its own secrets"
    )]
    Credential(String),
    /// Not on the list.
    #[error("the header {0:?} is not among those that may leave (it could change what the request does)")]
    NotAllowed(String),
    /// Twice.
    #[error("the header {0:?} comes twice; receivers disagree on which one counts")]
    Doubled(String),
    /// Not text.
    #[error("the header {0:?} has a value that is not plain ASCII text")]
    Value(String),
    /// Host and URL disagree.
    #[error("the Host header {host:?} names another place than the URL, which names {url:?}")]
    Host {
        /// The header.
        host: String,
        /// What the URL says.
        url: String,
    },
}

/// Headers in lower case with their values, each once.
pub type Plain = Vec<(String, String)>;

/// The value of a header.
pub fn get<'a>(headers: &'a Plain, name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn check(headers: &[(String, String)], allowed: &[&str]) -> Result<(), HeaderError> {
    let mut seen = std::collections::BTreeSet::new();
    for (name, value) in headers {
        if CREDENTIALS.contains(&name.as_str()) {
            return Err(HeaderError::Credential(name.clone()));
        }
        if !allowed.contains(&name.as_str()) {
            return Err(HeaderError::NotAllowed(name.clone()));
        }
        if !seen.insert(name) {
            return Err(HeaderError::Doubled(name.clone()));
        }
        if value
            .bytes()
            .any(|byte| !(byte == b' ' || byte.is_ascii_graphic()))
        {
            return Err(HeaderError::Value(name.clone()));
        }
    }
    Ok(())
}

/// Checks a request's headers and gives them as plain text.
///
/// # Errors
/// The first header that may not leave, and why.
pub fn of_request(headers: &HeaderMap, authority: &str) -> Result<Plain, HeaderError> {
    let mut plain = Plain::new();
    for (name, value) in headers {
        let text = value
            .to_str()
            .map_err(|_| HeaderError::Value(name.as_str().to_owned()))?;
        plain.push((name.as_str().to_owned(), text.to_owned()));
    }
    check(&plain, REQUEST)?;
    if let Some(host) = get(&plain, "host")
        && !host.eq_ignore_ascii_case(authority)
    {
        return Err(HeaderError::Host {
            host: host.to_owned(),
            url: authority.to_owned(),
        });
    }
    Ok(plain)
}

/// Checks the headers of a batch part; names come in any case and go out in lower case.
///
/// # Errors
/// The first header that may not leave, and why.
pub fn of_part(headers: Plain) -> Result<Plain, HeaderError> {
    let lower: Plain = headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    check(&lower, PART)?;
    Ok(lower)
}

/// The headers that are sent: those of the guest less the ones that the host sets itself.
pub fn to_send(headers: &Plain) -> HeaderMap {
    let mut sent = HeaderMap::new();
    for (name, value) in headers {
        if matches!(
            name.as_str(),
            "host" | "content-length" | "accept-encoding" | "user-agent"
        ) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            sent.insert(name, value);
        }
    }
    sent.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    sent.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("groupcast/", env!("CARGO_PKG_VERSION"), " (gzip)")),
    );
    sent
}

/// The headers of an answer that the guest may see.
pub fn of_response(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        if RESPONSE.contains(&name.as_str()) || name.as_str().starts_with("x-ms-") {
            passed.append(name.clone(), value.clone());
        }
    }
    passed
}

/// Whether a content type is JSON in UTF-8.
pub fn is_json(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else {
        return false;
    };
    let lower = content_type.to_ascii_lowercase();
    let mut pieces = lower.split(';').map(str::trim);
    pieces.next() == Some("application/json")
        && pieces.all(|parameter| {
            matches!(
                parameter,
                "charset=utf-8" | "charset=\"utf-8\"" | "odata.metadata=minimal"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&str, &str)]) -> Result<Plain, HeaderError> {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            );
        }
        of_request(&map, "api.example")
    }

    #[test]
    fn r33_a_header_that_overrides_the_method_is_refused() {
        for name in [
            "X-HTTP-Method-Override",
            "x-http-method",
            "x-method-override",
            "te",
            "upgrade",
            "connection",
        ] {
            assert_eq!(
                request(&[(name, "PATCH")]),
                Err(HeaderError::NotAllowed(name.to_ascii_lowercase()))
            );
        }
    }

    #[test]
    fn r7_the_guest_cannot_set_a_credential() {
        for name in CREDENTIALS {
            let error = request(&[(name, "x")]).unwrap_err();
            assert_eq!(error, HeaderError::Credential((*name).to_owned()));
            assert!(error.to_string().contains("the host adds credentials itself"));
            assert!(of_part(vec![(name.to_uppercase(), "x".into())]).is_err());
        }
    }

    #[test]
    fn r44_doubled_and_unprintable_headers_are_refused() {
        assert!(matches!(
            request(&[("prefer", "a"), ("prefer", "b")]),
            Err(HeaderError::Doubled(_))
        ));
        assert!(matches!(
            request(&[("prefer", "a\tb")]),
            Err(HeaderError::Value(_))
        ));
        let part = vec![("Prefer".into(), "a".into()), ("prefer".into(), "b".into())];
        assert!(matches!(of_part(part), Err(HeaderError::Doubled(_))));
    }

    #[test]
    fn r52_a_host_header_for_another_place_is_refused() {
        assert!(matches!(
            request(&[("host", "evil.example")]),
            Err(HeaderError::Host { .. })
        ));
        assert!(request(&[("host", "API.example")]).is_ok());
    }

    #[test]
    fn the_guest_sees_only_listed_headers_of_an_answer() {
        let mut map = HeaderMap::new();
        for name in [
            "set-cookie",
            "www-authenticate",
            "x-echo",
            "etag",
            "x-ms-resource-unit",
            "x-total-count",
        ] {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let passed = of_response(&map);
        let mut names: Vec<_> = passed.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["etag", "x-ms-resource-unit", "x-total-count"]);
    }

    #[test]
    fn only_json_in_utf_8_counts_as_json() {
        assert!(is_json(Some("application/json")));
        assert!(is_json(Some("Application/JSON; charset=UTF-8")));
        for other in [
            None,
            Some("text/plain"),
            Some("application/json; charset=utf-16"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert!(!is_json(other), "{other:?}");
        }
    }
}
