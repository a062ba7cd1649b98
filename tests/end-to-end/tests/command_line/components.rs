//! Component files that are none, or want more than a sync may have: refused before anything of them runs, by
//! `plugin inspect` and by every command that takes `--plugin`.

use groupcast::plugin::EMBEDDED;
use groupcast_tests::Lab;

use crate::forge::Forgery;
use crate::program::{groupcast, write};

/// A component of the sync's own world that crashes whatever it is asked.
pub fn crashing() -> Vec<u8> {
    Forgery::of_world().build()
}

/// A component that can do what a sync's does, and asks for one thing more.
fn importing(interface: &'static str, function: &'static str) -> Vec<u8> {
    Forgery::of(&format!(
        "package foreign:plugin;
         world w {{
           import {interface}@0.2.12;
           import groupcast:sync/state@0.1.0;
           export groupcast:sync/directory-sync@0.1.0;
         }}"
    ))
    .import(interface, function)
    .import("groupcast:sync/state", "get")
    .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_is_refused_with_what_it_is() {
    let lab = Lab::new().await;
    lab.config_file();
    let folder = lab.folder.path();
    let core = dummy_core_module();
    for (name, bytes, words) in [
        ("empty.wasm", Vec::new(), ["empty.wasm", "no WebAssembly"]),
        (
            "text.wasm",
            b"(component)\n".to_vec(),
            ["text.wasm", "no WebAssembly"],
        ),
        ("core.wasm", core, ["core.wasm", "core module, not a component"]),
        (
            "cut.wasm",
            EMBEDDED[..EMBEDDED.len() / 2].to_vec(),
            ["cut.wasm", "no valid component"],
        ),
        (
            "head.wasm",
            EMBEDDED[..6].to_vec(),
            ["head.wasm", "no valid component"],
        ),
        ("long.wasm", vec![0; 33 << 20], ["long.wasm", "more than the"]),
    ] {
        write(folder, name, bytes);
        groupcast(folder, &["plugin", "inspect", name])
            .run()
            .code(3)
            .says(&words);
        let ended = groupcast(folder, &["plan", "--plugin", name])
            .run()
            .code(3)
            .says(&words);
        assert_eq!(ended.out, "");
        let ended = groupcast(folder, &["plugin", "inspect", name, "--json"])
            .run()
            .code(3);
        ended.document("groupcast/error/1");
    }
    for words in [
        &["plugin", "inspect", "nowhere.wasm"][..],
        &["plan", "--plugin", "nowhere.wasm"],
    ] {
        groupcast(folder, words)
            .run()
            .code(3)
            .says(&["nowhere.wasm", "cannot be read", "give the path"]);
    }
    assert_eq!(lab.simulators.requests(), []);
}

fn dummy_core_module() -> Vec<u8> {
    b"\0asm\x01\0\0\0".to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_wants_more_than_a_sync_may_have_is_refused_before_it_runs() {
    let lab = Lab::new().await;
    lab.config_file();
    let folder = lab.folder.path();
    for (foreign, function) in [
        ("wasi:filesystem/preopens", "get-directories"),
        ("wasi:sockets/instance-network", "instance-network"),
        ("wasi:cli/environment", "get-arguments"),
        ("wasi:random/random", "get-random-u64"),
    ] {
        write(folder, "foreign.wasm", importing(foreign, function));
        for command in ["plan", "serve"] {
            groupcast(folder, &[command, "--plugin", "foreign.wasm"])
                .run()
                .code(3)
                .says(&["foreign.wasm", foreign, "gives to no plugin"]);
        }
        let ended = groupcast(folder, &["plugin", "inspect", "foreign.wasm"])
            .run()
            .code(3)
            .shows(&[foreign])
            .says(&[foreign]);
        assert!(!ended.out.contains("asks for"), "it was not run: {}", ended.out);
        let ended = groupcast(folder, &["plugin", "inspect", "foreign.wasm", "--json"])
            .run()
            .code(3);
        let document = ended.document("groupcast/plugin/1");
        let imports = document["imports"].as_array().unwrap();
        let entry = |name: &str| {
            let named = |import: &&serde_json::Value| import["name"].as_str().unwrap().starts_with(name);
            imports.iter().find(named).unwrap()
        };
        assert_eq!(entry(foreign)["allowed"], false);
        assert_eq!(entry("groupcast:sync/state")["allowed"], true);
        assert_eq!(document["manifest"], serde_json::Value::Null);
    }
    assert_eq!(lab.simulators.requests(), []);
}

#[test]
fn the_built_in_component_passes_its_own_inspection() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "groupcast.wasm", EMBEDDED);
    let ended = groupcast(folder.path(), &["plugin", "inspect", "groupcast.wasm", "--json"])
        .run()
        .code(0);
    let document = ended.document("groupcast/plugin/1");
    let imports = document["imports"].as_array().unwrap();
    assert!(
        imports.iter().all(|import| import["allowed"] == true),
        "{document:#}"
    );
    assert!(document["manifest"]["egress"].is_array(), "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_kept_by_its_digest_run_by_it_and_forgotten() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab.config_file();
    let folder = lab.folder.path();
    write(folder, "mine.wasm", EMBEDDED);
    groupcast(folder, &["plugin", "list"])
        .run()
        .code(0)
        .shows(&["No components", "plugin add"]);
    groupcast(folder, &["plugin", "add", "mine.wasm"])
        .run()
        .code(0)
        .shows(&["Kept", "Nothing was granted"]);
    let listed = groupcast(folder, &["plugin", "list", "--json"]).run().code(0);
    let document = listed.document("groupcast/plugins/1");
    let digest = document["plugins"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(document["plugins"][0]["size"], EMBEDDED.len());
    groupcast(folder, &["plan", "--plugin", &digest]).run().code(2);

    // Somebody changes the file: it is not what it is named for.
    let kept = folder.join("groupcast.plugins").join(format!("{digest}.wasm"));
    let mut changed = EMBEDDED.to_vec();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(&kept, changed).unwrap();
    groupcast(folder, &["plan", "--plugin", &digest])
        .run()
        .code(3)
        .says(&["was changed since it was kept"]);

    groupcast(folder, &["plugin", "remove", &digest[..10]])
        .run()
        .code(0);
    groupcast(folder, &["plan", "--plugin", &digest])
        .run()
        .code(3)
        .says(&["no component", "plugin list"]);

    // What could not run is not kept.
    write(
        folder,
        "foreign.wasm",
        importing("wasi:random/random", "get-random-u64"),
    );
    groupcast(folder, &["plugin", "add", "foreign.wasm"])
        .run()
        .code(3);
    groupcast(folder, &["plugin", "list"])
        .run()
        .code(0)
        .shows(&["No components"]);
    groupcast(
        folder,
        &["plan", "--plugin", "oci://127.0.0.1:1/acme/sync:latest"],
    )
    .run()
    .code(3)
    .says(&["is not pinned"]);
}
