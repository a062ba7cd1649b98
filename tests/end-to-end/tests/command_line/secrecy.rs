//! No secret in anything that the program prints or keeps: a whole life of a connection with everything logged.

use std::time::Duration;

use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::Lab;

use crate::program::{call, groupcast};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_printed_logged_or_kept_in_a_whole_life() {
    let mut lab = Lab::new().await;
    let sales = lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let second = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 8;
    for target in groupcast_tests::BOTH {
        let cron = toml::Value::from(format!("{} * * * * *", second % 60));
        lab.set(
            target,
            "schedule",
            toml::Table::from_iter([("cron".to_owned(), cron)]),
        );
    }
    lab.config_file();
    let folder = lab.folder.path().to_path_buf();
    let mut said = String::new();
    let program = |words: &[&str]| {
        // Every crate, all that it has to say; compiling says the most, and knows no secret.
        groupcast(&folder, words).env(
            "GROUPCAST_LOG",
            "trace,cranelift_codegen=off,regalloc2=off,wasmtime=off",
        )
    };
    for (ended, code) in [
        (call(&folder, &["check", "-vvv"]), 0),
        (call(&folder, &["plan", "-vvv"]), 2),
        (program(&["apply", "--yes", "-vvv"]).run(), 0),
        (
            call(&folder, &["why", "user-000000@example.com", "Sales", "-vvv"]),
            0,
        ),
        (call(&folder, &["sync", "--json"]), 0),
        (call(&folder, &["runs", "--json"]), 0),
    ] {
        said.push_str(&ended.code(code).all());
    }
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &groupcast_tests::user(5)));
    let mut serving = program(&["serve", "-vvv"]).start();
    serving.until("both ran", Duration::from_secs(120), |running| {
        running.errors().matches("a job ended").count() >= 2
    });
    serving.terminate();
    said.push_str(&serving.ended().code(0).all());
    // Refusals have the most to say of what was sent.
    for (vendors, more) in [
        (&[Vendor::Google, Vendor::Entra][..], &[][..]),
        (&[Vendor::Jumpcloud], &["--connection", "google"]),
    ] {
        lab.simulators.faults(|faults| {
            faults.clear();
            for vendor in vendors {
                faults.add(Rule {
                    vendor: *vendor,
                    method: Some("GET".to_owned()),
                    path: None,
                    query: None,
                    skip: 0,
                    times: None,
                    fault: Fault::Answer {
                        status: 401,
                        headers: Vec::new(),
                        // A vendor that repeats what it was sent.
                        body: "{\"error\": {\"message\": \"bad key generated-jumpcloud-key\"}}".to_owned(),
                        content_type: "application/json".to_owned(),
                    },
                });
            }
        });
        let ended = program(&[&["plan", "-vvv"], more].concat()).run().code(3);
        said.push_str(&ended.all());
    }
    assert!(
        said.contains("TRACE") && said.contains("DEBUG"),
        "everything was logged"
    );

    let mut secrets = vec![
        "generated-jumpcloud-key".to_owned(),
        "generated-entra-secret".to_owned(),
    ];
    let key = std::fs::read_to_string(folder.join("google-key.json")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    secrets.extend(
        key["private_key"]
            .as_str()
            .unwrap()
            .lines()
            .filter(|line| line.len() > 20)
            .map(ToOwned::to_owned),
    );
    assert!(secrets.len() > 10);
    // Tokens: the simulators' own form of them, and of the assertion that buys one.
    secrets.extend(["Bearer ey", "Bearer ya29", "eyJhbGciOi", "ya29."].map(ToOwned::to_owned));
    let mut kept = said.clone().into_bytes();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("groupcast.db")
        {
            kept.extend(std::fs::read(path).unwrap());
        }
    }
    for secret in secrets {
        let found = kept
            .windows(secret.len())
            .position(|window| window == secret.as_bytes());
        if let Some(at) = found {
            let around = &kept[at.saturating_sub(300)..(at + secret.len() + 20).min(kept.len())];
            panic!("{} in …{}…", &secret[..8], String::from_utf8_lossy(around));
        }
    }
    assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new());
}
