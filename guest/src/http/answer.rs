//! A vendor's answer and the ruling on it.

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, FailureKind, VendorAnswer};

/// Headers under which vendors give a request its ID.
const REQUEST_ID: &[&str] = &["request-id", "x-request-id", "x-goog-request-id"];

/// A whole answer.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, whole.
    pub body: Bytes,
    /// What was asked: method and path.
    pub place: String,
}

// The body is left out: what is printed must hold no person's data.
impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("place", &self.place)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What is to be done about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Good, or an answer that the caller reads itself (a 404, a 409).
    Accept,
    /// The vendor asks for less; it did nothing. The same request is sent again later.
    Throttled,
    /// A passing fault; the request may have taken effect. Sent again only if it is repeatable.
    Transient,
    /// Ends the call with a failure of this kind.
    Refused(FailureKind),
}

/// A vendor's error table applied to one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is to be done.
    pub ruling: Ruling,
    /// The vendor's own reason; empty where it gave none.
    pub reason: String,
    /// For a person: what it means and what to do. Empty where the ruling is to accept.
    pub message: String,
}

impl Verdict {
    /// The answer is good.
    pub fn accept() -> Self {
        Self::new(Ruling::Accept, "", "")
    }

    /// Any verdict.
    pub fn new(ruling: Ruling, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            ruling,
            reason: reason.into(),
            message: message.into(),
        }
    }
}

impl Answer {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header's text; none where it is absent or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What is kept of the answer in ledger and reports.
    pub fn vendor(&self, reason: &str) -> VendorAnswer {
        VendorAnswer {
            status: self.status,
            reason: reason.to_owned(),
            request_id: REQUEST_ID
                .iter()
                .find_map(|name| self.header(name))
                .map(str::to_owned),
        }
    }

    /// A failure about this answer.
    pub fn failure(&self, kind: FailureKind, reason: &str, message: impl Into<String>) -> Failure {
        Failure::new(kind, &self.place, message).answered(self.vendor(reason))
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// A failure naming the path and where the JSON breaks off or differs. A body that is no JSON document at
    /// all (a proxy's page, a cut answer) is transient; a document of another shape is the vendor's.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.is_web_page() {
            return Err(self.failure(
                FailureKind::Transient,
                "",
                "The answer is a web page and not JSON: a proxy, a firewall or a maintenance page answered in the \
                 vendor's place. Look at what stands between this machine and the vendor.",
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            match error.classify() {
                serde_json::error::Category::Eof => self.failure(
                    FailureKind::Transient,
                    "",
                    format!(
                        "The answer's JSON is cut short after {} bytes ({at}).",
                        self.body.len()
                    ),
                ),
                serde_json::error::Category::Data => self.failure(
                    FailureKind::Vendor,
                    "",
                    format!(
                        "The answer's JSON is not of the shape that the vendor documents ({at}): {}.",
                        // serde's text repeats the place, and names fields and types but no values of strings
                        // unless they are of a wrong type.
                        shape_only(&error.to_string())
                    ),
                ),
                _ => self.failure(
                    FailureKind::Transient,
                    "",
                    format!("The answer is not JSON ({at})."),
                ),
            }
        })
    }

    fn is_web_page(&self) -> bool {
        let html = self
            .header("content-type")
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
        html || self
            .body
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
            .is_some_and(|byte| *byte == b'<')
    }
}

/// A serde message without quoted values (they may be somebody's data) and without the place at its end.
fn shape_only(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or_default();
    let mut text = String::new();
    let mut quoted = false;
    for character in message.chars() {
        if character == '"' {
            if !quoted {
                text.push('…');
            }
            quoted = !quoted;
        } else if !quoted {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, body: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        headers.insert("x-request-id", "r-1".parse().unwrap());
        Answer {
            status: 200,
            headers,
            body: Bytes::from_static(body.as_bytes()),
            place: "GET /a/b".to_owned(),
        }
    }

    fn read(kind: &str, body: &'static str) -> Failure {
        answer(kind, body).json::<Vec<u32>>().unwrap_err()
    }

    #[test]
    fn a_body_that_cannot_be_read_says_where_and_why() {
        let page = read("text/html", "<html>sign in</html>");
        assert_eq!(
            (page.kind, page.place.as_str()),
            (FailureKind::Transient, "GET /a/b")
        );
        assert!(page.message.contains("web page"));
        assert!(read("application/json", " <html>").message.contains("web page"));
        let cut = read("application/json", "[1, 2");
        assert_eq!(cut.kind, FailureKind::Transient);
        assert!(
            cut.message.contains("cut short") && cut.message.contains("line 1, column 5"),
            "{cut}"
        );
        let shape = read("application/json", "[\"secret\"]");
        assert_eq!(shape.kind, FailureKind::Vendor);
        assert!(!shape.message.contains("secret"), "{shape}");
        assert_eq!(shape.vendor.unwrap().request_id.as_deref(), Some("r-1"));
    }

    #[test]
    fn a_printed_answer_holds_no_body() {
        assert!(!format!("{:?}", answer("application/json", "[\"alice\"]")).contains("alice"));
    }
}
