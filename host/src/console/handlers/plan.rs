//! *Plan*: the list, one as a readable diff, and its approval.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use groupcast_guest::engine::PlanSummary;
use groupcast_guest::plan::part::{GroupState, Part};

use super::form::{Query, pages};
use super::jobs::{choices, start};
use super::{Answer, Host};
use crate::console::diff;
use crate::console::page::page;
use crate::console::pages::plan::{Plan, PlanRow, Plans};
use crate::console::reader::{Reader, Tab, directory_href};
use crate::console::words::{Badge, Name, Tone, When, count, grouped, segment, short, shown};
use crate::service::{Service, ServiceError};
use crate::store::service::{Role, Work};
use crate::store::{ConnectionId, PlanRecord, PlanStatus};

/// Groups on a page of a plan.
const PARTS: u32 = 100;
/// Plans in the list.
const LIST: u32 = 100;

fn summary(record: &PlanRecord) -> PlanSummary {
    serde_json::from_value(record.summary.clone()).unwrap_or_default()
}

fn href(id: &ConnectionId, hash: &str) -> String {
    format!("{}/plans/{}", directory_href(id), segment(hash))
}

fn status(record: &PlanRecord, summary: &PlanSummary) -> Badge {
    let expired = record.expires_at <= chrono::Utc::now();
    match &record.status {
        PlanStatus::Applied { .. } => Badge::new(Tone::Good, "Applied"),
        PlanStatus::Expired => Badge::new(Tone::Plain, "Expired"),
        _ if expired => Badge::new(Tone::Plain, "Expired"),
        PlanStatus::Approved { parts } if *parts >= record.parts => Badge::new(Tone::Info, "Approved"),
        PlanStatus::Approved { .. } => Badge::new(Tone::Info, "Approved in part"),
        PlanStatus::Stored if summary.operations == 0 && summary.held == 0 => {
            Badge::new(Tone::Plain, "Nothing to write")
        }
        PlanStatus::Stored => Badge::new(Tone::Care, "Waits for approval"),
    }
}

fn told(summary: &PlanSummary) -> String {
    let others = summary
        .operations
        .saturating_sub(summary.adds)
        .saturating_sub(summary.removals);
    let mut said = Vec::new();
    let mut say = |number: u64, one: &str, many: &str| {
        if number > 0 {
            said.push(count(number, one, many));
        }
    };
    say(summary.adds, "membership to add", "memberships to add");
    say(summary.removals, "to remove", "to remove");
    say(others, "group to create or change", "groups to create or change");
    say(summary.held, "held", "held");
    if said.is_empty() {
        "nothing to do".to_owned()
    } else {
        said.join(", ")
    }
}

/// `GET …/plans`.
pub async fn list(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory)): Path<(String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let (shell, view) = reader
        .of_directory(&service, &id, "Plan", Tab::Plan, false)
        .await?;
    let rows = service
        .latest_plans(&reader.who, &id, LIST)
        .await?
        .iter()
        .map(|record| {
            let summary = summary(record);
            PlanRow {
                href: href(&id, &record.hash),
                short: short(&record.hash).to_owned(),
                made: When::new(record.created_at),
                state: status(record, &summary),
                told: told(&summary),
                groups: record.parts,
            }
        })
        .collect();
    Ok(page(
        StatusCode::OK,
        &Plans {
            shell,
            begin: choices(&reader, &view),
            rows,
        },
    ))
}

/// `GET …/plans/{plan}`.
pub async fn one(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, hash)): Path<(String, String, String)>,
    axum::extract::Query(query): Query,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let record = service.plan_record(&reader.who, &id, &hash).await?;
    let summary = summary(&record);
    let title = format!("Plan {}", short(&record.hash));
    let (mut shell, view) = reader.of_directory(&service, &id, title, Tab::Plan, true).await?;
    let badge = status(&record, &summary);
    let open = matches!(record.status, PlanStatus::Stored | PlanStatus::Approved { .. })
        && record.expires_at > chrono::Utc::now();
    shell.badges.push(badge);
    if record.derived_from.is_some() {
        shell
            .badges
            .push(Badge::new(Tone::Info, "With what was held released"));
    }
    let after = query.get("after").cloned();
    let mark: Option<u64> = after.as_deref().and_then(|after| after.parse().ok());
    let parts = service
        .plan_parts(&reader.who, &id, &record.hash, mark, PARTS)
        .await?;
    let (quiet, loud): (Vec<_>, Vec<_>) = parts
        .items
        .iter()
        .partition(|one| crate::cli::render::group::is_quiet(&one.part));
    // Where a directory exports a few of many groups, these few are what somebody comes for.
    let (left_out, loud): (Vec<_>, Vec<_>) = loud.into_iter().partition(|one| is_left_out(&one.part));
    let to_apply = loud.iter().any(|one| one.part.has_work()) || summary.operations > 0;
    let held = loud
        .iter()
        .any(|one| one.part.held.iter().any(|held| held.approvable));
    let href = href(&id, &record.hash);
    let at = pages(
        &href,
        &[],
        after.as_deref(),
        parts.next.as_deref(),
        parts.items.len(),
        ("group", "groups"),
    );
    let applied = match &record.status {
        PlanStatus::Applied { run, .. } => Some((
            format!("{}/runs/{}", directory_href(&id), segment(run)),
            "See what the vendor answered".to_owned(),
        )),
        _ => None,
    };
    Ok(page(
        StatusCode::OK,
        &Plan {
            begin: choices(&reader, &view),
            figures: figures(&summary, &loud),
            made: When::new(record.created_at),
            until: format!("valid until {}", record.expires_at.format("%-d %b %Y, %H:%M UTC")),
            extent: crate::cli::render::plan::extent(&summary),
            applied,
            may_approve: open
                && view.managed
                && (to_apply || held)
                && reader.who.may(Some(&id.tenant), Role::Operator),
            to_apply,
            to_apply_told: if to_apply {
                told(&PlanSummary { held: 0, ..summary })
            } else {
                "Everything in it is held".to_owned()
            },
            parts_told: count(
                loud.len() as u64,
                "group with something to see",
                "groups with something to see",
            ),
            parts: loud
                .iter()
                .map(|one| diff::part(&one.part, one.record.approved_by.as_deref()))
                .collect(),
            quiet_told: count(quiet.len() as u64, "group in step", "groups in step"),
            left_out_told: count(
                left_out.len() as u64,
                "group that is not exported",
                "groups that are not exported",
            ),
            left_out: left_out
                .iter()
                .map(|one| {
                    let why = one.part.reasons.iter().map(|reason| shown(&reason.message));
                    let why: Vec<String> = why.collect();
                    (Name::new(one.part.group.name.clone()), why.join(" "))
                })
                .collect(),
            quiet: quiet
                .iter()
                .map(|one| Name::new(one.part.group.name.clone()))
                .collect(),
            pages: at,
            hash: record.hash.clone(),
            href,
            shell,
        },
    ))
}

/// Whether nothing is to be said of a group but that it is not exported, and why (R1).
fn is_left_out(part: &Part) -> bool {
    part.state == GroupState::NotExportable
        && part.operations.is_empty()
        && part.held.is_empty()
        && part.notes.is_empty()
        && part.waiting.is_empty()
        && part.warnings.is_empty()
}

fn figures(summary: &PlanSummary, parts: &[&crate::service::PartView]) -> Vec<(String, &'static str)> {
    let parts: Vec<_> = parts.iter().map(|one| one.part.clone()).collect();
    let totals = crate::cli::render::plan::Totals::of(&parts);
    let mut figures = Vec::new();
    let mut add = |number: u64, what: &'static str, always: bool| {
        if number > 0 || always {
            figures.push((grouped(number), what));
        }
    };
    add(totals.creates, "New groups", false);
    add(totals.takeovers, "Taken over", false);
    add(totals.updates, "Changed", false);
    add(summary.adds, "Added", true);
    add(summary.removals, "Removed", true);
    add(summary.held, "Held", true);
    add(totals.waiting, "People waiting", false);
    figures
}

/// `POST …/plans/{plan}/approve`: approves it as a whole, chosen groups, or one group with what it holds back; then
/// exactly that is applied.
pub async fn approve(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, hash)): Path<(String, String, String)>,
    Form(form): Form<Vec<(String, String)>>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let all = |name: &str| {
        form.iter()
            .filter(|(field, _)| field == name)
            .map(|(_, value)| value.clone())
            .collect::<Vec<String>>()
    };
    let released = all("release");
    let (groups, release_held) = if released.is_empty() {
        match all("what").first().map(String::as_str) {
            Some("all") => (None, false),
            _ => (Some(all("group")), false),
        }
    } else {
        (Some(released), true)
    };
    if groups.as_ref().is_some_and(Vec::is_empty) {
        return Err(
            ServiceError::invalid("groups", "no group is selected; tick some, or approve all").into(),
        );
    }
    approved(&service, &reader, &id, &hash, groups, release_held).await
}

async fn approved(
    service: &Service,
    reader: &Reader,
    id: &ConnectionId,
    hash: &str,
    groups: Option<Vec<String>>,
    release_held: bool,
) -> Answer {
    let plan = service
        .approve(&reader.who, id, hash, groups.as_deref(), release_held)
        .await?;
    // What was held is part of the plan by now.
    let work = Work::Apply {
        plan: plan.hash,
        groups,
        release_held: false,
    };
    start(service, reader, id, work).await
}
