//! What works without any account or configuration: help, schema, simulators, the sandbox.

use std::time::Duration;

use serde_json::Value;

use crate::program::{groupcast, write};

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
