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
use crate::service::{Declared, DirectoryView, TenantGlance, TenantView};
use crate::store::Mode;
use crate::store::service::Role;

/// Tenants on a page.
const PAGE: u32 = 50;
/// Runs on a tenant's home.
const RUNS: u32 = 8;

/// `GET /tenants`.
pub async fn list(State(service): Host, reader: Reader, axum::extract::Query(query): Query) -> Answer {
    let (search, after) = (text(&query, "search"), query.get("after").cloned());
    let searched = Some(search.as_str()).filter(|search| !search.is_empty());
    let found = service
        .tenants_at_a_glance(&reader.who, searched, after.as_deref(), PAGE)
        .await?;
    let rows: Vec<TenantRow> = found.items.iter().map(tenant_row).collect();
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

fn tenant_row(glance: &TenantGlance) -> TenantRow {
    let TenantGlance {
        tenant,
        directories,
        waiting,
    } = glance;
    let mut notes = Vec::new();
    if *waiting > 0 {
        notes.push(Badge::new(
            Tone::Care,
            count(*waiting as u64, "directory", "directories"),
        ));
    }
    let managed = directories.iter().filter(|one| one.managed);
    let last_success = managed.map(|one| one.last_success).min().flatten();
    TenantRow {
        name: tenant.name.clone(),
        title: Name::new(tenant.title.clone()),
        href: tenant_href(&tenant.name),
        state: tenant_state(tenant, directories),
        directories: directories.len(),
        last_success: last_success.map(When::new),
        waits: notes,
    }
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

/// `GET /tenants/{tenant}`.
pub async fn home(State(service): Host, reader: Reader, Path(tenant): Path<String>) -> Answer {
    let (mut shell, view) = reader
        .of_tenant(&service, &tenant, "", TenantPage::Overview)
        .await?;
    shell.title = Name::new(view.title.clone()).plain();
    let directories = service.directories(&reader.who, &tenant).await?;
    let may_add =
        matches!(view.declared, Declared::InStore { .. }) && reader.who.may(Some(&tenant), Role::Admin);
    let waiting = service.waiting(&directories).await?;
    let cards = directories
        .iter()
        .map(|one| card(one, waiting.contains(&one.id)))
        .collect();
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

fn card(one: &DirectoryView, waits: bool) -> DirectoryCard {
    let href = directory_href(&one.id);
    let waits = waits.then(|| (format!("{href}/plans"), "Look at the plan that waits".to_owned()));
    DirectoryCard {
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
    }
}
