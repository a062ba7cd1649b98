//! Components of others over the API: kept by digest, granted, chosen by a tenant, revoked, removed; each with its entry in
//! the audit log.

use sha2::{Digest as _, Sha256};

use super::*;
use crate::plugin::EMBEDDED;
use crate::store::service::{Actor, AuditQuery, NewAuditEntry, PluginRecord};

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Rig {
    async fn upload(&self, token: &str, digest: &str, bytes: &[u8]) -> Answer {
        let request = Request::put(format!("/api/v1/plugins/{digest}"))
            .header(header::HOST, "127.0.0.1:8420")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/octet-stream");
        self.send(request.body(Body::from(bytes.to_vec())).unwrap()).await
    }

    async fn choose(&self, token: &str, plugin: &Value) -> Answer {
        let place = "/api/v1/tenants/acme";
        let seen = self.get(token, place).await.header("etag").to_owned();
        let body = json!({ "plugin": plugin });
        self.ask(token, Method::PATCH, place, Some(&body), &[("if-match", &seen)])
            .await
    }

    /// A directory that lacks nothing.
    async fn azure(&self, admin: &str) {
        for name in ["jumpcloud", "azure"] {
            let path = format!("/api/v1/tenants/acme/secrets/{name}");
            let body = json!({ "value": "no-secret-of-anybodys" });
            let set = self.ask(admin, Method::PUT, &path, Some(&body), &[]).await;
            assert!(set.status.is_success(), "{set:?}");
        }
        let section = json!({
            "directory": "5f0d", "tenant_id": "00000000-0000-4000-8000-000000000000",
            "client_id": "00000000-0000-4000-8000-000000000001", "client_secret": { "stored": "azure" },
        });
        let body = json!({ "name": "azure", "vendor": "entra", "section": section });
        let made = self.post(admin, "/api/v1/tenants/acme/directories", &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(self.unusable(admin).await, "");
    }

    /// Why the tenant's directory cannot run.
    async fn unusable(&self, token: &str) -> String {
        let told = self
            .get(token, "/api/v1/tenants/acme/directories/azure")
            .await
            .json();
        told["unusable"].as_str().unwrap_or_default().to_owned()
    }

    /// Actions of the audit log about components, the oldest first.
    async fn audited(&self) -> Vec<(String, Option<String>, String)> {
        let query = AuditQuery {
            action_prefix: Some("plugin.".to_owned()),
            after: Some(0),
            ..AuditQuery::default()
        };
        let entries = self.store.audit(&query).await.unwrap();
        let of = |entry: crate::store::service::AuditEntry| {
            (entry.entry.action, entry.entry.tenant, entry.entry.subject)
        };
        entries.into_iter().map(of).collect()
    }
}

#[tokio::test]
async fn a_component_is_added_granted_chosen_revoked_and_removed() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    let host = rig.token(None, Role::Admin).await;
    let own = rig.token(Some("acme"), Role::Admin).await;
    rig.azure(&own).await;
    let component = digest(EMBEDDED);
    let place = format!("/api/v1/plugins/{component}");
    let grants = format!("{place}/grants");

    // Nobody chooses what was not granted.
    let refused = rig.choose(&own, &json!(component)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(rig.get(&host, &place).await.status, StatusCode::NOT_FOUND);

    let added = rig.upload(&host, &component, EMBEDDED).await;
    assert_eq!(added.status, StatusCode::OK, "{added:?}");
    let told = added.json();
    assert_eq!(told["size"], EMBEDDED.len());
    assert_eq!(told["grants"], json!([]), "nothing was granted to it");
    let asks = told["asks"].as_array().unwrap().clone();
    assert!(asks.iter().any(|rule| rule["writes"] == true));
    assert!(asks.iter().any(|rule| rule["writes"] == false));
    assert_eq!(rig.get(&host, &place).await.json(), told);

    let none = rig.get(&own, "/api/v1/tenants/acme/plugins").await.json();
    assert_eq!(none["items"], json!([]));
    let grant = async |body: Value| rig.ask(&host, Method::PUT, &grants, Some(&body), &[]).await;
    let granted = grant(json!({ "tenant": "acme", "only_reads": true })).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    let rules = granted.json()["rules"].as_array().unwrap().clone();
    let reads: Vec<Value> = asks
        .iter()
        .filter(|rule| rule["writes"] == false)
        .cloned()
        .collect();
    assert_eq!(rules, reads);
    // Again, with all that it asks for: it takes the place of the first.
    assert_eq!(
        grant(json!({ "tenant": "acme" })).await.json()["rules"],
        json!(asks)
    );
    let seen = rig.get(&own, "/api/v1/tenants/acme/plugins").await.json();
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    assert_eq!(seen["items"][0]["digest"], component);
    let missing = grant(json!({ "tenant": "nobody" })).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);

    let chosen = rig.choose(&own, &json!(component)).await;
    assert_eq!(chosen.status, StatusCode::OK, "{chosen:?}");
    assert_eq!(rig.unusable(&own).await, "");

    // What is revoked is not run any more, without a restart.
    let revoke = format!("{grants}?tenant=acme");
    let revoked = rig.ask(&host, Method::DELETE, &revoke, None, &[]).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    let why = rig.unusable(&own).await;
    assert!(
        why.contains("its plugin cannot be used") && why.contains("grant"),
        "{why}"
    );
    let twice = rig.ask(&host, Method::DELETE, &revoke, None, &[]).await;
    assert_eq!(twice.status, StatusCode::NOT_FOUND);
    // To every tenant: that is good for this one too.
    assert_eq!(grant(json!({})).await.status, StatusCode::OK);
    assert_eq!(rig.unusable(&own).await, "");

    let removed = rig.ask(&host, Method::DELETE, &place, None, &[]).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert!(rig.unusable(&own).await.contains("its plugin cannot be used"));
    let left = rig.get(&host, "/api/v1/plugins").await.json();
    assert_eq!(left["items"][0]["size"], Value::Null, "granted, and not here");
    assert_eq!(left["items"][0]["grants"].as_array().unwrap().len(), 1);

    let acme = || Some("acme".to_owned());
    let entry = |action: &str, tenant| (format!("plugin.{action}"), tenant, component.clone());
    assert_eq!(
        rig.audited().await,
        [
            entry("added", None),
            entry("granted", acme()),
            entry("granted", acme()),
            entry("revoked", acme()),
            entry("granted", None),
            entry("removed", None),
        ]
    );
}

#[tokio::test]
async fn a_grant_that_does_not_read_is_told_and_hides_no_other() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    let host = rig.token(None, Role::Admin).await;
    let own = rig.token(Some("acme"), Role::Viewer).await;
    for (digest, granted) in [("aa", json!("everything")), ("bb", json!([]))] {
        let record = PluginRecord {
            tenant: Some("acme".to_owned()),
            digest: digest.to_owned(),
            origin: "groupcast plugin add".to_owned(),
            name: format!("example {digest}"),
            size: 8,
            granted,
            added_at: chrono::Utc::now(),
        };
        let audit = NewAuditEntry {
            actor: Actor {
                subject: "test".to_owned(),
                name: "Test".to_owned(),
                address: None,
            },
            tenant: Some("acme".to_owned()),
            action: "plugin.granted".to_owned(),
            subject: digest.to_owned(),
            before: None,
            after: None,
            request: None,
        };
        rig.store.put_plugin(&record, &audit).await.unwrap();
    }
    let seen = rig.get(&own, "/api/v1/tenants/acme/plugins").await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    let told = |place: usize, field: &str| seen.json()["items"][place][field].clone();
    assert_eq!((told(0, "rules"), told(1, "rules")), (Value::Null, json!([])));
    assert_eq!(told(0, "origin"), "groupcast plugin add");
    let all = rig.get(&host, "/api/v1/plugins").await;
    assert_eq!(all.json()["items"].as_array().unwrap().len(), 2, "{all:?}");
}

#[tokio::test]
async fn what_is_no_component_or_not_what_it_is_sent_as_is_kept_nowhere() {
    let rig = Rig::new().await;
    let host = rig.token(None, Role::Admin).await;
    let other = "0".repeat(64);
    let core = b"\0asm\x01\0\0\0".as_slice();
    for (name, bytes, why) in [
        (other.clone(), EMBEDDED, "SHA-256 is"),
        (digest(core), core, "core module"),
        (digest(b"text"), b"text".as_slice(), "no WebAssembly"),
    ] {
        let refused = rig.upload(&host, &name, bytes).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        let told = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains(why), "{told}");
    }
    let long = vec![0; (32 << 20) + 1];
    let refused = rig.upload(&host, &digest(&long), &long).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    for (reference, why) in [
        (
            format!("oci://127.0.0.1:1/acme/sync@sha256:{other}"),
            "cannot be pulled",
        ),
        ("oci://registry.example/acme/sync:latest".to_owned(), "not pinned"),
        (
            format!("https://registry.example/acme/sync@sha256:{other}"),
            "oci://",
        ),
    ] {
        let body = json!({ "reference": reference });
        let refused = rig.post(&host, "/api/v1/plugins", &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused:?}");
        let told = refused.json();
        assert!(told["detail"].as_str().unwrap().contains(why), "{told}");
        assert_eq!(told["errors"][0]["place"], "reference");
    }
    assert_eq!(rig.get(&host, "/api/v1/plugins").await.json()["items"], json!([]));
    assert!(!rig.folder.path().join("groupcast.plugins").exists());
    assert_eq!(rig.audited().await, []);
}
