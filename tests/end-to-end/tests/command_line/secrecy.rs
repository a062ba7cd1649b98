//! No secret in anything that the program prints or keeps: a whole life of a connection with everything logged, everything
//! recorded, secrets in every place that there is, and vendors that repeat what they were sent.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use groupcast::config::SecretsSection;
use groupcast::secrets::Author;
use groupcast::service::Principal;
use groupcast::store::SqliteStore;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::organisation::Size;
use groupcast_simulators::vault::{VaultSimulator, serve};
use groupcast_tests::Lab;

use self::search::{Secrets, kept, spellings};
use crate::program::{call, groupcast};

mod client;
mod console;
mod hosts;
mod provider;
mod routes;
mod search;
mod served;

/// With all that is spelled otherwise in JSON, in a URL or in a form.
const JUMPCLOUD: &str = "jca_\"first\"\\key+with/signs=&%0123456789";
const ENTRA: &str = "ent~\"second\"\\secret+with/signs=&%9876543210";
const VAULT_TOKEN: &str = "hvs.planted-vault-token-0123456789";
const OF_A_TENANT: &str = "a-tenants-own-secret-0123456789";
/// Files that their owner put a secret into.
const OWN_PLACES: [&str; 3] = ["groupcast.key", "vault-token", "google-key.json"];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_printed_logged_or_kept_in_a_whole_life() {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut lab = Lab::with(size, |organisation| {
        organisation.jumpcloud.api_key = JUMPCLOUD.to_owned();
        organisation.entra.applications[0].client_secret = Some(ENTRA.to_owned());
    })
    .await;
    let folder = lab.folder.path().to_path_buf();
    // JumpCloud's key in Vault, Google's in a file, Entra's in the encrypted file, a tenant's in the store.
    let mut vault = VaultSimulator::new();
    vault.put(
        "secret",
        "groupcast/jumpcloud",
        serde_json::json!({ "key": JUMPCLOUD }),
        0,
    );
    vault.token(VAULT_TOKEN, &["secret/data/groupcast/"]);
    let address = serve(Arc::new(Mutex::new(vault))).await.unwrap();
    std::fs::write(folder.join("vault-token"), VAULT_TOKEN).unwrap();
    std::fs::remove_file(folder.join("jumpcloud-key")).unwrap();
    std::fs::remove_file(folder.join("entra-secret")).unwrap();
    for (section, text) in [
        (
            "secrets",
            format!("[vault]\naddress = \"{address}\"\ntoken = {{ file = \"vault-token\" }}\n"),
        ),
        ("recording", "enabled = true\n".to_owned()),
    ] {
        let text: toml::Table = text.parse().unwrap();
        lab.section(section).extend(text);
    }
    let place: toml::Table = "api_key = { vault = { path = \"groupcast/jumpcloud\", field = \"key\" } }"
        .parse()
        .unwrap();
    lab.section("jumpcloud").extend(place);
    let place: toml::Table = "client_secret = { stored = \"entra\" }".parse().unwrap();
    lab.section("entra").extend(place);
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
    let mut said = String::new();
    let program = |words: &[&str]| {
        // Every crate, all that it has to say; compiling says the most, and knows no secret.
        groupcast(&folder, words).env(
            "GROUPCAST_LOG",
            "trace,cranelift_codegen=off,regalloc2=off,wasmtime=off",
        )
    };
    let stored =
        program(&["secrets", "set", "entra", "--expires", "2031-03-04", "-vvv"]).input(ENTRA.as_bytes());
    said.push_str(&stored.run().code(0).all());
    for (ended, code) in [
        (program(&["check", "-vvv"]).run(), 0),
        (program(&["plan", "-vvv"]).run(), 2),
        (program(&["apply", "--yes", "-vvv"]).run(), 0),
        (
            call(&folder, &["why", "user-000000@example.com", "Sales", "-vvv"]),
            0,
        ),
        (call(&folder, &["sync", "--json"]), 0),
        (call(&folder, &["runs", "--json"]), 0),
        (call(&folder, &["secrets", "list", "--json"]), 0),
    ] {
        said.push_str(&ended.code(code).all());
    }
    seal_for_a_tenant(&folder).await;
    said.push_str(&program(&["secrets", "rotate-key", "-vvv"]).run().code(0).all());
    lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(&sales, &groupcast_tests::user(5)));
    let mut serving = program(&["serve", "-vvv"]).start();
    serving.until("both ran", Duration::from_secs(120), |running| {
        running.errors().matches("a job ended").count() >= 2
    });
    serving.terminate();
    said.push_str(&serving.ended().code(0).all());
    // Refusals have the most to say of what was sent.
    for (vendors, path, more) in [
        (&[Vendor::Google, Vendor::Entra][..], None, &[][..]),
        (&[Vendor::Jumpcloud], None, &["--connection", "google"]),
        (
            &[Vendor::Entra],
            Some("/*/oauth2/v2.0/token"),
            &["--connection", "entra"],
        ),
    ] {
        lab.simulators.faults(|faults| {
            faults.clear();
            for vendor in vendors {
                faults.add(echo(*vendor, path));
            }
        });
        let words = [&["plan", "-vvv"], more].concat();
        said.push_str(&program(&words).run().code(3).all());
    }
    assert!(
        said.contains("TRACE") && said.contains("DEBUG"),
        "everything was logged"
    );

    let mut secrets = Secrets::default();
    secrets.add("JumpCloud's key", JUMPCLOUD);
    secrets.add("Entra's secret", ENTRA);
    secrets.add("Vault's token", VAULT_TOKEN);
    secrets.add("a tenant's secret", OF_A_TENANT);
    secrets.add_pem("Google's key", groupcast_tests::PRIVATE_KEY);
    secrets.add_host_key(&folder);
    secrets.add_tokens();
    secrets.absent("what was printed and logged", said.as_bytes());
    let kept = kept(&folder, &OWN_PLACES);
    for needed in ["groupcast.db", "groupcast.secrets", "unpacked"] {
        assert!(kept.iter().any(|(name, _)| name.contains(needed)), "{needed}");
    }
    for (place, bytes) in &kept {
        secrets.absent(place, bytes);
    }
    assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new());
}

/// A vendor that repeats what it was sent, in several spellings.
fn echo(vendor: Vendor, path: Option<&str>) -> Rule {
    // The login endpoint was sent the client's secret; what a run sent to one vendor, another may have heard of.
    let told = spellings(if path.is_some() { ENTRA } else { JUMPCLOUD });
    let body = serde_json::json!({
        "error": if path.is_some() { "invalid_client".into() } else { serde_json::json!({"message": told.join(" ")}) },
        "error_description": format!("AADSTS7000215: {}", told.join(" ")),
    });
    Rule {
        vendor,
        method: Some(if path.is_some() { "POST" } else { "GET" }.to_owned()),
        path: path.map(ToOwned::to_owned),
        query: None,
        skip: 0,
        times: None,
        fault: Fault::Answer {
            status: 401,
            headers: Vec::new(),
            body: body.to_string(),
            content_type: "application/json".to_owned(),
        },
    }
}

/// A tenant of the store has a secret of its own.
async fn seal_for_a_tenant(folder: &Path) {
    let store = SqliteStore::open(&folder.join("groupcast.db")).await.unwrap();
    let section = SecretsSection {
        file: folder.join("groupcast.secrets"),
        key_file: folder.join("groupcast.key"),
        ..SecretsSection::default()
    };
    let author = Author {
        actor: Principal::command_line("tests").actor,
        request: None,
    };
    groupcast::secrets::Secrets::of(&section)
        .with_store(Arc::new(store))
        .set_for("acme", "entra", &OF_A_TENANT.into(), None, None, &author)
        .await
        .unwrap();
}
