//! *User Groups*: the list, one group, and what is chosen for it.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use groupcast_guest::settings::DriftPolicy;

use super::form::{Fields, Query, pages, query as fields_of, text, version};
use super::{Answer, Host};
use crate::console::diff;
use crate::console::page::{page, see_other};
use crate::console::pages::directory::POLICIES;
use crate::console::pages::groups::{Action, FILTERS, Group, GroupRow, Groups};
use crate::console::reader::{self, Reader, Tab, declared, directory_href};
use crate::console::words::{Badge, Name, Tone, grouped, segment};
use crate::service::{BoundBy, Declared, GroupChange, GroupQuery, GroupView, Only, ServiceError};
use crate::store::ConnectionId;
use crate::store::service::{DirectoryVendor, Role};

/// Groups on a page.
const PAGE: u32 = 50;

/// `GET …/groups`.
pub async fn list(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory)): Path<(String, String)>,
    axum::extract::Query(query): Query,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let (shell, view) = reader
        .of_directory(&service, &id, "User Groups", Tab::Groups, false)
        .await?;
    let (search, after) = (text(&query, "search"), query.get("after").cloned());
    let asked = text(&query, "only");
    let only = FILTERS
        .iter()
        .map(|(value, _)| *value)
        .find(|value| *value == asked)
        .unwrap_or("all");
    let asking = GroupQuery {
        search: Some(search.clone()).filter(|search| !search.is_empty()),
        only: match only {
            "bound" => Only::Bound,
            "exported" => Only::Exported,
            "trouble" => Only::Trouble,
            _ => Only::All,
        },
        after: after.clone(),
        limit: PAGE,
        fresh: false,
    };
    let found = service.groups(&reader.who, &id, &asking).await?;
    let google = view.vendor == DirectoryVendor::Google;
    let may = may_change(&reader, &id, view.declared);
    let href = format!("{}/groups", directory_href(&id));
    let rows: Vec<GroupRow> = found
        .items
        .iter()
        .map(|group| row(group, &href, google, may))
        .collect();
    let at = pages(
        &href,
        &[
            ("search", &search),
            ("only", if only == "all" { "" } else { only }),
        ],
        after.as_deref(),
        found.next.as_deref(),
        rows.len(),
        ("group", "groups"),
    );
    Ok(page(
        StatusCode::OK,
        &Groups {
            shell,
            href,
            google,
            version: reader::version(view.declared),
            search,
            only,
            filters: FILTERS,
            declared_in_file: declared(view.declared, "This directory"),
            rows,
            pages: at,
        },
    ))
}

fn may_change(reader: &Reader, id: &ConnectionId, declared: Declared) -> bool {
    matches!(declared, Declared::InStore { .. }) && reader.who.may(Some(&id.tenant), Role::Operator)
}

fn bind_action(group: &GroupView) -> Action {
    let on = group.bound.is_none();
    Action {
        field: "bound",
        value: if on { "yes" } else { "no" },
        label: if on { "Bind" } else { "Unbind" },
        on,
    }
}

fn row(group: &GroupView, href: &str, google: bool, may: bool) -> GroupRow {
    let action = if google {
        bind_action(group)
    } else {
        Action {
            field: "selected",
            value: if group.selected { "no" } else { "yes" },
            label: if group.selected { "Deselect" } else { "Select" },
            on: !group.selected,
        }
    };
    let address = if google {
        group.address.clone().or_else(|| group.email.clone())
    } else {
        group.target.as_ref().map(|_| group.name.clone())
    };
    GroupRow {
        id: group.id.chars().filter(char::is_ascii_alphanumeric).collect(),
        name: Name::new(group.name.clone()),
        href: format!("{href}/{}", segment(&group.id)),
        bound: group.bound.is_some(),
        bound_by_us: group.bound == Some(BoundBy::Us),
        members: group.users.map(grouped),
        address: address.map(Name::new),
        is_override: group.address.is_some(),
        selected: if google {
            group.bound.is_some()
        } else {
            group.selected
        },
        state: match group.state {
            Some(state) => diff::state(state),
            None if group.is_gone => Badge::new(Tone::Care, "gone from JumpCloud"),
            None => Badge::new(Tone::Plain, "no plan yet"),
        },
        reason: group
            .reasons
            .iter()
            .find(|reason| reason.code != "in-step")
            .map(|reason| Name::new(reason.message.clone()).plain()),
        action: Some(action).filter(|_| may && !group.is_gone),
    }
}

/// `GET …/groups/{group}`.
pub async fn one(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, group)): Path<(String, String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let found = service.group(&reader.who, &id, &group).await?;
    let title = Name::new(found.name.clone()).plain();
    let (shell, view) = reader
        .of_directory(&service, &id, title, Tab::Groups, true)
        .await?;
    let google = view.vendor == DirectoryVendor::Google;
    let may = may_change(&reader, &id, view.declared) && !found.is_gone;
    let home = directory_href(&id);
    let mut facts = vec![("JumpCloud's ID", Name::new(found.id.clone()))];
    facts.extend(found.key.clone().map(|key| ("Looked up by", Name::new(key))));
    facts.extend(
        found
            .target
            .clone()
            .map(|target| ("Target's ID", Name::new(target))),
    );
    let policy = found.policy.and_then(|policy| serde_json::to_value(policy).ok());
    let policy = policy
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    Ok(page(
        StatusCode::OK,
        &Group {
            row: row(&found, &format!("{home}/groups"), google, may),
            google,
            version: reader::version(view.declared),
            email: found.email.clone().map(Name::new),
            facts,
            why: format!("{home}/why?{}", fields_of(&[("group", &found.name)])),
            may_change: may,
            bind: (!google).then(|| bind_action(&found)),
            policies: POLICIES,
            policy: POLICIES
                .iter()
                .map(|(value, _)| *value)
                .find(|value| *value == policy)
                .unwrap_or(""),
            shell,
        },
    ))
}

/// `POST …/groups/{group}`: one of its settings.
pub async fn change(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, group)): Path<(String, String, String)>,
    Form(form): Fields,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let switch = |name: &str| form.get(name).map(|value| value == "yes");
    let policy = match form.get("policy").map(String::as_str) {
        None => None,
        Some("") => Some(None),
        Some("managed") => Some(Some(DriftPolicy::Managed)),
        Some("authoritative") => Some(Some(DriftPolicy::Authoritative)),
        Some("additive") => Some(Some(DriftPolicy::Additive)),
        Some(_) => return Err(ServiceError::invalid("policy", "there is no such policy").into()),
    };
    let change = GroupChange {
        bound: switch("bound"),
        selected: switch("selected"),
        address: form
            .contains_key("address")
            .then(|| Some(text(&form, "address")).filter(|address| !address.is_empty())),
        policy,
    };
    service
        .change_group(&reader.who, &id, version(&form), &group, change)
        .await?;
    let list = format!("{}/groups", directory_href(&id));
    // From the list one goes back to where one was in it.
    let back = reader.back();
    if text(&form, "from") == "list" && back.starts_with(&list) {
        let (path, query) = back.split_once('?').unwrap_or((back.as_str(), ""));
        let mut kept: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name != "done")
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        kept.push(("done".to_owned(), "group".to_owned()));
        let kept: Vec<(&str, &str)> = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        return Ok(see_other(&format!("{path}?{}", fields_of(&kept))));
    }
    Ok(see_other(&format!("{list}/{}?done=group", segment(&group))))
}
