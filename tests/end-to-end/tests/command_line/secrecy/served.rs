//! No secret in anything that a serving host gives away: answers and refusals of its API, events, pages, metrics, traces,
//! its log, its store, a backup, the audit log's export, a recording for support. Vendors, the identity provider, the
//! collector of traces and the dead man's switch repeat what they were sent.

use std::sync::Arc;
use std::time::Duration;

use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{Lab, user};
use serde_json::json;

use super::client::{Client, Heard};
use super::hosts::{Host, OTHER_ENTRA, OTHER_JUMPCLOUD};
use super::routes::Routes;
use super::search::{Secrets, spellings};
use super::{ENTRA, JUMPCLOUD, console};
use crate::program::{Running, call};

const PATIENCE: Duration = Duration::from_secs(120);
const FORM: &str = "application/x-www-form-urlencoded";
const DIRECTORIES: [&str; 4] = [
    "/tenants/acme/directories/google",
    "/tenants/acme/directories/entra",
    "/tenants/beta/directories/google",
    "/tenants/beta/directories/entra",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves_a_serving_host_by_any_of_its_doors() {
    let host = Host::new().await;
    let mut said = String::new();
    let stored = host
        .program(&["secrets", "set", "entra", "-vvv"])
        .input(ENTRA.as_bytes());
    said.push_str(&stored.run().code(0).all());
    let mut serving = host.program(&["serve", "-vvv"]).start();
    let api = &host.api;
    serving.until("it serves", PATIENCE, |_| {
        api.tried("GET", "/whoami", None, None)
            .is_some_and(|told| told.status == 200)
    });
    let heard = Heard::default();
    let client = Client {
        address: api.address,
        headers: vec![("authorization", format!("Bearer {}", api.token))],
        heard: Arc::clone(&heard),
    };
    let listening = client.listen("/api/v1/events");
    host.make_tenant();
    host.keep_a_component();
    work(&host);

    // Secrets that the host makes itself, and shows once.
    let mut secrets = host.secrets();
    let repeated = made_token(&client, &mut secrets);
    let (browser, csrf) = signed_in(&client, &mut secrets);
    signed_in_by_provider(&host, &client, &mut secrets);
    secrets.add("a CSRF token", &csrf);

    echoes(&host, &secrets);
    for secret in [OTHER_JUMPCLOUD, OTHER_ENTRA] {
        Routes::of(&client).provoke(secret);
        console::refused_forms(&browser, &csrf, secret);
    }
    let nobody = client.with(Vec::new());
    for token in [&api.token[..api.token.len() - 1], OTHER_ENTRA] {
        let wrong = nobody.with(vec![("authorization", format!("Bearer {token}"))]);
        wrong.get("/api/v1/tenants").is(401);
    }
    Routes::of(&client).read_all();
    console::walk(&browser);
    client.get("/metrics").is(200);
    Client {
        address: host.watched,
        ..nobody
    }
    .get("/metrics")
    .is(200);
    said.push_str(&commands(&host));
    let (store_at_work, log) = stopped(&host, serving);
    listening.join().unwrap();
    said.push_str(&log);

    // Tokens that were given out meanwhile, and those of the sign-ins.
    secrets.join(host.secrets());
    secrets.absent("what was printed and logged", said.as_bytes());
    let found: Vec<String> = heard
        .lock()
        .unwrap()
        .iter()
        .filter_map(|(place, bytes)| secrets.told(place, bytes))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
    assert!(repeated.contains("\"secret\":null"), "{repeated}");
    secrets.absent("a repeated answer", repeated.as_bytes());
    let spans = host.spans_without_their_header();
    assert!(
        spans.contains("/v1/traces") && spans.contains("run apply"),
        "traces were sent"
    );
    secrets.absent("traces", spans.as_bytes());
    // A session's own token is in the store, since each of its pages needs it; it opens nothing without the cookie.
    secrets.forget(&csrf);
    for (place, bytes) in host.kept().iter().chain(&store_at_work) {
        secrets.absent(place, bytes);
    }
    for lab in [&host.file, &host.store] {
        assert_eq!(lab.writes(Vendor::Jumpcloud), Vec::<String>::new());
    }
}

/// A life of each directory: looked at, planned, applied, synced after a change, undone.
fn work(host: &Host) {
    let api = &host.api;
    let planned = |directory: &str, work: serde_json::Value| {
        let job = api.work(directory, &work);
        let plan = job["plan"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned();
        let approve = format!("{directory}/plans/{plan}/approvals");
        api.ask("POST", &approve, Some(&json!({})), None).is(200);
        let job = api.work(directory, &json!({ "work": "apply", "plan": plan }));
        assert_eq!(job["end"]["result"], "done", "{job}");
        job
    };
    for directory in DIRECTORIES {
        api.work(directory, &json!({ "work": "check" }));
        planned(directory, json!({ "work": "plan" }));
    }
    for lab in [&host.file, &host.store] {
        lab.jumpcloud(|jumpcloud| jumpcloud.add_user_to_group(SALES, &user(5)));
    }
    for directory in DIRECTORIES {
        let job = api.work(directory, &json!({ "work": "sync" }));
        assert_eq!(job["end"]["result"], "done", "{job}");
        let run = job["runs"].as_array().unwrap().last().unwrap();
        api.work(directory, &json!({ "work": "undo", "run": run }));
    }
}

/// The first group that a laboratory makes.
const SALES: &str = "c00000000000000000000001";

/// Makes a token twice by one key: shown once. Answers the second answer.
fn made_token(client: &Client, secrets: &mut Secrets) -> String {
    let mut headers = client.headers.clone();
    headers.push(("idempotency-key", "once".to_owned()));
    let once = client.with(headers);
    let body = json!({ "name": "another", "role": "viewer" }).to_string();
    let made = once
        .told("POST", "/api/v1/tokens", "application/json", &body)
        .is(201);
    secrets.add("a made API token", made.json()["secret"].as_str().unwrap());
    once.ask("POST", "/api/v1/tokens", "application/json", &body)
        .is(201)
        .body
}

/// Signs in to the console with a token, after two that are wrong; answers who is signed in, and the session's own token.
fn signed_in(client: &Client, secrets: &mut Secrets) -> (Client, String) {
    let origin = ("origin", format!("http://{}", client.address));
    let token = client.headers[0].1.trim_start_matches("Bearer ").to_owned();
    let nobody = client.with(vec![origin]);
    let form = |token: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token)
            .append_pair("next", "/tenants")
            .finish()
    };
    for wrong in [&token[..token.len() - 1], OTHER_JUMPCLOUD] {
        nobody.ask("POST", "/sign-in", FORM, &form(wrong)).is(303);
    }
    let signed = nobody.told("POST", "/sign-in", FORM, &form(&token)).is(303);
    let cookie = signed.cookie("groupcast").unwrap();
    secrets.add("a session's cookie", &cookie);
    let browser = client.with(vec![("cookie", format!("groupcast={cookie}"))]);
    let csrf = console::csrf(&browser.get("/tenants").is(200));
    (browser, csrf)
}

/// Signs in by the identity provider, which first refuses and repeats what it was sent.
fn signed_in_by_provider(host: &Host, client: &Client, secrets: &mut Secrets) {
    let nobody = client.with(Vec::new());
    for code in ["code-of-a-refused-sign-in", "code-of-a-sign-in-that-works"] {
        let begun = nobody.told("GET", "/sign-in/oidc", "", "").is(303);
        let sent = begun.header("location").split_once('?').unwrap().1.to_owned();
        let of = |name: &str| {
            let mut pairs = form_urlencoded::parse(sent.as_bytes());
            pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
        };
        let cookie = begun.cookie("groupcast-sign-in").unwrap();
        let works = code.ends_with("works");
        if works {
            host.provider.admit(&of("nonce"));
        }
        let back = nobody.with(vec![("cookie", format!("groupcast-sign-in={cookie}"))]);
        let path = format!("/sign-in/oidc/callback?code={code}&state={}", of("state"));
        let signed = back.told("GET", &path, "", "").is(303);
        let session = signed.cookie("groupcast");
        assert_eq!(session.is_some(), works, "{signed:?}");
        if let Some(session) = session {
            secrets.add("a session's cookie by the identity provider", &session);
        }
    }
}

/// Vendors that refuse everything and repeat what they were sent, in every spelling.
fn echoes(host: &Host, secrets: &Secrets) {
    let refused = |lab: &Lab, directories: &[&str], vendor: Vendor, path: Option<&str>, sent: &[String]| {
        lab.simulators
            .faults(|faults| faults.add(echo(vendor, path, sent)));
        for directory in directories {
            let job = host.api.work(directory, &json!({ "work": "plan" }));
            assert_ne!(job["end"]["result"], "pending", "{job}");
            assert!(secrets.find(job.to_string().as_bytes()).is_none(), "{job}");
        }
        lab.simulators.faults(groupcast_simulators::faults::Faults::clear);
    };
    for (lab, key, secret, directories) in [
        (&host.file, JUMPCLOUD, ENTRA, &DIRECTORIES[..2]),
        (&host.store, OTHER_JUMPCLOUD, OTHER_ENTRA, &DIRECTORIES[2..]),
    ] {
        refused(lab, directories, Vendor::Jumpcloud, None, &[key.to_owned()]);
        // No vendor repeats what this run never sent it: a token of before, or one for writing.
        lab.google(|google| google.revoke_tokens());
        lab.entra(|entra| entra.revoke_tokens());
        for directory in directories {
            host.api.work(directory, &json!({ "work": "plan" }));
        }
        let tokens = lab.google(|google| google.access_tokens());
        refused(lab, &directories[..1], Vendor::Google, None, &tokens);
        let tokens = lab.entra(|entra| entra.access_tokens());
        refused(lab, &directories[1..], Vendor::Entra, None, &tokens);
        // Asked for a token again.
        lab.entra(|entra| entra.revoke_tokens());
        let login = Some("/*/oauth2/v2.0/token");
        refused(lab, &directories[1..], Vendor::Entra, login, &[secret.to_owned()]);
    }
}

fn echo(vendor: Vendor, path: Option<&str>, sent: &[String]) -> Rule {
    let told: Vec<String> = sent.iter().flat_map(|secret| spellings(secret)).collect();
    let told = told.join(" ");
    let body = match path {
        Some(_) => {
            json!({ "error": "invalid_client", "error_description": format!("AADSTS7000215: {told}") })
        }
        None => json!({ "error": { "message": told, "code": told }, "message": told }),
    };
    Rule {
        vendor,
        method: Some(if path.is_some() { "POST" } else { "GET" }.to_owned()),
        path: path.map(ToOwned::to_owned),
        query: None,
        skip: 0,
        times: None,
        fault: Fault::Answer {
            status: if path.is_some() { 401 } else { 400 },
            headers: Vec::new(),
            body: body.to_string(),
            content_type: "application/json".to_owned(),
        },
    }
}

/// What the command line says beside a host that serves.
fn commands(host: &Host) -> String {
    let recorded = host.a_recorded_run();
    let into = |name: &str| host.path().join(name).display().to_string();
    let (backup, redacted) = (into("backup.gz"), into("redacted.gz"));
    let mut said = String::new();
    for (words, code) in [
        (&["store", "backup", &backup][..], 0),
        (&["store", "status", "--json"], 0),
        (&["replay", &recorded, "--redact", &redacted], 0),
        (&["check", "--connection", "acme/entra"], 0),
        (&["runs", "--json", "--limit", "100"], 0),
        (&["secrets", "list", "--json"], 0),
        (&["secrets", "list", "--tenant", "beta", "--json"], 0),
        (&["token", "list", "--json"], 0),
        (
            &[
                "why",
                "user-000000@example.com",
                "Sales",
                "--connection",
                "acme/google",
            ],
            0,
        ),
        (&["health"], 0),
    ] {
        said.push_str(&call(host.path(), words).code(code).all());
    }
    said
}

/// Stops the host; answers the store's files as they were while it was at work, and its log.
fn stopped(host: &Host, mut serving: Running) -> (Vec<(String, Vec<u8>)>, String) {
    serving.until("the dead man's switch was refused", PATIENCE, |running| {
        running.errors().contains("a ping did not arrive")
    });
    let at_work: Vec<_> = host
        .kept()
        .into_iter()
        .filter(|(name, _)| name.starts_with("groupcast.db"))
        .collect();
    assert!(
        at_work.iter().any(|(name, _)| name == "groupcast.db-wal"),
        "there is a log of writes"
    );
    serving.terminate();
    let log = serving.ended().code(0).all();
    assert!(
        log.contains("\"trace\"") && log.contains("\"debug\""),
        "everything was logged"
    );
    (at_work, log)
}
