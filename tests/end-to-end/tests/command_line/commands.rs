//! Every command as a person and as a program calls it: what it prints, its document, its exit code.

use std::time::Duration;

use groupcast_tests::{Lab, Target, people};
use serde_json::{Value, json};

use crate::program::{begin, call, groupcast, write};

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

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_in_and_never_come_out() {
    let mut lab = Lab::new().await;
    let folder = lab.folder.path().to_path_buf();
    lab.section("jumpcloud")
        .insert("api_key".into(), toml::toml! { stored = "jumpcloud" }.into());
    lab.config_file();
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["groupcast secrets set jumpcloud"]);
    let none = groupcast(&folder, &["secrets", "list"])
        .run()
        .code(0)
        .says(&["groupcast secrets set NAME"]);
    assert_eq!(none.out, "");

    let mut said = String::new();
    let stored = groupcast(&folder, &["secrets", "set", "jumpcloud"])
        .input("generated-jumpcloud-key\n")
        .run()
        .code(0)
        .shows(&["Stored jumpcloud", "{ stored = \"jumpcloud\" }"]);
    said.push_str(&stored.all());
    let again = groupcast(&folder, &["secrets", "set", "jumpcloud", "--json"])
        .input("generated-jumpcloud-key")
        .run()
        .code(0);
    assert_eq!(
        again.document("groupcast/secrets/1")["names"],
        json!(["jumpcloud"])
    );
    said.push_str(&again.all());
    let listed = groupcast(&folder, &["secrets", "list"]).run().code(0);
    assert_eq!(listed.out, "jumpcloud\n");
    call(&folder, &["plan"]).code(0);

    for (name, mode) in [("groupcast.secrets", 0o600), ("groupcast.key", 0o600)] {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode,
            "{name}"
        );
        let bytes = std::fs::read(path).unwrap();
        assert!(
            !bytes
                .windows(23)
                .any(|window| window == b"generated-jumpcloud-key"),
            "{name}"
        );
    }
    // A key that others can read is refused, and one that is gone is asked for.
    let key = folder.join("groupcast.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["can be read by others", "chmod 600"]);
    std::fs::remove_file(&key).unwrap();
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["need their key", "groupcast.key is not there"]);
    write(&folder, "groupcast.key", kept);
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // A file that was tampered with opens nothing.
    let sealed = std::fs::read_to_string(folder.join("groupcast.secrets")).unwrap();
    write(&folder, "groupcast.secrets", &sealed[..sealed.len() - 10]);
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["changed or damaged", "groupcast.secrets"]);
    write(&folder, "groupcast.secrets", &sealed);

    for (input, words) in [("", "the value is empty"), ("\n", "the value is empty")] {
        groupcast(&folder, &["secrets", "set", "other"])
            .input(input)
            .run()
            .code(3)
            .says(&[words]);
    }
    groupcast(&folder, &["secrets", "set", "other"])
        .input(vec![b'x'; 100_000])
        .run()
        .code(3)
        .says(&["more than 65536 bytes"]);
    groupcast(&folder, &["secrets", "set", "other"])
        .input([0xff, 0xfe])
        .run()
        .code(3)
        .says(&["UTF-8"]);
    let removed = groupcast(&folder, &["secrets", "rm", "jumpcloud"])
        .run()
        .code(0)
        .shows(&["Removed jumpcloud"]);
    said.push_str(&removed.all());
    assert!(!said.contains("generated"), "{said}");
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["no secret is stored under the name jumpcloud"]);
}

#[test]
fn the_schema_is_the_published_one_and_needs_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let published = include_str!("../../../../host/groupcast.schema.json");
    for words in [&["schema"][..], &["schema", "--json"]] {
        let ended = groupcast(folder.path(), words).run().code(0);
        let printed: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(printed, serde_json::from_str::<Value>(published).unwrap());
        assert_eq!(ended.errors, "");
    }
}

#[test]
fn simulators_say_where_they_are_and_end_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = groupcast(folder.path(), &["simulators"]).start();
    text.until("it says how to end it", Duration::from_secs(30), |running| {
        running.out().contains("Ctrl-C")
    });
    assert!(text.out().contains("groupcast --config"), "{}", text.out());
    text.terminate();
    text.ended().code(0);

    let mut running = groupcast(folder.path(), &["simulators", "--json"]).start();
    running.until("it says where it is", Duration::from_secs(30), |running| {
        running.out().ends_with('\n')
    });
    let document: Value = serde_json::from_str(&running.out()).unwrap();
    assert_eq!(document["format"], "groupcast/simulators/1");
    let authority = document["ca_file"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&authority).is_file());
    running.terminate();
    let ended = running.ended().code(0);
    assert!(serde_json::from_str::<Value>(&ended.out).is_ok(), "{}", ended.out);
    assert!(
        !std::path::Path::new(&authority).exists(),
        "the certificates go with them"
    );

    write(folder.path(), "organisation.json", "{\"jumpcloud\": {}}");
    groupcast(
        folder.path(),
        &["simulators", "--organisation", "organisation.json"],
    )
    .run()
    .code(3)
    .says(&["jumpcloud"]);
}

#[test]
fn the_sandbox_has_no_json_and_says_what_has() {
    let folder = tempfile::tempdir().unwrap();
    let ended = groupcast(folder.path(), &["sandbox", "--once", "--json"])
        .run()
        .code(3);
    let document = ended.document("groupcast/error/1");
    assert!(
        document["error"]["message"]
            .as_str()
            .unwrap()
            .contains("groupcast simulators --json")
    );
}

#[test]
fn help_is_understandable_without_knowing_anything() {
    let folder = tempfile::tempdir().unwrap();
    let commands = [
        "sandbox",
        "check",
        "plan",
        "apply",
        "sync",
        "undo",
        "why",
        "runs",
        "serve",
        "secrets",
        "plugin",
        "schema",
        "simulators",
    ];
    let whole = groupcast(folder.path(), &["--help"]).run().code(0);
    for command in commands {
        assert!(
            whole.out.contains(&format!("\n  {command} ")),
            "{command}: {}",
            whole.out
        );
        for option in ["--help", "-h"] {
            let ended = groupcast(folder.path(), &[command, option]).run().code(0);
            assert_eq!(ended.errors, "");
            assert!(ended.out.contains("Usage: groupcast"), "{command}: {}", ended.out);
        }
        // Whether a command can change anything is the first thing that a newcomer must know.
        let ended = groupcast(folder.path(), &[command, "--help"])
            .env("COLUMNS", "80")
            .run()
            .code(0);
        assert!(
            ended.out.contains("Example") || ended.out.contains("Commands:"),
            "{command}: {}",
            ended.out
        );
        let widest = ended.out.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{command}: {}", ended.out);
    }
    for code in [
        "0  done",
        "2  changes are pending",
        "3  refused",
        "4  something failed",
    ] {
        assert!(whole.out.contains(code), "{code}: {}", whole.out);
    }
    groupcast(folder.path(), &["--version"])
        .run()
        .code(0)
        .shows(&["groupcast 0."]);
}
