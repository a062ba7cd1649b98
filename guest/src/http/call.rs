//! One request, before it is sent: method, path, query, body. Nothing from outside gets into a path
//! or a query without being encoded.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What may stand in a path segment as it is. `+` may not: vendors disagree on whether it is a blank.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'\'')
    .remove(b'=')
    .remove(b',')
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'*');

/// What may stand in a query's name or value as it is.
const QUERY: &AsciiSet = &SEGMENT.remove(b'/').add(b'=');

/// A request to be made.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    pub(super) repeatable: bool,
    pub(super) fault: Option<String>,
}

impl Call {
    /// A request to the path made of these segments, each encoded. Reads are repeatable, writes are not.
    pub fn new(method: Method, segments: &[&str]) -> Self {
        let mut path = String::new();
        let mut fault = None;
        for segment in segments {
            // A URL reader folds dot segments away, encoded or not: the request would go elsewhere.
            if segment.is_empty() || *segment == "." || *segment == ".." {
                fault = Some(format!("{segment:?} cannot be a part of a path"));
            }
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let repeatable = method.is_safe();
        Self {
            method,
            path,
            query: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            repeatable,
            fault,
        }
    }

    /// A read.
    pub fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    /// A read of a path and query that a vendor gave, taken as they are.
    pub(super) fn get_verbatim(path: &str, query: &str) -> Self {
        let mut call = Self::get(&[]);
        path.clone_into(&mut call.path);
        query.clone_into(&mut call.query);
        call
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.extend(utf8_percent_encode(name, QUERY));
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value, QUERY));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.body("application/json", bytes),
            Err(error) => {
                self.fault = Some(format!("the body cannot be written as JSON: {error}"));
                self
            }
        }
    }

    /// Sets a body of any type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut call = self.header("content-type", content_type);
        call.body = body.into();
        call
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.headers.push((name, value)),
            _ => self.fault = Some(format!("the header {name} cannot be written")),
        }
        self
    }

    /// Declares that sending it twice does no more than sending it once (or that the second answer tells).
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Path and query as they are sent.
    pub fn path_and_query(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The body.
    pub fn body_bytes(&self) -> &Bytes {
        &self.body
    }

    /// Method and path, for a person; the query is left out.
    pub fn place(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_queries_are_encoded() {
        let call = Call::get(&["groups", "a+b/c#d é@x.com", "$ref"])
            .query("$filter", "displayName eq 'R&D + x'")
            .query("b", "2");
        assert_eq!(
            call.path_and_query(),
            "/groups/a%2Bb%2Fc%23d%20%C3%A9@x.com/$ref?$filter=displayName%20eq%20'R%26D%20%2B%20x'&b=2"
        );
    }

    #[test]
    fn a_segment_that_would_change_the_path_is_a_fault() {
        for bad in ["", ".", ".."] {
            assert!(Call::get(&["groups", bad]).fault.is_some());
        }
        assert!(Call::get(&["groups", "..."]).fault.is_none());
    }

    #[test]
    fn only_reads_are_repeatable_unless_declared() {
        assert!(Call::get(&["a"]).repeatable);
        assert!(!Call::new(Method::POST, &["a"]).repeatable);
        assert!(Call::new(Method::POST, &["a"]).repeatable().repeatable);
    }
}
