//! Reading groups: lists with filters and pages, single groups, and the recycle bin. The page logic that
//! all lists share is here too.

use serde_json::{Map, Value, json};

use super::Call;
use super::filter::{Filter, Filterable};
use super::query::{DEFAULT_PAGE, Query};
use super::reply::{Answer, Refusal, Reply};
use super::state::{HeldGroup, State};
use super::token::need;
use super::views;
use crate::faults::Fault;

/// The options that lists of directory objects know.
pub(super) const LIST_OPTIONS: &[&str] = &[
    "$filter",
    "$select",
    "$top",
    "$count",
    "$orderby",
    "$skiptoken",
    "$search",
    "$expand",
];
/// The options that single objects know.
pub(super) const ONE_OPTIONS: &[&str] = &["$select", "$expand"];

/// One page of a list whose items come in the order of their keys.
pub(super) fn page<'s, T>(
    call: &Call<'_>,
    query: &Query,
    context: &str,
    items: impl Iterator<Item = (&'s str, T)>,
    total: Option<usize>,
    view: impl Fn(T) -> Value,
) -> Answer {
    let after = query.cursor(call.path, "$skiptoken")?.unwrap_or_default();
    let mut size = query.top()?.unwrap_or(DEFAULT_PAGE);
    if let Some(Fault::ShortPage { items }) = call.fault {
        size = size.min(*items);
    }
    let (repeated, skipped) = match call.fault.filter(|_| !after.is_empty()) {
        Some(Fault::RepeatItems { count }) => (*count, 0),
        Some(Fault::SkipItems { count }) => (0, *count),
        _ => (0, 0),
    };
    let mut shown = Vec::new();
    let mut items = items.peekable();
    while let Some((_, item)) = items.next_if(|(key, _)| !after.is_empty() && *key <= after.as_str()) {
        if repeated > 0 {
            shown.push(view(item));
        }
    }
    shown.drain(..shown.len().saturating_sub(repeated));
    let mut rest = items.skip(skipped);
    let mut last = after.clone();
    for (key, item) in rest.by_ref().take(size) {
        key.clone_into(&mut last);
        shown.push(view(item));
    }
    let mut next = rest.next().is_some().then_some(last);
    match call.fault {
        Some(Fault::DropItems { count }) => {
            shown.truncate(shown.len().saturating_sub(*count));
            next = None;
        }
        Some(Fault::LoopPage) => next = Some(after),
        _ => {}
    }
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        json!(format!("{}/v1.0/$metadata#{context}", call.origin)),
    );
    if let Some(total) = total {
        body.insert("@odata.count".to_owned(), json!(total));
    }
    if let Some(next) = next {
        body.insert(
            "@odata.nextLink".to_owned(),
            json!(query.link(call.origin, call.path, "$skiptoken", &next)),
        );
    }
    body.insert("value".to_owned(), Value::Array(shown));
    Ok(Reply::ok(Value::Object(body)))
}

/// Refuses what is not simulated, and what advanced queries need but the request does not ask for.
pub(super) fn check_advanced(call: &Call<'_>, query: &Query, filter: Option<&Filter>) -> Result<(), Refusal> {
    for option in ["$search", "$expand"] {
        if query.get(option).is_some() {
            return Err(Refusal::query(format!(
                "The query option '{option}' is not simulated here."
            )));
        }
    }
    let count = query.count()?;
    let sorted_filter = query.get("$orderby").is_some() && filter.is_some();
    if filter.is_some_and(|filter| filter.advanced) || sorted_filter {
        if !(call.is_eventual() && count) {
            return Err(Refusal::query(
                "Operator or combination of query options is only supported with the 'ConsistencyLevel: eventual' header and the $count=true query parameter.",
            ));
        }
    } else if count && !call.is_eventual() {
        return Err(Refusal::bad(
            "$count is not currently supported without the 'ConsistencyLevel: eventual' header.",
        ));
    }
    Ok(())
}

fn parse_filter<T: Filterable>(query: &Query) -> Result<Option<Filter>, Refusal> {
    query.get("$filter").map(Filter::parse::<T>).transpose()
}

fn matching<'s>(
    state: &'s State,
    call: &Call<'_>,
    query: &Query,
) -> Result<Vec<(String, &'s HeldGroup)>, Refusal> {
    let filter = parse_filter::<HeldGroup>(query)?;
    check_advanced(call, query, filter.as_ref())?;
    let by_name = match query.get("$orderby") {
        None => false,
        Some("displayName" | "displayName asc") => true,
        Some(other) => {
            return Err(Refusal::query(format!(
                "Sorting by '{other}' is not supported for the resource 'Group'."
            )));
        }
    };
    let eventual = call.is_eventual();
    let mut found: Vec<_> = state
        .groups
        .iter()
        .filter(|(_, group)| state.is_visible(group.born_ms, call.now_ms, eventual))
        .filter(|(_, group)| filter.as_ref().is_none_or(|filter| filter.passes(*group)))
        .map(|(id, group)| {
            let key = if by_name {
                format!("{}\u{1}{id}", group.properties.display_name.to_lowercase())
            } else {
                id.clone()
            };
            (key, group)
        })
        .collect();
    if by_name {
        found.sort_by(|(left, _), (right, _)| left.cmp(right));
    }
    Ok(found)
}

/// `GET /groups`.
pub(super) fn list(state: &State, call: &Call<'_>) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, LIST_OPTIONS)?;
    let select = query.select(&[views::GROUP_PROPERTIES], HeldGroup::TYPE)?;
    let found = matching(state, call, &query)?;
    let total = query.count()?.then_some(found.len());
    page(
        call,
        &query,
        "groups",
        found.iter().map(|(key, group)| (key.as_str(), *group)),
        total,
        |group| Value::Object(views::group(group, select.as_deref(), None)),
    )
}

/// `GET /groups/$count`.
pub(super) fn count(state: &State, call: &Call<'_>) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, &["$filter", "$search"])?;
    needs_eventual(call)?;
    let filter = parse_filter::<HeldGroup>(&query)?;
    let number = state
        .groups
        .values()
        .filter(|group| state.is_visible(group.born_ms, call.now_ms, true))
        .filter(|group| filter.as_ref().is_none_or(|filter| filter.passes(*group)))
        .count();
    Ok(plain_count(number))
}

/// Refuses `/$count` without the header.
pub(super) fn needs_eventual(call: &Call<'_>) -> Result<(), Refusal> {
    if call.is_eventual() {
        Ok(())
    } else {
        Err(Refusal::bad("$count is not currently supported."))
    }
}

/// The answer to `/$count`: a number as plain text.
pub(super) fn plain_count(number: usize) -> Reply {
    let mut reply = Reply::no_content();
    reply.status = 200;
    reply.text = Some(number.to_string());
    reply
}

/// `GET /groups/{id}`.
pub(super) fn get(state: &State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, ONE_OPTIONS)?;
    check_advanced(call, &query, None)?;
    let select = query.select(&[views::GROUP_PROPERTIES], HeldGroup::TYPE)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    Ok(Reply::ok(entity(
        call,
        "groups/$entity",
        views::group(group, select.as_deref(), None),
    )))
}

/// A single object with its context.
pub(super) fn entity(call: &Call<'_>, context: &str, shown: Map<String, Value>) -> Value {
    let mut body = Map::new();
    body.insert(
        "@odata.context".to_owned(),
        json!(format!("{}/v1.0/$metadata#{context}", call.origin)),
    );
    body.extend(shown);
    Value::Object(body)
}

/// `GET /directory/deletedItems/microsoft.graph.group`.
pub(super) fn list_deleted(state: &State, call: &Call<'_>) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, &["$select", "$top", "$skiptoken"])?;
    let select = query.select(&[views::GROUP_PROPERTIES], HeldGroup::TYPE)?;
    page(
        call,
        &query,
        "groups",
        state.deleted.iter().map(|(id, held)| (id.as_str(), held)),
        None,
        |(group, at)| Value::Object(views::group(group, select.as_deref(), Some(*at))),
    )
}

/// `GET /directory/deletedItems/{id}`.
pub(super) fn get_deleted(state: &State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, ONE_OPTIONS)?;
    let select = query.select(&[views::GROUP_PROPERTIES], HeldGroup::TYPE)?;
    let (group, at) = state.deleted.get(id).ok_or_else(|| Refusal::absent(id))?;
    let mut shown = views::group(group, select.as_deref(), Some(*at));
    shown.insert("@odata.type".to_owned(), json!("#microsoft.graph.group"));
    Ok(Reply::ok(entity(call, "directoryObjects/$entity", shown)))
}
