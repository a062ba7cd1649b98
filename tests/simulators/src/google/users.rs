//! Users, which can only be read here.

use serde_json::{Value, json};

use super::address;
use super::directory::Directory;
use super::error::ApiError;
use super::groups::{check_account, page_of};
use super::inbound::Inbound;
use super::paging::Paging;
use super::reply::tagged;
use super::search::Terms;
use super::tenant::User;
use super::token::is_admin;

/// Google's users' page tokens live three days.
const TOKEN_LIFE_MS: u64 = 3 * 24 * 3600 * 1000;

fn names(user: &User) -> (&str, &str) {
    user.name.rsplit_once(' ').unwrap_or((user.name.as_str(), ""))
}

fn shown(directory: &Directory, user: &User) -> Value {
    let (given, family) = names(user);
    let mut emails = vec![json!({"address": user.primary_email, "primary": true})];
    emails.extend(user.aliases.iter().map(|alias| json!({"address": alias})));
    let mut resource = json!({
        "kind": "admin#directory#user",
        "id": user.id,
        "primaryEmail": user.primary_email,
        "name": {"givenName": given, "familyName": family, "fullName": user.name},
        "emails": emails,
        "isAdmin": is_admin(directory, &user.primary_email),
        "isDelegatedAdmin": false,
        "suspended": user.suspended,
        "archived": false,
        "isMailboxSetup": true,
        "includeInGlobalAddressList": true,
        "customerId": directory.tenant().customer_id,
        "orgUnitPath": "/",
        "creationTime": "2020-01-01T00:00:00.000Z",
    });
    if let Some(resource) = resource.as_object_mut() {
        if !user.aliases.is_empty() {
            resource.insert("aliases".to_owned(), json!(user.aliases));
        }
        if user.suspended {
            resource.insert("suspensionReason".to_owned(), json!("ADMIN"));
        }
    }
    tagged(resource)
}

pub(super) fn get(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let key = call.key(0);
    if address::domain(key).is_some_and(|domain| !directory.owns_domain(&domain)) {
        return Err(ApiError::forbidden());
    }
    directory
        .user(key)
        .map(|user| shown(directory, user))
        .ok_or_else(|| ApiError::not_found("userKey"))
}

pub(super) fn list(directory: &Directory, call: &Inbound<'_>) -> Result<Value, ApiError> {
    let query = call.query;
    let (customer, domain) = (query.get("customer"), query.get("domain"));
    if customer.is_none() && domain.is_none() {
        return Err(ApiError::new(400, "badRequest", "Bad Request"));
    }
    check_account(directory, customer, domain)?;
    let terms = Terms::parse(
        query.get("query").unwrap_or(""),
        &["email", "name", "givenName", "familyName", "isSuspended"],
    )?;
    let paging = Paging::read("users", query, 100, Some(TOKEN_LIFE_MS), call.now_ms, call.fault)?;
    // Deleted users are not simulated: the list of them is empty.
    let deleted_only = query
        .get("showDeleted")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let order_by = query.get("orderBy").unwrap_or("email").to_lowercase();
    let mut found: Vec<(String, &User)> = directory
        .tenant()
        .users
        .iter()
        .filter(|_| !deleted_only)
        .filter(|user| {
            domain.is_none_or(|domain| {
                address::domain(&user.primary_email).is_some_and(|own| own.eq_ignore_ascii_case(domain))
            })
        })
        .filter(|user| {
            let (given, family) = names(user);
            terms.hold(|field, test| match field {
                "email" => test(&user.primary_email) || user.aliases.iter().any(|alias| test(alias)),
                "name" => test(&user.name),
                "givenName" => test(given),
                "familyName" => test(family),
                _ => test(if user.suspended { "true" } else { "false" }),
            })
        })
        .map(|user| {
            let (given, family) = names(user);
            // The address makes the key unique, which pages rely on.
            let key = match order_by.as_str() {
                "givenname" => format!("{given}\n{}", user.primary_email),
                "familyname" => format!("{family}\n{}", user.primary_email),
                _ => user.primary_email.clone(),
            };
            (key, user)
        })
        .collect();
    let descending = query.get("orderBy").is_some()
        && query
            .get("sortOrder")
            .is_some_and(|order| order.eq_ignore_ascii_case("DESCENDING"));
    found.sort_by(|a, b| a.0.cmp(&b.0));
    if descending {
        found.reverse();
    }
    let (page, next) = paging.cut(found.into_iter(), descending);
    Ok(page_of(
        "users",
        page.into_iter().map(|user| shown(directory, user)).collect(),
        next,
    ))
}
