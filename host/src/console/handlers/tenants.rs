//! All tenants at a glance, and one tenant's home.

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::form::{Query, pages, text};
use super::runs::{latest, row};
use super::{Answer, Host};
use crate::console::page::page;
use crate::console::pages::overview::{DirectoryCard, TenantHome, TenantRow, Tenants};
use crate::console::pages::start::steps;
use crate::console::reader::{
    Reader, TenantPage, badges, directory_href, is_running, paused, quarantine, tenant_href, vendor,
};
use crate::console::words::{Badge, Name, Tone, When, count};
use crate::service::{Declared, DirectoryView, Service, TenantView};
use crate::store::service::Role;
use crate::store::{Mode, RunQuery, RunResult};

/// Tenants on a page.
const PAGE: u32 = 50;
/// Runs on a tenant's home.
const RUNS: u32 = 8;

/// `GET /tenants`.
pub async fn list(State(service): Host, reader: Reader, axum::extract::Query(query): Query) -> Answer {
    let (search, after) = (text(&query, "search"), query.get("after").cloned());
    let searched = Some(search.as_str()).filter(|search| !search.is_empty());
    let found = service
        .tenants(&reader.who, searched, after.as_deref(), PAGE)
        .await?;
    let mut rows = Vec::with_capacity(found.items.len());
    for tenant in &found.items {
        rows.push(tenant_row(&service, &reader, tenant).await?);
    }
    let at = pages(
        "/tenants",
        &[("search", &search)],
        after.as_deref(),
        found.next.as_deref(),
        rows.len(),
        ("tenant", "tenants"),
    );
    Ok(page(
        StatusCode::OK,
        &Tenants {
            shell: reader.shell("Tenants", "/tenants"),
            search,
            may_create: reader.who.may(None, Role::Admin),
            rows,
            pages: at,
        },
    ))
}

async fn tenant_row(
    service: &Service,
    reader: &Reader,
    tenant: &TenantView,
) -> Result<TenantRow, super::Refused> {
    let directories = service.directories(&reader.who, &tenant.name).await?;
    let mut waiting = 0;
    for one in directories.iter().filter(|one| one.managed) {
        waiting += u64::from(waits(service, reader, one).await?);
    }
    let mut notes = Vec::new();
    if waiting > 0 {
        notes.push(Badge::new(Tone::Care, count(waiting, "directory", "directories")));
    }
    let managed = directories.iter().filter(|one| one.managed);
    let last_success = managed.clone().map(|one| one.last_success).min().flatten();
    Ok(TenantRow {
        name: tenant.name.clone(),
        title: Name::new(tenant.title.clone()),
        href: tenant_href(&tenant.name),
        state: tenant_state(tenant, &directories),
        directories: directories.len(),
        last_success: last_success.map(When::new),
        waits: notes,
    })
}

/// The worst of its directories.
fn tenant_state(tenant: &TenantView, directories: &[DirectoryView]) -> Badge {
    if !tenant.enabled {
        return Badge::new(Tone::Plain, "Off");
    }
    let any = |is: &dyn Fn(&DirectoryView) -> bool| directories.iter().any(is);
    if any(&|one| one.unusable.is_some()) {
        Badge::new(Tone::Bad, "Cannot run")
    } else if any(&|one| quarantine(one).is_some()) {
        Badge::new(Tone::Bad, "Quarantine")
    } else if any(&|one| is_running(one)) {
        Badge::new(Tone::Busy, "Running")
    } else if any(&|one| paused(one).is_some()) {
        Badge::new(Tone::Care, "Paused")
    } else if !any(&|one| one.managed) {
        Badge::new(Tone::Plain, "Not managed yet")
    } else if any(&|one| one.managed && one.last_success.is_none()) {
        Badge::new(Tone::Info, "No run yet")
    } else {
        Badge::new(Tone::Good, "Running on schedule")
    }
}

/// Whether the last run left something for a person.
async fn waits(service: &Service, reader: &Reader, one: &DirectoryView) -> Result<bool, super::Refused> {
    let query = RunQuery {
        tenant: Some(one.id.tenant.clone()),
        connection: Some(one.id.name.clone()),
        limit: 1,
        ..RunQuery::default()
    };
    let runs = service.runs(&reader.who, query).await?;
    let end = runs.first().and_then(|run| run.end.as_ref());
    Ok(end.is_some_and(|end| end.result == RunResult::ChangesPending))
}

/// `GET /tenants/{tenant}`.
pub async fn home(State(service): Host, reader: Reader, Path(tenant): Path<String>) -> Answer {
    let (mut shell, view) = reader
        .of_tenant(&service, &tenant, "", TenantPage::Overview)
        .await?;
    shell.title = Name::new(view.title.clone()).plain();
    let directories = service.directories(&reader.who, &tenant).await?;
    let may_add =
        matches!(view.declared, Declared::InStore { .. }) && reader.who.may(Some(&tenant), Role::Admin);
    let mut cards = Vec::new();
    for one in &directories {
        cards.push(card(&service, &reader, one).await?);
    }
    let runs = latest(&service, &reader, &tenant, None, RUNS).await?;
    let done = [
        true,
        !directories.is_empty(),
        directories.iter().any(|one| one.managed),
        directories
            .iter()
            .any(|one| one.mode == Mode::Active || one.last_success.is_some()),
    ];
    let steps = if may_add && done.contains(&false) {
        let first = directories.first().map(|one| directory_href(&one.id));
        steps(Some(&tenant_href(&tenant)), first.as_deref(), done)
    } else {
        Vec::new()
    };
    Ok(page(
        StatusCode::OK,
        &TenantHome {
            shell,
            href: tenant_href(&tenant),
            steps,
            may_add,
            directories: cards,
            runs: runs.iter().map(row).collect(),
        },
    ))
}

async fn card(
    service: &Service,
    reader: &Reader,
    one: &DirectoryView,
) -> Result<DirectoryCard, super::Refused> {
    let href = directory_href(&one.id);
    let waits = waits(service, reader, one)
        .await?
        .then(|| (format!("{href}/plans"), "Look at the plan that waits".to_owned()));
    Ok(DirectoryCard {
        name: Name::new(one.id.name.clone()),
        vendor: vendor(one.vendor),
        badges: badges(one),
        last_success: one.last_success.map(When::new),
        next: one.status.next.map(When::new),
        trouble: one
            .unusable
            .clone()
            .or_else(|| quarantine(one).map(|quarantine| quarantine.reason.clone())),
        waits,
        href,
    })
}
