//! `--record` and `replay`, as a person types them.

use groupcast_tests::Lab;
use serde_json::Value;

use crate::program::{call, groupcast, write};

/// The runs that are recorded in a folder, oldest first.
fn recorded(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("groupcast.recordings")) else {
        return Vec::new();
    };
    let mut runs: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".recording.gz").expect(&name).to_owned())
        .collect();
    runs.sort();
    runs
}

/// Asserts what is said on either stream.
#[track_caller]
fn says(ended: &crate::program::Ended, words: &[&str]) {
    let said = ended.all().split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(said.contains(word), "{word:?} is not said:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_life_is_replayed_after_the_vendors_and_the_store_are_gone() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1, 2]);
    lab.config_file();
    let folder = lab.folder.path().to_path_buf();
    let google = |words: &[&str]| call(&folder, &[words, &["--connection", "google"]].concat());
    google(&["plan"]).code(2);
    assert_eq!(
        recorded(&folder),
        Vec::<String>::new(),
        "nothing is recorded unasked"
    );

    // As a process: the person is told the run's ID.
    let planned = groupcast(&folder, &["plan", "--record", "--connection", "google"])
        .run()
        .code(2);
    let runs = recorded(&folder);
    assert_eq!(runs.len(), 1);
    assert!(
        planned.errors.contains(&format!("groupcast replay {}", runs[0])),
        "{}",
        planned.errors
    );
    google(&["apply", "--yes", "--record"]).code(0);
    google(&["why", "user-000000@example.com", "Sales", "--record"]).code(0);
    let runs = recorded(&folder);
    assert_eq!(
        runs.len(),
        4,
        "a plan, the plan of the apply, the apply, the question"
    );

    // Nothing but the recordings and the configuration is left.
    lab.simulators.stop().await;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("groupcast.db") {
            std::fs::remove_file(path).unwrap();
        }
    }
    for run in &runs {
        let replayed = call(&folder, &["replay", run]).code(0);
        assert!(
            replayed.out.contains("Reproduced bit for bit"),
            "{}",
            replayed.out
        );
        assert_eq!(
            call(&folder, &["replay", run]).code(0).out,
            replayed.out,
            "the same each time"
        );
        let document: Value =
            serde_json::from_str(&call(&folder, &["replay", run, "--json"]).code(0).out).unwrap();
        assert_eq!(document["format"], "groupcast/replay/1");
        assert_eq!(
            (&document["reproduced"], &document["exit"]),
            (&Value::Bool(true), &Value::from(0))
        );
        assert_eq!(document["calls"], document["recorded_calls"]);
        assert!(
            document["plan"].is_string() == (document["kind"] == "plan"),
            "{document}"
        );
    }
    let stores: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("groupcast.db"))
        .collect();
    assert_eq!(stores, Vec::<String>::new(), "a replay makes no store");

    // Another component: refused, and then asked.
    let mut other = groupcast::plugin::EMBEDDED.to_vec();
    other.extend([0, 3, 1, b'x', 0]);
    write(&folder, "newer.wasm", &other);
    let newer = folder.join("newer.wasm").display().to_string();
    says(
        &call(&folder, &["replay", &runs[0], "--plugin", &newer]).code(3),
        &["only the same component", "--against"],
    );
    call(&folder, &["replay", &runs[0], "--against", &newer])
        .code(0)
        .shows(&["It does the same", "newer.wasm"]);
    let document: Value = serde_json::from_str(
        &call(&folder, &["replay", &runs[0], "--against", "--json"])
            .code(0)
            .out,
    )
    .unwrap();
    assert_eq!(document["format"], "groupcast/replay-against/1");
    assert_eq!(document["same"], true);

    // A copy for somebody else, who has the file alone.
    let copy = folder.join("copy.gz").display().to_string();
    call(&folder, &["replay", &runs[0], "--redact", &copy])
        .code(0)
        .shows(&["Written to", "replays bit for bit"]);
    says(
        &call(&folder, &["replay", &runs[0], "--redact", &copy]).code(3),
        &["never replaces a file"],
    );
    call(&folder, &["replay", &copy, "--config", "/nowhere.toml"])
        .code(0)
        .shows(&["Reproduced bit for bit"]);
    let foreign = folder.join("newer.wasm").display().to_string();
    says(
        &call(&folder, &["replay", &foreign]).code(3),
        &["is no recording"],
    );
    says(
        &call(&folder, &["replay", "20200101"]).code(3),
        &["there is no recording of run 20200101", "--record"],
    );
}
