//! Members and owners: reading them, adding one, removing one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Call;
use super::filter::Filterable as _;
use super::format::ObjectType;
use super::group_reads::{LIST_OPTIONS, check_advanced, needs_eventual, page, plain_count};
use super::query::Query;
use super::reply::{Answer, Refusal, Reply};
use super::state::{HeldGroup, Links, State};
use super::token::need;
use super::views;

/// The type that a cast segment names, in either spelling.
pub(super) fn cast(segment: &str) -> Result<ObjectType, Refusal> {
    match segment.strip_prefix("microsoft.").unwrap_or(segment) {
        "graph.user" => Ok(ObjectType::User),
        "graph.group" => Ok(ObjectType::Group),
        "graph.servicePrincipal" => Ok(ObjectType::ServicePrincipal),
        "graph.device" => Ok(ObjectType::Device),
        "graph.orgContact" => Ok(ObjectType::OrgContact),
        _ => Err(Refusal::segment(segment)),
    }
}

fn seen(state: &State, call: &Call<'_>, id: &str, set: &str) -> Result<Links, Refusal> {
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    let direct = |group: &HeldGroup| match set {
        "owners" => group.owners.seen(call.now_ms, state.lag).clone(),
        _ => group.members.seen(call.now_ms, state.lag).clone(),
    };
    let mut found = direct(group);
    if set == "transitiveMembers" {
        let mut entered = BTreeSet::from([group.properties.id.clone()]);
        let mut open: Vec<String> = nested(&found);
        while let Some(next) = open.pop() {
            if !entered.insert(next.clone()) {
                continue;
            }
            if let Some(group) = state.visible_group(&next, call.now_ms) {
                let links = direct(group);
                open.extend(nested(&links));
                found.extend(links);
            }
        }
        found.remove(&group.properties.id);
    }
    Ok(found)
}

fn nested(links: &Links) -> Vec<String> {
    links
        .iter()
        .filter(|(_, kind)| **kind == ObjectType::Group)
        .map(|(id, _)| id.clone())
        .collect()
}

/// `GET /groups/{id}/members`, `owners` and `transitiveMembers`, with or without a cast.
pub(super) fn list(state: &State, call: &Call<'_>, id: &str, set: &str, cast: Option<ObjectType>) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, LIST_OPTIONS)?;
    check_advanced(call, &query, None)?;
    refuse_unsimulated(&query)?;
    let known: &[&[&str]] = match cast {
        Some(ObjectType::User) => &[views::USER_PROPERTIES],
        Some(ObjectType::Group) => &[views::GROUP_PROPERTIES],
        _ => &[views::USER_PROPERTIES, views::GROUP_PROPERTIES],
    };
    let select = query.select(known, "microsoft.graph.directoryObject")?;
    let links: Vec<_> = seen(state, call, id, set)?
        .into_iter()
        .filter(|(_, kind)| cast.is_none_or(|wanted| wanted == *kind))
        .collect();
    let total = query.count()?.then_some(links.len());
    let context = match cast {
        Some(ObjectType::User) => "users",
        Some(ObjectType::Group) => "groups",
        _ => "directoryObjects",
    };
    page(
        call,
        &query,
        context,
        links.iter().map(|(id, kind)| (id.as_str(), (id, *kind))),
        total,
        |(id, kind)| views::object(state, id, kind, select.as_deref(), &call.caller),
    )
}

fn refuse_unsimulated(query: &Query) -> Result<(), Refusal> {
    for option in ["$filter", "$orderby"] {
        if query.get(option).is_some() {
            return Err(Refusal::query(format!(
                "The query option '{option}' is not simulated here."
            )));
        }
    }
    Ok(())
}

/// `GET .../$count`.
pub(super) fn count(state: &State, call: &Call<'_>, id: &str, set: &str, cast: Option<ObjectType>) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, &["$filter", "$search"])?;
    refuse_unsimulated(&query)?;
    needs_eventual(call)?;
    let number = seen(state, call, id, set)?
        .values()
        .filter(|kind| cast.is_none_or(|wanted| wanted == **kind))
        .count();
    Ok(plain_count(number))
}

/// `GET .../$ref`: the addresses alone.
pub(super) fn refs(state: &State, call: &Call<'_>, id: &str, set: &str) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, &["$top", "$skiptoken", "$count"])?;
    check_advanced(call, &query, None)?;
    let links = seen(state, call, id, set)?;
    page(
        call,
        &query,
        "Collection($ref)",
        links.iter().map(|(id, kind)| (id.as_str(), (id, *kind))),
        None,
        |(id, kind)| {
            // The contract gives text here, not objects with `@odata.id`.
            json!(format!(
                "{}/v1.0/directoryObjects/{id}/{}",
                call.origin,
                kind.odata().trim_start_matches('#')
            ))
        },
    )
}

/// `GET /users/{id}/memberOf` and `GET /groups/{id}/memberOf`.
pub(super) fn member_of(state: &State, call: &Call<'_>, key: &str, is_user: bool) -> Answer {
    call.caller.needs(need::READ_GROUPS)?;
    let query = Query::parse(call.raw_query, LIST_OPTIONS)?;
    check_advanced(call, &query, None)?;
    refuse_unsimulated(&query)?;
    let select = query.select(&[views::GROUP_PROPERTIES], HeldGroup::TYPE)?;
    let id = if is_user {
        call.caller.needs(need::READ_USERS)?;
        state
            .visible_user(key, call.now_ms)
            .map(|held| held.user.id.clone())
    } else {
        state
            .visible_group(key, call.now_ms)
            .map(|held| held.properties.id.clone())
    }
    .ok_or_else(|| Refusal::absent(key))?;
    let found: Vec<_> = state
        .groups
        .iter()
        .filter(|(_, group)| group.members.seen(call.now_ms, state.lag).contains_key(&id))
        .collect();
    page(
        call,
        &query,
        "directoryObjects",
        found.iter().map(|(id, _)| (id.as_str(), id.as_str())),
        None,
        |id| views::object(state, id, ObjectType::Group, select.as_deref(), &call.caller),
    )
}

/// Refuses writes to groups that Graph does not write, with its own messages.
pub(super) fn check_writable(group: &HeldGroup, call: &Call<'_>, is_membership: bool) -> Result<(), Refusal> {
    let properties = &group.properties;
    if properties.on_premises_sync_enabled == Some(true) {
        return Err(Refusal::bad(
            "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.",
        ));
    }
    if properties.mail_enabled && !group.is_unified() {
        return Err(Refusal::bad(
            "Cannot Update a mail-enabled security groups and or distribution list.",
        ));
    }
    if properties.is_assignable_to_role == Some(true) {
        call.caller.needs(need::WRITE_ROLE_GROUPS)?;
    }
    if properties.is_management_restricted == Some(true) {
        return Err(Refusal::denied());
    }
    if is_membership && group.is_dynamic() {
        // The refusal is documented, its wording is not.
        return Err(Refusal::bad(
            "Members of a group with dynamic membership cannot be added or removed.",
        ));
    }
    Ok(())
}

/// The object ID that a reference names: `https://graph.microsoft.com/v1.0/directoryObjects/{id}`, or
/// the same at the host that was asked.
pub(super) fn referenced(call: &Call<'_>, value: &Value) -> Result<String, Refusal> {
    let invalid = || {
        Refusal::new(
            400,
            "Request_BadRequest",
            "Invalid URL format specified in @odata.bind or @odata.id. Expected an absolute URL of a directory object.",
        )
    };
    let text = value.as_str().ok_or_else(invalid)?;
    let rest = ["https://graph.microsoft.com", call.origin]
        .iter()
        .find_map(|origin| text.strip_prefix(origin)?.strip_prefix('/'))
        .ok_or_else(invalid)?;
    let mut parts = rest.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("v1.0" | "beta"), Some("directoryObjects" | "users" | "groups"), Some(id), None)
            if !id.is_empty()
                && id
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || "._@%-".contains(letter)) =>
        {
            Ok(percent_encoding::percent_decode_str(id)
                .decode_utf8_lossy()
                .to_string())
        }
        _ => Err(invalid()),
    }
}

/// The one property of a `$ref` body.
fn reference_body(call: &Call<'_>) -> Result<String, Refusal> {
    let body: Map<String, Value> = call.json_body()?;
    if let Some(unknown) = body.keys().find(|name| name.as_str() != "@odata.id") {
        return Err(Refusal::invalid(
            unknown,
            format!("The property '{unknown}' is not expected in a reference."),
        ));
    }
    let value = body.get("@odata.id").ok_or_else(|| {
        Refusal::invalid(
            "@odata.id",
            "The property '@odata.id' is required in a reference.",
        )
    })?;
    referenced(call, value)
}

/// Resolves what is to be linked: users also by principal name.
pub(super) fn resolve(state: &State, call: &Call<'_>, key: &str) -> Result<(String, ObjectType), Refusal> {
    if let Some(kind) = state.kind_of(key, call.now_ms) {
        return Ok((key.to_owned(), kind));
    }
    if key.contains('@')
        && let Some(held) = state.visible_user(key, call.now_ms)
    {
        return Ok((held.user.id.clone(), ObjectType::User));
    }
    Err(Refusal::absent(key))
}

pub(super) fn already(set: &str) -> Refusal {
    Refusal::bad(format!(
        "One or more added object references already exist for the following modified properties: '{set}'."
    ))
}

/// `POST /groups/{id}/members/$ref`.
pub(super) fn add_member(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::WRITE_MEMBERS)?;
    let key = reference_body(call)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    check_writable(group, call, true)?;
    let member = resolve(state, call, &key)?;
    if group.members.truth().contains_key(&member.0) {
        return Err(already("members"));
    }
    let id = group.properties.id.clone();
    state.add_members(&id, &[member], call.now_ms);
    Ok(Reply::no_content())
}

/// `POST /groups/{id}/owners/$ref`.
pub(super) fn add_owner(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::WRITE_GROUPS)?;
    let key = reference_body(call)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    check_writable(group, call, false)?;
    let (owner, _) = resolve(state, call, &key)?;
    let id = group.properties.id.clone();
    if !state.add_owner(&id, &owner, call.now_ms) {
        return Err(already("owners"));
    }
    Ok(Reply::no_content())
}

/// `DELETE /groups/{id}/members/{member}/$ref`.
pub(super) fn remove_member(state: &mut State, call: &Call<'_>, id: &str, member: &str) -> Answer {
    call.caller.needs(need::WRITE_MEMBERS)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    check_writable(group, call, true)?;
    let id = group.properties.id.clone();
    if !state.remove_member(&id, member, call.now_ms) {
        return Err(Refusal::absent(member));
    }
    Ok(Reply::no_content())
}

/// `DELETE /groups/{id}/owners/{owner}/$ref`.
pub(super) fn remove_owner(state: &mut State, call: &Call<'_>, id: &str, owner: &str) -> Answer {
    call.caller.needs(need::WRITE_GROUPS)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    check_writable(group, call, false)?;
    if group.owners.truth().len() == 1 && group.owners.truth().contains_key(owner) {
        return Err(Refusal::bad(
            "The group must have at least one owner, hence this owner cannot be removed.",
        ));
    }
    let id = group.properties.id.clone();
    if !state.remove_owner(&id, owner, call.now_ms) {
        return Err(Refusal::absent(owner));
    }
    Ok(Reply::no_content())
}
