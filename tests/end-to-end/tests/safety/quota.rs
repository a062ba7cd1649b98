//! How much is left of the vendors' quotas, as whoever watches the host is told: held against what the simulated vendors
//! themselves counted.

use std::sync::Arc;

use groupcast::config::Config;
use groupcast::run::{Groupcast, Observer};
use groupcast::telemetry::{Telemetry, Watched};
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::log::LoggedRequest;
use groupcast_tests::{Lab, Target, component};
use tokio_util::sync::CancellationToken;

use crate::support::{answer, json, rule, strike};

/// One run after the other, watched; answers what is told of the quota of each vendor.
struct Watching<'a> {
    lab: &'a Lab,
    telemetry: Telemetry,
}

impl<'a> Watching<'a> {
    fn new(lab: &'a Lab, target: Target) -> Self {
        let telemetry = Telemetry::default();
        let watched = Watched {
            schedule: None,
            max_age: None,
        };
        telemetry.watch(&target.connection(), watched);
        Self { lab, telemetry }
    }

    async fn plan(&self, target: Target) {
        let config = Config::load(&self.lab.config_file()).unwrap();
        let (engine, plugin) = component();
        let setups = groupcast::run::connections(&config).await.unwrap();
        let store = groupcast::run::open_store(&config).await.unwrap();
        let observer = Arc::new(self.telemetry.clone()) as Arc<dyn Observer>;
        Groupcast::with_plugin(setups, store, engine, plugin, observer)
            .plan(&target.connection(), &CancellationToken::new())
            .await
            .unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// None: nothing was asked of that vendor.
    fn left(&self, target: Target, vendor: &str) -> Option<f64> {
        let (tenant, connection) = ("default", target.name());
        let series = format!(
            "groupcast_connection_quota_headroom_ratio{{tenant=\"{tenant}\",connection=\"{connection}\",vendor=\"{vendor}\"}} "
        );
        let text = self.telemetry.metrics_text();
        let line = text.lines().find_map(|line| line.strip_prefix(&series))?;
        Some(line.trim().parse().unwrap())
    }
}

/// What a vendor's API was asked, each part of a batch being one; tokens are no part of its quota.
fn asked(lab: &Lab, vendor: Vendor) -> Vec<LoggedRequest> {
    let requests = lab.simulators.requests().into_iter();
    requests
        .filter(|request| request.vendor == vendor)
        .filter(|request| {
            !request.path.ends_with("/token") && !request.path.to_ascii_lowercase().contains("batch")
        })
        .collect()
}

async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    for number in 0..4_usize {
        let name = format!("Group {number}");
        lab.group(
            &name,
            Some(&format!("group-{number}@example.com")),
            &[number, number + 1],
        );
    }
    for target in groupcast_tests::BOTH {
        lab.plan_and_apply(target).await;
    }
    lab.simulators.clear_requests();
    lab
}

fn agrees(told: f64, counted: f64) {
    assert!((told - counted).abs() < 1e-9, "told {told}, counted {counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_head_room_is_what_its_minute_leaves() {
    let lab = lab().await;
    let watching = Watching::new(&lab, Target::Google);
    assert_eq!(watching.left(Target::Google, "google"), None);
    watching.plan(Target::Google).await;
    let calls = asked(&lab, Vendor::Google).len();
    assert!(calls > 4, "the members of each group are read");
    agrees(
        watching.left(Target::Google, "google").unwrap(),
        1.0 - calls as f64 / 2_400.0,
    );
    assert_eq!(watching.left(Target::Google, "entra"), None, "it was not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn entras_head_room_is_what_graph_says_that_requests_cost() {
    let lab = lab().await;
    let watching = Watching::new(&lab, Target::Entra);
    watching.plan(Target::Entra).await;
    // By the documented table; the simulator tells the same in each answer.
    let asked = asked(&lab, Vendor::Entra);
    let units: u32 = asked
        .iter()
        .map(|request| {
            let usual: u32 = match request.path.split('/').collect::<Vec<_>>().as_slice() {
                [_, _, "groups", _, "transitiveMembers", ..] => 5,
                [_, _, "groups", _, "members", ..] => 3,
                [_, _, "users"] => 2,
                _ => 1,
            };
            let query = request.query.replace("%24", "$");
            (usual + u32::from(query.contains("$expand=")))
                .saturating_sub(u32::from(query.contains("$select=")))
                .max(1)
        })
        .sum();
    assert!(asked.len() > 4, "the members of each group are read");
    let (first, last) = (asked[0].time_ms, asked[asked.len() - 1].time_ms);
    assert!(last - first < 9_000, "all of it is in one span of ten seconds");
    agrees(
        watching.left(Target::Entra, "entra").unwrap(),
        1.0 - f64::from(units) / 3_500.0,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn graphs_own_word_on_what_is_used_counts_for_more() {
    let lab = lab().await;
    let said = answer(
        429,
        &[("retry-after", "1"), ("x-ms-throttle-limit-percentage", "1.2")],
        "application/json",
        "{}",
    );
    strike(
        &lab,
        Rule {
            times: Some(1),
            ..rule(Vendor::Entra, "GET", "/v1.0/groups/*/members", said)
        },
    );
    let watching = Watching::new(&lab, Target::Entra);
    watching.plan(Target::Entra).await;
    assert_eq!(watching.left(Target::Entra, "entra"), Some(0.0));
    assert!(watching.left(Target::Entra, "jumpcloud").unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn googles_refusal_for_its_quota_leaves_nothing() {
    let lab = lab().await;
    let refusal = r#"{"error":{"code":403,"message":"User Rate Limit Exceeded","errors":[{"domain":"usageLimits",
        "reason":"userRateLimitExceeded","message":"User Rate Limit Exceeded"}]}}"#;
    strike(
        &lab,
        Rule {
            times: Some(1),
            ..rule(
                Vendor::Google,
                "GET",
                "/admin/directory/v1/groups/*/members",
                json(403, refusal),
            )
        },
    );
    let watching = Watching::new(&lab, Target::Google);
    watching.plan(Target::Google).await;
    assert_eq!(watching.left(Target::Google, "google"), Some(0.0));
    let throttled = "groupcast_vendor_throttled_total{vendor=\"google\"} 1";
    assert!(watching.telemetry.metrics_text().contains(throttled));
}

/// JumpCloud publishes no limit: it is the room that this host gives a run.
#[tokio::test(flavor = "multi_thread")]
async fn jumpclouds_head_room_is_what_a_run_may_have_under_way() {
    let mut lab = lab().await;
    let slow = Rule {
        times: Some(2),
        ..rule(
            Vendor::Jumpcloud,
            "GET",
            "/api/v2/usergroups/*/membership",
            Fault::Delay { ms: 900 },
        )
    };
    strike(&lab, slow.clone());
    let roomy = Watching::new(&lab, Target::Google);
    roomy.plan(Target::Google).await;
    let roomy = roomy.left(Target::Google, "jumpcloud").unwrap();
    // 32 at once, a minute long.
    assert!(roomy < 1.0 - 1.8 / (60.0 * 32.0) && roomy > 0.98, "{roomy}");

    let limits = toml::Table::from_iter([("requests_in_flight".to_owned(), 1.into())]);
    lab.config.insert("limits".to_owned(), limits.into());
    strike(&lab, slow);
    let narrow = Watching::new(&lab, Target::Google);
    narrow.plan(Target::Google).await;
    let narrow = narrow.left(Target::Google, "jumpcloud").unwrap();
    assert!(narrow < 1.0 - 1.8 / 60.0 && narrow > 0.5, "{narrow}");

    let throttled = answer(429, &[("retry-after", "1")], "application/json", "{}");
    strike(
        &lab,
        Rule {
            times: Some(1),
            ..rule(Vendor::Jumpcloud, "GET", "/api/v2/directories", throttled)
        },
    );
    let refused = Watching::new(&lab, Target::Google);
    refused.plan(Target::Google).await;
    assert_eq!(refused.left(Target::Google, "jumpcloud"), Some(0.0));
}
