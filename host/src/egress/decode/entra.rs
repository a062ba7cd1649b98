//! Entra ID: Microsoft Graph's groups and member references, alone and in its JSON batch.

use serde_json::{Map, Value};

use super::super::headers::{self, Plain};
use super::super::origin::Origin;
use super::super::rules::quoted_key;
use super::{Decoded, DecodedPart, Effect, Refusal, Single, SingleBody, WireRequest, WireWrite};

/// Requests in one batch, and members in one bind, by the vendor's own limits.
const LIMIT: usize = 20;

/// Understands a request to Microsoft Graph.
///
/// # Errors
/// If it is no read and none of a plan's operations.
pub fn decode(request: &WireRequest<'_>) -> Result<Decoded, Refusal> {
    let single = Single::of(request)?;
    if single.path.as_str() == "/v1.0/$batch" {
        return batch(request, single);
    }
    Ok(Decoded::single(one(single, None, request.origin)?))
}

fn batch(request: &WireRequest<'_>, single: Single<'_>) -> Result<Decoded, Refusal> {
    if request.method != "POST" {
        return Err(Refusal::Unknown(single.label));
    }
    single.no_query()?;
    if headers::get(request.headers, "prefer").is_some() {
        return Err(single.refuse("has a Prefer header; within a batch each part has its own"));
    }
    let mut object = single.object(&["requests"])?;
    let Some(Value::Array(requests)) = object.remove("requests") else {
        return Err(single.refuse("has no list of requests"));
    };
    if requests.is_empty() || requests.len() > LIMIT {
        return Err(single.refuse(format!(
            "has {} requests; 1 to {LIMIT} are allowed",
            requests.len()
        )));
    }
    let mut ids = std::collections::BTreeSet::new();
    let mut parts = Vec::with_capacity(requests.len());
    for item in requests {
        let Value::Object(item) = item else {
            return Err(single.refuse("has a request that is no object"));
        };
        let part = batch_part(&single, item, request.origin)?;
        if !ids.insert(part.id.clone()) {
            return Err(single.refuse(format!("the id {:?} comes twice", part.id.unwrap_or_default())));
        }
        parts.push(part);
    }
    Ok(Decoded {
        method: request.method.to_owned(),
        path: single.path,
        batch: true,
        parts,
    })
}

fn batch_part(
    outer: &Single<'_>,
    mut item: Map<String, Value>,
    origin: &Origin,
) -> Result<DecodedPart, Refusal> {
    const ALLOWED: &[&str] = &["id", "method", "url", "headers", "body", "dependsOn"];
    if let Some(other) = item.keys().find(|key| !ALLOWED.contains(&key.as_str())) {
        return Err(outer.refuse(format!("a request has {other:?}")));
    }
    let id = outer.required_text(&item, "id")?;
    let method = outer.required_text(&item, "method")?;
    let url = outer.required_text(&item, "url")?;
    if let Some(depends_on) = item.get("dependsOn") {
        let names_only = depends_on
            .as_array()
            .is_some_and(|names| names.iter().all(Value::is_string));
        if !names_only {
            return Err(outer.refuse("dependsOn is no list of ids"));
        }
    }
    if !url.starts_with('/') || url.starts_with("//") || url.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(outer.refuse(format!(
            "{url:?} is no relative URL; a batch part may only name a path"
        )));
    }
    if url.contains('#') {
        return Err(outer.refuse(format!("{url:?} has a fragment")));
    }
    let mut fields = Plain::new();
    match item.remove("headers") {
        None => {}
        Some(Value::Object(map)) => {
            for (name, value) in map {
                let Value::String(value) = value else {
                    return Err(outer.refuse(format!("the header {name:?} is no text")));
                };
                fields.push((name, value));
            }
        }
        Some(_) => return Err(outer.refuse("headers are no object")),
    }
    let fields = headers::of_part(fields).map_err(|error| outer.refuse(error.to_string()))?;
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url.as_str(), None),
    };
    let path = format!("/v1.0{path}");
    let inner = Single::new(
        &method,
        &path,
        query,
        &fields,
        SingleBody::Json(item.remove("body")),
    )?;
    one(inner, Some(id), origin)
}

fn one(single: Single<'_>, id: Option<String>, origin: &Origin) -> Result<DecodedPart, Refusal> {
    let path = single.path.clone();
    let segments = path.segments();
    let ["v1.0", below @ ..] = segments.as_slice() else {
        return Err(Refusal::Unknown(single.label));
    };
    if single.method == "GET" {
        single.no_body()?;
        return Ok(single.read(id));
    }
    let touches_users = below.first().is_some_and(|first| {
        first.to_ascii_lowercase().starts_with("users") || first.eq_ignore_ascii_case("me")
    });
    if touches_users {
        return Err(Refusal::UserWrite(single.label));
    }
    let writes = match (single.method, below) {
        ("PATCH", ["groups", group]) => patch(&single, &single.id(group)?, origin)?,
        ("PATCH", [keyed]) => vec![create(&single, keyed)?],
        ("POST", ["groups", group, "members", "$ref"]) => {
            let object = single.object(&["@odata.id"])?;
            let reference = single.required_text(&object, "@odata.id")?;
            vec![WireWrite::AddMember {
                group: single.id(group)?,
                principal: principal(&single, &reference, origin)?,
            }]
        }
        ("DELETE", ["groups", group, "members", member, "$ref"]) => {
            single.no_body()?;
            vec![WireWrite::RemoveMember {
                group: single.id(group)?,
                principal: single.id(member)?,
            }]
        }
        ("DELETE", [_, _, "members" | "owners", _]) => {
            return Err(Refusal::DeleteWithoutReference(single.label));
        }
        _ => return Err(Refusal::Unknown(single.label)),
    };
    single.no_query()?;
    prefer(&single, &writes)?;
    Ok(single.done(id, Effect::Write(writes)))
}

/// `create-if-missing` turns a change into a creation: it stands with a creation and nowhere else.
fn prefer(single: &Single<'_>, writes: &[WireWrite]) -> Result<(), Refusal> {
    let creates = writes
        .iter()
        .any(|write| matches!(write, WireWrite::CreateGroup { .. }));
    match (creates, headers::get(single.headers, "prefer")) {
        (true, Some("create-if-missing")) => Ok(()),
        (true, _) => Err(single.refuse(
            "names a group by its uniqueName without exactly \"Prefer: create-if-missing\"; changes name a group by its ID",
        )),
        (false, None | Some("return=minimal")) => Ok(()),
        (false, Some(other)) => Err(single.refuse(format!("has \"Prefer: {other}\""))),
    }
}

fn create(single: &Single<'_>, keyed: &str) -> Result<WireWrite, Refusal> {
    let key = keyed
        .strip_prefix("groups(uniqueName='")
        .and_then(|rest| rest.strip_suffix("')"))
        .and_then(quoted_key)
        .ok_or_else(|| Refusal::Unknown(single.label.clone()))?;
    let object = single.object(&[
        "displayName",
        "description",
        "mailEnabled",
        "mailNickname",
        "securityEnabled",
        "groupTypes",
    ])?;
    // R22: a plain security group and nothing else.
    let plain = object.get("mailEnabled") == Some(&Value::Bool(false))
        && object.get("securityEnabled") == Some(&Value::Bool(true))
        && object
            .get("groupTypes")
            .is_none_or(|types| types == &Value::Array(Vec::new()));
    if !plain {
        return Err(single.refuse(
            "creates something else than a plain security group (mailEnabled false, securityEnabled true, groupTypes [])",
        ));
    }
    // The group has no mail, so the nickname addresses nothing; it need only be well formed.
    let nickname = single.required_text(&object, "mailNickname")?;
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"@()\\[]\";:<>,".contains(&byte);
    if nickname.is_empty() || nickname.len() > 64 || !nickname.bytes().all(fits) {
        return Err(single.refuse(format!("{nickname:?} is no mailNickname")));
    }
    Ok(WireWrite::CreateGroup {
        key,
        name: single.required_text(&object, "displayName")?,
        description: single.text_or_null(&object, "description")?.unwrap_or_default(),
    })
}

fn patch(single: &Single<'_>, group: &str, origin: &Origin) -> Result<Vec<WireWrite>, Refusal> {
    let object = single.object(&["members@odata.bind", "displayName", "description"])?;
    let Some(bind) = object.get("members@odata.bind") else {
        if object.is_empty() {
            return Err(single.refuse("changes nothing"));
        }
        return Ok(vec![WireWrite::UpdateGroup {
            group: group.to_owned(),
            name: single.text(&object, "displayName")?,
            description: single.text_or_null(&object, "description")?,
            address: None,
        }]);
    };
    let members = bind
        .as_array()
        .filter(|members| object.len() == 1 && !members.is_empty() && members.len() <= LIMIT)
        .ok_or_else(|| {
            single.refuse(format!(
                "members@odata.bind must stand alone, with 1 to {LIMIT} members"
            ))
        })?;
    let mut writes = Vec::with_capacity(members.len());
    for member in members {
        let reference = member
            .as_str()
            .ok_or_else(|| single.refuse("members@odata.bind has an entry that is no text"))?;
        writes.push(WireWrite::AddMember {
            group: group.to_owned(),
            principal: principal(single, reference, origin)?,
        });
    }
    Ok(writes)
}

/// The object that a reference names: on this very Graph, by ID. A reference to `/groups/` would nest a group.
fn principal(single: &Single<'_>, reference: &str, origin: &Origin) -> Result<String, Refusal> {
    let id = reference
        .strip_prefix(&origin.to_string())
        .and_then(|rest| {
            rest.strip_prefix("/v1.0/directoryObjects/")
                .or_else(|| rest.strip_prefix("/v1.0/users/"))
        })
        .ok_or_else(|| {
            single.refuse(format!(
                "{reference:?} is no reference of the form {origin}/v1.0/directoryObjects/ID"
            ))
        })?;
    single.id(id)
}

#[cfg(test)]
#[path = "entra_tests.rs"]
mod tests;
