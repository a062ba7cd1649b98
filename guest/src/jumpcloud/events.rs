//! JumpCloud's Directory Insights: what happened, and what of it a sync must look at. The query is the one read by POST
//! (R8). Events of a type that is not known and could concern groups, users, what they are bound to or directories ask for
//! a reading of everything: a change that is taken for none would be lost until the next one.
//!
//! Source: JumpCloud, Directory Insights API 1.0 (`POST /events`: ascending or descending by timestamp, paged by
//! `search_after`, the last page told by `X-Result-Count` below `X-Limit`, kept for 90 days).

use chrono::{DateTime, SecondsFormat};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pages::ends_the_run;
use crate::complete::{Collector, Next, Page};
use crate::failure::{Failure, FailureKind};
use crate::feed::{Change, Event};
use crate::http::{Answer, Call, Client};
use crate::plan::model::Reading;

const PATH: [&str; 4] = ["insights", "directory", "v1", "events"];
/// Events of a page.
const LIMIT: usize = 1_000;
/// Pages in one look; where more happened, reading everything is cheaper than reading what happened.
const MOST_PAGES: usize = 10;
/// Events asked for where only the newest are of interest.
const NEWEST: usize = 200;
const FIELDS: [&str; 5] = ["id", "timestamp", "event_type", "resource", "association"];

#[derive(Serialize)]
struct Query<'a> {
    service: [&'a str; 1],
    start_time: String,
    limit: usize,
    sort: &'a str,
    fields: [&'a str; 5],
    #[serde(skip_serializing_if = "Option::is_none")]
    search_after: Option<Vec<Value>>,
}

/// An event, as far as it is read. Unknown fields are ignored; whatever of these is missing or of another shape asks for
/// a reading of everything.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Record {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub timestamp: String,
    #[serde(default)]
    pub event_type: String,
    #[serde(default)]
    pub resource: Value,
    #[serde(default)]
    pub association: Value,
}

/// The newest events since a moment, newest first; as many as one page holds.
///
/// # Errors
/// Only what ends the run; all else makes the reading partial.
pub(super) async fn newest(
    client: &Client<'_>,
    directory: &str,
    from_ms: u64,
) -> Result<Reading<Vec<Event>>, Failure> {
    let mut collector = Collector::new("JumpCloud's latest events", |record: &Record| record.id.clone());
    match page(client, from_ms, "DESC", NEWEST, None).await {
        Ok((records, _)) => {
            // Whether more are older is of no interest.
            let _ = collector.feed(Page::new(records, Next::End));
        }
        Err(failure) => collector.fail(gap(failure)?),
    }
    Ok(finish(collector, directory))
}

/// All events since a moment, oldest first.
///
/// # Errors
/// Only what ends the run; all else makes the reading partial.
pub(super) async fn since(
    client: &Client<'_>,
    directory: &str,
    from_ms: u64,
) -> Result<Reading<Vec<Event>>, Failure> {
    let mut collector = Collector::new("JumpCloud's events", |record: &Record| record.id.clone());
    let mut after: Option<Vec<Value>> = None;
    for _ in 0..MOST_PAGES {
        match page(client, from_ms, "ASC", LIMIT, after.take()).await {
            Ok((records, next)) => {
                let token = match &next {
                    Some(next) => Next::Token(Value::Array(next.clone()).to_string()),
                    None => Next::End,
                };
                after = next;
                let _ = collector.feed(Page::new(records, token));
            }
            Err(failure) => collector.fail(gap(failure)?),
        }
        if collector.is_done() || after.is_none() {
            break;
        }
    }
    if after.is_some() && !collector.is_done() {
        collector.fail(format!("more than {} events happened", MOST_PAGES * LIMIT));
    }
    Ok(finish(collector, directory))
}

/// Why a page could not be had, for a person. That the feed is refused ends no run: everything can be read instead.
fn gap(failure: Failure) -> Result<String, Failure> {
    let refused = matches!(failure.kind, FailureKind::Unauthorized | FailureKind::Denied);
    if ends_the_run(&failure) && !refused {
        return Err(failure);
    }
    Ok(failure.to_string())
}

fn finish(collector: Collector<Record>, directory: &str) -> Reading<Vec<Event>> {
    let reading: Reading<Vec<Record>> = collector.finish().into();
    reading.map(|records| {
        records
            .into_iter()
            .map(|record| event(&record, directory))
            .collect()
    })
}

/// One page, and what the next is asked for with; none after the last.
async fn page(
    client: &Client<'_>,
    from_ms: u64,
    sort: &str,
    limit: usize,
    search_after: Option<Vec<Value>>,
) -> Result<(Vec<Record>, Option<Vec<Value>>), Failure> {
    let query = Query {
        service: ["directory"],
        start_time: written(from_ms),
        limit,
        sort,
        fields: FIELDS,
        search_after,
    };
    let call = Call::new(Method::POST, &PATH).json(&query).repeatable();
    let Some((records, answer)) = client.fetch_with_head::<Vec<Record>>(call, &[404]).await? else {
        return Err(Failure::new(
            FailureKind::Vendor,
            "POST /insights/directory/v1/events",
            "JumpCloud answers that there is no such feed (404). Check `events_url`.",
        ));
    };
    let number = |name: &str| answer.header(name)?.trim().parse::<usize>().ok();
    if number("x-result-count").is_some_and(|count| count != records.len()) {
        return Err(cut(&answer, "does not hold as many events as its head says"));
    }
    if let Some(odd) = records
        .iter()
        .find(|record| record.id.is_empty() || read(&record.timestamp).is_none())
    {
        return Err(cut(
            &answer,
            &format!("holds an event `{}` without an ID or a time", odd.event_type),
        ));
    }
    let limit = number("x-limit").unwrap_or(limit);
    if records.len() < limit {
        return Ok((records, None));
    }
    let next = answer
        .header("x-search_after")
        .and_then(|mark| serde_json::from_str::<Vec<Value>>(mark).ok())
        .filter(|mark| !mark.is_empty())
        .ok_or_else(|| cut(&answer, "is full and does not say where the next one begins"))?;
    Ok((records, Some(next)))
}

fn cut(answer: &Answer, what: &str) -> Failure {
    answer.failure(
        FailureKind::Vendor,
        "",
        format!("A page of JumpCloud's events {what}."),
    )
}

fn written(ms: u64) -> String {
    DateTime::from_timestamp_millis(i64::try_from(ms).unwrap_or(i64::MAX))
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn read(timestamp: &str) -> Option<u64> {
    let at = DateTime::parse_from_rfc3339(timestamp).ok()?;
    u64::try_from(at.timestamp_millis()).ok()
}

fn event(record: &Record, directory: &str) -> Event {
    Event {
        id: record.id.clone(),
        at_ms: read(&record.timestamp).unwrap_or_default(),
        changes: changes(record, directory),
    }
}

/// What an event concerns, for a connection to a directory. Pure.
pub(super) fn changes(record: &Record, directory: &str) -> Vec<Change> {
    let kind = record.event_type.to_ascii_lowercase();
    let unknown = |why: &str| vec![Change::Everything(format!("an event `{kind}` {why}"))];
    if kind.is_empty() {
        return unknown("has no type");
    }
    if HARMLESS.contains(&kind.as_str()) {
        return Vec::new();
    }
    let resource = text(&record.resource, &["id", "object_id"]);
    let resource_kind = text(&record.resource, &["type"]).to_ascii_lowercase();
    match kind.as_str() {
        "association_change" => associated(record, directory)
            .unwrap_or_else(|| unknown("does not say in a known way what was connected")),
        "group_create" | "group_update" if resource_kind == "system_group" => Vec::new(),
        "group_delete" if resource_kind == "system_group" => Vec::new(),
        "group_create" | "group_update" if !resource.is_empty() => vec![Change::Group(resource)],
        // Which groups it was nested in, nobody can be asked any more.
        "group_delete" => unknown("took a group away, and the groups that it was part of are not known"),
        "user_delete" if !resource.is_empty() => vec![Change::PersonGone(resource)],
        // Whatever it is, reading that person and their groups again covers it.
        _ if kind.starts_with("user_") && !resource.is_empty() && resource_kind != "user_group" => {
            vec![Change::Person(resource)]
        }
        _ if concerns(&kind) => {
            let other = matches!(resource_kind.as_str(), "g_suite" | "office_365")
                && !resource.is_empty()
                && resource != directory;
            if other {
                Vec::new()
            } else {
                unknown("may concern groups, people or directories, and this version does not know how")
            }
        }
        _ => Vec::new(),
    }
}

/// Types that happen often and change nothing that a sync looks at.
const HARMLESS: &[&str] = &[
    "admin_login_attempt",
    "admin_logout",
    "user_login_attempt",
    "user_logout",
    "user_mfa_attempt",
    "user_password_change",
    "user_password_reset_request",
    "user_password_set",
    "user_password_warning",
    "user_password_expired",
    "user_lockout",
    "user_unlocked",
    "user_sso_auth",
    "sso_auth",
    "idsource_user_lookup",
    "user_session_expired",
];

/// Words of which one is in the type of everything that could concern a sync.
fn concerns(kind: &str) -> bool {
    [
        "group",
        "user",
        "member",
        "association",
        "directory",
        "gsuite",
        "g_suite",
        "google",
        "office",
        "o365",
        "m365",
        "integration",
        "organization",
        "import",
        "bulk",
    ]
    .iter()
    .any(|word| kind.contains(word))
}

/// What a connection of two objects concerns; none where it is not told in a known way.
fn associated(record: &Record, directory: &str) -> Option<Vec<Change>> {
    let connection = record.association.get("connection")?;
    let end = |name: &str| {
        let end = connection.get(name)?;
        let kind = text(end, &["type"]).to_ascii_lowercase();
        let id = text(end, &["object_id", "id"]);
        (!kind.is_empty() && !id.is_empty()).then_some((kind, id))
    };
    let ends = [end("from")?, end("to")?];
    let mut changes = Vec::new();
    for (own, other) in [(0, 1), (1, 0)] {
        let ((kind, id), (other_kind, other_id)) = (ends.get(own)?, ends.get(other)?);
        let elsewhere = match other_kind.as_str() {
            "g_suite" | "office_365" => other_id != directory,
            "user" | "user_group" => false,
            known if NEVER_MEMBERS.contains(&known) => true,
            _ => return None,
        };
        match kind.as_str() {
            _ if elsewhere => {}
            "user_group" => changes.push(Change::Group(id.clone())),
            // A person's own tie to the directory can bring the ID that the source holds for them there (R31).
            "user" if other_kind != "user_group" => changes.push(Change::Person(id.clone())),
            _ => {}
        }
    }
    Some(changes)
}

/// Objects that can be connected with users and groups without changing who is in which group.
const NEVER_MEMBERS: &[&str] = &[
    "active_directory",
    "application",
    "command",
    "idp_routing_policy",
    "ldap_server",
    "password_manager_item",
    "policy",
    "policy_group",
    "radius_server",
    "software_app",
    "system",
    "system_group",
];

fn text(value: &Value, names: &[&str]) -> String {
    names
        .iter()
        .find_map(|name| value.get(name)?.as_str())
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
