//! The change feed of groups: a first round that gives everything, then rounds that give what changed
//! since. One group can come several times, its members in portions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Call;
use super::filter::Filter;
use super::format::ObjectType;
use super::query::{DEFAULT_PAGE, Query};
use super::reply::{Answer, Refusal, Reply};
use super::state::{HeldGroup, State, What};
use super::token::need;
use super::views;
use crate::faults::Fault;

/// How long a mark can be used.
const TOKEN_LIFE_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Members on one page, over all its groups.
const MEMBERS_ON_PAGE: usize = 500;
const OPTIONS: &[&str] = &[
    "$select",
    "$top",
    "$filter",
    "$expand",
    "$skiptoken",
    "$deltatoken",
];

/// Where a round is: which changes it covers and what it has given.
struct Round {
    /// The first change not yet told; none in a first round.
    since: Option<usize>,
    /// The first change of the next round.
    until: usize,
    issued_ms: u64,
    group: String,
    member: String,
}

impl Round {
    fn write(&self) -> String {
        let since = self
            .since
            .map_or_else(|| "all".to_owned(), |since| since.to_string());
        format!(
            "{since}/{}/{}/{}/{}",
            self.until, self.issued_ms, self.group, self.member
        )
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let since = match parts.next()? {
            "all" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Self {
            since,
            until: parts.next()?.parse().ok()?,
            issued_ms: parts.next()?.parse().ok()?,
            group: parts.next()?.to_owned(),
            member: parts.next()?.to_owned(),
        })
    }
}

/// What is told of one group.
#[derive(Default)]
struct Told {
    properties: bool,
    removed: Option<&'static str>,
    members: BTreeMap<String, ObjectType>,
}

fn resync(call: &Call<'_>, query: &Query, code: &'static str) -> Refusal {
    let mut location = format!("{}{}", call.origin, call.path);
    for (index, name) in ["$select", "$expand", "$filter", "$top"].iter().enumerate() {
        if let Some(value) = query.get(name) {
            location.push(if index == 0 || !location.contains('?') {
                '?'
            } else {
                '&'
            });
            let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            location.push_str(&format!("{name}={value}"));
        }
    }
    Refusal::new(
        410,
        code,
        "The sync state is expired or unknown. A full resync is required.",
    )
    .with("location", location)
}

/// `GET /groups/delta`.
pub(super) fn read(state: &State, call: &Call<'_>) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, OPTIONS)?;
    let (select, with_members) = selection(&query)?;
    let wanted =
        match query.get("$filter") {
            None => None,
            Some(text) => Some(Filter::parse::<HeldGroup>(text)?.ids.ok_or_else(|| {
                Refusal::query("The delta query's $filter can only name objects by 'id eq'.")
            })?),
        };
    let round = round(state, call, &query)?;
    let mut told = match round.since {
        None => everything(state),
        Some(since) => {
            // A feed may tell again what it has told.
            let again = match call.fault {
                Some(Fault::RepeatItems { count }) => *count,
                _ => 0,
            };
            changed(state, since.saturating_sub(again), round.until)
        }
    };
    if let Some(ids) = &wanted {
        told.retain(|id, _| ids.contains(id));
    }
    let mut size = query.top()?.unwrap_or(DEFAULT_PAGE);
    if let Some(Fault::ShortPage { items }) = call.fault {
        size = (*items).max(1);
    }
    let mut value: Vec<Value> = Vec::new();
    let mut room = MEMBERS_ON_PAGE;
    let mut next: Option<(String, String)> = None;
    for (id, told) in told.range(round.group.clone()..) {
        let after = if *id == round.group {
            round.member.as_str()
        } else {
            ""
        };
        if value.len() >= size || room == 0 {
            next = next.or_else(|| Some((id.clone(), after.to_owned())));
            break;
        }
        let (shown, stopped_at) = show(state, id, told, after, select.as_deref(), with_members, &mut room);
        if let Some(shown) = shown {
            value.push(shown);
        }
        if let Some(member) = stopped_at {
            next = Some((id.clone(), member));
            break;
        }
    }
    if let Some(Fault::DropItems { count }) = call.fault {
        value.truncate(value.len().saturating_sub(*count));
        next = None;
    }
    if matches!(call.fault, Some(Fault::LoopPage)) {
        next = Some((round.group.clone(), round.member.clone()));
    }
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        json!(format!("{}/v1.0/$metadata#groups", call.origin)),
    );
    match next {
        Some((group, member)) => {
            let mark = Round {
                group,
                member,
                ..round
            }
            .write();
            body.insert(
                "@odata.nextLink".to_owned(),
                json!(query.link(call.origin, call.path, "$skiptoken", &mark)),
            );
        }
        None => {
            let mark = Round {
                since: Some(round.until),
                until: 0,
                issued_ms: call.now_ms,
                group: String::new(),
                member: String::new(),
            }
            .write();
            body.insert(
                "@odata.deltaLink".to_owned(),
                json!(query.link(call.origin, call.path, "$deltatoken", &mark)),
            );
        }
    }
    body.insert("value".to_owned(), Value::Array(value));
    Ok(Reply::ok(Value::Object(body)))
}

/// The properties asked for, and whether members are.
fn selection(query: &Query) -> Result<(Option<Vec<String>>, bool), Refusal> {
    let mut known = vec!["members", "owners"];
    known.extend_from_slice(views::GROUP_PROPERTIES);
    let select = query.select(&[&known], "microsoft.graph.group")?;
    let expanded = match query.get("$expand") {
        None => false,
        Some("members") => true,
        Some(other) => {
            return Err(Refusal::query(format!(
                "'$expand={other}' is not supported by the delta query."
            )));
        }
    };
    let with_members = expanded
        || select
            .as_ref()
            .is_some_and(|names| names.iter().any(|name| name == "members"));
    let select = select.map(|names| {
        names
            .into_iter()
            .filter(|name| !matches!(name.as_str(), "members" | "owners"))
            .collect()
    });
    Ok((select, with_members))
}

/// The round that this request starts or goes on with.
fn round(state: &State, call: &Call<'_>, query: &Query) -> Result<Round, Refusal> {
    let horizon = call.now_ms.saturating_sub(state.lag.read_ms);
    // The feed lags as reads do: what is younger is told by the next round.
    let settled = state.changes.partition_point(|change| change.at_ms <= horizon);
    if query.get("$deltatoken") == Some("latest") {
        return Ok(Round {
            since: Some(settled),
            until: settled,
            issued_ms: call.now_ms,
            group: String::new(),
            member: String::new(),
        });
    }
    let unknown = |_| resync(call, query, "syncStateNotFound");
    if let Some(mark) = query.cursor(call.path, "$deltatoken").map_err(unknown)? {
        let mark = Round::read(&mark).ok_or_else(|| resync(call, query, "syncStateNotFound"))?;
        if call.now_ms.saturating_sub(mark.issued_ms) > TOKEN_LIFE_MS {
            return Err(resync(call, query, "resyncRequired"));
        }
        let since = mark.since.unwrap_or_default();
        return Ok(Round {
            until: settled.max(since),
            issued_ms: call.now_ms,
            ..mark
        });
    }
    match query.cursor(call.path, "$skiptoken").map_err(unknown)? {
        Some(mark) => Round::read(&mark).ok_or_else(|| resync(call, query, "syncStateNotFound")),
        None => Ok(Round {
            since: None,
            until: settled,
            issued_ms: call.now_ms,
            group: String::new(),
            member: String::new(),
        }),
    }
}

fn everything(state: &State) -> BTreeMap<String, Told> {
    state
        .groups
        .iter()
        .map(|(id, group)| {
            let told = Told {
                properties: true,
                removed: None,
                members: group.members.truth().clone(),
            };
            (id.clone(), told)
        })
        .collect()
}

fn changed(state: &State, since: usize, until: usize) -> BTreeMap<String, Told> {
    let mut found: BTreeMap<String, Told> = BTreeMap::new();
    let count = until.saturating_sub(since);
    for change in state.changes.iter().skip(since).take(count) {
        let told = found.entry(change.group.clone()).or_default();
        match &change.what {
            What::Properties => told.properties = true,
            What::Member(id, kind) => {
                told.members.insert(id.clone(), *kind);
            }
            What::Deleted => told.removed = Some("changed"),
            What::Purged => told.removed = Some("deleted"),
        }
    }
    // A group that was restored since is there again.
    let there: BTreeSet<&String> = state.groups.keys().collect();
    for (id, told) in &mut found {
        if there.contains(id) {
            told.removed = None;
        } else {
            told.removed = told.removed.or(Some("changed"));
        }
    }
    found
}

/// One group's entry, and where its members stopped for want of room.
fn show(
    state: &State,
    id: &str,
    told: &Told,
    after: &str,
    select: Option<&[String]>,
    with_members: bool,
    room: &mut usize,
) -> (Option<Value>, Option<String>) {
    if let Some(reason) = told.removed {
        return (Some(json!({"id": id, "@removed": {"reason": reason}})), None);
    }
    let Some(group) = state.groups.get(id) else {
        return (None, None);
    };
    let mut shown = if told.properties {
        views::group(group, select, None)
    } else {
        Map::new()
    };
    shown.insert("id".to_owned(), json!(id));
    if !with_members {
        return (told.properties.then_some(Value::Object(shown)), None);
    }
    let mut members = Vec::new();
    let mut stopped_at = None;
    let mut last = after.to_owned();
    for (member, kind) in told.members.iter().filter(|(member, _)| member.as_str() > after) {
        if *room == 0 {
            stopped_at = Some(last);
            break;
        }
        *room = room.saturating_sub(1);
        member.clone_into(&mut last);
        let mut entry = json!({"@odata.type": kind.odata(), "id": member});
        if !group.members.truth().contains_key(member)
            && let Some(map) = entry.as_object_mut()
        {
            map.insert("@removed".to_owned(), json!({"reason": "deleted"}));
        }
        members.push(entry);
    }
    if !members.is_empty() {
        shown.insert("members@delta".to_owned(), Value::Array(members));
    }
    (Some(Value::Object(shown)), stopped_at)
}
