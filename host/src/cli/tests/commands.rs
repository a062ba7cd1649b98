//! Whole calls: exit codes, JSON documents, approval.

use std::sync::Arc;

use serde_json::Value;

use super::world::{self, HASH, World};
use crate::cli::exit::Exit;
use crate::cli::operations::Selection;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn quiet() -> World {
    World {
        plan: Ok(vec![world::in_step("g12", "Finance")]),
        ..World::default()
    }
}

fn clean_apply() -> crate::cli::operations::ApplyOutcome {
    let mut apply = world::apply_outcome();
    apply.report.failed = 0;
    apply.report.moved.clear();
    apply.outcomes.truncate(2);
    apply
}

#[tokio::test]
async fn plan_ends_with_two_where_changes_are_pending_and_with_zero_where_none_are() {
    assert_eq!(World::default().call(&["plan"]).await.exit.code(), 2);
    let called = quiet().call(&["plan"]).await;
    assert_eq!(called.exit.code(), 0);
    assert!(called.errors.is_empty());
}

#[tokio::test]
async fn health_ends_with_zero_where_all_is_well_and_with_four_where_not() {
    let called = World::default().call(&["health"]).await;
    assert_eq!(
        (called.exit.code(), called.out.as_str()),
        (0, "✓ store: answers\n")
    );
    let called = World::default()
        .call(&["health", "--url", "http://127.0.0.1:1/readyz"])
        .await;
    assert_eq!(called.exit.code(), 4);
    assert_eq!(called.out, "✗ store: does not answer\\u{1b}[2J\n");
    let called = World::default().call(&["health", "--json"]).await;
    let document = json(&called.out);
    assert_eq!(document["format"], "groupcast/health/1");
    assert_eq!(document["ok"], true);
    assert_eq!(document["probes"][0]["name"], "store");
}

#[tokio::test]
async fn check_ends_with_three_only_where_there_is_a_problem() {
    assert_eq!(World::default().call(&["check"]).await.exit, Exit::Refused);
    let mut world = World::default();
    world.findings.remove(1);
    assert_eq!(world.call(&["check"]).await.exit, Exit::Done);
}

#[tokio::test]
async fn apply_takes_the_beginning_of_a_hash_and_approves_the_groups_by_id() {
    let world = World {
        apply: clean_apply(),
        ..World::default()
    };
    let applied = Arc::clone(&world.applied);
    let called = world
        .call(&[
            "apply",
            "--plan",
            "90454829",
            "--group",
            "All Staff",
            "--group",
            "g6",
            "--release-held",
        ])
        .await;
    assert_eq!(called.exit, Exit::Done, "{}", called.errors);
    assert_eq!(
        *applied.lock().unwrap(),
        [(
            "default/google".to_owned(),
            HASH.to_owned(),
            Selection {
                groups: Some(vec!["g5".to_owned(), "g6".to_owned()]),
                release_held: true
            }
        )]
    );
}

#[tokio::test]
async fn apply_refuses_an_unknown_hash_and_an_unknown_group_before_anything_is_done() {
    for words in [
        ["apply", "--plan", "12345678", "--group", "Sales"],
        ["apply", "--plan", "90454829", "--group", "Finanse"],
    ] {
        let world = World::default();
        let applied = Arc::clone(&world.applied);
        let called = world.call(&words).await;
        assert_eq!(called.exit, Exit::Refused);
        assert!(applied.lock().unwrap().is_empty());
        insta::assert_snapshot!(format!("refused_{}_{}", words[2], words[4]), called.errors);
    }
}

#[tokio::test]
async fn apply_without_a_hash_asks_and_does_nothing_where_nobody_says_yes() {
    for (answer, exit, times) in [
        (None, Exit::Refused, 0),
        (Some(false), Exit::Pending, 0),
        (Some(true), Exit::Failed, 1),
    ] {
        let world = World {
            answer,
            ..World::default()
        };
        let applied = Arc::clone(&world.applied);
        let called = world.call(&["apply"]).await;
        assert_eq!(called.exit, exit, "{answer:?}: {}", called.errors);
        assert_eq!(applied.lock().unwrap().len(), times, "{answer:?}");
        assert!(
            called.out.contains("alice@example.com"),
            "it shows what it asks about"
        );
    }
}

#[tokio::test]
async fn apply_with_json_and_neither_hash_nor_yes_is_refused() {
    let called = World::default().call(&["apply", "--json"]).await;
    assert_eq!(called.exit, Exit::Refused);
    assert_eq!(json(&called.out)["format"], "groupcast/error/1");
    assert_eq!(json(&called.out)["exit"], 3);
}

#[tokio::test]
async fn a_vendors_refusal_fails_and_a_moved_group_waits() {
    let call = async |apply| {
        let world = World {
            apply,
            plan: Ok(vec![world::takeover()]),
            ..World::default()
        };
        world.call(&["apply", "--yes"]).await.exit
    };
    assert_eq!(call(world::apply_outcome()).await, Exit::Failed);
    let mut moved = world::apply_outcome();
    moved.report.failed = 0;
    assert_eq!(call(moved).await, Exit::Pending);
    assert_eq!(call(clean_apply()).await, Exit::Done);
}

#[tokio::test]
async fn sync_shows_the_plan_and_what_became_of_it() {
    let world = World {
        plan: Ok(vec![world::takeover()]),
        apply: clean_apply(),
        ..World::default()
    };
    let called = world.call(&["sync"]).await;
    assert_eq!(called.exit, Exit::Done);
    assert!(!called.out.contains("To do exactly this"), "{}", called.out);
    insta::assert_snapshot!(called.out);
    let world = World {
        sync_applies: false,
        ..World::default()
    };
    let called = world.call(&["sync"]).await;
    assert_eq!(called.exit, Exit::Pending);
    assert!(called.out.contains("groupcast apply --plan 90454829d4f0"));
    assert!(
        called
            .out
            .ends_with("Nothing was applied: default/google only plans until a plan of it was approved.\n")
    );
}

#[tokio::test]
async fn one_connection_that_fails_does_not_hide_the_others() {
    let world = || World {
        connections: vec!["google", "broken"],
        ..World::default()
    };
    let called = world().call(&["plan"]).await;
    assert_eq!(called.exit, Exit::Refused);
    assert!(called.out.contains("Plan for default/google"));
    assert!(called.out.contains("apply --connection default/google --plan"));
    insta::assert_snapshot!("a_refused_connection", called.errors);
    let called = world().call(&["plan", "--json"]).await;
    let document = json(&called.out);
    assert_eq!(document["connections"][0]["hash"], HASH);
    assert_eq!(document["connections"][1]["error"]["kind"], "refused");
    assert_eq!(document["connections"][1]["error"]["vendor"]["status"], 401);
    assert!(called.errors.is_empty(), "JSON goes with no text beside it");
}

#[tokio::test]
async fn undo_shows_a_plan_and_says_that_the_connection_is_plan_only() {
    let called = World::default().call(&["undo", "run-2"]).await;
    assert_eq!(called.exit, Exit::Pending);
    assert!(called.out.contains("default/google is in plan-only mode now"));
    assert_eq!(
        World::default().call(&["undo", "run-9"]).await.exit,
        Exit::Refused
    );
}

#[tokio::test]
async fn an_unknown_connection_or_a_missing_file_is_refused() {
    let called = World::default().call(&["plan", "--connection", "okta"]).await;
    assert_eq!(
        (called.exit, called.errors.as_str()),
        (Exit::Refused, "Refused\n  there is no connection okta\n")
    );
    let called = World::default().call(&["plan", "--config", "missing.toml"]).await;
    assert_eq!(called.exit, Exit::Refused);
}

#[tokio::test]
async fn runs_can_be_narrowed_to_a_connection() {
    let called = World::default().call(&["runs", "--connection", "google"]).await;
    assert_eq!(called.exit, Exit::Done);
    assert!(
        called.out.contains("run-1") && !called.out.contains("run-0"),
        "{}",
        called.out
    );
}

#[tokio::test]
async fn the_value_of_a_secret_is_never_printed() {
    for words in [
        vec!["secrets", "set", "google"],
        vec!["secrets", "set", "other", "--json"],
        vec!["secrets", "list"],
        vec!["secrets", "rm", "google"],
    ] {
        let called = World::default().call(&words).await;
        assert_eq!(called.exit, Exit::Done, "{words:?}");
        assert!(
            !called.out.contains("hunter2") && !called.errors.contains("hunter2"),
            "{words:?}"
        );
    }
    assert_eq!(
        World::default().call(&["secrets", "rm", "nobody"]).await.exit,
        Exit::Refused
    );
}

#[tokio::test]
async fn the_json_documents_are_stable() {
    let small = || World {
        plan: Ok(vec![world::create(), world::in_step("g12", "Finance")]),
        ..World::default()
    };
    for words in [
        vec!["check"],
        vec!["plan"],
        vec!["sync"],
        vec!["why", "alice@example.com", "Sales"],
        vec!["runs"],
        vec!["secrets", "list"],
    ] {
        let name = format!("json_{}", words[0]);
        let mut words = words;
        words.push("--json");
        let called = small().call(&words).await;
        assert_eq!(json(&called.out)["format"], format!("groupcast/{}/1", words[0]));
        insta::assert_snapshot!(name, called.out);
    }
}

#[tokio::test]
async fn a_file_that_is_no_component_is_refused_and_the_built_in_one_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.wasm");
    std::fs::write(&text, "not a component").unwrap();
    let called = World::default()
        .call(&["plugin", "inspect", text.to_str().unwrap()])
        .await;
    assert_eq!(called.exit, Exit::Refused);
    assert!(
        called.errors.contains("is no WebAssembly file"),
        "{}",
        called.errors
    );
    let built_in = folder.path().join("groupcast.wasm");
    std::fs::write(&built_in, crate::plugin::EMBEDDED).unwrap();
    let called = World::default()
        .call(&["plugin", "inspect", built_in.to_str().unwrap(), "--json"])
        .await;
    assert_eq!(called.exit, Exit::Done, "{}", called.errors);
    let document = json(&called.out);
    assert_eq!(document["manifest"]["name"], "groupcast");
    assert!(
        document["imports"]
            .as_array()
            .unwrap()
            .iter()
            .all(|import| import["allowed"] == true)
    );
}

#[tokio::test]
async fn a_run_without_a_recording_is_refused_and_says_how_runs_are_recorded() {
    let called = World::default()
        .call(&["replay", "20260114T070000123-1f2e3d4c"])
        .await;
    assert_eq!(called.exit, Exit::Refused);
    assert!(
        called
            .errors
            .contains("no recording of run 20260114T070000123-1f2e3d4c"),
        "{}",
        called.errors
    );
    assert!(called.errors.contains("--record"), "{}", called.errors);
}

#[tokio::test]
async fn the_sandbox_does_not_pretend_to_record() {
    let called = World::default().call(&["sandbox", "--record"]).await;
    assert_eq!(called.exit, Exit::Refused);
    assert!(called.errors.contains("without recordings"), "{}", called.errors);
}
