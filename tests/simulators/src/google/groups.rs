//! Groups and their aliases.

use serde_json::{Value, json};

use super::address;
use super::directory::{Directory, Owner};
use super::error::ApiError;
use super::inbound::Inbound;
use super::paging::Paging;
use super::reply::tagged;
use super::search::Terms;
use super::tenant::{ExternalId, Group, MemberStatus, MemberType};

/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 4096;

/// A group as the API shows it.
pub(super) fn shown(group: &Group) -> Value {
    let people = group
        .members
        .iter()
        .filter(|member| member.kind == MemberType::User && member.status != Some(MemberStatus::Pending))
        .count();
    let mut resource = json!({
        "kind": "admin#directory#group",
        "id": group.id,
        "email": group.email,
        "name": group.name,
        "description": group.description,
        "directMembersCount": people.to_string(),
        "adminCreated": true,
    });
    if let Some(resource) = resource.as_object_mut() {
        if !group.aliases.is_empty() {
            resource.insert("aliases".to_owned(), json!(group.aliases));
        }
        if !group.external_ids.is_empty() {
            resource.insert("externalIds".to_owned(), json!(group.external_ids));
        }
    }
    tagged(resource)
}

pub(super) fn list(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let query = call.query;
    let (customer, domain, user_key) = (query.get("customer"), query.get("domain"), query.get("userKey"));
    if customer.is_none() && domain.is_none() && user_key.is_none() {
        return Err(ApiError::new(400, "badRequest", "Bad Request"));
    }
    check_account(directory, customer, domain)?;
    if customer.is_some() && user_key.is_some() {
        return Err(ApiError::invalid_input("userKey"));
    }
    let terms = Terms::parse(query.get("query").unwrap_or(""), &["email", "name", "memberKey"])?;
    // Whoever is asked for has to exist as a user, a group, or somebody from outside.
    let member_id = match user_key {
        None => None,
        Some(key) => Some(match directory.owner(key) {
            Some(Owner::User(_)) => directory
                .user(key)
                .map(|user| user.id.clone())
                .unwrap_or_default(),
            Some(Owner::Group(_)) => directory
                .any_group(key)
                .map(|group| group.id.clone())
                .unwrap_or_default(),
            None if address::domain(key).is_some_and(|domain| !directory.owns_domain(&domain)) => {
                key.to_owned()
            }
            None => return Err(ApiError::not_found("userKey")),
        }),
    };
    let paging = Paging::read("groups", query, 200, None, call.now_ms, call.fault)?;
    let mut found: Vec<&Group> = directory
        .tenant()
        .groups
        .iter()
        .filter(|group| directory.is_listed(group, call.now_ms))
        .filter(|group| {
            domain.is_none_or(|domain| {
                address::domain(&group.email).is_some_and(|own| own.eq_ignore_ascii_case(domain))
            })
        })
        .filter(|group| {
            member_id.as_deref().is_none_or(|key| {
                directory
                    .member(group, key)
                    .is_some_and(|member| directory.is_member_listed(group, member, call.now_ms))
            })
        })
        .filter(|group| {
            terms.hold(|field, test| match field {
                "email" => test(&group.email) || group.aliases.iter().any(|alias| test(alias)),
                "name" => test(&group.name),
                _ => group.members.iter().any(|member| {
                    test(&member.id) || directory.member_email(member).is_some_and(|email| test(&email))
                }),
            })
        })
        .collect();
    let descending = query.get("orderBy").is_some()
        && query
            .get("sortOrder")
            .is_some_and(|order| order.eq_ignore_ascii_case("DESCENDING"));
    found.sort_by(|a, b| a.email.cmp(&b.email));
    if descending {
        found.reverse();
    }
    let (page, next) = paging.cut(
        found.into_iter().map(|group| (group.email.clone(), group)),
        descending,
    );
    Ok(page_of("groups", page.into_iter().map(shown).collect(), next))
}

/// The shell of a list: a list without items has no key for them, as with Google.
pub(super) fn page_of(what: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut page = json!({"kind": format!("admin#directory#{what}")});
    if let Some(page) = page.as_object_mut() {
        if !items.is_empty() {
            page.insert(what.to_owned(), Value::Array(items));
        }
        if let Some(next) = next {
            page.insert("nextPageToken".to_owned(), Value::String(next));
        }
    }
    tagged(page)
}

/// Checks the two ways to name the account.
pub(super) fn check_account(
    directory: &Directory,
    customer: Option<&str>,
    domain: Option<&str>,
) -> Result<(), ApiError> {
    if customer.is_some_and(|id| id != "my_customer" && id != directory.tenant().customer_id) {
        return Err(ApiError::not_found("customer"));
    }
    if domain.is_some_and(|domain| !directory.owns_domain(domain)) {
        return Err(ApiError::domain_not_found());
    }
    Ok(())
}

pub(super) fn get(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    directory.group(call.key(0), call.now_ms).map(shown)
}

pub(super) fn insert(directory: &mut Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let email = call
        .text("email")
        .filter(|email| !email.trim().is_empty())
        .ok_or_else(|| ApiError::missing_field("email"))?;
    let email = new_address(directory, email, "email")?;
    check_description(call.text("description"))?;
    if directory.owner(&email).is_some() {
        return Err(ApiError::entity_exists());
    }
    let local = email.split('@').next().unwrap_or_default().to_owned();
    let group = Group {
        id: directory.new_group_id(&email),
        name: call.text("name").map_or(local, str::to_owned),
        description: call.text("description").unwrap_or_default().to_owned(),
        aliases: Vec::new(),
        external_ids: external_ids(directory, call).unwrap_or_default(),
        members: Vec::new(),
        refuses_external_members: false,
        email,
    };
    let answer = shown(&group);
    directory.add_group(group, Some(call.now_ms));
    Ok(answer)
}

/// `patch` and `update`: both leave alone what the body does not name.
pub(super) fn change(directory: &mut Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let id = directory.group(call.key(0), call.now_ms)?.id.clone();
    check_description(call.text("description"))?;
    let email = match call.text("email") {
        None => None,
        Some(email) => {
            let email = new_address(directory, email, "email")?;
            let holder = directory.any_group(&email).map(|group| group.id.as_str());
            if directory.owner(&email).is_some() && holder != Some(id.as_str()) {
                return Err(ApiError::entity_exists());
            }
            Some(email)
        }
    };
    let external_ids = external_ids(directory, call);
    let group = directory
        .any_group_mut(&id)
        .ok_or_else(|| ApiError::not_found("groupKey"))?;
    if let Some(name) = call.text("name") {
        name.clone_into(&mut group.name);
    }
    if let Some(description) = call.text("description") {
        description.clone_into(&mut group.description);
    }
    if let Some(external_ids) = external_ids {
        group.external_ids = external_ids;
    }
    let is_renamed = email.as_ref().is_some_and(|email| *email != group.email);
    if let Some(email) = email.filter(|_| is_renamed) {
        let old = std::mem::replace(&mut group.email, email.clone());
        group
            .aliases
            .retain(|alias| address::key(alias) != address::key(&email));
        if address::key(&old) != address::key(&email) {
            // Mail to the old address goes on arriving.
            group.aliases.push(old);
        }
    }
    let answer = shown(group);
    if is_renamed {
        directory.reindex();
    }
    Ok(answer)
}

pub(super) fn delete(directory: &mut Directory, call: &Inbound<'_>) -> Result<(), ApiError> {
    let id = directory.group(call.key(0), call.now_ms)?.id.clone();
    directory.remove_group(&id);
    Ok(())
}

fn check_description(description: Option<&str>) -> Result<(), ApiError> {
    match description {
        Some(text) if text.chars().count() > LONGEST_DESCRIPTION => {
            Err(ApiError::invalid_input("description"))
        }
        _ => Ok(()),
    }
}

/// An address that a group of this account could bear, in lower case as Google keeps it.
fn new_address(directory: &Directory, email: &str, field: &str) -> Result<String, ApiError> {
    let email = email.trim().to_lowercase();
    if !address::is_wellformed(&email) {
        return Err(ApiError::invalid_input(field));
    }
    match address::domain(&email) {
        Some(domain) if directory.owns_domain(&domain) => Ok(email),
        _ => Err(ApiError::domain_not_found()),
    }
}

fn external_ids(directory: &Directory, call: &Inbound<'_>) -> Option<Vec<ExternalId>> {
    let given = call.body.get("externalIds")?;
    if directory.tenant().forgets_external_ids {
        return None;
    }
    serde_json::from_value(given.clone()).ok()
}

fn alias_shown(group: &Group, alias: &str) -> Value {
    tagged(json!({
        "kind": "admin#directory#alias",
        "id": group.id,
        "primaryEmail": group.email,
        "alias": alias,
    }))
}

pub(super) fn list_aliases(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let group = directory.group(call.key(0), call.now_ms)?;
    let aliases = group
        .aliases
        .iter()
        .map(|alias| alias_shown(group, alias))
        .collect();
    Ok(page_of("aliases", aliases, None))
}

pub(super) fn insert_alias(directory: &mut Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let id = directory.group(call.key(0), call.now_ms)?.id.clone();
    let alias = call
        .text("alias")
        .filter(|alias| !alias.trim().is_empty())
        .ok_or_else(|| ApiError::missing_field("alias"))?;
    let alias = new_address(directory, alias, "alias")?;
    if directory.owner(&alias).is_some() {
        return Err(ApiError::entity_exists());
    }
    let group = directory
        .any_group_mut(&id)
        .ok_or_else(|| ApiError::not_found("groupKey"))?;
    group.aliases.push(alias.clone());
    let answer = alias_shown(group, &alias);
    directory.reindex();
    Ok(answer)
}

pub(super) fn delete_alias(directory: &mut Directory, call: &Inbound<'_>) -> Result<(), ApiError> {
    let id = directory.group(call.key(0), call.now_ms)?.id.clone();
    let wanted = address::key(call.key(1));
    let group = directory
        .any_group_mut(&id)
        .ok_or_else(|| ApiError::not_found("groupKey"))?;
    let before = group.aliases.len();
    group.aliases.retain(|alias| address::key(alias) != wanted);
    if group.aliases.len() == before {
        return Err(ApiError::not_found("alias"));
    }
    directory.reindex();
    Ok(())
}
