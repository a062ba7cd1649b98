//! No secret in anything that the program prints or keeps: a whole life of a connection with everything logged, everything
//! recorded, secrets in every place that there is, and vendors that repeat what they were sent.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use groupcast::config::SecretsSection;
use groupcast::secrets::{Author, Secrets};
use groupcast::service::Principal;
use groupcast::store::SqliteStore;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::organisation::Size;
use groupcast_simulators::vault::{VaultSimulator, serve};
use groupcast_tests::Lab;

use crate::program::{call, groupcast};

/// With all that is spelled otherwise in JSON, in a URL or in a form.
const JUMPCLOUD: &str = "jca_\"first\"\\key+with/signs=&%0123456789";
const ENTRA: &str = "ent~\"second\"\\secret+with/signs=&%9876543210";
const VAULT_TOKEN: &str = "hvs.planted-vault-token-0123456789";
const OF_A_TENANT: &str = "a-tenants-own-secret-0123456789";

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

    let mut secrets: Vec<String> = [JUMPCLOUD, ENTRA, VAULT_TOKEN, OF_A_TENANT]
        .map(ToOwned::to_owned)
        .to_vec();
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
    let host_key = std::fs::read_to_string(folder.join("groupcast.key")).unwrap();
    secrets.push(host_key.trim().to_owned());
    assert!(secrets.len() > 10);
    let kept = kept(&folder);
    for secret in &secrets {
        for spelling in spellings(secret) {
            absent(
                said.as_bytes(),
                "what was printed and logged",
                spelling.as_bytes(),
            );
            for (place, bytes) in &kept {
                absent(bytes, place, spelling.as_bytes());
            }
        }
    }
    // The host's key as bytes, which the store and the encrypted file could hold.
    let host_key = STANDARD.decode(host_key.trim()).unwrap();
    for (place, bytes) in &kept {
        absent(bytes, place, &host_key);
    }
    // Tokens: the simulators' own form of them, and of the assertion that buys one.
    for token in ["Bearer ey", "Bearer ya29", "eyJhbGciOi", "ya29."] {
        absent(said.as_bytes(), "what was printed and logged", token.as_bytes());
        for (place, bytes) in &kept {
            absent(bytes, place, token.as_bytes());
        }
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

/// Everything that a secret can look like.
fn spellings(secret: &str) -> Vec<String> {
    let escaped = serde_json::Value::from(secret).to_string();
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent: String = secret
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    vec![
        secret.to_owned(),
        escaped[1..escaped.len() - 1].to_owned(),
        form,
        percent,
        hex::encode(secret),
        // Without the end, which depends on what follows.
        STANDARD.encode(secret)[..secret.len() / 3 * 4].to_owned(),
        URL_SAFE_NO_PAD.encode(secret)[..secret.len() / 3 * 4].to_owned(),
    ]
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
    Secrets::of(&section)
        .with_store(Arc::new(store))
        .set_for("acme", "entra", &OF_A_TENANT.into(), None, None, &author)
        .await
        .unwrap();
}

/// All that the program keeps: the store, the encrypted file, recordings as they are and unpacked. Not where the secrets
/// were put by their owner.
fn kept(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut kept = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !["groupcast.key", "vault-token", "google-key.json"].contains(&name.as_str()) {
                let bytes = std::fs::read(&path).unwrap();
                let mut unpacked = Vec::new();
                if flate2::read::MultiGzDecoder::new(&bytes[..])
                    .read_to_end(&mut unpacked)
                    .is_ok()
                {
                    kept.push((format!("{name}, unpacked"), unpacked));
                }
                kept.push((name, bytes));
            }
        }
    }
    for needed in ["groupcast.db", "groupcast.secrets", "unpacked"] {
        assert!(kept.iter().any(|(name, _)| name.contains(needed)), "{needed}");
    }
    kept
}

fn absent(bytes: &[u8], place: &str, secret: &[u8]) {
    let found = bytes.windows(secret.len()).position(|window| window == secret);
    if let Some(at) = found {
        let around = &bytes[at.saturating_sub(300)..(at + secret.len() + 20).min(bytes.len())];
        panic!(
            "{}… in {place}: …{}…",
            String::from_utf8_lossy(&secret[..8]),
            String::from_utf8_lossy(around)
        );
    }
}
