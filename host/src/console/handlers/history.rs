//! *History*: what changed a directory, and the audit log.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use super::form::{Query, pages};
use super::runs::{latest, row};
use super::{Answer, Host};
use crate::console::page::{Pages, page};
use crate::console::pages::history::{Audit, AuditRow, History};
use crate::console::reader::{Reader, Tab, TenantPage, directory_href, tenant_href};
use crate::console::words::{Name, When};
use crate::store::service::{AuditEntry, AuditQuery, Role};
use crate::store::{ConnectionId, RunKind, RunResult};

/// Entries of the audit log on a page.
const ENTRIES: u32 = 50;
/// Runs that are looked at for those that changed something.
const RUNS: u32 = 200;

fn entry(one: AuditEntry) -> AuditRow {
    let told =
        |value: Option<Value>| value.map_or_else(String::new, |value| Name::new(value.to_string()).plain());
    let who = match &one.entry.actor.address {
        Some(address) => format!("{} ({address})", one.entry.actor.name),
        None => one.entry.actor.name.clone(),
    };
    AuditRow {
        sequence: one.sequence,
        at: When::new(one.at),
        who: Name::new(who),
        action: one.entry.action,
        subject: Name::new(one.entry.subject),
        before: told(one.entry.before),
        after: told(one.entry.after),
    }
}

/// A page of entries, and where it stands.
fn entries(mut found: Vec<AuditEntry>, href: &str, before: Option<&str>) -> (Vec<AuditRow>, Pages) {
    let more = found.len() > ENTRIES as usize;
    found.truncate(ENTRIES as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.sequence.to_string());
    let at = pages(
        href,
        &[],
        before,
        next.as_deref(),
        found.len(),
        ("entry", "entries"),
    );
    (found.into_iter().map(entry).collect(), at)
}

fn asking(tenant: Option<&str>, subject: Option<String>, before: Option<&str>) -> AuditQuery {
    AuditQuery {
        tenant: tenant.map(str::to_owned),
        subject,
        before: before.and_then(|before| before.parse().ok()),
        limit: ENTRIES + 1,
        ..AuditQuery::default()
    }
}

/// `GET …/history` of a directory.
pub async fn of_directory(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory)): Path<(String, String)>,
    axum::extract::Query(query): Query,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let (shell, _) = reader
        .of_directory(&service, &id, "History", Tab::History, false)
        .await?;
    let runs = latest(&service, &reader, &id.tenant, Some(&id.name), RUNS).await?;
    let applies = runs
        .iter()
        .filter(|run| run.kind == RunKind::Apply && run.ended_at.is_some())
        .filter(|run| {
            run.end
                .as_ref()
                .is_some_and(|end| end.result != RunResult::Refused)
        })
        .take(25)
        .map(row)
        .collect();
    let before = query.get("after").map(String::as_str);
    let may_read = reader.who.may(Some(&id.tenant), Role::Admin);
    let (entries, pages) = if may_read {
        let asking = asking(Some(&id.tenant), Some(id.to_string()), before);
        let found = service.audit(&reader.who, &asking).await?;
        entries(found, &format!("{}/history", directory_href(&id)), before)
    } else {
        let told = "The audit log is shown to administrators.".to_owned();
        (
            Vec::new(),
            Pages {
                told,
                ..Pages::default()
            },
        )
    };
    Ok(page(
        StatusCode::OK,
        &History {
            shell,
            may_operate: reader.who.may(Some(&id.tenant), Role::Operator),
            applies,
            entries,
            pages,
        },
    ))
}

/// `GET /audit` of the host, and of a tenant.
pub async fn audit(
    State(service): Host,
    reader: Reader,
    tenant: Option<Path<String>>,
    axum::extract::Query(query): Query,
) -> Answer {
    let before = query.get("after").map(String::as_str);
    let (shell, tenant, href) = match &tenant {
        Some(Path(tenant)) => {
            let (shell, _) = reader
                .of_tenant(&service, tenant, "Audit log", TenantPage::Audit)
                .await?;
            (
                shell,
                Some(tenant.as_str()),
                format!("{}/audit", tenant_href(tenant)),
            )
        }
        None => (reader.shell("Audit log", "/audit"), None, "/audit".to_owned()),
    };
    let found = service.audit(&reader.who, &asking(tenant, None, before)).await?;
    let (entries, pages) = entries(found, &href, before);
    Ok(page(
        StatusCode::OK,
        &Audit {
            shell,
            entries,
            pages,
        },
    ))
}
