//! The commands of the main job, check, plan, apply and sync, as a person and as a program calls them: what they print,
//! their documents, their exit codes.

use groupcast_tests::{Lab, Target, people};
use serde_json::{Value, json};

use crate::program::{begin, call, groupcast};

/// A document with what differs from run to run replaced: hashes, runs, times, IDs that vendors made.
fn stable(mut document: Value) -> Value {
    fn walk(value: &mut Value, key: &str) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| walk(value, key)),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, key)),
            Value::String(text) => {
                let replaced = match key {
                    "hash" | "plan" | "fingerprint" | "digest" => "HASH",
                    "run" => "RUN",
                    "created" | "expires" | "started" | "ended" => "TIME",
                    "request_id" => "REQUEST",
                    _ => return,
                };
                assert!(!text.is_empty(), "{key}");
                *text = replaced.to_owned();
            }
            Value::Number(_) if matches!(key, "wall_ms" | "size") => *value = json!("NUMBER"),
            _ => {}
        }
    }
    walk(&mut document, "");
    document
}

fn short(hash: &Value) -> String {
    hash.as_str().unwrap()[..12].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_what_is_at_risk_is_accepted_for_one_call_or_refused() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    lab.group("Bare", None, &[3, 4]);
    lab.config_file();
    let folder = lab.folder.path();
    let google = |words: &[&str]| call(folder, &[words, &["--connection", "google"]].concat());
    google(&["apply", "--yes"])
        .code(3)
        .says(&["Bare", "2 people", "--acknowledge"]);
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    google(&["apply", "--yes", "--acknowledge"]).code(0);
    assert_eq!(
        lab.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0, 1, 2])
    );
    // Accepted, and still said.
    google(&["plan"]).shows(&["Bare", "at-risk"]);

    // JumpCloud's own group management beside ours (R35).
    lab.jumpcloud(|jumpcloud| jumpcloud.set_groups_enabled(groupcast_tests::GOOGLE_DIRECTORY, true));
    google(&["sync"]).code(3).says(&["acknowledge"]);
    google(&["sync", "--acknowledge"]).code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_by_hand_in_text() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    lab.config_file();
    let folder = lab.folder.path();
    let google = |words: &[&str]| call(folder, &[words, &["--connection", "google"]].concat());

    google(&["check"])
        .code(0)
        .shows(&["Check of default/google", "groupcast plan"]);
    let planned = google(&["plan"]).code(2);
    for shown in [
        "default/google",
        "Sales",
        "sales@example.com",
        "user-000000@example.com",
        "groupcast apply",
    ] {
        assert!(planned.out.contains(shown), "{shown} in\n{}", planned.out);
    }
    // What it says to type is what works.
    let typed = planned
        .out
        .lines()
        .find_map(|line| line.trim().split_once("groupcast apply "))
        .expect("it says how to apply")
        .1
        .to_owned();
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    let applying: Vec<&str> = ["apply"].into_iter().chain(typed.split_whitespace()).collect();
    call(folder, &applying).code(0).shows(&["default/google"]);
    assert_eq!(
        lab.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0, 1, 2])
    );

    lab.simulators.clear_requests();
    google(&["plan"]).code(0);
    google(&["sync"]).code(0);
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    // The same plan a second time is none.
    call(folder, &applying).code(3);
    assert_eq!(lab.all_writes(), Vec::<String>::new());

    call(
        folder,
        &[
            "why",
            "user-000001@example.com",
            "Sales",
            "--connection",
            "google",
        ],
    )
    .code(0)
    .shows(&["user-000001@example.com", "Sales"]);
    call(folder, &["why", "Sales", "--connection", "google"])
        .code(0)
        .shows(&["Sales"]);

    let runs = call(folder, &["runs"]).code(0);
    let applied = runs
        .out
        .lines()
        .find(|line| line.contains("apply"))
        .unwrap_or_else(|| panic!("{}", runs.out))
        .split_whitespace()
        .find(|word| word.contains('T') && word.contains('-'))
        .unwrap_or_else(|| panic!("{}", runs.out))
        .to_owned();
    let undone = call(folder, &["undo", &applied]).code(2).shows(&["plan-only"]);
    let typed = undone
        .out
        .lines()
        .find_map(|line| line.trim().split_once("groupcast apply "))
        .unwrap()
        .1
        .to_owned();
    let undoing: Vec<&str> = ["apply"].into_iter().chain(typed.split_whitespace()).collect();
    let ended = call(folder, &undoing);
    assert!(matches!(ended.code, Some(0 | 2)), "{ended:?}");
    // Plan-only: the schedule does not do again what was undone.
    lab.simulators.clear_requests();
    google(&["sync"]).code(2).shows(&["Nothing was applied"]);
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_json_with_stable_documents() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab.group("Nobody", Some("nobody@example.com"), &[]);
    lab.config_file();
    let folder = lab.folder.path();
    let call = |words: &[&str], code: i32, format: &str| {
        let ended = call(folder, &[words, &["--json"]].concat()).code(code);
        ended.document(format)
    };
    insta::assert_json_snapshot!("check", stable(call(&["check"], 0, "groupcast/check/1")));
    let planned = call(&["plan"], 2, "groupcast/plan/1");
    insta::assert_json_snapshot!("plan", stable(planned.clone()));
    let google = planned["connections"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["connection"] == "default/google")
        .unwrap();
    let applied = call(
        &["apply", "--plan", &short(&google["hash"])],
        0,
        "groupcast/apply/1",
    );
    insta::assert_json_snapshot!("apply", stable(applied.clone()));
    assert_eq!(
        lab.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0, 1])
    );
    insta::assert_json_snapshot!(
        "sync",
        stable(call(&["sync", "--connection", "google"], 0, "groupcast/sync/1"))
    );
    insta::assert_json_snapshot!(
        "why",
        stable(call(
            &[
                "why",
                "user-000000@example.com",
                "Sales",
                "--connection",
                "google"
            ],
            0,
            "groupcast/why/1"
        ))
    );
    // Runs of two connections begin in whichever order.
    let runs = call(&["runs", "--connection", "google"], 0, "groupcast/runs/1");
    insta::assert_json_snapshot!("runs", stable(runs.clone()));
    let run = applied["connections"][0]["apply"]["run"].as_str().unwrap();
    insta::assert_json_snapshot!("undo", stable(call(&["undo", run], 2, "groupcast/undo/1")));
    // With --json nobody is asked: without a hash and without --yes nothing happens.
    lab.simulators.clear_requests();
    let refused = call(&["apply"], 3, "groupcast/error/1");
    insta::assert_json_snapshot!("apply_refused", refused);
    assert_eq!(lab.simulators.requests(), []);
    let done = call(
        &["apply", "--yes", "--connection", "entra"],
        0,
        "groupcast/apply/1",
    );
    assert_eq!(done["connections"][0]["outcome"], "applied");
    assert_eq!(
        lab.people(Target::Entra, "Sales", "sales@example.com"),
        people(&[0, 1])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_store_may_be_opened_by_many_at_once() {
    for _ in 0..5 {
        let lab = Lab::new().await;
        lab.config_file();
        let calls: Vec<_> = (0..8).map(|_| begin(lab.folder.path(), &["runs"])).collect();
        for one in calls {
            one.end().code(0).shows(&["No run yet"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_runs_counts_those_of_the_connection() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.config_file();
    let folder = lab.folder.path();
    for connection in ["google", "entra", "entra"] {
        call(folder, &["plan", "--connection", connection]).code(2);
    }
    let runs = |words: &[&str]| {
        let ended = call(folder, &[&["runs", "--json"], words].concat()).code(0);
        let document = ended.document("groupcast/runs/1");
        let runs = document["runs"].as_array().unwrap();
        runs.iter()
            .map(|run| run["connection"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(runs(&["--limit", "1"]), ["default/entra"]);
    assert_eq!(
        runs(&["--limit", "1", "--connection", "google"]),
        ["default/google"]
    );
    assert_eq!(runs(&["--connection", "entra"]), ["default/entra"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_without_a_terminal_asks_nobody_and_does_nothing() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.config_file();
    {
        let input = "y\n";
        groupcast(lab.folder.path(), &["apply", "--connection", "google"])
            .input(input)
            .run()
            .code(3)
            .says(&["nobody is there to ask", "groupcast apply", "--plan"]);
    }
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_plain_lines_where_there_is_no_terminal() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0]);
    lab.config_file();
    let folder = lab.folder.path();
    let ended = groupcast(folder, &["plan"]).run().code(2);
    assert!(
        ended.errors.contains("default/google: reading JumpCloud"),
        "{}",
        ended.errors
    );
    for text in [&ended.out, &ended.errors] {
        assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    }
    // Results and progress keep apart.
    assert!(!ended.out.contains("reading JumpCloud"), "{}", ended.out);
    let ended = groupcast(folder, &["plan", "--json", "-vv"]).run().code(2);
    ended.document("groupcast/plan/1");
    for line in ended.errors.lines() {
        assert!(!line.trim_start().starts_with('{'), "the log stays text: {line}");
    }
}
