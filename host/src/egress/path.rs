//! One path, one spelling.
//!
//! Servers disagree on `..`, `//`, `;` and on what is decoded when. A path that two servers could read in two ways is
//! refused, so that what is matched here is what the vendor will act on.

/// A path in its one spelling: decoded segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalPath {
    raw: String,
    segments: Vec<String>,
}

/// Why a path or a query was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} {why}")]
pub struct PathError {
    /// The path as it came.
    pub path: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl CanonicalPath {
    /// Reads a path (without query).
    ///
    /// # Errors
    /// If it has another possible reading or spelling.
    pub fn parse(raw: &str) -> Result<Self, PathError> {
        let refuse = |why| PathError {
            path: raw.to_owned(),
            why,
        };
        let Some(rest) = raw.strip_prefix('/') else {
            return Err(refuse("does not begin with a slash"));
        };
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            if segment.is_empty() {
                return Err(refuse("has an empty segment (a doubled or trailing slash)"));
            }
            let decoded = decode_segment(segment).map_err(refuse)?;
            if decoded == "." || decoded == ".." {
                return Err(refuse("has a dot segment"));
            }
            segments.push(decoded);
        }
        Ok(Self {
            raw: raw.to_owned(),
            segments,
        })
    }

    /// The path as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The decoded segments; at least one.
    pub fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

fn hexadecimal(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        // Lower case means the same and is not the one spelling.
        _ => None,
    }
}

fn decode_segment(segment: &str) -> Result<String, &'static str> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (Some(high), Some(low)) = (bytes.next(), bytes.next()) else {
                    return Err("has a percent sign without two hexadecimal digits");
                };
                if matches!((high, low), (b'2', b'f') | (b'5', b'c')) {
                    return Err("has an encoded slash or backslash");
                }
                let (Some(high), Some(low)) = (hexadecimal(high), hexadecimal(low)) else {
                    return Err("has a percent sign without two upper-case hexadecimal digits");
                };
                let value = high * 16 + low;
                match value {
                    b'/' | b'\\' => return Err("has an encoded slash or backslash"),
                    b'%' => return Err("has an encoded percent sign"),
                    b';' => return Err("has a semicolon"),
                    0..=0x1f | 0x7f => return Err("has an encoded control character"),
                    _ if is_unreserved(value) => return Err("encodes a character that needs no encoding"),
                    _ => decoded.push(value),
                }
            }
            b';' => return Err("has a semicolon"),
            _ if is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte) => decoded.push(byte),
            _ => return Err("has a character that must be encoded"),
        }
    }
    String::from_utf8(decoded).map_err(|_| "is no UTF-8 once decoded")
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Query parameters that smuggle in a method, a credential or a script, whoever's API it is.
const FORBIDDEN_PARAMETERS: &[&str] = &[
    "access_token",
    "api_key",
    "apikey",
    "callback",
    "client_secret",
    "httpmethod",
    "jsonp",
    "key",
    "method",
    "oauth_token",
    "x-api-key",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// The names of a query's parameters, decoded.
///
/// # Errors
/// If the query has control characters, or a parameter that no sync needs and that could change what the request is.
pub fn query_names(query: Option<&str>) -> Result<Vec<String>, PathError> {
    let Some(query) = query else {
        return Ok(Vec::new());
    };
    let refuse = |why| PathError {
        path: format!("?{query}"),
        why,
    };
    if query.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(refuse("has a character that must be encoded"));
    }
    if query.contains(';') {
        return Err(refuse("has a semicolon in its query"));
    }
    let names: Vec<String> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, _)| name.into_owned())
        .collect();
    for name in &names {
        let lower = name.to_ascii_lowercase();
        let bare = lower.trim_matches(|character| "$._ ".contains(character));
        if FORBIDDEN_PARAMETERS.contains(&bare) {
            return Err(refuse(
                "has a parameter that carries a credential or changes the method",
            ));
        }
        if name.chars().any(char::is_control) {
            return Err(refuse("has a control character in a parameter's name"));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r33_paths_with_a_second_reading_are_refused() {
        for path in [
            "",
            "v1.0/groups",
            "/",
            "//v1.0/groups",
            "/v1.0//groups",
            "/v1.0/groups/",
            "/v1.0/./groups",
            "/v1.0/users/../groups",
            "/v1.0/%2E%2E/groups",
            "/v1.0/%2e%2e/groups",
            "/v1.0/groups%2f1",
            "/v1.0/groups%2F1",
            "/v1.0/groups%5c1",
            "/v1.0/groups%5C1",
            "/v1.0/groups\\1",
            "/v1.0/groups;x=1/2",
            "/v1.0/groups%3B/2",
            "/v1.0/groups/%252E",
            "/v1.0/%67roups",
            "/v1.0/groups/%00",
            "/v1.0/groups/%0A",
            "/v1.0/groups/%zz",
            "/v1.0/groups/%4",
            "/v1.0/groups/%c3%a9",
            "/v1.0/groups/%FF",
            "/v1.0/gro ups",
            "/v1.0/groups/\u{e9}",
            "/v1.0/groups/a\"b",
        ] {
            assert!(CanonicalPath::parse(path).is_err(), "{path}");
        }
    }

    #[test]
    fn ordinary_vendor_paths_are_read() {
        let path = CanonicalPath::parse("/v1.0/groups(uniqueName='gc-1')/members/$ref").unwrap();
        assert_eq!(
            path.segments(),
            ["v1.0", "groups(uniqueName='gc-1')", "members", "$ref"]
        );
        let path = CanonicalPath::parse("/admin/directory/v1/groups/sales@x.example").unwrap();
        assert_eq!(path.segments().last(), Some(&"sales@x.example"));
        let path = CanonicalPath::parse("/v1.0/users/a_x.example%23EXT%23@y.example").unwrap();
        assert_eq!(path.segments().last(), Some(&"a_x.example#EXT#@y.example"));
        let path = CanonicalPath::parse("/v1.0/groups/%C3%A9").unwrap();
        assert_eq!(path.segments().last(), Some(&"\u{e9}"));
    }

    #[test]
    fn r33_queries_that_change_the_method_or_carry_a_credential_are_refused() {
        for query in [
            "key=abc",
            "access_token=x",
            "%61ccess_token=x",
            "a=b&x-http-method-override=PATCH",
            "$httpMethod=PATCH",
            "a;b",
            "a=\u{1}",
        ] {
            assert!(query_names(Some(query)).is_err(), "{query}");
        }
        assert_eq!(
            query_names(Some("$filter=displayName%20eq%20'x'&$top=5")).unwrap(),
            ["$filter", "$top"]
        );
        assert!(query_names(Some("userKey=a@x&pageToken=t")).is_ok());
    }

    proptest! {
        #[test]
        fn reading_a_path_never_panics(raw in ".{0,64}") {
            let _ = CanonicalPath::parse(&raw);
            let _ = query_names(Some(&raw));
        }

        #[test]
        fn r33_no_segment_that_is_read_holds_a_slash_or_dots(raw in "/[a-zA-Z0-9%./;]{0,24}") {
            if let Ok(path) = CanonicalPath::parse(&raw) {
                for segment in path.segments() {
                    prop_assert!(!segment.contains('/') && segment != ".." && segment != "." && !segment.is_empty());
                }
            }
        }
    }
}
