//! *Charts* of a directory.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{Duration, NaiveDate, Utc};
use serde_json::Value;

use super::runs::vendor_name;
use super::{Answer, Host};
use crate::console::chart::{Unit, lines, stacked};
use crate::console::page::page;
use crate::console::pages::charts::Charts;
use crate::console::reader::{Reader, Tab};
use crate::store::ConnectionId;

/// How far back charts go.
const DAYS: i64 = 90;

/// `GET …/charts`.
pub async fn of_directory(
    State(service): Host,
    reader: Reader,
    Path((tenant, directory)): Path<(String, String)>,
) -> Answer {
    let id = ConnectionId::new(tenant, directory);
    let (shell, _) = reader
        .of_directory(&service, &id, "Charts", Tab::Charts, false)
        .await?;
    let since = Utc::now() - Duration::days(DAYS);
    let samples = service.samples(&reader.who, &id, since).await?;
    let changes = service.changes_per_day(&reader.who, &id, since).await?;
    let of = |value: &dyn Fn(&crate::store::service::NewSample) -> Vec<u64>| {
        samples
            .iter()
            .map(|one| (one.at, value(&one.sample)))
            .collect::<Vec<_>>()
    };
    let memberships = of(&|sample| vec![sample.memberships]);
    let waiting = of(&|sample| vec![sample.held, sample.awaiting]);
    let took = of(&|sample| vec![sample.milliseconds]);
    let requests = of(&|sample| {
        let of_vendor = |names: &[&str]| names.iter().map(|name| requests_of(&sample.requests, name)).sum();
        vec![of_vendor(&["jumpcloud"]), of_vendor(&["google", "entra"])]
    });
    let mut days: BTreeMap<NaiveDate, Vec<u64>> = BTreeMap::new();
    for change in changes {
        let place = match change.kind.as_str() {
            "add-member" => 0,
            "remove-member" => 1,
            _ => 2,
        };
        let day = days.entry(change.day).or_insert_with(|| vec![0; 3]);
        if let Some(count) = day.get_mut(place) {
            *count += change.count;
        }
    }
    let days: Vec<_> = days.into_iter().collect();
    let target = if samples
        .iter()
        .any(|one| requests_of(&one.sample.requests, "entra") > 0)
    {
        "Entra ID"
    } else {
        vendor_name("google").trim_end_matches(" Workspace")
    };
    let target: &'static str = if target == "Entra ID" {
        "Entra ID"
    } else {
        "Google"
    };
    Ok(page(
        StatusCode::OK,
        &Charts {
            shell,
            charts: vec![
                lines(
                    "memberships",
                    "Memberships",
                    Unit::Count,
                    &["Memberships"],
                    &memberships,
                ),
                stacked(
                    "changes",
                    "Changes per day",
                    &["Added", "Removed", "Groups"],
                    &days,
                ),
                lines(
                    "converge",
                    "Time to converge",
                    Unit::Milliseconds,
                    &["Time"],
                    &took,
                ),
                lines(
                    "requests",
                    "Quota use: requests of a run",
                    Unit::Count,
                    &["JumpCloud", target],
                    &requests,
                ),
                lines(
                    "waiting",
                    "Held, and people waiting",
                    Unit::Count,
                    &["Held", "Waiting"],
                    &waiting,
                ),
            ],
        },
    ))
}

/// Requests to a vendor in a sample: a number, or counts of which one is all.
fn requests_of(requests: &Value, vendor: &str) -> u64 {
    let vendors = requests.get("vendors").unwrap_or(requests);
    match vendors.get(vendor) {
        Some(Value::Object(counts)) => counts
            .get("requests")
            .and_then(Value::as_u64)
            .unwrap_or_else(|| counts.values().filter_map(Value::as_u64).sum()),
        Some(number) => number.as_u64().unwrap_or(0),
        None => 0,
    }
}
