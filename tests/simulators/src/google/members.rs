//! Memberships: reading them, and every way in which Google refuses to change one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::address;
use super::directory::{Directory, Owner, outside_id};
use super::error::ApiError;
use super::groups::page_of;
use super::inbound::Inbound;
use super::paging::Paging;
use super::reply::tagged;
use super::tenant::{Group, Member, MemberStatus, MemberType, Role};
use crate::faults::Fault;

fn shown(directory: &Directory, member: &Member, role: Role, with_delivery: bool) -> Value {
    let mut resource = json!({
        "kind": "admin#directory#member",
        "id": member.id,
        "role": role.as_str(),
        "type": member.kind.as_str(),
    });
    if let Some(resource) = resource.as_object_mut() {
        if let Some(email) = directory.member_email(member) {
            resource.insert("email".to_owned(), Value::String(email));
        }
        if let Some(status) = directory.member_status(member) {
            resource.insert("status".to_owned(), json!(status.as_str()));
        }
        if let Some(delivery) = member.delivery_settings.as_ref().filter(|_| with_delivery) {
            resource.insert("delivery_settings".to_owned(), json!(delivery));
        }
    }
    tagged(resource)
}

pub(super) fn list(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let group = directory.group(call.key(0), call.now_ms)?;
    let roles: Option<Vec<Role>> = match call.query.get("roles") {
        None | Some("") => None,
        Some(text) => Some(
            text.split(',')
                .map(|role| Role::parse(role).ok_or_else(|| ApiError::invalid_input("roles")))
                .collect::<Result<_, _>>()?,
        ),
    };
    let what = format!("members of {}", group.id);
    let paging = Paging::read(&what, call.query, 200, None, call.now_ms, call.fault)?;
    let items: BTreeMap<&str, (&Member, Role)>;
    let (page, next) = if call.query.flag("includeDerivedMembership") {
        items = derived(directory, group, call.now_ms);
        let wanted = items
            .iter()
            .filter(|(_, (_, role))| roles.as_ref().is_none_or(|roles| roles.contains(role)))
            .map(|(id, item)| ((*id).to_owned(), *item));
        paging.cut(wanted, false)
    } else {
        let wanted = group
            .members
            .iter()
            .filter(|member| directory.is_member_listed(group, member, call.now_ms))
            .filter(|member| roles.as_ref().is_none_or(|roles| roles.contains(&member.role)))
            .map(|member| (member.id.clone(), (member, member.role)));
        paging.cut(wanted, false)
    };
    let members = page
        .into_iter()
        .map(|(member, role)| shown(directory, member, role, false))
        .collect();
    Ok(page_of("members", members, next))
}

/// Direct members with their roles, and whoever is in through nested groups, as plain members.
fn derived<'a>(
    directory: &'a Directory,
    group: &'a Group,
    now_ms: u64,
) -> BTreeMap<&'a str, (&'a Member, Role)> {
    let mut found = BTreeMap::new();
    let mut seen = vec![group.id.as_str()];
    let mut open = vec![(group, true)];
    while let Some((group, direct)) = open.pop() {
        for member in &group.members {
            if !directory.is_member_listed(group, member, now_ms) {
                continue;
            }
            let role = if direct { member.role } else { Role::Member };
            found.entry(member.id.as_str()).or_insert((member, role));
            if member.kind == MemberType::Group
                && !seen.contains(&member.id.as_str())
                && let Some(nested) = directory.any_group(&member.id)
            {
                seen.push(&nested.id);
                open.push((nested, false));
            }
        }
    }
    found
}

/// The membership that a key names. Pending ones are not found, as in Google.
fn find<'a>(directory: &Directory, group: &'a Group, key: &str) -> Result<&'a Member, ApiError> {
    if key.contains('@') && !address::is_wellformed(key) {
        return Err(ApiError::invalid_input("memberKey"));
    }
    directory
        .member(group, key)
        .filter(|member| member.status != Some(MemberStatus::Pending))
        .ok_or_else(|| ApiError::not_found("memberKey"))
}

pub(super) fn get(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let group = directory.group(call.key(0), call.now_ms)?;
    let member = find(directory, group, call.key(1))?;
    Ok(shown(directory, member, member.role, true))
}

pub(super) fn has_member(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let group = directory.group(call.key(0), call.now_ms)?;
    let key = call.key(1);
    if let Ok(_direct) = find(directory, group, key) {
        return Ok(json!({"isMember": true}));
    }
    let id = match directory.owner(key) {
        Some(Owner::User(_)) => directory.user(key).map(|user| user.id.clone()),
        Some(Owner::Group(_)) => directory.any_group(key).map(|group| group.id.clone()),
        None => None,
    };
    match id {
        Some(id) => {
            let is_member = derived(directory, group, call.now_ms).contains_key(id.as_str());
            Ok(json!({ "isMember": is_member }))
        }
        // Google cannot look into other accounts' groups for outside people.
        None if key.contains('@') => Err(ApiError::invalid_input("memberKey")),
        None => Err(ApiError::not_found("memberKey")),
    }
}

/// Who is to be added: an ID, an address, what it is.
fn candidate(
    directory: &Directory,
    group: &Group,
    call: &Inbound<'_>,
) -> Result<(String, Option<String>, MemberType), ApiError> {
    let by_email = call
        .text("email")
        .map(str::trim)
        .filter(|email| !email.is_empty());
    let by_id = call.text("id").map(str::trim).filter(|id| !id.is_empty());
    let key = by_email
        .or(by_id)
        .ok_or_else(|| ApiError::missing_field("memberKey"))?;
    if by_email.is_some() && !address::is_wellformed(key) {
        return Err(ApiError::invalid_input("memberKey"));
    }
    match directory.owner(key) {
        Some(Owner::User(_)) => directory
            .user(key)
            .map(|user| {
                (
                    user.id.clone(),
                    Some(user.primary_email.clone()),
                    MemberType::User,
                )
            })
            .ok_or_else(|| ApiError::not_found("memberKey")),
        Some(Owner::Group(_)) => directory
            .group(key, call.now_ms)
            .map(|nested| (nested.id.clone(), Some(nested.email.clone()), MemberType::Group))
            .map_err(|_| ApiError::not_found("memberKey")),
        None if key == directory.tenant().customer_id => Ok((key.to_owned(), None, MemberType::Customer)),
        None => match address::domain(key) {
            Some(domain) if !directory.owns_domain(&domain) => {
                if group.refuses_external_members {
                    return Err(ApiError::invalid_input("memberKey"));
                }
                // Whoever is already in keeps the ID under which they are in.
                let id = directory
                    .member(group, key)
                    .map_or_else(|| outside_id(key), |member| member.id.clone());
                Ok((id, Some(key.to_lowercase()), MemberType::User))
            }
            _ => Err(ApiError::not_found("memberKey")),
        },
    }
}

fn role_in(call: &Inbound<'_>, member_type: MemberType) -> Result<Option<Role>, ApiError> {
    let Some(text) = call.text("role").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let role = Role::parse(text).ok_or_else(|| ApiError::invalid_input("role"))?;
    if member_type != MemberType::User && role != Role::Member {
        // Google names the key, not the role, when a group is to own or manage.
        return Err(ApiError::invalid_input("memberKey"));
    }
    Ok(Some(role))
}

fn delivery_in(call: &Inbound<'_>) -> Result<Option<String>, ApiError> {
    const KNOWN: [&str; 5] = ["ALL_MAIL", "DAILY", "DIGEST", "DISABLED", "NONE"];
    match call.text("delivery_settings") {
        None => Ok(None),
        Some(text) if KNOWN.contains(&text) => Ok(Some(text.to_owned())),
        Some(_) => Err(ApiError::invalid_input("delivery_settings")),
    }
}

pub(super) fn insert(directory: &mut Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let group = directory.group(call.key(0), call.now_ms)?;
    let group_id = group.id.clone();
    let (id, email, kind) = candidate(directory, group, call)?;
    let role = role_in(call, kind)?.unwrap_or_default();
    let delivery_settings = delivery_in(call)?;
    // Pending and not yet listed members are in the way as well.
    if directory.member(group, &id).is_some() {
        return Err(ApiError::member_exists());
    }
    if kind == MemberType::Group && directory.reaches(&id, &group_id) {
        return Err(ApiError::cyclic());
    }
    if call.fault == Some(&Fault::Invited) {
        let invited = Member {
            id,
            email,
            role: Role::Member,
            kind,
            status: Some(MemberStatus::Pending),
            delivery_settings: None,
        };
        directory.add_member(&group_id, invited, None);
        return Err(ApiError::member_exists());
    }
    let member = Member {
        id,
        email,
        role,
        kind,
        status: None,
        delivery_settings,
    };
    let answer = shown(directory, &member, role, true);
    directory.add_member(&group_id, member, Some(call.now_ms));
    Ok(answer)
}

/// `patch` and `update`: role and delivery are all that can change.
pub(super) fn change(directory: &mut Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let group = directory.group(call.key(0), call.now_ms)?;
    let group_id = group.id.clone();
    let mut member = find(directory, group, call.key(1))?.clone();
    if let Some(role) = role_in(call, member.kind)? {
        member.role = role;
    }
    if let Some(delivery) = delivery_in(call)? {
        member.delivery_settings = Some(delivery);
    }
    let answer = shown(directory, &member, member.role, true);
    directory.replace_member(&group_id, member);
    Ok(answer)
}

/// Removing also takes back an invitation that is pending; that is how one is renewed.
pub(super) fn delete(directory: &mut Directory, call: &Inbound<'_>) -> Result<(), ApiError> {
    let key = call.key(1);
    let group = directory.group(call.key(0), call.now_ms)?;
    if key.contains('@') && !address::is_wellformed(key) {
        return Err(ApiError::invalid_input("memberKey"));
    }
    let id = directory
        .member(group, key)
        .map(|member| member.id.clone())
        .ok_or_else(|| ApiError::not_found("memberKey"))?;
    let group_id = group.id.clone();
    directory.remove_member(&group_id, &id);
    Ok(())
}
