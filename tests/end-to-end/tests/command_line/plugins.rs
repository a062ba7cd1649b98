//! Components of others, from a registry to a tenant's run: `plugin pull` and `plugin grant` beside a host that serves.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use groupcast::plugin::EMBEDDED;
use groupcast::store::SqliteStore;
use groupcast::store::service::{AuditQuery, AuditStore as _, TenancyStore as _};
use groupcast_tests::{Lab, Target, hostile};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::program::{Calling, PROGRAM, begin, call, program_at, write};
use crate::web::{Api, Told};

const PATIENCE: Duration = Duration::from_secs(60);

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// An OCI registry that holds one component, and wants a name and a password for it; the reference to it.
fn registry(component: &[u8]) -> String {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json",
            "digest": format!("sha256:{}", sha256(b"{}")),
            "size": 2,
        },
        "layers": [{
            "mediaType": "application/wasm",
            "digest": format!("sha256:{}", sha256(component)),
            "size": component.len(),
        }],
    })
    .to_string()
    .into_bytes();
    let pin = sha256(&manifest);
    let held = BTreeMap::from([
        (format!("/v2/acme/sync/manifests/sha256:{pin}"), manifest),
        (
            format!("/v2/acme/sync/blobs/sha256:{}", sha256(component)),
            component.to_vec(),
        ),
    ]);
    let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            answer(stream, address, &held);
        }
    });
    format!("oci://{address}/acme/sync@sha256:{pin}")
}

fn answer(mut stream: TcpStream, address: SocketAddr, held: &BTreeMap<String, Vec<u8>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let authorization = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.split_once(": ")
                .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
        })
        .find(|(key, _)| key == "authorization")
        .map(|(_, value)| value);
    let (status, headers, body) = if path.starts_with("/token?") {
        // reader:password-of-the-registry
        if authorization.as_deref() == Some("Basic cmVhZGVyOnBhc3N3b3JkLW9mLXRoZS1yZWdpc3RyeQ==") {
            (
                "200 OK",
                String::new(),
                br#"{"token":"of-this-registry"}"#.to_vec(),
            )
        } else {
            ("401 Unauthorized", String::new(), Vec::new())
        }
    } else if authorization.as_deref() != Some("Bearer of-this-registry") {
        let challenge = format!(
            "www-authenticate: Bearer realm=\"http://{address}/token\",service=\"r\",scope=\"repository:acme/sync:pull\"\r\n"
        );
        ("401 Unauthorized", challenge, Vec::new())
    } else {
        match held.get(&path) {
            Some(bytes) => ("200 OK", String::new(), bytes.clone()),
            None => ("404 Not Found", String::new(), Vec::new()),
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(&body));
}

/// What stands in the configuration about a registry.
pub fn known(lab: &mut Lab, reference: &str, password: &str) {
    let folder = lab.folder.path().to_path_buf();
    write(&folder, "registry-password", password);
    let host = reference.trim_start_matches("oci://").split('/').next().unwrap();
    let section: toml::Table = format!(
        "[[registries]]\nhost = \"{host}\"\nusername = \"reader\"\npassword = {{ file = \"registry-password\" }}\n"
    )
    .parse()
    .unwrap();
    lab.config.insert("plugins".to_owned(), section.into());
    lab.config_file();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_pulled_by_its_pin_with_the_registrys_password_and_then_run() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let reference = registry(EMBEDDED);
    let folder = lab.folder.path().to_path_buf();
    let nothing_is_kept = |folder: &Path| {
        call(folder, &["plugin", "list"])
            .code(0)
            .shows(&["No components"]);
    };
    // Who shows no password, or a wrong one, gets nothing.
    lab.config_file();
    call(&folder, &["plugin", "pull", &reference])
        .code(3)
        .says(&["cannot be pulled"]);
    known(&mut lab, &reference, "wrong");
    let refused = call(&folder, &["plugin", "pull", &reference])
        .code(3)
        .says(&["cannot be pulled"]);
    assert!(!refused.errors.contains("wrong"), "{refused:?}");
    nothing_is_kept(&folder);

    known(&mut lab, &reference, "password-of-the-registry");
    let other = reference.replace("@sha256:", "@sha256:0");
    let other: String = other.chars().take(reference.len()).collect();
    call(&folder, &["plugin", "pull", &other])
        .code(3)
        .says(&["cannot be pulled"]);
    call(&folder, &["plugin", "pull", "oci://127.0.0.1:1/acme/sync:latest"])
        .code(3)
        .says(&["is not pinned"]);
    nothing_is_kept(&folder);

    call(&folder, &["plugin", "pull", &reference]).code(0).shows(&[
        "Kept",
        "Nothing was granted",
        &sha256(EMBEDDED),
    ]);
    let kept = call(&folder, &["plugin", "list", "--json"]).code(0);
    let document = kept.document("groupcast/plugins/1");
    assert_eq!(document["plugins"][0]["digest"], sha256(EMBEDDED));
    // It runs, by its digest and by the reference.
    for name in [sha256(EMBEDDED), reference] {
        call(&folder, &["plan", "--connection", "google", "--plugin", &name])
            .code(2)
            .shows(&["Sales"]);
    }
}

/// A tenant of the store, with the laboratory's Google directory behind it.
fn make_tenant(lab: &mut Lab, api: &Api, google: toml::Table, jumpcloud: &str) {
    let make = |method: &str, path: &str, body: Value| api.ask(method, path, Some(&body), None);
    let source = json!({ "base_url": jumpcloud, "api_key": { "stored": "jumpcloud" } });
    make("POST", "/tenants", json!({ "name": "acme", "jumpcloud": source })).is(201);
    for (name, file) in [("jumpcloud", "jumpcloud-key"), ("google", "google-key.json")] {
        let value = std::fs::read_to_string(lab.folder.path().join(file)).unwrap();
        let path = format!("/tenants/acme/secrets/{name}");
        assert!(make("PUT", &path, json!({ "value": value })).status < 300);
    }
    let mut section = serde_json::to_value(google).unwrap();
    section["service_account_key"] = json!({ "stored": "google" });
    section["managed"] = false.into();
    let directory = json!({ "name": "google", "vendor": "google", "section": section });
    make("POST", "/tenants/acme/directories", directory).is(201);
    let version = api.get("/tenants/acme/directories/google").version;
    let on = json!({ "managed": true, "acknowledge": true });
    let path = "/tenants/acme/directories/google/management";
    api.ask("PUT", path, Some(&on), Some(&version)).is(200);
}

/// What a host needs that has its tenants in the store alone, and somebody who administers it.
fn administered(lab: &mut Lab) -> Api {
    let folder = lab.folder.path().to_path_buf();
    for section in ["jumpcloud", "google", "entra"] {
        lab.config.remove(section);
    }
    let address = SocketAddr::from(([127, 0, 0, 1], groupcast_tests::ports::free()));
    let service = format!("listen = \"{address}\"\nrequests_per_minute = 6000");
    let service: toml::Table = service.parse().unwrap();
    lab.config.insert("service".to_owned(), service.into());
    lab.config_file();
    let made = call(&folder, &["token", "create", "--name", "test", "--role", "admin"]).code(0);
    Api {
        address,
        token: made.out.trim().to_owned(),
    }
}

fn answers(api: &Api) -> bool {
    api.tried("GET", "/whoami", None, None)
        .is_some_and(|told| told.status == 200)
}

/// A host that serves in this process.
fn serve(lab: &mut Lab) -> (Api, Calling) {
    let api = administered(lab);
    let serving = begin(lab.folder.path(), &["serve"]);
    serving.until("it serves", PATIENCE, || answers(&api));
    (api, serving)
}

/// Lets a tenant run a component that is granted to it.
fn choose(api: &Api, digest: &str) -> Told {
    let version = api.get("/tenants/acme").version;
    let chosen = json!({ "plugin": digest });
    api.ask("PATCH", "/tenants/acme", Some(&chosen), Some(&version))
}

/// Whether a process has one that runs a component for it.
fn runs_a_component(process: u32) -> bool {
    let parent = format!("PPid:\t{process}");
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .any(|folder| {
            let status = std::fs::read_to_string(folder.join("status")).unwrap_or_default();
            status.lines().any(|line| line == parent)
                && std::fs::read(folder.join("cmdline"))
                    .is_ok_and(|words| words == b"groupcast\0plugin\0run\0")
        })
}

/// An upgrade puts another file in the program's place while it serves: what runs components is the program that serves.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_component_syncs_in_a_process_of_the_program_that_serves_though_its_file_was_replaced() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let folder = lab.folder.path().to_path_buf();
    let google = lab.config["google"].as_table().unwrap().clone();
    let jumpcloud = lab.simulators.addresses().jumpcloud.clone();
    let api = administered(&mut lab);
    let file = folder.join("groupcast");
    std::fs::copy(PROGRAM, &file).unwrap();
    let mut serving = program_at(&file, &folder, &["serve"]).start();
    serving.until("it serves", PATIENCE, |_| answers(&api));
    std::fs::remove_file(&file).unwrap();
    make_tenant(&mut lab, &api, google, &jumpcloud);

    let mut component = EMBEDDED.to_vec();
    // A custom section that nobody reads: somebody else's component, that does what the built-in one does.
    component.extend([0, 3, 1, b'x', 0]);
    let digest = sha256(&component);
    api.upload(&format!("/plugins/{digest}"), &component).is(200);
    let grant = json!({ "tenant": "acme" });
    let granted = api.ask("PUT", &format!("/plugins/{digest}/grants"), Some(&grant), None);
    assert!(granted.status < 300, "{granted:?}");
    choose(&api, &digest).is(200);

    let directory = "/tenants/acme/directories/google";
    let (number, done) = (serving.number(), Arc::new(AtomicBool::new(false)));
    let looking = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut seen = false;
            while !done.load(Ordering::Relaxed) {
                seen |= runs_a_component(number);
                std::thread::sleep(Duration::from_millis(2));
            }
            seen
        })
    };
    let planned = api.work(directory, &json!({ "work": "plan" }));
    let plan = planned["plan"].as_str().unwrap_or_else(|| panic!("{planned}"));
    let approve = format!("{directory}/plans/{plan}/approvals");
    api.ask("POST", &approve, Some(&json!({})), None).is(200);
    let applied = api.work(directory, &json!({ "work": "apply", "plan": plan }));
    done.store(true, Ordering::Relaxed);
    assert_eq!(applied["end"]["result"], "done", "{applied}");
    assert_eq!(
        lab.people(Target::Google, "Sales", "sales@example.com"),
        groupcast_tests::people(&[0, 1])
    );
    assert!(looking.join().unwrap(), "no process ran it");
    serving.terminate();
    assert_eq!(serving.ended().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_say_what_it_is_is_not_kept_and_holds_nobody_up() {
    let mut lab = Lab::new().await;
    let (api, serving) = serve(&mut lab);
    let endless = hostile("describe/infinite-loop", &[]);
    let crashing = crate::components::crashing();
    for (component, why) in [(&endless, "was stopped"), (&crashing, "")] {
        let begun = Instant::now();
        let refused = api
            .upload(&format!("/plugins/{}", sha256(component)), component)
            .is(422);
        let told = refused.body["detail"].as_str().unwrap();
        assert!(told.contains(why), "{told}");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
    assert_eq!(api.get("/plugins").is(200).body["items"], json!([]));
    let sound = api.upload(&format!("/plugins/{}", sha256(EMBEDDED)), EMBEDDED);
    assert_eq!(sound.is(200).body["size"], EMBEDDED.len());
    assert_eq!(serving.stop().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_by_the_command_line_is_what_a_tenants_runs_may_do() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let reference = registry(EMBEDDED);
    let folder = lab.folder.path().to_path_buf();
    let google = lab.config["google"].as_table().unwrap().clone();
    let jumpcloud = lab.simulators.addresses().jumpcloud.clone();
    known(&mut lab, &reference, "password-of-the-registry");
    let (api, serving) = serve(&mut lab);
    make_tenant(&mut lab, &api, google, &jumpcloud);

    call(&folder, &["plugin", "pull", &reference]).code(0);
    let digest = sha256(EMBEDDED);
    // Kept is not granted.
    choose(&api, &digest).is(422);
    call(&folder, &["plugin", "grant", "0000", "--tenant", "acme"])
        .code(3)
        .says(&["plugin list"]);
    let granted = call(
        &folder,
        &["plugin", "grant", &digest[..12], "--tenant", "acme", "--reads"],
    )
    .code(0)
    .shows(&["for tenant acme", "reads"]);
    assert!(!granted.out.contains("writes"), "{granted:?}");
    let seen = api.get("/tenants/acme/plugins").is(200).body;
    assert!(
        seen["items"][0]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .all(|rule| rule["writes"] == false)
    );
    choose(&api, &digest).is(200);

    // It may read, so it plans; and it may not write, whatever is approved.
    let directory = "/tenants/acme/directories/google";
    let planned = api.work(directory, &json!({ "work": "plan" }));
    let plan = planned["plan"]
        .as_str()
        .unwrap_or_else(|| panic!("{planned}"))
        .to_owned();
    let approve = format!("{directory}/plans/{plan}/approvals");
    api.ask("POST", &approve, Some(&json!({})), None).is(200);
    lab.simulators.clear_requests();
    let apply = json!({ "work": "apply", "plan": plan });
    let refused = api.work(directory, &apply);
    assert_ne!(refused["end"]["result"], "done", "{refused}");
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    assert!(lab.google_group("sales@example.com").is_none());

    // All that it asks for, granted while the host serves.
    call(&folder, &["plugin", "grant", &digest[..12], "--tenant", "acme"])
        .code(0)
        .shows(&["for tenant acme", "writes"]);
    let begun = Instant::now();
    loop {
        let planned = api.work(directory, &json!({ "work": "plan" }));
        let plan = planned["plan"]
            .as_str()
            .unwrap_or_else(|| panic!("{planned}"))
            .to_owned();
        api.ask(
            "POST",
            &format!("{directory}/plans/{plan}/approvals"),
            Some(&json!({})),
            None,
        )
        .is(200);
        let applied = api.work(directory, &json!({ "work": "apply", "plan": plan }));
        if lab.people(Target::Google, "Sales", "sales@example.com") == groupcast_tests::people(&[0, 1]) {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the grant is not taken up: {applied}");
        std::thread::sleep(Duration::from_millis(500));
    }

    // Revoked: the next run does not begin.
    call(&folder, &["plugin", "revoke", &digest[..12]])
        .code(3)
        .says(&["every tenant", "nothing was revoked"]);
    call(&folder, &["plugin", "revoke", &digest[..12], "--tenant", "acme"])
        .code(0)
        .shows(&["for tenant acme"]);
    let begun = Instant::now();
    while !api.get(directory).body["unusable"]
        .as_str()
        .is_some_and(|why| why.contains("its plugin cannot be used"))
    {
        assert!(begun.elapsed() < PATIENCE, "the revocation is not taken up");
        std::thread::sleep(Duration::from_millis(200));
    }
    lab.simulators.clear_requests();
    let stopped = api.work(directory, &json!({ "work": "plan" }));
    assert_ne!(stopped["end"]["result"], "done", "{stopped}");
    assert_eq!(lab.simulators.requests(), []);
    assert_eq!(serving.stop().code, Some(0));

    let store = SqliteStore::open(&folder.join("groupcast.db")).await.unwrap();
    assert_eq!(store.all_plugins().await.unwrap(), []);
    let query = AuditQuery {
        action_prefix: Some("plugin.".to_owned()),
        after: Some(0),
        ..AuditQuery::default()
    };
    let entries = store.audit(&query).await.unwrap();
    let actions: Vec<&str> = entries.iter().map(|entry| entry.entry.action.as_str()).collect();
    // Those of the component itself, where it asked for a write that was not granted, are between them.
    let changes: Vec<&str> = actions
        .into_iter()
        .filter(|action| *action != "plugin.violation")
        .collect();
    assert_eq!(changes, ["plugin.granted", "plugin.granted", "plugin.revoked"]);
    for entry in entries
        .iter()
        .filter(|entry| entry.entry.action != "plugin.violation")
    {
        assert_eq!(entry.entry.tenant.as_deref(), Some("acme"));
        assert!(
            entry.entry.actor.subject.starts_with("command-line:"),
            "{entry:?}"
        );
        assert_eq!(entry.entry.subject, digest);
    }
}
