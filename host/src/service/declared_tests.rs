//! A stored tenant names no secret of the host, and names like those of places are names like others.

use serde_json::json;

use super::*;
use crate::config::{EntraSection, GoogleSection, JumpCloudSection};
use crate::store::ConnectionId;

fn tenant(jumpcloud: Value) -> TenantRecord {
    TenantRecord {
        name: "acme".to_owned(),
        title: "Acme".to_owned(),
        jumpcloud,
        plugin: None,
        enabled: true,
        version: 1,
        created_at: chrono::Utc::now(),
        updated_at: chrono::Utc::now(),
    }
}

fn directory(vendor: DirectoryVendor, name: &str, section: Value) -> DirectoryRecord {
    DirectoryRecord {
        id: ConnectionId::new("acme", name),
        vendor,
        section,
        version: 1,
        created_at: chrono::Utc::now(),
        updated_at: chrono::Utc::now(),
    }
}

fn google(more: Value) -> Value {
    let mut section =
        json!({ "directory": "5f0c", "admin": "admin@example.com", "domains": ["example.com"] });
    super::super::directories::merge(&mut section, &more);
    section
}

fn entra(more: Value) -> Value {
    let mut section = json!({
        "directory": "5f0d", "tenant_id": "00000000-0000-4000-8000-000000000000",
        "client_id": "00000000-0000-4000-8000-000000000001",
    });
    super::super::directories::merge(&mut section, &more);
    section
}

fn checked(jumpcloud: Value, directories: &[DirectoryRecord]) -> Result<Config, ServiceError> {
    let host = Config::from_bytes(Path::new("/etc/groupcast/groupcast.toml"), b"[service]").unwrap();
    configuration(&host, &tenant(jumpcloud), directories)
}

/// Places that are refused, each with what is said of it.
fn refused(jumpcloud: Value, directories: &[DirectoryRecord]) -> Vec<(String, String)> {
    match checked(jumpcloud, directories) {
        Err(ServiceError::Invalid { problems }) => {
            problems.into_iter().map(|one| (one.place, one.message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_may_be_called_like_a_place_of_secrets() {
    let own = json!({ "stored": "jumpcloud" });
    for word in ["env", "file"] {
        let section = google(json!({
            "service_account_key": { "stored": "google" },
            "addresses": { word: "env@example.com" },
            "policies": { word: "additive" },
        }));
        let directories = [directory(DirectoryVendor::Google, "google", section)];
        let config = checked(json!({ "api_key": own }), &directories).unwrap();
        let [connection] = config.tenants[0].connections.as_slice() else {
            panic!("{:?}", config.tenants);
        };
        let settings = connection.settings();
        assert_eq!(
            settings.addresses.get(word).map(String::as_str),
            Some("env@example.com")
        );
        assert!(settings.policies.contains_key(word));
    }
}

#[test]
fn every_place_of_a_secret_is_the_tenants_own() {
    for host in [json!({ "env": "PATH" }), json!({ "file": "/etc/passwd" })] {
        let stored = json!({ "stored": "any" });
        let federated = |token: Value| {
            let mut identity = json!({
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                "service_account": "g@p.iam.gserviceaccount.com",
            });
            super::super::directories::merge(&mut identity, &token);
            google(json!({ "workload_identity": identity }))
        };
        let cases = [
            (
                "google.service_account_key",
                google(json!({ "service_account_key": host })),
            ),
            (
                "google.workload_identity.subject_token",
                federated(json!({ "subject_token": host })),
            ),
            (
                "google.workload_identity.subject_token_url.bearer",
                federated(
                    json!({ "subject_token_url": { "url": "https://tokens.example.com/", "bearer": host } }),
                ),
            ),
        ];
        for (place, section) in cases {
            let directories = [directory(DirectoryVendor::Google, "google", section)];
            let told = refused(json!({ "api_key": stored }), &directories);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].0, place);
            assert!(told[0].1.contains("which is the host's"), "{told:?}");
        }
        let cases = [
            (vec!["azure.client_secret"], json!({ "client_secret": host })),
            (
                vec!["azure.certificate.certificate", "azure.certificate.key"],
                json!({ "certificate": { "certificate": host, "key": host } }),
            ),
            (vec!["azure.federated_token"], json!({ "federated_token": host })),
        ];
        for (places, more) in cases {
            let directories = [directory(DirectoryVendor::Entra, "azure", entra(more))];
            let told = refused(json!({ "api_key": stored }), &directories);
            assert_eq!(told.into_iter().map(|one| one.0).collect::<Vec<_>>(), places);
        }
        for (place, jumpcloud) in [
            ("jumpcloud.api_key", json!({ "api_key": host })),
            (
                "jumpcloud.service_account.client_secret",
                json!({ "service_account": { "client_id": "c", "client_secret": host } }),
            ),
        ] {
            let section = google(json!({ "service_account_key": stored }));
            let directories = [directory(DirectoryVendor::Google, "google", section)];
            let told = refused(jumpcloud, &directories);
            assert_eq!(told.into_iter().map(|one| one.0).collect::<Vec<_>>(), [place]);
        }
    }
}

/// A new place of a secret in a section has to be looked at here too.
#[test]
fn no_place_of_a_secret_is_forgotten() {
    let mut generator = schemars::SchemaGenerator::default();
    generator.subschema_for::<JumpCloudSection>();
    generator.subschema_for::<GoogleSection>();
    generator.subschema_for::<EntraSection>();
    let definitions = Value::Object(generator.take_definitions(true)).to_string();
    // Three of Google's, four of Entra's, two of JumpCloud's.
    assert_eq!(definitions.matches("/SecretSource\"").count(), 9, "{definitions}");
}
