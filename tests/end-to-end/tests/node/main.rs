//! The same component file in somebody else's host: transpiled by jco, run in Node with some 200 lines of plain
//! JavaScript (`jco/`). It must make the same plan, byte for byte, and the same requests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use groupcast::config::Config;
use groupcast_guest::plan::part::{Part, root_hash, sha256_hex};
use groupcast_simulators::Vendor;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{BOTH, Lab, Target};
use serde_json::{Value, json};

const SIZE: Size = Size {
    users: 40,
    groups: 6,
    memberships: 90,
};

/// What a vendor got, free of what differs between two laboratories: ports, and the IDs of groups made there.
fn requests(lab: &Lab, target: Target) -> Vec<String> {
    let origin = match target {
        Target::Google => lab.simulators.addresses().google.clone(),
        Target::Entra => lab.simulators.addresses().graph.clone(),
    };
    let mut names: Vec<(String, String)> = match target {
        Target::Google => lab.google(|google| {
            google
                .tenant()
                .groups
                .into_iter()
                .map(|group| (group.id, group.email))
                .collect()
        }),
        Target::Entra => lab.entra(|entra| {
            entra
                .tenant()
                .groups
                .into_iter()
                .map(|group| (group.id, group.display_name))
                .collect()
        }),
    };
    names.push((origin, "ORIGIN".to_owned()));
    let mut lines: Vec<String> = lab
        .simulators
        .requests()
        .into_iter()
        .filter(|request| !request.path.ends_with("/token"))
        // The bundled host's own look at whose directory it is (R48).
        .filter(|request| !request.query.contains("users(customerId)"))
        .map(|request| {
            // Which parts share a batch depends on IDs that the vendor made; each part is listed by itself.
            let body = if request.path.ends_with("/$batch") {
                String::new()
            } else {
                request.body.map(|body| body.to_string()).unwrap_or_default()
            };
            let mut line = format!(
                "{:?} {} {}?{} {} {body}",
                request.vendor, request.method, request.path, request.query, request.status
            );
            for (from, to) in &names {
                line = line.replace(from.as_str(), &format!("<{to}>"));
            }
            line
        })
        .collect();
    // Requests that go out together may arrive in any order.
    lines.sort();
    lines
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("jco")
}

/// Whether Node and the packages are there; says so where they are not, unless they must be.
fn node_is_there() -> bool {
    let node = Command::new("node")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    let packages = folder()
        .join("node_modules/@bytecodealliance/jco-transpile")
        .is_dir();
    if node && packages {
        return true;
    }
    assert!(
        std::env::var_os("GROUPCAST_REQUIRE_NODE").is_none(),
        "Node or its packages are missing (node: {node}, packages: {packages}); run `make node-packages`"
    );
    println!("SKIPPED: Node or its packages are not installed; `make node-packages` installs the packages");
    false
}

/// Runs plan and apply in Node.
async fn in_node(lab: &Lab, target: Target) -> Value {
    let config = Config::load(&lab.config_file()).unwrap();
    let setups = groupcast::run::connections(&config).await.unwrap();
    let setup = setups
        .into_iter()
        .find(|setup| setup.id == target.connection())
        .unwrap();
    let mut credentials = serde_json::Map::new();
    for (name, origin) in [
        ("jumpcloud", &setup.source_base_url),
        (setup.vendor, &setup.target_base_url),
    ] {
        let attached = setup.credentials.header(name, None).await.unwrap();
        let headers: Vec<Value> = attached
            .headers
            .iter()
            .map(|(name, value)| json!([name.as_str(), value.header_value().unwrap().to_str().unwrap()]))
            .collect();
        credentials.insert(origin.clone(), headers.into());
    }
    let component = lab.folder.path().join("groupcast.wasm");
    std::fs::write(&component, groupcast::plugin::EMBEDDED).unwrap();
    let job = json!({
        "component": component,
        "apply": true,
        "credentials": credentials,
        "run": {
            "id": "node-1",
            "source": { "vendor": "jumpcloud", "baseUrl": setup.source_base_url, "directory": setup.directory },
            "target": { "vendor": setup.vendor, "baseUrl": setup.target_base_url },
            "settings": serde_json::to_string(&setup.settings).unwrap(),
            "seed": "1",
            "read": "whole",
        },
    });
    let ca = lab.folder.path().join("ca.pem");
    let output = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node")
            .arg(folder().join("run.mjs"))
            .env("NODE_EXTRA_CA_CERTS", ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        node.stdin
            .take()
            .unwrap()
            .write_all(job.to_string().as_bytes())
            .unwrap();
        node.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_another_host_makes_the_same_plan_and_the_same_requests() {
    if !node_is_there() {
        return;
    }
    for target in BOTH {
        let ours = Lab::with(SIZE, |_| ()).await;
        let (plan, outcome) = ours.plan_and_apply(target).await;

        let theirs = Lab::with(SIZE, |_| ()).await;
        let answer = in_node(&theirs, target).await;
        assert_eq!(answer.get("error"), None, "{target:?}: {answer:#}");
        assert_eq!(
            answer["hash"],
            plan.plan.hash.as_str(),
            "{target:?}: the plan's hash"
        );
        assert_eq!(answer["report"]["applied"], outcome.report.applied, "{target:?}");
        assert_eq!(answer["report"]["failed"], 0, "{target:?}");

        let (our_requests, their_requests) = (requests(&ours, target), requests(&theirs, target));
        assert!(our_requests.len() > 10, "{our_requests:#?}");
        assert!(our_requests.iter().any(|line| line.starts_with("Jumpcloud")));
        assert_eq!(our_requests, their_requests, "{target:?}");
        assert_eq!(
            theirs
                .simulators
                .requests()
                .iter()
                .filter(|r| r.vendor == Vendor::Jumpcloud && r.is_mutation())
                .count(),
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_the_hash_is_the_one_that_the_wit_describes() {
    let lab = Lab::with(SIZE, |_| ()).await;
    let plan = lab.plan(Target::Google).await;
    let hashes: Vec<String> = plan
        .plan
        .parts
        .iter()
        .map(|part: &Part| sha256_hex(&part.to_bytes()))
        .collect();
    assert_eq!(plan.plan.hash, root_hash(hashes.iter().map(String::as_str)));
}
