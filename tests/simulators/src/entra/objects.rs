//! Users and directory objects: reading them, and the calls that would change a user, which are counted
//! whether or not they are let.

use http::Method;
use serde_json::{Value, json};

use super::Call;
use super::filter::{Filter, Filterable};
use super::format::{ObjectType, User};
use super::group_reads::{
    LIST_OPTIONS, ONE_OPTIONS, check_advanced, entity, needs_eventual, page, plain_count,
};
use super::query::Query;
use super::reply::{Answer, Refusal, Reply};
use super::state::State;
use super::token::need;
use super::{group_writes, views};

fn matching<'s>(
    state: &'s State,
    call: &Call<'_>,
    query: &Query,
) -> Result<Vec<(String, &'s User)>, Refusal> {
    let filter = query.get("$filter").map(Filter::parse::<User>).transpose()?;
    check_advanced(call, query, filter.as_ref())?;
    let by_name = match query.get("$orderby") {
        None => None,
        Some("displayName" | "displayName asc") => Some(false),
        Some("userPrincipalName" | "userPrincipalName asc") => Some(true),
        Some(other) => {
            return Err(Refusal::query(format!(
                "Sorting by '{other}' is not supported for the resource 'User'."
            )));
        }
    };
    let eventual = call.is_eventual();
    let mut found: Vec<_> = state
        .users
        .iter()
        .filter(|(_, held)| state.is_visible(held.born_ms, call.now_ms, eventual))
        .filter(|(_, held)| filter.as_ref().is_none_or(|filter| filter.passes(&held.user)))
        .map(|(id, held)| {
            let key = match by_name {
                None => id.clone(),
                Some(true) => held.user.user_principal_name.to_lowercase(),
                Some(false) => format!("{}\u{1}{id}", held.user.display_name.to_lowercase()),
            };
            (key, &held.user)
        })
        .collect();
    if by_name.is_some() {
        found.sort_by(|(left, _), (right, _)| left.cmp(right));
    }
    Ok(found)
}

/// `GET /users`.
pub(super) fn list_users(state: &State, call: &Call<'_>) -> Answer {
    call.caller.needs(need::READ_USERS)?;
    let query = Query::parse(call.raw_query, LIST_OPTIONS)?;
    let select = query.select(&[views::USER_PROPERTIES], User::TYPE)?;
    let found = matching(state, call, &query)?;
    let total = query.count()?.then_some(found.len());
    page(
        call,
        &query,
        "users",
        found.iter().map(|(key, user)| (key.as_str(), *user)),
        total,
        |user| Value::Object(views::user(user, select.as_deref())),
    )
}

/// `GET /users/$count`.
pub(super) fn count_users(state: &State, call: &Call<'_>) -> Answer {
    call.caller.needs(need::READ_USERS)?;
    let query = Query::parse(call.raw_query, &["$filter", "$search"])?;
    needs_eventual(call)?;
    let filter = query.get("$filter").map(Filter::parse::<User>).transpose()?;
    let number = state
        .users
        .values()
        .filter(|held| filter.as_ref().is_none_or(|filter| filter.passes(&held.user)))
        .count();
    Ok(plain_count(number))
}

/// `GET /users/{id or userPrincipalName}`.
pub(super) fn get_user(state: &State, call: &Call<'_>, key: &str) -> Answer {
    call.caller.needs(need::READ_USERS)?;
    let query = Query::parse(call.raw_query, ONE_OPTIONS)?;
    check_advanced(call, &query, None)?;
    let select = query.select(&[views::USER_PROPERTIES], User::TYPE)?;
    let held = state
        .visible_user(key, call.now_ms)
        .ok_or_else(|| Refusal::absent(key))?;
    Ok(Reply::ok(entity(
        call,
        "users/$entity",
        views::user(&held.user, select.as_deref()),
    )))
}

/// `GET /directoryObjects/{id}`.
pub(super) fn get(state: &State, call: &Call<'_>, id: &str) -> Answer {
    let query = Query::parse(call.raw_query, ONE_OPTIONS)?;
    check_advanced(call, &query, None)?;
    if !(call.caller.may(need::READ_USERS) || call.caller.may(need::READ_GROUPS)) {
        return Err(Refusal::denied());
    }
    let select = query.select(
        &[views::USER_PROPERTIES, views::GROUP_PROPERTIES],
        "microsoft.graph.directoryObject",
    )?;
    let kind = state
        .kind_of(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    let shown = views::object(state, id, kind, select.as_deref(), &call.caller);
    let shown = shown.as_object().cloned().unwrap_or_default();
    Ok(Reply::ok(entity(call, "directoryObjects/$entity", shown)))
}

/// `POST /directoryObjects/getByIds`: up to a thousand; those that are not there are left out.
pub(super) fn by_ids(state: &State, call: &Call<'_>) -> Answer {
    Query::parse(call.raw_query, &[])?;
    if !(call.caller.may(need::READ_USERS) || call.caller.may(need::READ_GROUPS)) {
        return Err(Refusal::denied());
    }
    let body = call.json_body()?;
    if let Some(name) = body.keys().find(|name| !matches!(name.as_str(), "ids" | "types")) {
        return Err(Refusal::invalid(
            name,
            format!("The parameter '{name}' is not a parameter of 'getByIds'."),
        ));
    }
    let texts = |name: &str| -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = body.get(name) else {
            return Ok(None);
        };
        value
            .as_array()
            .and_then(|list| list.iter().map(|text| text.as_str().map(str::to_owned)).collect())
            .map(Some)
            .ok_or_else(|| Refusal::invalid(name, format!("'{name}' must be a collection of text.")))
    };
    let ids = texts("ids")?.unwrap_or_default();
    if ids.is_empty() || ids.len() > 1000 {
        return Err(Refusal::bad(
            "The collection 'ids' must hold between 1 and 1000 values.",
        ));
    }
    let types = texts("types")?;
    let value: Vec<Value> = ids
        .iter()
        .filter_map(|id| state.kind_of(id, call.now_ms).map(|kind| (id, kind)))
        .filter(|(_, kind)| {
            types.as_ref().is_none_or(|types| {
                types.iter().any(|name| {
                    let name = name.strip_prefix("microsoft.graph.").unwrap_or(name);
                    name == "directoryObject" || kind.odata().ends_with(&format!(".{name}"))
                })
            })
        })
        .map(|(id, kind)| views::object(state, id, kind, None, &call.caller))
        .collect();
    Ok(Reply::ok(json!({
        "@odata.context": format!("{}/v1.0/$metadata#directoryObjects", call.origin),
        "value": value,
    })))
}

fn delete_user(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::WRITE_USERS)?;
    state.delete_user(id, call.now_ms);
    Ok(Reply::no_content())
}

/// Everything but a read under `/users`: counted; only a deletion has an effect.
pub(super) fn mutate_user(state: &mut State, call: &Call<'_>, key: Option<&str>) -> Answer {
    state.user_mutation_attempts = state.user_mutation_attempts.saturating_add(1);
    call.caller.needs(need::WRITE_USERS)?;
    let key = key.ok_or_else(|| Refusal::bad("Creating users is not simulated."))?;
    let id = state
        .visible_user(key, call.now_ms)
        .map(|held| held.user.id.clone())
        .ok_or_else(|| Refusal::absent(key))?;
    if call.method == Method::DELETE {
        return delete_user(state, call, &id);
    }
    Err(Refusal::bad("Changing users is not simulated."))
}

/// `PATCH` and `DELETE /directoryObjects/{id}`.
pub(super) fn mutate(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    match state.kind_of(id, call.now_ms) {
        Some(ObjectType::User) => mutate_user(state, call, Some(id)),
        Some(ObjectType::Group) if call.method == Method::DELETE => group_writes::delete(state, call, id),
        Some(_) => Err(Refusal::denied()),
        None => Err(Refusal::absent(id)),
    }
}

/// `DELETE /groups/{id}/members/{member}` without `$ref`: **deletes the user** where the application may
/// manage users. The most expensive slip that Graph offers.
pub(super) fn delete_through_group(state: &mut State, call: &Call<'_>, id: &str, member: &str) -> Answer {
    state.user_mutation_attempts = state.user_mutation_attempts.saturating_add(1);
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    match group.members.truth().get(member) {
        Some(ObjectType::User) => delete_user(state, call, member),
        Some(_) => Err(Refusal::new(
            400,
            "BadRequest",
            "Write requests are only supported on contained entities",
        )),
        None => Err(Refusal::absent(member)),
    }
}
