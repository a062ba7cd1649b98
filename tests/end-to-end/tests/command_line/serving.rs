//! `serve`: several tenants side by side on their schedules, each undisturbed by the other's trouble, until told to
//! stop.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{Lab, Target, people, user};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::program::{Calling, Ended, Running, begin, call, groupcast, write};

/// Long enough for a schedule of each minute to come, and for a run.
const A_MINUTE_AND_A_RUN: Duration = Duration::from_secs(100);

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn milliseconds() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Each minute, the first time in a few seconds.
fn soon() -> String {
    format!("{} * * * * *", (seconds() + 5) % 60)
}

fn schedule(cron: &str) -> Value {
    Table::from_iter([("cron".to_owned(), Value::from(cron))]).into()
}

/// A folder with one configuration of these tenants' Google directories.
fn tenants(labs: &[(&str, &Lab)], cron: &str, limits: Table) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut authorities = String::new();
    let mut all = Table::new();
    for (name, lab) in labs {
        authorities.push_str(&lab.simulators.addresses().ca_pem);
        let absolute = |section: &str, key: &str| {
            let mut table = lab.config[section].as_table().unwrap().clone();
            let file = table[key]["file"].as_str().unwrap();
            let file = lab.folder.path().join(file).display().to_string();
            table.insert(
                key.to_owned(),
                Table::from_iter([("file".to_owned(), file.into())]).into(),
            );
            table
        };
        let mut google = absolute("google", "service_account_key");
        google.insert("schedule".to_owned(), schedule(cron));
        let tenant = Table::from_iter([
            ("jumpcloud".to_owned(), absolute("jumpcloud", "api_key").into()),
            ("google".to_owned(), google.into()),
        ]);
        all.insert((*name).to_owned(), tenant.into());
    }
    write(folder.path(), "ca.pem", authorities);
    let network = labs[0].1.config["network"].clone();
    let config = Table::from_iter([
        ("network".to_owned(), network),
        ("limits".to_owned(), limits.into()),
        ("tenant".to_owned(), all.into()),
    ]);
    write(folder.path(), "groupcast.toml", config.to_string());
    folder
}

/// Runs of a connection, the newest first.
fn runs(folder: &Path, connection: &str) -> Vec<serde_json::Value> {
    let ended = call(folder, &["runs", "--json", "--limit", "100"]).code(0);
    let document = ended.document("groupcast/runs/1");
    let all = document["runs"].as_array().unwrap();
    all.iter()
        .filter(|run| run["connection"] == connection)
        .cloned()
        .collect()
}

/// How many runs of a connection ended with these words.
fn ended_with(folder: &Path, connection: &str, words: &str) -> usize {
    let said = |run: &&serde_json::Value| {
        run["message"]
            .as_str()
            .is_some_and(|message| message.contains(words))
    };
    runs(folder, connection).iter().filter(said).count()
}

/// Asks it to stop, and expects that it does so in order and soon.
#[track_caller]
fn stops(serving: Calling) {
    let asked = std::time::Instant::now();
    let ended = serving.stop();
    in_order(asked.elapsed(), ended);
}

/// The same for a process, by the signal of a service manager; answers its log.
#[track_caller]
fn terminates(running: Running) -> String {
    let asked = std::time::Instant::now();
    running.terminate();
    let ended = running.ended();
    in_order(asked.elapsed(), ended)
        .says(&["Stopping before the next write"])
        .errors
}

#[track_caller]
fn in_order(took: Duration, ended: Ended) -> Ended {
    let ended = ended.code(0);
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(ended.out, "");
    ended
}

fn never_answers(vendor: Vendor, ms: u64) -> Rule {
    Rule {
        vendor,
        method: None,
        path: None,
        query: None,
        skip: 0,
        times: None,
        fault: Fault::Delay { ms },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_never_answers_leaves_the_other_tenant_alone() {
    let (mut acme, mut beta) = (Lab::new().await, Lab::new().await);
    acme.group("Sales", Some("sales@example.com"), &[0]);
    let sales = beta.group("Sales", Some("sales@example.com"), &[1]);
    let limits = Table::from_iter([("wall_seconds".to_owned(), Value::from(10))]);
    let folder = tenants(&[("acme", &acme), ("beta", &beta)], &soon(), limits);
    call(folder.path(), &["apply", "--yes"]).code(0);
    assert_eq!(
        acme.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0])
    );
    beta.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &user(2)));
    acme.simulators
        .faults(|faults| faults.add(never_answers(Vendor::Jumpcloud, 600_000)));
    acme.simulators.clear_requests();

    let serving = begin(folder.path(), &["serve"]);
    serving.until("beta is in step", A_MINUTE_AND_A_RUN, || {
        beta.people(Target::Google, "Sales", "sales@example.com") == people(&[1, 2])
    });
    // Its next time comes all the same.
    serving.until("acme was given up twice", 2 * A_MINUTE_AND_A_RUN, || {
        ended_with(folder.path(), "acme/google", "raise limits.wall_seconds") == 2
    });
    stops(serving);
    assert_eq!(ended_with(folder.path(), "beta/google", "limits"), 0);
    assert_eq!(acme.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_its_limit_leaves_the_other_tenant_alone() {
    let (mut acme, mut beta) = (Lab::new().await, Lab::new().await);
    let sales = beta.group("Sales", Some("sales@example.com"), &[1]);
    for number in 0..60 {
        let address = format!("team-{number}@example.com");
        acme.group(&format!("Team {number}"), Some(&address), &[0, 1, 2]);
    }
    let limits = Table::from_iter([("requests".to_owned(), Value::from(40))]);
    let folder = tenants(&[("acme", &acme), ("beta", &beta)], &soon(), limits);
    call(folder.path(), &["apply", "--yes", "--connection", "beta/google"]).code(0);
    beta.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &user(2)));
    let serving = begin(folder.path(), &["serve"]);
    serving.until("both came", A_MINUTE_AND_A_RUN, || {
        ended_with(folder.path(), "acme/google", "limits.requests") == 1
            && beta.people(Target::Google, "Sales", "sales@example.com") == people(&[1, 2])
    });
    stops(serving);
    assert_eq!(acme.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_missing_secret_stops_its_own_tenant_alone_until_it_is_there() {
    let (mut acme, mut beta) = (Lab::new().await, Lab::new().await);
    let acme_sales = acme.group("Sales", Some("sales@example.com"), &[0]);
    let sales = beta.group("Sales", Some("sales@example.com"), &[1]);
    let folder = tenants(&[("acme", &acme), ("beta", &beta)], &soon(), Table::new());
    call(folder.path(), &["apply", "--yes"]).code(0);
    acme.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&acme_sales, &user(2)));
    beta.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &user(2)));
    let key = acme.folder.path().join("jumpcloud-key");
    let (away, schedule) = (acme.folder.path().join("away"), soon());
    std::fs::rename(&key, &away).unwrap();
    let config = std::fs::read_to_string(folder.path().join("groupcast.toml")).unwrap();
    let mut config: Table = config.parse().unwrap();
    for tenant in ["acme", "beta"] {
        config["tenant"][tenant]["google"]["schedule"]["cron"] = schedule.clone().into();
    }
    write(folder.path(), "groupcast.toml", config.to_string());

    let mut serving = groupcast(folder.path(), &["serve"]).start();
    serving.until(
        "beta is in step, and acme is named",
        A_MINUTE_AND_A_RUN,
        |running| {
            beta.people(Target::Google, "Sales", "sales@example.com") == people(&[1, 2])
                && running.errors().lines().any(|line| {
                    [
                        "a job ended badly",
                        "\"tenant\":\"acme\"",
                        "\"connection\":\"google\"",
                    ]
                    .iter()
                    .all(|said| line.contains(said))
                })
        },
    );
    assert!(serving.errors().contains("jumpcloud-key"), "{}", serving.errors());
    assert_eq!(
        acme.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0])
    );
    // Mended while it serves.
    std::fs::rename(&away, &key).unwrap();
    serving.until("acme is in step", A_MINUTE_AND_A_RUN, |_| {
        acme.people(Target::Google, "Sales", "sales@example.com") == people(&[0, 2])
    });
    terminates(serving);
    // With nobody to serve it says so at once.
    std::fs::remove_file(&key).unwrap();
    std::fs::remove_file(beta.folder.path().join("jumpcloud-key")).unwrap();
    call(folder.path(), &["serve"]).code(3).says(&["jumpcloud-key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_crashes_ends_its_run_and_not_the_server() {
    let (mut acme, mut beta) = (Lab::new().await, Lab::new().await);
    acme.group("Sales", Some("sales@example.com"), &[0]);
    beta.group("Sales", Some("sales@example.com"), &[1]);
    let folder = tenants(&[("acme", &acme), ("beta", &beta)], &soon(), Table::new());
    write(folder.path(), "crashes.wasm", crate::components::crashing());
    let mut running = groupcast(folder.path(), &["serve", "--plugin", "crashes.wasm"]).start();
    running.until("both crashed", A_MINUTE_AND_A_RUN, |running| {
        running.errors().matches("the plugin crashed").count() >= 2
    });
    let log = terminates(running);
    for tenant in ["acme", "beta"] {
        assert!(log.contains(&format!("\"tenant\":\"{tenant}\"")), "{log}");
    }
    assert_eq!(acme.all_writes(), Vec::<String>::new());
    assert_eq!(beta.all_writes(), Vec::<String>::new());
    // Nothing is left behind that would keep the program's own component from its work.
    call(folder.path(), &["apply", "--yes"]).code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_never_overlaps_itself_and_a_stop_does_not_wait_for_a_vendor() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.set(Target::Google, "schedule", schedule(&soon()));
    lab.config_file();
    lab.simulators
        .faults(|faults| faults.add(never_answers(Vendor::Jumpcloud, 55_000)));
    let folder = lab.folder.path();
    let serving = begin(folder, &["serve"]);
    serving.until("it began", A_MINUTE_AND_A_RUN, || {
        !runs(folder, "default/google").is_empty()
    });
    // Its next time comes while the first run is still under way.
    std::thread::sleep(Duration::from_secs(63));
    let under_way = runs(folder, "default/google");
    assert_eq!(under_way.len(), 1, "{under_way:#?}");
    assert_eq!(under_way[0]["end"], serde_json::Value::Null);
    stops(serving);
    let after = runs(folder, "default/google");
    assert_eq!(after.len(), 1);
    assert!(after[0]["end"].is_string(), "{after:#?}");
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r47_a_stop_comes_before_the_next_write_and_the_next_sync_goes_on() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.set(Target::Google, "schedule", schedule(&soon()));
    lab.config_file();
    let folder = lab.folder.path().to_path_buf();
    call(&folder, &["apply", "--yes", "--connection", "google"]).code(0);
    for number in 0..40 {
        let address = format!("team-{number}@example.com");
        lab.group(&format!("Team {number}"), Some(&address), &[number % 8]);
    }
    lab.simulators.faults(|faults| {
        faults.add(Rule {
            method: Some("POST".to_owned()),
            path: Some("/admin/**".to_owned()),
            ..never_answers(Vendor::Google, 1_000)
        });
    });
    lab.simulators.clear_requests();
    let mut running = groupcast(&folder, &["serve"]).start();
    running.until("it writes", A_MINUTE_AND_A_RUN, |_| {
        !lab.writes(Vendor::Google).is_empty()
    });
    let asked = milliseconds();
    let log = terminates(running);
    let late: Vec<_> = lab
        .simulators
        .requests()
        .into_iter()
        .filter(|request| request.is_mutation() && request.time_ms > asked + 500)
        .collect();
    assert_eq!(late, [], "{log}");
    let done = lab.writes(Vendor::Google).len();
    assert!((1..70).contains(&done), "{done} of 80 writes");

    lab.simulators.faults(groupcast_simulators::faults::Faults::clear);
    call(&folder, &["sync", "--connection", "google"]).code(0);
    for number in 0..40 {
        let found = lab.people(Target::Google, "", &format!("team-{number}@example.com"));
        assert_eq!(found, people(&[number % 8]), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_only_plans_and_only_the_named_one_is_served() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.set(Target::Google, "schedule", schedule(&soon()));
    lab.set(Target::Entra, "schedule", schedule(&soon()));
    lab.config_file();
    let folder = lab.folder.path();
    let serving = begin(folder, &["serve", "--connection", "google"]);
    serving.until("it planned", A_MINUTE_AND_A_RUN, || {
        runs(folder, "default/google")
            .iter()
            .any(|run| run["end"] == "pending")
    });
    stops(serving);
    assert_eq!(runs(folder, "default/entra"), Vec::<serde_json::Value>::new());
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn jitter_spreads_connections_of_one_schedule_and_the_log_says_when() {
    let mut lab = Lab::new().await;
    let mut spread = schedule("0 0 1 1 *");
    let fields = spread.as_table_mut().unwrap();
    fields.insert("jitter_seconds".to_owned(), 3_600.into());
    lab.set(Target::Google, "schedule", spread.clone());
    lab.set(Target::Entra, "schedule", spread);
    lab.config_file();
    let mut running = groupcast(lab.folder.path(), &["serve"]).start();
    running.until("both are scheduled", Duration::from_secs(100), |running| {
        running.errors().matches("\"message\":\"scheduled\"").count() == 2
    });
    let log = terminates(running);
    let next: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("\"next\":\""))
        .filter_map(|(_, rest)| rest.split('"').next())
        .collect();
    assert_eq!(next.len(), 2, "{log}");
    assert_ne!(next[0], next[1], "{log}");
    for next in next {
        assert!(next.contains("-01-01") && next.contains("00:"), "{log}");
    }
    assert_eq!(lab.simulators.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn serving_nothing_is_refused() {
    let mut lab = Lab::new().await;
    lab.config_file();
    let folder = lab.folder.path().to_path_buf();
    call(&folder, &["serve"])
        .code(3)
        .says(&["no connection has a schedule", "cron ="]);
    lab.set(Target::Google, "schedule", schedule("0 0 1 1 *"));
    lab.config_file();
    call(&folder, &["serve", "--connection", "entra"])
        .code(3)
        .says(&["no connection has a schedule"]);
    call(&folder, &["serve", "--connection", "nowhere"])
        .code(3)
        .says(&["there is no connection"]);
}
