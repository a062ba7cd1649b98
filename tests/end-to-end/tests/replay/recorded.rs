//! Runs of the laboratory with a recording each.

use std::path::PathBuf;
use std::sync::Arc;

use groupcast::config::Config;
use groupcast::plugin::{Plugin, PluginEngine};
use groupcast::recording::{Recording, Recordings, Replayed};
use groupcast::run::{ApplyOutcome, Groupcast, PlanOutcome, Selection};
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{Lab, Target, component};
use tokio_util::sync::CancellationToken;

/// Where the laboratory's configuration keeps recordings.
pub fn recordings(lab: &Lab) -> Recordings {
    Config::load(&lab.config_file()).unwrap().recordings
}

/// A freshly opened host that records.
pub async fn recording(lab: &Lab) -> Groupcast {
    lab.groupcast().await.recording(recordings(lab))
}

/// A recorded plan.
pub async fn plan(lab: &Lab, target: Target) -> PlanOutcome {
    recording(lab)
        .await
        .plan(&target.connection(), &CancellationToken::new())
        .await
        .unwrap_or_else(|failure| panic!("{failure}"))
}

/// A recorded apply of all of a plan.
pub async fn apply(lab: &Lab, target: Target, hash: &str) -> ApplyOutcome {
    recording(lab)
        .await
        .apply(
            &target.connection(),
            hash,
            Selection::default(),
            &CancellationToken::new(),
        )
        .await
        .unwrap_or_else(|failure| panic!("{failure}"))
}

/// The file of a run's recording.
pub fn file(lab: &Lab, run: &str) -> PathBuf {
    let path = recordings(lab).path(run).unwrap();
    assert!(path.is_file(), "{} is not there", path.display());
    path
}

/// A run's recording.
pub fn read(lab: &Lab, run: &str) -> Recording {
    Recording::read(&file(lab, run)).unwrap_or_else(|error| panic!("{error}"))
}

/// A replay with the component that is compiled for all tests.
pub async fn replay(recording: Recording) -> Replayed {
    let (engine, plugin): (Arc<PluginEngine>, Arc<Plugin>) = component();
    groupcast::recording::replay(&engine, &plugin, recording, &CancellationToken::new())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Faults on every kind of request, in reads and writes: pauses that the vendor asks for, failures, broken connections,
/// answers that come late and out of order.
pub fn trouble(lab: &Lab, target: Target) {
    let rule = |vendor, method: &str, path: Option<&str>, fault| Rule {
        vendor,
        method: Some(method.to_owned()),
        path: path.map(ToOwned::to_owned),
        query: None,
        skip: u32::from(method == "GET"),
        times: Some(1),
        fault,
    };
    let answer = |status, headers: &[(&str, &str)]| Fault::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: "{}".to_owned(),
        content_type: "application/json".to_owned(),
    };
    lab.simulators.faults(|faults| {
        faults.clear();
        for vendor in [Vendor::Jumpcloud, target.vendor()] {
            faults.add(rule(vendor, "GET", None, answer(429, &[("retry-after", "1")])));
            faults.add(rule(vendor, "GET", None, Fault::Delay { ms: 300 }));
            faults.add(rule(vendor, "GET", None, answer(503, &[])));
            faults.add(rule(vendor, "GET", None, Fault::ResetBefore));
        }
        // Not where tokens come from: these are the host's own requests.
        for path in ["/admin/**", "/batch/**", "/v1.0/**"] {
            let fault = answer(503, &[("retry-after", "1")]);
            faults.add(rule(target.vendor(), "POST", Some(path), fault));
        }
    });
}
