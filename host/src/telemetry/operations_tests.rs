//! What is ready-made for those who watch names only what a host really tells.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Telemetry, Watched, WatchedStore};
use crate::egress::origin::Vendor;
use crate::egress::quota::Taken;
use crate::egress::recorder::Sent;
use crate::run::{Observer as _, RunRef};
use crate::store::{ConnectionId, NewRun, RunEnd, RunKind, RunResult, RunStore as _, SqliteStore};

const ALERTS: &str = include_str!("../../operations/alerts.yml");
const RUNBOOK: &str = include_str!("../../operations/runbook.md");
const OVERVIEW: &str = include_str!("../../operations/dashboard-overview.json");
const CONNECTION: &str = include_str!("../../operations/dashboard-connection.json");

/// What a host tells after a run, a request of a person and a secret that expires.
async fn exposition() -> String {
    let folder = tempfile::tempdir().unwrap();
    let inner = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let telemetry = Telemetry::default();
    let store = WatchedStore::new(Arc::new(inner), telemetry.clone());
    let connection = ConnectionId::new("acme", "entra");
    let watched = Watched {
        schedule: None,
        max_age: Some(Duration::from_secs(3_600)),
    };
    telemetry.watch(&connection, watched);
    let run = NewRun {
        id: "1".to_owned(),
        connection: connection.clone(),
        kind: RunKind::Plan,
        plan: None,
    };
    store.start_run(&run).await.unwrap();
    let about = RunRef {
        connection: connection.clone(),
        run: "1".to_owned(),
        job: None,
    };
    let sent = Sent {
        vendor: Vendor::Entra,
        method: "GET".to_owned(),
        url: "https://graph.microsoft.com/v1.0/groups".to_owned(),
        attempt: 1,
        parts: Vec::new(),
        operations: Vec::new(),
        status: Some(200),
        request_id: None,
        failure: None,
        duration: Duration::from_millis(30),
        bytes_out: 0,
        bytes_in: 2,
        echoed_secret: false,
        clock_ahead: None,
        content_type: None,
        quota: Taken {
            used: Some(0.9),
            ..Taken::default()
        },
    };
    telemetry.sent(&about, &sent);
    telemetry
        .shared()
        .connections
        .waits(&connection, super::Waiting::default());
    store
        .end_run("1", &RunEnd::new(RunResult::Done, ""), &serde_json::json!({}))
        .await
        .unwrap();
    telemetry.succeeded(&connection, chrono::Utc::now());
    telemetry.secret_expires(Some("acme"), "entra", Some(chrono::Utc::now()));
    telemetry.served(&http::Method::GET, "/", 200, Duration::ZERO);
    telemetry.stored("end_run", Duration::ZERO, true);
    telemetry.metrics_text()
}

/// Names of series that there are: what a query can ask for.
fn told(exposition: &str) -> BTreeSet<&str> {
    exposition
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect()
}

/// Names of our series in queries.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("groupcast_"))
        .collect()
}

#[tokio::test]
async fn every_metric_that_a_rule_or_a_panel_names_is_told() {
    let exposition = exposition().await;
    let told = told(&exposition);
    for (file, text) in [
        ("alerts.yml", ALERTS),
        ("runbook.md", RUNBOOK),
        ("dashboard-overview.json", OVERVIEW),
        ("dashboard-connection.json", CONNECTION),
    ] {
        let named = named(text);
        assert!(!named.is_empty(), "{file} names nothing");
        let missing: Vec<_> = named
            .iter()
            .filter(|name| !told.contains(**name))
            .filter(|name| !told.contains(format!("{name}_bucket").as_str()))
            .collect();
        assert!(
            missing.is_empty(),
            "{file} names what is not told: {missing:?}\n{exposition}"
        );
    }
}

#[test]
fn every_alert_has_its_part_of_the_runbook_and_the_other_way_round() {
    let parts: BTreeSet<&str> = RUNBOOK
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let linked: BTreeSet<&str> = ALERTS
        .lines()
        .filter_map(|line| line.split_once("runbook.md#"))
        .map(|(_, part)| part.trim())
        .collect();
    let anchors: BTreeSet<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    assert_eq!(linked, anchors.iter().map(String::as_str).collect());
    let alerts = ALERTS.matches("- alert: ").count();
    assert_eq!(
        ALERTS.matches("runbook_url").count(),
        alerts,
        "each alert has a link"
    );
}

#[test]
fn dashboards_are_grafanas_and_their_panels_are_told_apart() {
    for text in [OVERVIEW, CONNECTION] {
        let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len());
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            assert!(
                !panel["description"].as_str().unwrap().is_empty(),
                "{}",
                panel["title"]
            );
            assert!(
                !panel["targets"].as_array().unwrap().is_empty(),
                "{}",
                panel["title"]
            );
        }
    }
}

#[tokio::test]
async fn names_follow_the_conventions_and_a_connection_costs_thirteen_series() {
    let exposition = exposition().await;
    for line in exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(name.starts_with("groupcast_"), "{name}");
        assert!(!name.ends_with("_total"), "the exposition adds it: {name}");
        assert!(
            !name.contains("millis") && !name.contains("_ms"),
            "base units: {name}"
        );
        assert!(
            ["counter", "gauge", "histogram", "info"].contains(&kind),
            "{line}"
        );
    }
    let of_connection = exposition
        .lines()
        .filter(|line| line.contains("connection=\"entra\""))
        .count();
    // With one vendor asked; each further one is one more.
    assert_eq!(of_connection, 12, "{exposition}");
}
