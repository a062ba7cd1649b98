//! Faults: what a simulated vendor does wrong, when, and how often.
//!
//! A fault is told by rules; a rule names the requests it strikes (vendor, method, path pattern) and
//! how many of them it lets pass first. Rules come from code, from a JSON file, or by name from the
//! [`catalogue`](crate::catalogue). What an altered answer looks like is [`edit`]'s.

pub mod edit;
mod kinds;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::Vendor;
use crate::google::http_date;
pub use kinds::Fault;

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

/// A rule of the catalogue's.
#[derive(Debug, Clone)]
pub struct NamedRule {
    /// The fault's name.
    pub name: &'static str,
    /// Whether only parts of batches are struck.
    pub only_parts: bool,
    /// The rule.
    pub rule: Rule,
}

/// A fault that strikes a request, and where to count it.
#[derive(Debug, Clone)]
pub struct Struck {
    /// What happens.
    pub fault: Fault,
    hits: Arc<AtomicU64>,
}

impl Struck {
    /// The same, where it strikes a part of a batch.
    pub(crate) fn of_part(self) -> Self {
        Self {
            fault: self.fault.of_part(),
            ..self
        }
    }
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
    rules: Vec<InForce>,
    earlier: BTreeMap<&'static str, u64>,
    clocks: BTreeMap<Vendor, i64>,
}

#[derive(Debug, Clone)]
struct InForce {
    name: Option<&'static str>,
    only_parts: bool,
    rule: Rule,
    matched: u32,
    hits: Arc<AtomicU64>,
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a rule; the first that matches a request strikes.
    pub fn add(&mut self, rule: Rule) {
        self.push(None, false, rule);
    }

    /// Adds the rules of a fault of the catalogue: what they strike is counted under its name.
    pub fn add_named(&mut self, rules: impl IntoIterator<Item = NamedRule>) {
        for named in rules {
            self.push(Some(named.name), named.only_parts, named.rule);
        }
    }

    fn push(&mut self, name: Option<&'static str>, only_parts: bool, rule: Rule) {
        self.rules.push(InForce {
            name,
            only_parts,
            rule,
            matched: 0,
            hits: Arc::default(),
        });
    }

    /// Sets a vendor's clock ahead by so many milliseconds, or behind.
    pub fn set_clock(&mut self, vendor: Vendor, ahead_ms: i64) {
        self.clocks.insert(vendor, ahead_ms);
    }

    /// What time a vendor takes it to be.
    pub fn clock(&self, vendor: Vendor, now_ms: u64) -> u64 {
        let ahead_ms = self.clocks.get(&vendor).copied().unwrap_or(0);
        now_ms.saturating_add_signed(ahead_ms)
    }

    /// Removes all rules. What they struck stays counted.
    pub fn clear(&mut self) {
        self.earlier = self.struck();
        self.rules.clear();
    }

    /// The rules in force, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|in_force| &in_force.rule)
    }

    /// How many answers each name's rules have changed so far. A strike that left the answer as it was (a list
    /// fault on what is no list, say) does not count.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = self.earlier.clone();
        for in_force in &self.rules {
            if let Some(name) = in_force.name {
                *counts.entry(name).or_default() += in_force.hits.load(Ordering::Relaxed);
            }
        }
        counts
    }

    /// Which fault strikes this request, if any; counts the match. `path` is without query.
    pub fn strike(&mut self, vendor: Vendor, method: &Method, path: &str, query: &str) -> Option<Struck> {
        self.find(vendor, method, path, query, false)
    }

    /// The same for a part of a batch.
    pub(crate) fn strike_part(
        &mut self,
        vendor: Vendor,
        method: &Method,
        path: &str,
        query: &str,
    ) -> Option<Struck> {
        self.find(vendor, method, path, query, true).map(Struck::of_part)
    }

    fn find(
        &mut self,
        vendor: Vendor,
        method: &Method,
        path: &str,
        query: &str,
        in_batch: bool,
    ) -> Option<Struck> {
        for in_force in &mut self.rules {
            let rule = &in_force.rule;
            let hit = rule.vendor == vendor
                && (in_batch || !in_force.only_parts)
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
            in_force.matched = in_force.matched.saturating_add(1);
            let struck = in_force.matched.saturating_sub(rule.skip);
            if struck >= 1 && rule.times.is_none_or(|times| struck <= times) {
                return Some(Struck {
                    fault: rule.fault.clone(),
                    hits: Arc::clone(&in_force.hits),
                });
            }
        }
        None
    }

    /// Runs one request under the faults in force: `serve` answers it and takes effect, unless the
    /// fault says that it does not. Faults that the vendor has to carry out reach `serve` as its argument;
    /// where one strikes a read, it is served twice, to know whether the fault made a difference.
    pub fn around(
        struck: Option<Struck>,
        now_ms: u64,
        is_read: bool,
        mut serve: impl FnMut(Option<&Fault>) -> Response<Bytes>,
    ) -> Response<Bytes> {
        let Some(Struck { fault, hits }) = struck else {
            return serve(None);
        };
        let count = || hits.fetch_add(1, Ordering::Relaxed);
        if let Fault::Edit { how } = &fault {
            let (response, changed) = how.apply(serve(None));
            if changed {
                count();
            }
            return response;
        }
        if fault.is_vendors() {
            let honest = is_read.then(|| serve(None));
            let response = serve(Some(&fault));
            if honest.is_none_or(|honest| differ(&honest, &response)) {
                count();
            }
            return response;
        }
        count();
        match fault {
            Fault::Answer {
                status,
                headers,
                body,
                content_type,
            } => {
                let body = Bytes::from(body);
                with_headers(plain(status, body, &content_type), headers)
            }
            Fault::AnswerBytes {
                status,
                headers,
                base64,
                content_type,
            } => {
                let body = STANDARD.decode(base64.as_bytes()).unwrap_or_default().into();
                with_headers(plain(status, body, &content_type), headers)
            }
            Fault::AnswerAfter { status, body } => {
                let _effect = serve(None);
                plain(status, body.into(), "application/json")
            }
            Fault::RefusedUntil {
                status,
                wait_ms,
                skew_ms,
            } => {
                let now_ms = now_ms.saturating_add_signed(skew_ms);
                let headers = [("date", now_ms), ("retry-after", now_ms.saturating_add(wait_ms))];
                let headers = headers.map(|(name, at_ms)| (name.to_owned(), http_date(at_ms)));
                with_headers(plain(status, Bytes::new(), "text/plain"), headers.into())
            }
            Fault::Status { status } => {
                let mut response = serve(None);
                *response.status_mut() =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                response
            }
            Fault::ResetBefore => disrupted(nothing(), Disruption::Reset),
            Fault::LateEffect { ms } => disrupted(nothing(), Disruption::Later(ms)),
            Fault::ResetAfter => disrupted(serve(None), Disruption::Reset),
            Fault::Truncate { after } => disrupted(serve(None), Disruption::Truncate(after)),
            Fault::Delay { ms } => disrupted(serve(None), Disruption::Delay(ms)),
            // Dealt with above.
            other => serve(Some(&other)),
        }
    }
}

/// Whether a client sees a difference: in the status, the body, or where the next page is.
fn differ(one: &Response<Bytes>, other: &Response<Bytes>) -> bool {
    one.status() != other.status()
        || one.body() != other.body()
        || one.headers().get(header::LINK) != other.headers().get(header::LINK)
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
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn plain(status: u16, body: Bytes, content_type: &str) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
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
            faults
                .strike(
                    Vendor::Google,
                    &Method::GET,
                    "/admin/directory/v1/groups/g1/members",
                    "maxResults=200",
                )
                .map(|struck| struck.fault)
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
