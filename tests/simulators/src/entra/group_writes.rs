//! Creating, changing, deleting and restoring groups; adding up to twenty members in one call.

use serde_json::{Map, Value, json};

use super::Call;
use super::format::{Group, Member, ObjectType};
use super::group_reads::entity;
use super::links::{already, check_writable, referenced, resolve};
use super::reply::{Answer, Refusal, Reply};
use super::state::State;
use super::token::need;
use super::views;

/// What a create takes.
const CREATE: &[&str] = &[
    "displayName",
    "description",
    "mailEnabled",
    "mailNickname",
    "securityEnabled",
    "groupTypes",
    "uniqueName",
    "isAssignableToRole",
    "visibility",
    "members@odata.bind",
    "owners@odata.bind",
];
/// What an update takes.
const UPDATE: &[&str] = &[
    "displayName",
    "description",
    "mailNickname",
    "securityEnabled",
    "visibility",
];
/// Relationships in one request, in all.
const MOST_BINDS: usize = 20;

fn only(body: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match body.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Refusal::invalid(
            name,
            format!(
                "The property '{name}' does not exist on type 'microsoft.graph.group' or cannot be written here. Make sure to only use property names that are defined by the type."
            ),
        )),
    }
}

/// The body of a write. It may say that it is a group, as every body that Microsoft's own libraries send does.
fn group_body(call: &Call<'_>) -> Result<Map<String, Value>, Refusal> {
    let mut body = call.json_body()?;
    match body.remove("@odata.type") {
        None => Ok(body),
        Some(Value::String(kind))
            if matches!(
                kind.trim_start_matches('#'),
                "microsoft.graph.group" | "graph.group"
            ) =>
        {
            Ok(body)
        }
        Some(kind) => Err(Refusal::invalid(
            "@odata.type",
            format!("The type {kind} is not compatible with the expected type 'microsoft.graph.group'."),
        )),
    }
}

fn invalid_value(name: &str) -> Refusal {
    Refusal::bad(format!(
        "Invalid value specified for property '{name}' of resource 'Group'."
    ))
}

fn text<'b>(body: &'b Map<String, Value>, name: &str, most: usize) -> Result<Option<&'b str>, Refusal> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.chars().count() <= most => Ok(Some(text)),
        Some(Value::String(_) | Value::Null) => Err(invalid_value(name)),
        Some(_) => Err(Refusal::invalid(name, wrong_type(name, "Edm.String"))),
    }
}

fn flag(body: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Refusal::invalid(name, wrong_type(name, "Edm.Boolean"))),
    }
}

fn wrong_type(name: &str, wanted: &str) -> String {
    format!("Cannot convert the value of property '{name}' to the expected type '{wanted}'.")
}

/// The description: absent, cleared, or set. An empty text is refused, only null clears.
fn description(body: &Map<String, Value>) -> Result<Option<Option<String>>, Refusal> {
    match body.get("description") {
        Some(Value::Null) => Ok(Some(None)),
        _ => Ok(text(body, "description", 1024)?.map(|text| Some(text.to_owned()))),
    }
}

fn mail_nickname(body: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    let Some(name) = text(body, "mailNickname", 64)? else {
        return Ok(None);
    };
    let allowed = |letter: char| letter.is_ascii() && !"@()\\[]\";:<>, ".contains(letter);
    if name.chars().all(allowed) {
        Ok(Some(name))
    } else {
        Err(invalid_value("mailNickname"))
    }
}

fn required<T>(value: Option<T>, name: &str) -> Result<T, Refusal> {
    value.ok_or_else(|| {
        Refusal::bad(format!(
            "A value is required for property '{name}' of resource 'Group'."
        ))
    })
}

/// The objects that a bind lists, each there and listed once.
fn bound(
    state: &State,
    call: &Call<'_>,
    body: &Map<String, Value>,
    name: &str,
) -> Result<Vec<(String, ObjectType)>, Refusal> {
    let Some(value) = body.get(name) else {
        return Ok(Vec::new());
    };
    let list = value
        .as_array()
        .ok_or_else(|| Refusal::invalid(name, wrong_type(name, "Collection(Edm.String)")))?;
    let mut found: Vec<(String, ObjectType)> = Vec::new();
    for value in list {
        let object = resolve(state, call, &referenced(call, value)?)?;
        if found.iter().any(|(id, _)| *id == object.0) {
            return Err(Refusal::bad(format!(
                "A reference to '{}' can only be present once as an add/remove change.",
                object.0
            )));
        }
        found.push(object);
    }
    Ok(found)
}

fn too_many_binds(body: &Map<String, Value>) -> Result<(), Refusal> {
    let count: usize = ["members@odata.bind", "owners@odata.bind"]
        .iter()
        .filter_map(|name| body.get(*name).and_then(Value::as_array))
        .map(Vec::len)
        .sum();
    if count > MOST_BINDS {
        return Err(Refusal::bad(format!(
            "The number of references in the request, {count}, exceeds the limit of {MOST_BINDS}."
        )));
    }
    Ok(())
}

/// `POST /groups`.
pub(super) fn create(state: &mut State, call: &Call<'_>) -> Answer {
    let body = group_body(call)?;
    create_from(state, call, &body, None)
}

fn create_from(
    state: &mut State,
    call: &Call<'_>,
    body: &Map<String, Value>,
    unique_name: Option<&str>,
) -> Answer {
    call.caller.needs(need::CREATE_GROUP)?;
    only(body, CREATE)?;
    let display_name = required(text(body, "displayName", 256)?, "displayName")?.to_owned();
    let mail_enabled = required(flag(body, "mailEnabled")?, "mailEnabled")?;
    let mail_nickname = required(mail_nickname(body)?, "mailNickname")?.to_owned();
    let security_enabled = required(flag(body, "securityEnabled")?, "securityEnabled")?;
    let no_types = match body.get("groupTypes") {
        None => true,
        Some(Value::Array(types)) => types.is_empty(),
        Some(_) => {
            return Err(Refusal::invalid(
                "groupTypes",
                wrong_type("groupTypes", "Collection(Edm.String)"),
            ));
        }
    };
    if mail_enabled || !security_enabled || !no_types {
        return Err(Refusal::bad(
            "The service does not currently support writes of mail-enabled groups. Please ensure that the mail-enablement property is unset and the security-enablement property is set.",
        ));
    }
    let role = flag(body, "isAssignableToRole")?;
    if role == Some(true) {
        call.caller.needs(need::WRITE_ROLE_GROUPS)?;
    }
    let visibility = visibility(body)?;
    too_many_binds(body)?;
    let members = bound(state, call, body, "members@odata.bind")?;
    let owners = bound(state, call, body, "owners@odata.bind")?;
    let given = text(body, "uniqueName", 256)?;
    if let (Some(key), Some(given)) = (unique_name, given)
        && key != given
    {
        return Err(invalid_value("uniqueName"));
    }
    let unique_name = unique_name.or(given).map(str::to_owned);
    if let Some(name) = &unique_name
        && state.group_by_unique_name(name).is_some()
    {
        let mut refusal =
            Refusal::bad("Another object with the same value for property uniqueName already exists.");
        refusal.details = Some(json!([{
            "code": "ObjectConflict",
            "target": "uniqueName",
            "message": "Another object with the same value for property uniqueName already exists."
        }]));
        return Err(refusal);
    }
    let id = state.new_id("group");
    let group = Group {
        id: id.clone(),
        display_name,
        description: description(body)?.flatten(),
        mail_nickname,
        mail: None,
        mail_enabled: false,
        security_enabled: true,
        group_types: Vec::new(),
        unique_name,
        on_premises_sync_enabled: None,
        is_assignable_to_role: role,
        is_management_restricted: None,
        assigned_licenses: Vec::new(),
        visibility,
        members: members
            .into_iter()
            .map(|(id, kind)| Member { id, kind })
            .collect(),
        owners: owners.into_iter().map(|(id, _)| id).collect(),
    };
    state.insert_group(group, call.now_ms, Some(call.now_ms));
    // The answer to the write shows the group, although a read may not find it for a while.
    let held = state.groups.get(&id).ok_or_else(|| Refusal::absent(&id))?;
    Ok(Reply::json(
        201,
        entity(call, "groups/$entity", views::group(held, None, None)),
    )
    .with("location", format!("{}/v1.0/groups/{id}", call.origin)))
}

fn visibility(body: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match body.get("visibility") {
        None => Ok(None),
        Some(Value::String(text)) if matches!(text.as_str(), "Private" | "Public" | "HiddenMembership") => {
            Ok(Some(text.clone()))
        }
        Some(_) => Err(invalid_value("visibility")),
    }
}

/// `PATCH /groups/{id}`: either properties, or members to add.
pub(super) fn update(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    let body = group_body(call)?;
    if body.contains_key("members@odata.bind") {
        return add_members(state, call, id, &body);
    }
    update_from(state, call, id, &body)
}

fn update_from(state: &mut State, call: &Call<'_>, id: &str, body: &Map<String, Value>) -> Answer {
    call.caller.needs(need::WRITE_GROUPS)?;
    only(body, UPDATE)?;
    if body.is_empty() {
        return Err(Refusal::new(
            400,
            "BadRequest",
            "Empty Payload. JSON content expected.",
        ));
    }
    let display_name = text(body, "displayName", 256)?.map(str::to_owned);
    let description = description(body)?;
    let nickname = mail_nickname(body)?.map(str::to_owned);
    let security = flag(body, "securityEnabled")?;
    let visibility = visibility(body)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    check_writable(group, call, false)?;
    if security == Some(false) && !group.is_unified() {
        return Err(invalid_value("securityEnabled"));
    }
    let id = group.properties.id.clone();
    state.change_group(&id, call.now_ms, |group| {
        if let Some(name) = display_name {
            group.display_name = name;
        }
        if let Some(description) = description {
            group.description = description;
        }
        if let Some(nickname) = nickname {
            group.mail_nickname = nickname;
        }
        if let Some(security) = security {
            group.security_enabled = security;
        }
        if visibility.is_some() {
            group.visibility = visibility;
        }
    });
    Ok(Reply::no_content())
}

/// Adds up to twenty members; all or none.
fn add_members(state: &mut State, call: &Call<'_>, id: &str, body: &Map<String, Value>) -> Answer {
    call.caller.needs(need::WRITE_MEMBERS)?;
    only(body, &["members@odata.bind"])?;
    too_many_binds(body)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    check_writable(group, call, true)?;
    let members = bound(state, call, body, "members@odata.bind")?;
    if members.is_empty() {
        return Err(Refusal::bad("The request lists no reference to add."));
    }
    if members
        .iter()
        .any(|(member, _)| group.members.truth().contains_key(member))
    {
        return Err(already("members"));
    }
    let id = group.properties.id.clone();
    state.add_members(&id, &members, call.now_ms);
    Ok(Reply::no_content())
}

/// `PATCH /groups(uniqueName='x')`: an upsert with `Prefer: create-if-missing`, else an update.
pub(super) fn upsert(state: &mut State, call: &Call<'_>, unique_name: &str) -> Answer {
    let create_if_missing = call.headers.get_all("prefer").iter().any(|value| {
        value.to_str().is_ok_and(|text| {
            text.split(',')
                .any(|one| one.trim().eq_ignore_ascii_case("create-if-missing"))
        })
    });
    let body = group_body(call)?;
    let held = state.group_by_unique_name(unique_name).map(|group| {
        (
            group.properties.id.clone(),
            state.is_visible(group.born_ms, call.now_ms, false),
        )
    });
    match held {
        // The key is known at once, even while reads of the object lag.
        Some((id, visible)) if visible || create_if_missing => {
            let mut changes = body;
            // An upsert sends what a create needs; what cannot be changed must agree with what is there.
            for (name, wanted) in [
                ("mailEnabled", json!(false)),
                ("groupTypes", json!([])),
                ("uniqueName", json!(unique_name)),
            ] {
                if create_if_missing
                    && let Some(given) = changes.remove(name)
                    && given != wanted
                {
                    return Err(invalid_value(name));
                }
            }
            let born = state.groups.get_mut(&id).and_then(|group| group.born_ms.take());
            let answer = update_from(state, call, &id, &changes);
            if let Some(group) = state.groups.get_mut(&id) {
                group.born_ms = born;
            }
            answer
        }
        None if create_if_missing => create_from(state, call, &body, Some(unique_name)),
        _ => Err(Refusal::absent(unique_name)),
    }
}

/// `DELETE /groups/{id}`.
pub(super) fn delete(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::WRITE_GROUPS)?;
    let group = state
        .visible_group(id, call.now_ms)
        .ok_or_else(|| Refusal::absent(id))?;
    check_writable(group, call, false)?;
    let id = group.properties.id.clone();
    state.delete_group(&id, call.now_ms);
    Ok(Reply::no_content())
}

/// `DELETE /directory/deletedItems/{id}`: for ever.
pub(super) fn purge(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::WRITE_GROUPS)?;
    if state.purge_group(id, call.now_ms) {
        Ok(Reply::no_content())
    } else {
        Err(Refusal::absent(id))
    }
}

/// `POST /directory/deletedItems/{id}/restore`.
pub(super) fn restore(state: &mut State, call: &Call<'_>, id: &str) -> Answer {
    call.caller.needs(need::WRITE_GROUPS)?;
    if !state.restore_group(id, call.now_ms) {
        return Err(Refusal::absent(id));
    }
    let held = state.groups.get(id).ok_or_else(|| Refusal::absent(id))?;
    let mut shown = views::group(held, None, None);
    shown.insert("@odata.type".to_owned(), json!("#microsoft.graph.group"));
    Ok(Reply::ok(entity(call, "directoryObjects/$entity", shown)))
}
