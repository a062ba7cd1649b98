//! *Runs*: lists of them, and one with each write and its answer.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::Operation;
use serde_json::Value;

use super::form::{Query, pages};
use super::jobs::choices;
use super::{Answer, Host, Refused};
use crate::console::page::{Pages, page};
use crate::console::pages::runs::{OutcomeRow, Run, RunRow, Runs};
use crate::console::reader::{Reader, Tab, TenantPage, directory_href};
use crate::console::words::{Badge, Name, Tone, When, count, ended, grouped, segment, shown, span};
use crate::service::{Service, ServiceError};
use crate::store::service::Role;
use crate::store::{ConnectionId, OutcomeRecord, RunKind, RunQuery, RunRecord, RunResult};

/// Runs in a list.
const LIST: u32 = 100;
/// Writes on a page of a run.
const WRITES: usize = 200;

/// The latest runs of a tenant, or of one of its directories.
///
/// # Errors
/// Not allowed; the store.
pub async fn latest(
    service: &Service,
    reader: &Reader,
    tenant: &str,
    connection: Option<&str>,
    limit: u32,
) -> Result<Vec<RunRecord>, ServiceError> {
    let query = RunQuery {
        tenant: Some(tenant.to_owned()),
        connection: connection.map(str::to_owned),
        limit,
        ..RunQuery::default()
    };
    service.runs(&reader.who, query).await
}

/// What a run is for.
pub fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Plan => "Plan",
        RunKind::Apply => "Apply",
        RunKind::Sync => "Sync",
        RunKind::Undo => "Plan of the way back",
        RunKind::Check => "Check",
    }
}

/// A run as a row of a list.
pub fn row(run: &RunRecord) -> RunRow {
    let bad = run
        .end
        .as_ref()
        .is_some_and(|end| matches!(end.result, RunResult::Failed | RunResult::Refused));
    let message = run.end.as_ref().map(|end| shown(&end.message));
    RunRow {
        id: run.id.clone(),
        href: format!("{}/runs/{}", directory_href(&run.connection), segment(&run.id)),
        kind: kind(run.kind),
        directory: Name::new(run.connection.name.clone()),
        began: When::new(run.started_at),
        took: took(run),
        end: end(run),
        told: if bad {
            String::new()
        } else {
            message.clone().unwrap_or_default()
        },
        message: message.filter(|_| bad),
    }
}

fn took(run: &RunRecord) -> String {
    run.ended_at.map_or_else(
        || "–".to_owned(),
        |ended| span(u64::try_from((ended - run.started_at).num_milliseconds()).unwrap_or(0)),
    )
}

fn end(run: &RunRecord) -> Badge {
    run.end
        .as_ref()
        .map_or_else(|| Badge::new(Tone::Busy, "Not ended"), |end| ended(end.result))
}

/// `GET /tenants/{tenant}/runs`.
pub async fn of_tenant(State(service): Host, reader: Reader, Path(tenant): Path<String>) -> Answer {
    let (shell, _) = reader
        .of_tenant(&service, &tenant, "Runs", TenantPage::Runs)
        .await?;
    let runs = latest(&service, &reader, &tenant, None, LIST).await?;
    Ok(listed(shell, None, &runs))
}

/// `GET …/runs` of a directory.
pub async fn of_directory(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory)): Path<(String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let (shell, view) = reader
        .of_directory(&service, &id, "Runs", Tab::Runs, false)
        .await?;
    let runs = latest(&service, &reader, &id.tenant, Some(&id.name), LIST).await?;
    Ok(listed(shell, choices(&reader, &view), &runs))
}

fn listed(
    shell: crate::console::page::Shell,
    begin: Option<crate::console::page::Begin>,
    runs: &[RunRecord],
) -> axum::response::Response {
    let told = if runs.len() as u64 == u64::from(LIST) {
        format!("the latest {LIST} runs")
    } else {
        count(runs.len() as u64, "run", "runs")
    };
    page(
        StatusCode::OK,
        &Runs {
            shell,
            begin,
            runs: runs.iter().map(row).collect(),
            pages: Pages {
                told,
                ..Pages::default()
            },
        },
    )
}

/// `GET …/runs/{run}`.
pub async fn one(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory, run)): Path<(String, String, String)>,
    axum::extract::Query(query): Query,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let view = service.run(&reader.who, &run).await?;
    let record = view.record;
    if record.connection != id {
        return Err(ServiceError::not_found("run", run).into());
    }
    let after: Option<u64> = query.get("after").and_then(|after| after.parse().ok());
    let mut outcomes = match after {
        None => view.outcomes,
        Some(after) => service.outcomes(&reader.who, &run, after).await?,
    };
    let more = outcomes.len() > WRITES;
    outcomes.truncate(WRITES);
    let next = outcomes
        .last()
        .filter(|_| more)
        .map(|last| last.intent.to_string());
    let title = kind(record.kind);
    let (mut shell, _) = reader.of_directory(&service, &id, title, Tab::Runs, true).await?;
    shell.badges.push(end(&record));
    let href = format!("{}/runs/{}", directory_href(&id), segment(&run));
    let after = after.map(|after| after.to_string());
    let at = pages(
        &href,
        &[],
        after.as_deref(),
        next.as_deref(),
        outcomes.len(),
        ("write", "writes"),
    );
    let names = group_names(&service, &reader, &id, &record).await?;
    let wrote = !outcomes.is_empty() || after.is_some();
    let may_undo = wrote && record.ended_at.is_some() && reader.who.may(Some(&id.tenant), Role::Operator);
    let (request_columns, requests) = requests(&record.counters);
    Ok(page(
        StatusCode::OK,
        &Run {
            undo: may_undo.then(|| format!("{href}/undo")),
            plan: record
                .plan
                .as_ref()
                .map(|plan| format!("{}/plans/{}", directory_href(&id), segment(plan))),
            message: record.end.as_ref().map(|end| shown(&end.message)),
            tone: end(&record).tone,
            figures: figures(&record, &outcomes),
            timeline: timeline(&record, &outcomes),
            request_columns,
            requests,
            outcomes_told: count(outcomes.len() as u64, "write", "writes"),
            outcomes: outcomes.iter().map(|one| outcome(one, &names)).collect(),
            pages: at,
            shell,
        },
    ))
}

/// Names of groups by their IDs, from the run's plan.
async fn group_names(
    service: &Service,
    reader: &Reader,
    id: &ConnectionId,
    record: &RunRecord,
) -> Result<HashMap<String, String>, Refused> {
    let mut names = HashMap::new();
    let Some(plan) = &record.plan else {
        return Ok(names);
    };
    let mut after = None;
    loop {
        let parts = match service
            .plan_parts(&reader.who, id, plan, after, crate::service::PAGE)
            .await
        {
            Ok(parts) => parts,
            Err(ServiceError::NotFound { .. }) => return Ok(names),
            Err(error) => return Err(error.into()),
        };
        names.extend(
            parts
                .items
                .into_iter()
                .map(|one| (one.part.group.id, one.part.group.name)),
        );
        after = parts.next.and_then(|next| next.parse().ok());
        if after.is_none() {
            return Ok(names);
        }
    }
}

fn figures(record: &RunRecord, outcomes: &[OutcomeRecord]) -> Vec<(String, &'static str)> {
    let settled = |which: &[Settlement]| {
        let is = |one: &&OutcomeRecord| {
            one.settlement
                .is_some_and(|settlement| which.contains(&settlement))
        };
        grouped(outcomes.iter().filter(is).count() as u64)
    };
    let mut figures = vec![(took(record), "Took")];
    if !outcomes.is_empty() {
        figures.push((settled(&[Settlement::Applied, Settlement::Already]), "Done"));
        figures.push((settled(&[Settlement::Refused]), "Refused"));
    }
    let usage = |key: &str| {
        record
            .counters
            .get("usage")
            .and_then(|usage| usage.get(key))
            .and_then(Value::as_u64)
    };
    if let Some(bytes) = usage("memory_peak_bytes").or_else(|| usage("memory_bytes")) {
        figures.push((
            format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
            "Memory of the component",
        ));
    }
    figures
}

fn timeline(record: &RunRecord, outcomes: &[OutcomeRecord]) -> Vec<(String, &'static str, String, Tone)> {
    let clock = |at: chrono::DateTime<chrono::Utc>| at.format("%H:%M:%S UTC").to_string();
    let mut lines = vec![(
        record.started_at.format("%-d %b %Y, %H:%M:%S UTC").to_string(),
        "Began",
        String::new(),
        Tone::Plain,
    )];
    if let Some(first) = outcomes.iter().map(|one| one.intended_at).min() {
        lines.push((clock(first), "First write", String::new(), Tone::Info));
    }
    if let Some(last) = outcomes.iter().filter_map(|one| one.settled_at).max() {
        lines.push((clock(last), "Last answer", String::new(), Tone::Info));
    }
    if let Some(at) = record.ended_at {
        lines.push((
            clock(at),
            "Ended",
            format!("after {}", took(record)),
            end(record).tone,
        ));
    }
    lines
}

/// What each vendor was asked: the columns that the run counted, and a row for each vendor.
fn requests(counters: &Value) -> (Vec<&'static str>, Vec<(String, Vec<String>)>) {
    const COLUMNS: [(&str, &str); 8] = [
        ("requests", "Requests"),
        ("batches", "Batches"),
        ("parts", "In batches"),
        ("writes", "Writes"),
        ("ok", "2xx"),
        ("client_errors", "4xx"),
        ("server_errors", "5xx"),
        ("throttled", "Asked to wait"),
    ];
    let vendors = counters
        .get("requests")
        .and_then(|requests| requests.get("vendors"))
        .and_then(Value::as_object);
    let Some(vendors) = vendors else {
        return (Vec::new(), Vec::new());
    };
    let there: Vec<(&str, &'static str)> = COLUMNS
        .into_iter()
        .filter(|(key, _)| {
            vendors
                .values()
                .any(|counts| counts.get(*key).is_some_and(Value::is_u64))
        })
        .collect();
    let rows = vendors
        .iter()
        .map(|(vendor, counts)| {
            let numbers = there
                .iter()
                .map(|(key, _)| grouped(counts.get(*key).and_then(Value::as_u64).unwrap_or(0)))
                .collect();
            (vendor_name(vendor).to_owned(), numbers)
        })
        .collect();
    (there.into_iter().map(|(_, label)| label).collect(), rows)
}

/// What a vendor is called.
pub fn vendor_name(vendor: &str) -> &str {
    match vendor {
        "jumpcloud" => "JumpCloud",
        "google" => "Google Workspace",
        "entra" => "Entra ID",
        other => other,
    }
}

fn outcome(one: &OutcomeRecord, names: &HashMap<String, String>) -> OutcomeRow {
    let what = match serde_json::from_str::<Operation>(&one.operation) {
        Ok(Operation::CreateGroup { name, .. }) => format!("Create the group {name}"),
        Ok(Operation::UpdateGroup { .. }) => "Update the group".to_owned(),
        Ok(Operation::AddMember { address, .. }) => format!("Add {address}"),
        Ok(Operation::RemoveMember { address, .. }) => format!("Remove {address}"),
        Err(_) => "A write of another version".to_owned(),
    };
    let answer = match one.settlement {
        Some(Settlement::Applied) => Badge::new(Tone::Good, "Done"),
        Some(Settlement::Already) => Badge::new(Tone::Good, "Was so already"),
        Some(Settlement::Refused) => Badge::new(Tone::Bad, "Refused"),
        Some(Settlement::Abandoned) => Badge::new(Tone::Care, "Not sent"),
        None => Badge::new(Tone::Care, "Open: the next run reads it back"),
    };
    OutcomeRow {
        what: what.into(),
        group: Name::new(names.get(&one.group).unwrap_or(&one.group).clone()),
        answer: match one.status {
            Some(status) => Badge::new(answer.tone, format!("{} ({status})", answer.text)),
            None => answer,
        },
        reason: one.reason.clone().map(Name::new),
        request_id: Name::new(one.request_id.clone().unwrap_or_default()),
        at: one
            .settled_at
            .unwrap_or(one.intended_at)
            .format("%H:%M:%S UTC")
            .to_string(),
    }
}
