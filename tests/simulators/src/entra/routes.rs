//! Which path and method go where. A path that the contract does not list is refused here.

use http::Method;

use super::reply::{Answer, Refusal};
use super::state::State;
use super::{Call, delta, group_reads, group_writes, links, objects};

/// Serves one authenticated call.
pub(super) fn serve(state: &mut State, call: &Call<'_>) -> Answer {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if let ["users", ..] = segments.as_slice()
        && call.method != Method::GET
    {
        return objects::mutate_user(state, call, segments.get(1).copied());
    }
    let method = call.method.as_str();
    match (method, segments.as_slice()) {
        ("GET", ["groups"]) => group_reads::list(state, call),
        ("POST", ["groups"]) => group_writes::create(state, call),
        ("GET", ["groups", "$count"]) => group_reads::count(state, call),
        (
            "GET",
            [
                "groups",
                "delta" | "delta()" | "microsoft.graph.delta()" | "microsoft.graph.delta",
            ],
        ) => delta::read(state, call),
        (
            "POST",
            [
                "groups" | "directoryObjects",
                "getByIds" | "microsoft.graph.getByIds",
            ],
        ) => objects::by_ids(state, call),
        (_, [one]) if one.starts_with("groups(") => by_key(state, call, one),
        ("GET", ["groups", id]) => group_reads::get(state, call, id),
        ("PATCH", ["groups", id]) => group_writes::update(state, call, id),
        ("DELETE", ["groups", id]) => group_writes::delete(state, call, id),
        ("GET", ["groups", id, set @ ("members" | "owners" | "transitiveMembers")]) => {
            links::list(state, call, id, set, None)
        }
        (
            "GET",
            [
                "groups",
                id,
                set @ ("members" | "owners" | "transitiveMembers"),
                "$count",
            ],
        ) => links::count(state, call, id, set, None),
        ("GET", ["groups", id, set @ ("members" | "owners"), "$ref"]) => links::refs(state, call, id, set),
        ("POST", ["groups", id, "members", "$ref"]) => links::add_member(state, call, id),
        ("POST", ["groups", id, "owners", "$ref"]) => links::add_owner(state, call, id),
        ("DELETE", ["groups", id, "members", member, "$ref"]) => {
            links::remove_member(state, call, id, member)
        }
        ("DELETE", ["groups", id, "owners", owner, "$ref"]) => links::remove_owner(state, call, id, owner),
        ("DELETE", ["groups", id, "members", member]) => {
            objects::delete_through_group(state, call, id, member)
        }
        (
            "GET",
            [
                "groups",
                id,
                set @ ("members" | "owners" | "transitiveMembers"),
                cast,
            ],
        ) => links::list(state, call, id, set, Some(links::cast(cast)?)),
        (
            "GET",
            [
                "groups",
                id,
                set @ ("members" | "transitiveMembers"),
                cast,
                "$count",
            ],
        ) => links::count(state, call, id, set, Some(links::cast(cast)?)),
        // What a client gets that forgets `$ref`.
        ("POST" | "PUT" | "PATCH" | "DELETE", ["groups", _, "members" | "owners", ..]) => Err(Refusal::new(
            400,
            "BadRequest",
            "Write requests are only supported on contained entities",
        )),
        ("GET", ["users"]) => objects::list_users(state, call),
        ("GET", ["users", "$count"]) => objects::count_users(state, call),
        ("GET", ["users", key]) => objects::get_user(state, call, key),
        ("GET", ["users", key, "memberOf"]) => links::member_of(state, call, key, true),
        ("GET", ["groups", id, "memberOf"]) => links::member_of(state, call, id, false),
        ("GET", ["directoryObjects", id]) => objects::get(state, call, id),
        ("PATCH" | "DELETE", ["directoryObjects", id]) => objects::mutate(state, call, id),
        (
            "GET",
            [
                "directory",
                "deletedItems",
                "microsoft.graph.group" | "graph.group",
            ],
        ) => group_reads::list_deleted(state, call),
        ("GET", ["directory", "deletedItems", id]) => group_reads::get_deleted(state, call, id),
        ("DELETE", ["directory", "deletedItems", id]) => group_writes::purge(state, call, id),
        (
            "POST",
            [
                "directory",
                "deletedItems",
                id,
                "restore" | "microsoft.graph.restore",
            ],
        ) => group_writes::restore(state, call, id),
        (_, ["groups"] | ["groups", _] | ["users", ..] | ["directoryObjects", _]) => Err(Refusal::new(
            405,
            "Request_BadRequest",
            format!("Specified HTTP method is not allowed for the request target: {method}."),
        )),
        (_, found) => Err(Refusal::segment(found.last().copied().unwrap_or_default())),
    }
}

/// `groups('id')` and `groups(uniqueName='key')`.
fn by_key(state: &mut State, call: &Call<'_>, segment: &str) -> Answer {
    let key = segment
        .strip_prefix("groups(")
        .and_then(|rest| rest.strip_suffix(')'))
        .ok_or_else(|| Refusal::segment(segment))?;
    let quoted = |text: &str| {
        text.strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
            .filter(|inner| !inner.is_empty() && !inner.replace("''", "").contains('\''))
            .map(|inner| inner.replace("''", "'"))
            .ok_or_else(|| Refusal::new(400, "BadRequest", "The key in the request URL is not valid."))
    };
    if let Some(name) = key.strip_prefix("uniqueName=") {
        let name = quoted(name)?;
        return match call.method.as_str() {
            "PATCH" => group_writes::upsert(state, call, &name),
            "GET" | "DELETE" => {
                let id = state
                    .group_by_unique_name(&name)
                    .map(|group| group.properties.id.clone())
                    .ok_or_else(|| Refusal::absent(&name))?;
                if call.method == Method::GET {
                    group_reads::get(state, call, &id)
                } else {
                    group_writes::delete(state, call, &id)
                }
            }
            _ => Err(Refusal::segment(segment)),
        };
    }
    let id = quoted(key)?;
    match call.method.as_str() {
        "GET" => group_reads::get(state, call, &id),
        "PATCH" => group_writes::update(state, call, &id),
        "DELETE" => group_writes::delete(state, call, &id),
        _ => Err(Refusal::segment(segment)),
    }
}
