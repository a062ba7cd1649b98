//! Faults: what a simulated vendor does wrong, when, and how often.
//!
//! A fault is told by rules; a rule names the requests it strikes (vendor, method, path pattern) and
//! how many of them it lets pass first. Rules come from code or from a JSON file.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::Vendor;

/// One rule: which requests it strikes and what happens to them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The vendor struck.
    pub vendor: Vendor,
    /// The method struck; any where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Pattern of the path without query: `*` stands for one segment, a final `**` for any rest.
    /// Any path where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Text that the query must contain, percent-encoded as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// How many matching requests pass unharmed first.
    #[serde(default)]
    pub skip: u32,
    /// How many are struck after that; without end where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What happens.
    pub fault: Fault,
}

/// What happens to a request that is struck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Answer this instead; the request has no effect.
    Answer {
        /// HTTP status.
        status: u16,
        /// Headers beside content-type.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body, sent as it is.
        #[serde(default)]
        body: String,
        /// Its content type.
        #[serde(default = "json_type")]
        content_type: String,
    },
    /// The request takes effect, but this is answered instead.
    AnswerAfter {
        /// HTTP status.
        status: u16,
        /// The body, sent as it is.
        #[serde(default)]
        body: String,
    },
    /// Answer these bytes instead, which need not be text: gzip cut short, or a bomb of it. No effect.
    AnswerBytes {
        /// HTTP status.
        status: u16,
        /// Headers beside content-type, such as `content-encoding`.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body in base64.
        base64: String,
        /// Its content type.
        #[serde(default = "json_type")]
        content_type: String,
    },
    /// The connection breaks; the request has no effect.
    ResetBefore,
    /// The request takes effect, then the connection breaks before an answer.
    ResetAfter,
    /// The answer's body stops after this many bytes although more were announced.
    Truncate {
        /// Bytes that still arrive.
        after: usize,
    },
    /// The answer arrives whole, this many milliseconds late.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The request takes effect, and is answered, only so many milliseconds later, whether or not the
    /// client still waits. Within a batch, where parts cannot part ways, it is a delay.
    LateEffect {
        /// Milliseconds.
        ms: u64,
    },
    /// A list answers with this many items missing from its end, as though they did not exist, and
    /// says that it is complete. Vendors carry this out where the request is a list, else ignore it.
    DropItems {
        /// How many are left out.
        count: usize,
    },
    /// A list's next-page mark leads back to the same page. Carried out by lists.
    LoopPage,
    /// A list's page is cut short although more pages follow. Carried out by lists.
    ShortPage {
        /// Items on that page.
        items: usize,
    },
}

impl Fault {
    /// What a fault is where it strikes a part of a batch.
    pub(crate) fn of_part(self) -> Self {
        match self {
            Self::LateEffect { ms } => Self::Delay { ms },
            other => other,
        }
    }
}

fn json_type() -> String {
    "application/json".to_owned()
}

/// What the server does to the connection when it sends a response; rides in the extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disruption {
    /// Close without an answer.
    Reset,
    /// Send the head and this many bytes of the body, then close.
    Truncate(usize),
    /// Wait this many milliseconds, then answer.
    Delay(u64),
    /// Nothing has taken effect: serve the request so many milliseconds later, struck by no fault.
    Later(u64),
}

/// The rules in force, with how often each has matched.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rules: Vec<(Rule, u32)>,
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a rule; the first that matches a request strikes.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push((rule, 0));
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules in force, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// Which fault strikes this request, if any; counts the match. `path` is without query.
    pub fn strike(&mut self, vendor: Vendor, method: &Method, path: &str, query: &str) -> Option<Fault> {
        for (rule, matched) in &mut self.rules {
            let hit = rule.vendor == vendor
                && rule
                    .method
                    .as_deref()
                    .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
                && rule
                    .path
                    .as_deref()
                    .is_none_or(|pattern| path_matches(pattern, path))
                && rule.query.as_deref().is_none_or(|text| query.contains(text));
            if !hit {
                continue;
            }
            *matched = matched.saturating_add(1);
            let struck = matched.saturating_sub(rule.skip);
            if struck >= 1 && rule.times.is_none_or(|times| struck <= times) {
                return Some(rule.fault.clone());
            }
        }
        None
    }

    /// Runs one request under the faults in force: `serve` answers it and takes effect, unless the
    /// fault says that it does not; list faults reach `serve` as its argument.
    pub fn around(
        fault: Option<Fault>,
        serve: impl FnOnce(Option<&Fault>) -> Response<Bytes>,
    ) -> Response<Bytes> {
        match fault {
            None => serve(None),
            Some(Fault::Answer {
                status,
                headers,
                body,
                content_type,
            }) => {
                let body = Bytes::from(body);
                with_headers(plain(status, body, &content_type), headers)
            }
            Some(Fault::AnswerBytes {
                status,
                headers,
                base64,
                content_type,
            }) => {
                let body = STANDARD.decode(base64.as_bytes()).unwrap_or_default().into();
                with_headers(plain(status, body, &content_type), headers)
            }
            Some(Fault::AnswerAfter { status, body }) => {
                let _effect = serve(None);
                plain(status, body.into(), "application/json")
            }
            Some(Fault::ResetBefore) => disrupted(nothing(), Disruption::Reset),
            Some(Fault::LateEffect { ms }) => disrupted(nothing(), Disruption::Later(ms)),
            Some(Fault::ResetAfter) => disrupted(serve(None), Disruption::Reset),
            Some(Fault::Truncate { after }) => disrupted(serve(None), Disruption::Truncate(after)),
            Some(Fault::Delay { ms }) => disrupted(serve(None), Disruption::Delay(ms)),
            Some(fault @ (Fault::DropItems { .. } | Fault::LoopPage | Fault::ShortPage { .. })) => {
                serve(Some(&fault))
            }
        }
    }
}

fn disrupted(mut response: Response<Bytes>, disruption: Disruption) -> Response<Bytes> {
    response.extensions_mut().insert(disruption);
    response
}

/// What nobody sees: the connection breaks, or the request is served anew.
fn nothing() -> Response<Bytes> {
    plain(500, Bytes::new(), "text/plain")
}

fn with_headers(mut response: Response<Bytes>, headers: Vec<(String, String)>) -> Response<Bytes> {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            name.parse::<http::HeaderName>(),
            http::HeaderValue::from_str(&value),
        ) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn plain(status: u16, body: Bytes, content_type: &str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = http::HeaderValue::from_str(content_type) {
        response.headers_mut().insert(http::header::CONTENT_TYPE, value);
    }
    response
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.trim_matches('/').split('/');
    let mut given = path.trim_matches('/').split('/');
    loop {
        match (wanted.next(), given.next()) {
            (Some("**"), _) | (None, None) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_lets_some_pass_then_strikes_so_often() {
        let mut faults = Faults::none();
        faults.add(Rule {
            vendor: Vendor::Google,
            method: Some("GET".into()),
            path: Some("/admin/directory/v1/groups/*/members".into()),
            query: None,
            skip: 1,
            times: Some(1),
            fault: Fault::ResetBefore,
        });
        let mut strike = || {
            faults.strike(
                Vendor::Google,
                &Method::GET,
                "/admin/directory/v1/groups/g1/members",
                "maxResults=200",
            )
        };
        assert_eq!(strike(), None);
        assert_eq!(strike(), Some(Fault::ResetBefore));
        assert_eq!(strike(), None);
    }

    #[test]
    fn a_pattern_star_is_one_segment() {
        assert!(path_matches("/a/*/c", "/a/b/c"));
        assert!(!path_matches("/a/*", "/a/b/c"));
        assert!(path_matches("/a/**", "/a/b/c"));
    }
}
