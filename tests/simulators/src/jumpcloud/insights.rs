//! Directory Insights: what happened, as events that can be asked for by time, text and terms.

use std::cmp::Reverse;

use serde::Deserialize;
use serde_json::{Value, json};

use super::JumpcloudSimulator;
use super::answer::{Answer, Refusal, ok, set_header};
use super::endpoints::Call;
use super::query::project;
use super::time;
use crate::faults::Fault;

/// Events of an answer where `limit` says nothing, and the most that it may say.
const DEFAULT_LIMIT: usize = 1000;
const MAXIMUM_LIMIT: usize = 10_000;

/// How long events are kept: 90 days.
const RETENTION_MS: u64 = 90 * 86_400_000;

/// The services that may be asked for.
const SERVICES: &[&str] = &[
    "alerts",
    "all",
    "directory",
    "ldap",
    "mdm",
    "notifications",
    "object_storage",
    "password_manager",
    "radius",
    "reports",
    "saas_app_management",
    "software",
    "sso",
    "systems",
    "access_management",
    "asset_management",
];

/// Everything that was recorded.
#[derive(Default)]
pub(super) struct Events {
    all: Vec<Event>,
    lost: u64,
}

struct Event {
    at_ms: u64,
    visible_from_ms: u64,
    id: String,
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventQuery {
    service: Vec<String>,
    start_time: String,
    #[serde(default)]
    end_time: Option<String>,
    #[serde(default)]
    exact_match: Option<String>,
    #[serde(default)]
    fields: Option<Vec<String>>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    q: Option<String>,
    #[serde(default)]
    search_after: Option<Vec<Value>>,
    #[serde(default)]
    search_term: Option<SearchTerm>,
    #[serde(default)]
    skip: usize,
    #[serde(default)]
    sort: Option<String>,
}

/// One of `and`, `or`, `not`, each an object of terms or a list of such objects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchTerm {
    #[serde(default)]
    and: Option<Value>,
    #[serde(default)]
    or: Option<Value>,
    #[serde(default)]
    not: Option<Value>,
}

impl JumpcloudSimulator {
    /// Records an event at the present time; `details` are the members that its type adds.
    pub(super) fn record(&mut self, event_type: &str, details: Value) {
        let number = self.events.all.len() as u64 + self.events.lost + 1;
        let id = format!("{number:024x}");
        let mut body = json!({
            "@version": "1",
            "id": id,
            "event_type": event_type,
            "service": "directory",
            "organization": self.organisation.organisation_id,
            "timestamp": time::written(self.now_ms),
            "initiated_by": {"type": "admin", "email": "admin@example.com"},
            "client_ip": "192.0.2.1",
            "success": true,
        });
        if let (Some(body), Value::Object(details)) = (body.as_object_mut(), details) {
            body.extend(details);
        }
        let behaviour = &self.organisation.behaviour;
        if behaviour.events_lost_every > 0 && number.is_multiple_of(behaviour.events_lost_every) {
            self.events.lost += 1;
            return;
        }
        let late = number.is_multiple_of(behaviour.events_late_every.max(1));
        let delay = if late { behaviour.events_late_ms } else { 0 };
        self.events.all.push(Event {
            at_ms: self.now_ms,
            visible_from_ms: self.now_ms.saturating_add(delay),
            id,
            body,
        });
    }

    /// `POST /events`, the newest first unless `sort` is `ASC`.
    pub(super) fn events(&mut self, call: &Call<'_>) -> Answer {
        let query: EventQuery = call.json()?;
        let descending = match query.sort.as_deref() {
            None | Some("DESC") => true,
            Some("ASC") => false,
            Some(_) => return Err(Refusal::bad_request("sort must be ASC or DESC")),
        };
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 || limit > MAXIMUM_LIMIT {
            return Err(Refusal::bad_request(format!(
                "limit must be between 1 and {MAXIMUM_LIMIT}"
            )));
        }
        // The last page is told by a count below the limit, so a page that is short although more follow
        // is one whose limit the server lowered.
        let limit = match call.fault {
            Some(Fault::ShortPage { items }) => limit.min((*items).max(1)),
            _ => limit,
        };
        let looping = matches!(call.fault, Some(Fault::LoopPage));
        let after = query.search_after.as_deref().map(read_mark).transpose()?;
        let mut found = self.matching(&query)?;
        if descending {
            found.sort_by_key(|event| Reverse(mark(event)));
        } else {
            found.sort_by_key(|event| mark(event));
        }
        if let Some((at_ms, id)) = after.filter(|_| !looping) {
            let after = (at_ms, id.as_str());
            found.retain(|event| {
                if descending {
                    mark(event) < after
                } else {
                    mark(event) > after
                }
            });
        }
        if let Some(Fault::DropItems { count }) = call.fault {
            found.truncate(found.len().saturating_sub(*count));
        }
        let mut page: Vec<&Event> = found.into_iter().skip(query.skip).take(limit).collect();
        match call.fault {
            Some(Fault::RepeatItems { count }) => {
                let again: Vec<&Event> = page.iter().take(*count).copied().collect();
                page.extend(again);
            }
            Some(Fault::SkipItems { count }) => {
                page.drain(..(*count).min(page.len()));
            }
            _ => {}
        }
        let bodies = page.iter().map(|event| {
            let mut body = event.body.clone();
            let fields: Option<Vec<&str>> = query
                .fields
                .as_ref()
                .map(|fields| fields.iter().map(String::as_str).collect());
            project(&mut body, fields.as_deref());
            body
        });
        let mut response = ok(&Value::Array(bodies.collect()));
        // The mark is sent even with the last page; only the two counts tell that it is the last.
        let next = page.last().map_or_else(
            || json!(query.search_after.clone().unwrap_or_default()),
            |event| json!([event.at_ms.to_string(), event.id]),
        );
        set_header(&mut response, "x-result-count", &page.len().to_string());
        set_header(&mut response, "x-limit", &limit.to_string());
        set_header(&mut response, "x-sort", if descending { "DESC" } else { "ASC" });
        set_header(&mut response, "x-search_after", &next.to_string());
        Ok(response)
    }

    /// `POST /events/count`.
    pub(super) fn count_events(&mut self, call: &Call<'_>) -> Answer {
        let query: EventQuery = call.json()?;
        Ok(ok(&json!({"count": self.matching(&query)?.len()})))
    }

    fn matching(&self, query: &EventQuery) -> Result<Vec<&Event>, Refusal> {
        let point = |text: &str, name: &str| {
            time::read(text)
                .ok_or_else(|| Refusal::bad_request(format!("{name} must be an RFC 3339 time, not {text:?}")))
        };
        if let Some(other) = query
            .service
            .iter()
            .find(|name| !SERVICES.contains(&name.as_str()))
        {
            return Err(Refusal::bad_request(format!("unknown service: {other}")));
        }
        if query.service.is_empty() {
            return Err(Refusal::bad_request("service is required"));
        }
        let from = point(&query.start_time, "start_time")?.max(self.now_ms.saturating_sub(RETENTION_MS));
        let to = query
            .end_time
            .as_deref()
            .map(|text| point(text, "end_time"))
            .transpose()?;
        let asked = query
            .service
            .iter()
            .any(|name| name == "directory" || name == "all");
        let mut found = Vec::new();
        for event in self.events.all.iter().filter(|_| asked) {
            let in_time = event.at_ms >= from && to.is_none_or(|to| event.at_ms <= to);
            let fits = in_time
                && event.visible_from_ms <= self.now_ms
                && query
                    .q
                    .as_deref()
                    .is_none_or(|text| mentions(&event.body, text, false))
                && query
                    .exact_match
                    .as_deref()
                    .is_none_or(|text| mentions(&event.body, text, true));
            if fits
                && query
                    .search_term
                    .as_ref()
                    .map_or(Ok(true), |term| term.holds(&event.body))?
            {
                found.push(event);
            }
        }
        Ok(found)
    }
}

fn mark(event: &Event) -> (u64, &str) {
    (event.at_ms, &event.id)
}

/// Reads `search_after`: strings by the published schema, though a number is taken as well.
fn read_mark(values: &[Value]) -> Result<(u64, String), Refusal> {
    let malformed = || Refusal::bad_request("search_after must be the value of the X-Search_after header");
    let [at, id] = values else {
        return Err(malformed());
    };
    let at = match at {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    match (at, id) {
        (Some(at), Value::String(id)) => Ok((at, id.clone())),
        _ => Err(malformed()),
    }
}

/// Whether any text of the event is, or contains, the one wanted.
fn mentions(body: &Value, wanted: &str, exact: bool) -> bool {
    match body {
        Value::String(text) if exact => text == wanted,
        Value::String(text) => text.to_lowercase().contains(&wanted.to_lowercase()),
        Value::Array(items) => items.iter().any(|item| mentions(item, wanted, exact)),
        Value::Object(members) => members.values().any(|value| mentions(value, wanted, exact)),
        _ => false,
    }
}

impl SearchTerm {
    fn holds(&self, body: &Value) -> Result<bool, Refusal> {
        let (terms, any, wanted) = match (&self.and, &self.or, &self.not) {
            (Some(terms), None, None) => (terms, false, true),
            (None, Some(terms), None) => (terms, true, true),
            (None, None, Some(terms)) => (terms, true, false),
            _ => return Err(Refusal::bad_request("search_term must hold one of and, or, not")),
        };
        let objects: Vec<&Value> = match terms {
            Value::Array(objects) => objects.iter().collect(),
            object => vec![object],
        };
        let mut outcomes = Vec::new();
        for object in objects {
            let Value::Object(object) = object else {
                return Err(Refusal::bad_request("a search term must be an object"));
            };
            for (field, value) in object {
                outcomes.push(match field.as_str() {
                    "and" | "or" | "not" => nested(field, value)?.holds(body)?,
                    _ => is_one_of(body, field, value),
                });
            }
        }
        let holds = if any {
            outcomes.contains(&true)
        } else {
            !outcomes.contains(&false)
        };
        Ok(holds == wanted)
    }
}

fn nested(name: &str, terms: &Value) -> Result<SearchTerm, Refusal> {
    serde_json::from_value(json!({name: terms}))
        .map_err(|error| Refusal::bad_request(format!("invalid search_term: {error}")))
}

/// Whether the field (its members separated by dots) has the value, or one of the values.
fn is_one_of(body: &Value, field: &str, wanted: &Value) -> bool {
    let found = field.split('.').try_fold(body, |value, name| value.get(name));
    match (found, wanted) {
        (Some(found), Value::Array(wanted)) => wanted.contains(found),
        (Some(found), wanted) => found == wanted,
        (None, _) => false,
    }
}
