//! Every misdeed that concerns others: vendors, other tenants, this machine's neighbours, and the trade itself. Through the
//! whole host and over real sockets: each is refused, blamed on its component in the run, before observers and in the
//! audit log, and nothing of it arrives anywhere.

use std::sync::{Arc, Mutex};

use groupcast::config::Config;
use groupcast::plugin::{Event, LogLevel, Plugin, Violation};
use groupcast::run::{Groupcast, Observer, RunFailure, RunRef, Selection, SyncOutcome};
use groupcast::store::service::{AuditQuery, AuditStore};
use groupcast::store::{LedgerStore as _, SqliteStore, Store};
use groupcast_guest::engine::Extent;
use groupcast_guest::plan::part::Part;
use groupcast_tests::{BOTH, Lab, Target, component, hostile, people};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::processes::apart;

/// Remembers what components were blamed for, and what they said.
#[derive(Default)]
struct Watch {
    blamed: Mutex<Vec<(String, Violation)>>,
    said: Mutex<String>,
}

impl Observer for Watch {
    fn event(&self, _: &RunRef, _: &Event) {}
    fn log(&self, _: &RunRef, _: LogLevel, message: &str) {
        let mut said = self.said.lock().unwrap();
        said.push_str(message);
        said.push('\n');
    }
    fn violated(&self, _: &RunRef, plugin: &str, violation: &Violation) {
        self.blamed
            .lock()
            .unwrap()
            .push((plugin.to_owned(), violation.clone()));
    }
}

/// The host over the laboratory, with a component that does one misdeed.
struct Intruder {
    host: Groupcast,
    watch: Arc<Watch>,
    store: Arc<SqliteStore>,
    digest: String,
}

impl Intruder {
    async fn of(lab: &Lab, misdeed: &str, arguments: &[&str]) -> Self {
        Self::granted(lab, misdeed, arguments, None).await
    }

    /// With what was granted to it as a tenant's own component; none: as the host's, with what the built-in one may.
    async fn granted(
        lab: &Lab,
        misdeed: &str,
        arguments: &[&str],
        granted: Option<serde_json::Value>,
    ) -> Self {
        let config = Config::load(&lab.config_file()).unwrap();
        let (engine, built_in) = apart();
        let plugin = engine
            .load(hostile(misdeed, arguments), "hostile.wasm")
            .await
            .unwrap();
        let mut setups = groupcast::run::connections(&config).await.unwrap();
        let store = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
        let watch = Arc::new(Watch::default());
        let digest = plugin.digest.clone();
        let of_host = match granted {
            None => plugin,
            Some(granted) => {
                setups = setups
                    .into_iter()
                    .map(|setup| setup.with_plugin(Arc::clone(&plugin), &granted).unwrap())
                    .collect();
                built_in
            }
        };
        let host = Groupcast::with_plugin(
            setups,
            Arc::clone(&store) as Arc<dyn Store>,
            engine,
            of_host,
            Arc::clone(&watch) as Arc<dyn Observer>,
        );
        Self {
            host,
            watch,
            store,
            digest,
        }
    }

    async fn plan(&self, target: Target) -> Result<(), RunFailure> {
        let planned = self
            .host
            .plan(&target.connection(), &CancellationToken::new())
            .await;
        planned.map(drop)
    }

    /// Codes of what it was blamed for; each is in the audit log, with the component as the actor.
    async fn blamed(&self) -> Vec<&'static str> {
        let blamed = self.watch.blamed.lock().unwrap().clone();
        let query = AuditQuery {
            action_prefix: Some("plugin.violation".to_owned()),
            limit: 1_000,
            ..AuditQuery::default()
        };
        let entries = self.store.audit(&query).await.unwrap();
        for (digest, violation) in &blamed {
            assert_eq!(digest, &self.digest);
            let kept = entries.iter().any(|kept| {
                let after = kept.entry.after.as_ref().unwrap();
                kept.entry.actor.subject == format!("plugin:{digest}")
                    && kept.entry.tenant.as_deref() == Some("default")
                    && after["code"] == violation.code()
                    && after["message"] == violation.to_string()
            });
            assert!(kept, "not in the audit log: {violation}");
        }
        blamed.iter().map(|(_, violation)| violation.code()).collect()
    }

    fn said(&self) -> String {
        self.watch.said.lock().unwrap().clone()
    }
}

async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

fn authority(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    rest.trim_end_matches('/').to_owned()
}

/// Requests that reached a vendor; the host's own for tokens are none.
fn arrived(lab: &Lab) -> Vec<String> {
    let requests = lab.simulators.requests().into_iter();
    requests
        .filter(|request| !request.path.ends_with("/token"))
        .map(|request| format!("{} {}", request.method, request.path))
        .collect()
}

async fn the_real_one_still_works(lab: &Lab, target: Target) {
    lab.plan_and_apply(target).await;
    assert_eq!(lab.people(target, "Sales", "sales@example.com"), people(&[0, 1]));
}

/// Asks; it is refused and blamed, or could not even be written as a request, and nothing arrives.
async fn refused(lab: &Lab, target: Target, name: &str, ask: &[&str]) {
    lab.simulators.clear_requests();
    let intruder = Intruder::of(lab, "ask", ask).await;
    let failure = intruder.plan(target).await.expect_err(name);
    let blamed = intruder.blamed().await;
    if blamed.is_empty() {
        // wasi:http has no such request.
        let unwritten = ["place: refused", "header: refused", "handle: refused"];
        assert!(
            unwritten.iter().any(|words| failure.message.contains(words)),
            "{name}: {failure:?}"
        );
    } else {
        assert_eq!(blamed, ["forbidden-request"], "{name}: {failure:?}");
    }
    assert_eq!(arrived(lab), Vec::<String>::new(), "{name}");
    println!("{name}: {failure}");
}

const GROUP: &str = "/admin/directory/v1/groups/sales@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn r52_nobody_else_is_reached_by_whatever_name() {
    let (lab, neighbour) = (lab().await, Lab::new().await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = authority(&lab.simulators.addresses().google);
    let theirs = authority(&neighbour.simulators.addresses().google);
    let here = format!("127.0.0.1:{port}");
    let places = [
        ("another tenant's vendor", theirs.clone()),
        ("loopback", here.clone()),
        ("loopback by name", format!("localhost:{port}")),
        ("loopback in IPv6", format!("[::1]:{port}")),
        ("loopback as IPv4 in IPv6", format!("[::ffff:127.0.0.1]:{port}")),
        ("loopback in decimal", format!("2130706433:{port}")),
        ("loopback in hexadecimal", format!("0x7f000001:{port}")),
        ("loopback in octal", format!("0177.0.0.1:{port}")),
        ("loopback cut short", format!("127.1:{port}")),
        ("any address", format!("0.0.0.0:{port}")),
        ("link-local", "169.254.1.1".to_owned()),
        ("metadata by address", "169.254.169.254".to_owned()),
        ("metadata as IPv4 in IPv6", "[::ffff:169.254.169.254]".to_owned()),
        ("metadata in decimal", "2852039166".to_owned()),
        ("metadata by name", "metadata.google.internal".to_owned()),
        ("metadata of another cloud", "[fd00:ec2::254]".to_owned()),
        ("a private network", "10.0.0.1".to_owned()),
        (
            "another port of the vendor's",
            format!("127.0.0.1:{}", port.wrapping_add(1)),
        ),
        (
            "a stranger behind the vendor's name",
            format!("{own}.evil.example"),
        ),
        ("the vendor's name as the user", format!("{own}@{here}")),
        ("a user at the vendor", format!("me@{own}")),
        ("a user and a password", format!("me:secret@{own}")),
    ];
    for (name, place) in &places {
        for scheme in ["https", "http"] {
            let ask = ["GET", scheme, place, GROUP, "", "accept: application/json"];
            refused(&lab, Target::Google, name, &ask).await;
        }
    }
    refused(
        &lab,
        Target::Google,
        "the vendor in the clear",
        &["GET", "http", &own, GROUP, ""],
    )
    .await;
    // A redirect is an answer: whoever follows it asks for a place that is not theirs.
    refused(
        &lab,
        Target::Google,
        "a redirect",
        &["GET", "https", "evil.example", "/next", ""],
    )
    .await;
    let knocked = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
    assert!(knocked.is_err(), "somebody connected to this machine");
    assert_eq!(arrived(&neighbour), Vec::<String>::new());
    the_real_one_still_works(&lab, Target::Google).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_no_path_query_or_header_leads_around_the_rules() {
    let lab = lab().await;
    let own = authority(&lab.simulators.addresses().google);
    let secret = "c3RvbGVuLWRhdGE";
    let paths = [
        (
            "a path that no rule names",
            "/admin/directory/v1/customer/my_customer/roles".to_owned(),
        ),
        ("stolen data as a path", format!("/{secret}")),
        ("stolen data below a path", format!("{GROUP}/{secret}")),
        (
            "a path that goes up",
            "/admin/directory/v1/groups/../users/1".to_owned(),
        ),
        (
            "a path that goes up in disguise",
            "/admin/directory/v1/groups/%2e%2e/users/1".to_owned(),
        ),
        (
            "a path that goes up twice in disguise",
            "/admin/directory/v1/groups/%252e%252e/users/1".to_owned(),
        ),
        (
            "a slash in disguise",
            "/admin/directory/v1/groups%2fsales@example.com".to_owned(),
        ),
        ("a backslash", "/admin/directory/v1/groups\\..\\users".to_owned()),
        (
            "an empty segment",
            "//evil.example/admin/directory/v1/groups/a".to_owned(),
        ),
        ("a whole URL as a path", format!("https://evil.example{GROUP}")),
        ("no leading slash", "@evil.example/".to_owned()),
        (
            "a line break",
            format!("{GROUP} HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        ),
        ("a parameter of a path", format!("{GROUP};jsessionid={secret}")),
    ];
    for (name, path) in &paths {
        refused(&lab, Target::Google, name, &["GET", "https", &own, path, ""]).await;
    }
    for (name, header) in [
        ("a method in disguise", "x-http-method-override: DELETE"),
        ("a method in another disguise", "x-http-method: DELETE"),
        ("an origin in disguise", "x-forwarded-host: evil.example"),
        ("a header of its own", "x-stolen: c3RvbGVuLWRhdGE"),
        ("a host of its own", "host: evil.example"),
        ("a length of its own", "transfer-encoding: chunked"),
        ("a credential of its own", "authorization: Bearer mine"),
    ] {
        refused(
            &lab,
            Target::Google,
            name,
            &["GET", "https", &own, GROUP, "", header],
        )
        .await;
    }
    for method in ["PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PURGE", "get"] {
        refused(&lab, Target::Google, method, &[method, "https", &own, GROUP, ""]).await;
    }
    // A query of a request that is granted goes to the vendor that it was granted for, in the tenant's own name, and
    // nowhere else: who reads it there is the tenant.
    lab.simulators.clear_requests();
    let query = format!("{GROUP}?leak={secret}");
    let intruder = Intruder::of(&lab, "ask", &["GET", "https", &own, &query, ""]).await;
    let _ended = intruder.plan(Target::Google).await;
    assert_eq!(arrived(&lab), [format!("GET {GROUP}")]);
    // Headers that cannot be set at all, by any of the ways to set one.
    lab.simulators.clear_requests();
    let headers = [
        "authorization: Bearer mine",
        "Authorization: Basic bWluZQ==",
        "x-api-key: mine",
        "cookie: session=mine",
        "proxy-authorization: Basic bWluZQ==",
        "x-org-id: theirs",
        "host: evil.example",
        "connection: upgrade",
        "transfer-encoding: chunked",
        "upgrade: h2c",
        "te: trailers",
        "accept: a\r\nauthorization: Bearer mine",
        "accept\r\nauthorization: Bearer mine",
        "acc ept: a",
    ];
    let intruder = Intruder::of(&lab, "set-headers", &headers).await;
    intruder.plan(Target::Google).await.unwrap();
    assert_eq!(arrived(&lab), Vec::<String>::new());
    the_real_one_still_works(&lab, Target::Google).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r33_no_user_is_touched_plainly_or_in_a_batch_while_planning_or_applying() {
    let lab = lab().await;
    let addresses = lab.simulators.addresses();
    let (google, entra, source) = (
        authority(&addresses.google),
        authority(&addresses.graph),
        authority(&addresses.jumpcloud),
    );
    let in_graph =
        r#"{"requests":[{"id":"1","method":"DELETE","url":"/users/00000000-0000-4000-8000-000000000000"}]}"#;
    let in_google = "--b\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\nDELETE /admin/directory/v1/users/1 HTTP/1.1\r\n\r\n--b--";
    let json = "content-type: application/json";
    let mixed = "content-type: multipart/mixed; boundary=b";
    let cases: [(&str, Target, Vec<&str>); 9] = [
        (
            "deleting a user of Google",
            Target::Google,
            vec!["DELETE", "https", &google, "/admin/directory/v1/users/1", ""],
        ),
        (
            "suspending a user of Google",
            Target::Google,
            vec![
                "PATCH",
                "https",
                &google,
                "/admin/directory/v1/users/1",
                r#"{"suspended":true}"#,
                json,
            ],
        ),
        (
            "deleting a user in Google's batch",
            Target::Google,
            vec![
                "POST",
                "https",
                &google,
                "/batch/admin/directory_v1",
                in_google,
                mixed,
            ],
        ),
        (
            "deleting a user of Entra",
            Target::Entra,
            vec![
                "DELETE",
                "https",
                &entra,
                "/v1.0/users/00000000-0000-4000-8000-000000000000",
                "",
            ],
        ),
        (
            "deleting a user in Graph's batch",
            Target::Entra,
            vec!["POST", "https", &entra, "/v1.0/$batch", in_graph, json],
        ),
        (
            "deleting a member's own object",
            Target::Entra,
            vec![
                "DELETE",
                "https",
                &entra,
                "/v1.0/groups/00000000-0000-4000-8000-000000000000/members/00000000-0000-4000-8000-000000000001",
                "",
            ],
        ),
        (
            "deleting a group of Google",
            Target::Google,
            vec!["DELETE", "https", &google, "/admin/directory/v1/groups/g1", ""],
        ),
        (
            "creating a group while planning",
            Target::Google,
            vec![
                "POST",
                "https",
                &google,
                "/admin/directory/v1/groups",
                r#"{"email":"sales@example.com","name":"Sales","description":""}"#,
                json,
            ],
        ),
        (
            "writing to the source",
            Target::Google,
            vec![
                "POST",
                "https",
                &source,
                "/api/v2/usergroups",
                r#"{"name":"mine"}"#,
                json,
            ],
        ),
    ];
    for (name, target, ask) in &cases {
        refused(&lab, *target, name, ask).await;
    }
    for (name, target, ask) in &cases {
        let approved = lab.plan(*target).await;
        lab.simulators.clear_requests();
        let intruder = Intruder::of(&lab, "apply/ask", ask).await;
        let cancel = CancellationToken::new();
        let failure = intruder
            .host
            .apply(
                &target.connection(),
                &approved.plan.hash,
                Selection::default(),
                &cancel,
            )
            .await
            .expect_err(name);
        // The creation is one that was approved: it lacks its intent, which is the moment's fault and not a trespass.
        if !name.starts_with("creating") {
            assert_eq!(
                intruder.blamed().await,
                ["forbidden-request"],
                "{name}: {failure:?}"
            );
        }
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{name}");
    }
    for target in BOTH {
        the_real_one_still_works(&lab, target).await;
    }
}

/// Whatever it reads it tells: no credential is in any of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_credential_comes_back_to_who_tells_everything() {
    let lab = lab().await;
    let addresses = lab.simulators.addresses();
    let own = authority(&addresses.google);
    let source = authority(&addresses.jumpcloud);
    for (place, path) in [
        (&own, "/admin/directory/v1/groups/nobody@example.com"),
        (&source, "/api/v2/usergroups?limit=10&skip=0&sort=_id"),
    ] {
        let intruder = Intruder::of(&lab, "ask", &["GET", "https", place, path, ""]).await;
        let _ended = intruder.plan(Target::Google).await;
        let said = intruder.said();
        let sent = lab.simulators.requests();
        assert!(
            sent.iter().any(|request| path.starts_with(&request.path)),
            "it was asked: {sent:?}"
        );
        assert!(!said.is_empty(), "it read an answer");
        for secret in ["generated-jumpcloud-key", "BEGIN PRIVATE KEY", "Bearer ", "ya29."] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

/// A part of a plan, as JSON.
fn part(group: &str, operations: serde_json::Value) -> String {
    let part = json!({
        "version": 1,
        "group": { "id": group, "name": "Sales", "email": "sales@example.com", "users": 2 },
        "state": "pending",
        "reasons": [],
        "target": null,
        "fingerprint": "00",
        "operations": operations,
        "held": [],
        "notes": [],
        "waiting": [],
        "foreign": [],
        "warnings": [],
    });
    let part: Part = serde_json::from_value(part).unwrap();
    String::from_utf8(part.to_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_plan_that_is_none_is_refused() {
    let lab = lab().await;
    let (a, b) = (part("a", json!([])), part("b", json!([])));
    for (name, parts) in [
        ("out of order", vec![b.as_str(), a.as_str()]),
        ("twice", vec![a.as_str(), a.as_str()]),
        ("no JSON", vec!["{"]),
        ("of another shape", vec![r#"{"version":1}"#]),
    ] {
        let intruder = Intruder::of(&lab, "parts", &parts).await;
        intruder.plan(Target::Google).await.expect_err(name);
        assert_eq!(intruder.blamed().await, ["unusable-plan"], "{name}");
        let runs = intruder.host.runs(1).await.unwrap();
        assert!(runs[0].end.is_some(), "{name}: the run has an end");
    }
    the_real_one_still_works(&lab, Target::Google).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r43_a_plan_that_removes_everyone_or_names_strangers_is_not_applied_by_itself() {
    for target in BOTH {
        let mut lab = lab().await;
        let id = lab.group("Everyone", Some("everyone@example.com"), &[0, 1, 2, 3, 4, 5]);
        lab.plan_and_apply(target).await;
        let store = SqliteStore::open(&Config::load(&lab.config_file()).unwrap().store_path)
            .await
            .unwrap();
        let setups = groupcast::run::connections(&Config::load(&lab.config_file()).unwrap())
            .await
            .unwrap();
        let setup = setups
            .iter()
            .find(|setup| setup.id == target.connection())
            .unwrap();
        let members = store
            .memberships(&setup.directory_key, &id, None)
            .await
            .unwrap()
            .items;
        let removals: Vec<_> = members
            .iter()
            .map(|member| {
                json!({ "do": "remove-member", "group": { "id": member.target }, "principal": member.principal,
                        "user": member.user, "address": member.address, "why": "not-in-source" })
            })
            .collect();
        let stranger = json!([{ "do": "remove-member", "group": { "id": "g-of-somebody-else" }, "principal": "p",
                                "address": "boss@example.com", "why": "not-in-source" }]);
        for (name, parts, code) in [
            ("everyone", part(&id, json!(removals)), "plan-over-limits"),
            (
                "a stranger's group",
                part("c0000000000000000000ffff", stranger),
                "plan-over-limits",
            ),
        ] {
            lab.simulators.clear_requests();
            let intruder = Intruder::of(&lab, "parts", &[&parts]).await;
            let ended = intruder
                .host
                .sync(&target.connection(), Extent::Whole, &CancellationToken::new())
                .await
                .unwrap_or_else(|failure| panic!("{name}: {failure}"));
            let SyncOutcome::Planned { why, .. } = ended else {
                panic!("{name}: {ended:?}");
            };
            assert_eq!(intruder.blamed().await, [code], "{name}: {why}");
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{name}");
        }
        assert_eq!(
            lab.people(target, "Everyone", "everyone@example.com"),
            people(&[0, 1, 2, 3, 4, 5])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_who_does_what_was_not_approved_or_reports_what_was_not_done_is_blamed() {
    let lab = lab().await;
    let target = Target::Google;
    let approved = lab.plan(target).await;
    let cancel = CancellationToken::new();
    for (name, misdeed, arguments, code) in [
        (
            "an intent of its own",
            "apply/intend",
            vec![
                "g",
                r#"{"do":"create-group","key":"x","name":"x","description":""}"#,
            ],
            "not-approved",
        ),
        (
            "a report of nothing",
            "apply/false-report",
            vec![],
            "false-report",
        ),
        ("nothing at all", "apply/spy", vec!["g", "k"], "false-report"),
    ] {
        let intruder = Intruder::of(&lab, misdeed, &arguments).await;
        let connection = target.connection();
        let applying = intruder
            .host
            .apply(&connection, &approved.plan.hash, Selection::default(), &cancel);
        applying.await.expect_err(name);
        assert_eq!(intruder.blamed().await, [code], "{name}");
        assert_eq!(lab.all_writes(), Vec::<String>::new(), "{name}");
    }
    for (name, misdeed, arguments) in [
        ("an intent while planning", "intend", vec!["g", "{}"]),
        ("an amendment while planning", "amend", vec!["g"]),
        ("taking parts while planning", "false-report", vec![]),
    ] {
        let intruder = Intruder::of(&lab, misdeed, &arguments).await;
        intruder.plan(target).await.expect_err(name);
        assert_eq!(intruder.blamed().await, ["forbidden-call"], "{name}");
    }
    the_real_one_still_works(&lab, target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r48_another_tenants_ledger_and_state_are_not_seen() {
    let mut lab = lab().await;
    // Two tenants in one store: Google's ledger is full, and Entra's tenant asks for it.
    let id = lab.group("Secrets", Some("secrets@example.com"), &[0, 1, 2]);
    lab.plan_and_apply(Target::Google).await;
    for target in BOTH {
        let key = match target {
            Target::Google => "nothing-of-this-name",
            Target::Entra => "entra",
        };
        let intruder = Intruder::of(&lab, "spy", &[&id, key]).await;
        intruder.plan(target).await.unwrap();
        let said = intruder.said();
        let found = said.lines().next().unwrap().to_owned();
        match target {
            // The same look into its own ledger finds what is there.
            Target::Google => assert!(found.starts_with("found 2 3 0"), "{said}"),
            Target::Entra => assert_eq!(found, "found 0 0 0 0", "{said}"),
        }
        for secret in ["generated-jumpcloud-key", "generated-entra-secret", "PRIVATE KEY"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_a_tenants_own_component_may_ask_for_what_was_granted_to_it_and_no_more() {
    let lab = lab().await;
    let own = authority(&lab.simulators.addresses().google);
    let ask = ["GET", "https", own.as_str(), GROUP, ""];
    // What the built-in component may ask for, and what a manifest asks for, grants nothing.
    let nothing = Intruder::granted(&lab, "ask", &ask, Some(json!([]))).await;
    nothing.plan(Target::Google).await.expect_err("it is refused");
    assert_eq!(nothing.blamed().await, ["forbidden-request"]);
    assert_eq!(arrived(&lab), Vec::<String>::new());

    let rule =
        json!([{ "credential": "google", "method": "GET", "path": "/admin/directory/v1/groups/{group}" }]);
    let granted = Intruder::granted(&lab, "ask", &ask, Some(rule)).await;
    let _ended = granted.plan(Target::Google).await;
    assert_eq!(granted.blamed().await, Vec::<&str>::new());
    assert_eq!(arrived(&lab), [format!("GET {GROUP}")]);
    the_real_one_still_works(&lab, Target::Google).await;
}

/// Two components of one misdeed are two: their digests tell them apart.
#[test]
fn every_misdeed_is_a_component_of_its_own() {
    let (engine, _) = component();
    let digest = |bytes: &[u8]| Plugin::from_bytes(&engine, bytes, "hostile.wasm").unwrap().digest;
    assert_ne!(
        digest(&hostile("infinite-loop", &[])),
        digest(&hostile("memory-bomb", &[]))
    );
    assert_ne!(digest(&hostile("ask", &["a"])), digest(&hostile("ask", &["b"])));
}
