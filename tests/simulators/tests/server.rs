//! The simulators over real sockets, with the client library that the host uses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_simulators::organisation::Organisation;
use groupcast_simulators::server::{Options, Ports, Simulators};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

type Https = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;

fn organisation() -> Organisation {
    let groups: Vec<Value> = (0..30)
        .map(|number| json!({"id": format!("g{number}"), "display_name": format!("Group {number}"), "mail_nickname": "g"}))
        .collect();
    Organisation::from_json(
        &json!({
            "jumpcloud": {"api_key": "the-key", "organisation_id": "5f0000000000000000000001"},
            "google": {"customer_id": "C01", "domains": ["example.com"]},
            "entra": {
                "tenant_id": "t", "domain": "example.com", "groups": groups,
                "users": [{"id": "u1", "user_principal_name": "u1@example.com", "display_name": "U"}],
                "applications": [{"client_id": "app", "client_secret": "hush", "permissions": ["Group.ReadWrite.All"]}]
            }
        })
        .to_string(),
    )
    .unwrap()
}

/// A client that trusts the authority of this start alone (nobody where it has none), speaking one version of
/// HTTP.
fn client(ca_pem: &str, second: bool) -> Https {
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    let connector = if second {
        builder.enable_http2().build()
    } else {
        builder.enable_http1().build()
    };
    Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .http2_only(second)
        .build(connector)
}

struct Graph {
    client: Https,
    root: String,
    token: String,
}

impl Graph {
    async fn open(simulators: &Simulators, second: bool) -> Self {
        let addresses = simulators.addresses();
        let client = client(&addresses.ca_pem, second);
        let form = "grant_type=client_credentials&client_id=app&client_secret=hush&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
        let request = Request::post(format!("{}/t/oauth2/v2.0/token", addresses.login))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .unwrap();
        let response = client.request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        Self {
            client,
            root: addresses.graph.clone(),
            token: body["access_token"].as_str().unwrap().to_owned(),
        }
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<(u16, Value), String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.root))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::from(body.map(|body| body.to_string()).unwrap_or_default()))
            .unwrap();
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| format!("no answer: {error}"))?;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| format!("broken body: {error}"))?
            .to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}

fn strike(simulators: &Simulators, path: &str, fault: Fault) {
    simulators.faults(|faults| {
        faults.add(Rule {
            vendor: Vendor::Entra,
            method: None,
            path: Some(path.to_owned()),
            query: None,
            skip: 0,
            times: Some(1),
            fault,
        });
    });
}

#[tokio::test]
async fn each_vendor_answers_over_both_versions_of_http() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    for second in [false, true] {
        let graph = Graph::open(&simulators, second).await;
        let (status, body) = graph.send("GET", "/v1.0/groups?$top=10", None).await.unwrap();
        assert_eq!(status, 200);
        // The next page is asked at the address that the client used.
        let next = body["@odata.nextLink"].as_str().unwrap();
        let path = next.strip_prefix(&graph.root).unwrap();
        assert_eq!(graph.send("GET", path, None).await.unwrap().0, 200);
        for (root, path, least) in [
            (
                &simulators.addresses().google,
                "/admin/directory/v1/groups?customer=my_customer",
                400,
            ),
            (&simulators.addresses().jumpcloud, "/api/v2/usergroups", 400),
        ] {
            let request = Request::get(format!("{root}{path}"))
                .body(Full::default())
                .unwrap();
            assert!(
                graph.client.request(request).await.unwrap().status().as_u16() >= least,
                "{path}"
            );
        }
    }
    let vendors: std::collections::BTreeSet<_> =
        simulators.requests().iter().map(|entry| entry.vendor).collect();
    assert_eq!(vendors.len(), 3);
    simulators.stop().await;
}

#[tokio::test]
async fn a_reset_breaks_the_connection_before_or_after_the_effect() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    for second in [false, true] {
        let graph = Graph::open(&simulators, second).await;
        let path = "/v1.0/groups/g1";
        for (fault, name, takes_effect) in [
            (Fault::ResetBefore, "before", false),
            (Fault::ResetAfter, "after", true),
        ] {
            strike(&simulators, path, fault);
            let name = format!("{name} {second}");
            let error = graph
                .send("PATCH", path, Some(json!({"displayName": name})))
                .await
                .unwrap_err();
            assert!(error.starts_with("no answer"), "{error}");
            let group = simulators.with_entra(|entra| {
                entra
                    .tenant()
                    .groups
                    .into_iter()
                    .find(|group| group.id == "g1")
                    .unwrap()
            });
            assert_eq!(group.display_name == name, takes_effect);
            let last = simulators.requests().pop().unwrap();
            assert_eq!((last.path.as_str(), last.disruption), (path, Some("reset")));
            assert_eq!(graph.send("GET", path, None).await.unwrap().0, 200);
        }
    }
    simulators.stop().await;
}

#[tokio::test]
async fn an_effect_comes_late_although_the_client_has_given_up() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    let graph = Graph::open(&simulators, true).await;
    strike(&simulators, "/v1.0/groups/*", Fault::LateEffect { ms: 400 });
    let name = |simulators: &Simulators| {
        let tenant = simulators.with_entra(|entra| entra.tenant());
        let group = tenant.groups.into_iter().find(|group| group.id == "g1");
        group.unwrap().display_name
    };
    let change = || graph.send("PATCH", "/v1.0/groups/g1", Some(json!({"displayName": "Late"})));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), change())
            .await
            .is_err()
    );
    // Who reads back now sees what was before; it comes true afterwards.
    let (_, seen) = graph.send("GET", "/v1.0/groups/g1", None).await.unwrap();
    assert_eq!(seen["displayName"], "Group 1");
    assert_eq!(name(&simulators), "Group 1");
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(name(&simulators), "Late");
    // Whoever waits is answered as though nothing had been.
    strike(&simulators, "/v1.0/groups/*", Fault::LateEffect { ms: 50 });
    assert_eq!(change().await.unwrap().0, 204);
    let writes: Vec<_> = simulators
        .requests()
        .into_iter()
        .filter(|entry| entry.method == "PATCH")
        .map(|entry| (entry.status, entry.disruption))
        .collect();
    assert_eq!(
        writes.iter().filter(|(status, _)| *status == 204).count(),
        2,
        "{writes:?}"
    );
    simulators.stop().await;
}

#[tokio::test]
async fn an_answer_can_be_bytes_that_are_no_text() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    let graph = Graph::open(&simulators, false).await;
    // The first bytes of a gzip file, and no more.
    let rule: Fault = serde_json::from_value(json!({"answer-bytes": {
        "status": 200, "headers": [["content-encoding", "gzip"]], "base64": "H4sIAAAAAAAAA6tW"
    }}))
    .unwrap();
    strike(&simulators, "/v1.0/groups", rule);
    let request = Request::get(format!("{}/v1.0/groups", graph.root))
        .body(Full::default())
        .unwrap();
    let response = graph.client.request(request).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.first_chunk(), Some(&[0x1f, 0x8b]));
    assert_eq!(body.len(), 12);
    simulators.stop().await;
}

#[tokio::test]
async fn a_truncated_answer_announces_more_than_it_gives() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    for second in [false, true] {
        let graph = Graph::open(&simulators, second).await;
        for after in [0, 40] {
            strike(&simulators, "/v1.0/groups", Fault::Truncate { after });
            let error = graph.send("GET", "/v1.0/groups", None).await.unwrap_err();
            assert!(error.starts_with("broken body"), "{second} {after}: {error}");
            assert_eq!(graph.send("GET", "/v1.0/groups", None).await.unwrap().0, 200);
        }
    }
    simulators.stop().await;
}

#[tokio::test]
async fn a_delayed_answer_comes_whole_and_late() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    let graph = Graph::open(&simulators, true).await;
    strike(&simulators, "/v1.0/groups", Fault::Delay { ms: 300 });
    let before = Instant::now();
    assert_eq!(graph.send("GET", "/v1.0/groups", None).await.unwrap().0, 200);
    assert!(before.elapsed() >= Duration::from_millis(300));
    simulators.stop().await;
}

#[tokio::test]
async fn parts_of_a_batch_are_logged_as_entries_and_no_secret_is() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    let graph = Graph::open(&simulators, true).await;
    simulators.clear_requests();
    let batch = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/groups/g1"},
        {"id": "2", "method": "PATCH", "url": "/groups/none", "headers": {"Content-Type": "application/json"}, "body": {"displayName": "x"}},
    ]});
    assert_eq!(
        graph.send("POST", "/v1.0/$batch", Some(batch)).await.unwrap().0,
        200
    );
    let log = simulators.requests();
    let told: Vec<_> = log
        .iter()
        .map(|entry| (entry.path.as_str(), entry.status, entry.in_batch))
        .collect();
    assert_eq!(
        told,
        [
            ("/v1.0/$batch", 200, false),
            ("/v1.0/groups/g1", 200, true),
            ("/v1.0/groups/none", 404, true)
        ]
    );
    assert_eq!(log.iter().filter(|entry| entry.is_mutation()).count(), 1);
    assert!(!serde_json::to_string(&log).unwrap().contains(&graph.token));
    simulators.stop().await;
}

#[tokio::test]
async fn the_control_endpoints_show_and_steer() {
    let simulators = Simulators::start(organisation(), Options::default())
        .await
        .unwrap();
    let graph = Graph::open(&simulators, false).await;
    let rules = json!([{"vendor": "entra", "path": "/v1.0/groups", "times": 1, "fault": {"answer": {"status": 503}}}]);
    let (status, shown) = graph
        .send("PUT", "/_simulator/faults", Some(rules))
        .await
        .unwrap();
    assert_eq!(
        (status, &shown[0]["fault"]["answer"]["status"]),
        (200, &json!(503))
    );
    assert_eq!(graph.send("GET", "/v1.0/groups", None).await.unwrap().0, 503);
    assert_eq!(graph.send("GET", "/v1.0/groups", None).await.unwrap().0, 200);
    let wrong = json!([{"vendor": "entra", "fault": {"answer": {"status": "x"}}}]);
    let (status, refusal) = graph
        .send("PUT", "/_simulator/faults", Some(wrong))
        .await
        .unwrap();
    assert_eq!(status, 400);
    assert!(
        refusal["error"].as_str().unwrap().contains("[0].fault"),
        "{refusal}"
    );
    let (_, state) = graph.send("GET", "/_simulator/state", None).await.unwrap();
    assert_eq!(state["entra"]["tenant"]["groups"].as_array().unwrap().len(), 30);
    let (_, log) = graph.send("GET", "/_simulator/requests", None).await.unwrap();
    assert_eq!(log.as_array().unwrap().len(), 3);
    assert_eq!(
        graph.send("GET", "/_simulator/nothing", None).await.unwrap().0,
        404
    );
    simulators.stop().await;
}

#[tokio::test]
async fn without_tls_links_in_answers_are_plain_as_well() {
    let plain = Options {
        tls: false,
        ..Options::default()
    };
    let simulators = Simulators::start(organisation(), plain).await.unwrap();
    let graph = Graph::open(&simulators, false).await;
    for path in ["/v1.0/groups?$top=10", "/v1.0/groups/delta"] {
        let (_, body) = graph.send("GET", path, None).await.unwrap();
        let link = body["@odata.nextLink"]
            .as_str()
            .or(body["@odata.deltaLink"].as_str())
            .unwrap();
        let next = link.strip_prefix(&graph.root).unwrap();
        assert_eq!(graph.send("GET", next, None).await.unwrap().0, 200, "{link}");
    }
    let reference = json!({"@odata.id": format!("{}/v1.0/directoryObjects/u1", graph.root)});
    let path = "/v1.0/groups/g1/members/$ref";
    assert_eq!(graph.send("POST", path, Some(reference)).await.unwrap().0, 204);
    simulators.stop().await;
}

#[tokio::test]
async fn without_tls_the_addresses_are_plain_and_a_taken_port_is_refused() {
    let plain = Options {
        tls: false,
        ..Options::default()
    };
    let simulators = Simulators::start(organisation(), plain.clone()).await.unwrap();
    let address = simulators.addresses().graph.clone();
    assert!(address.starts_with("http://127.0.0.1:"));
    let port: u16 = address.rsplit_once(':').unwrap().1.parse().unwrap();
    let taken = Options {
        ports: Some(Ports {
            jumpcloud: 0,
            google: 0,
            entra: port,
        }),
        ..plain.clone()
    };
    let error = Simulators::start(organisation(), taken.clone())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    simulators.stop().await;
    Simulators::start(organisation(), taken)
        .await
        .unwrap()
        .stop()
        .await;
}

#[test]
fn a_wrong_key_in_an_organisation_is_refused_with_its_place() {
    let mut document = serde_json::to_value(organisation()).unwrap();
    document["entra"]["groups"][3]["colour"] = json!("red");
    let error = Organisation::from_json(&document.to_string()).unwrap_err();
    assert!(error.place.starts_with("entra.groups[3]"), "{error}");
    assert!(error.reason.contains("colour"), "{error}");
}
