//! Tests of secrets and keys in Vault, against the simulated one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use groupcast_simulators::vault::{VaultSimulator, serve};
use serde_json::json;

use super::envelope_tests::{MemoryStore, alice};
use super::*;
use crate::config::{AppRoleSection, KeySource, KubernetesSection, TransitSection, VaultPlace, VaultSection};

struct World {
    vault: Arc<Mutex<VaultSimulator>>,
    folder: tempfile::TempDir,
    section: SecretsSection,
}

impl World {
    /// A Vault with a secret, and a token file that opens it.
    async fn new() -> Self {
        let mut simulator = VaultSimulator::new();
        simulator.put(
            "secret",
            "groupcast/entra",
            json!({"value": "first-value"}),
            1_000,
        );
        simulator.token("root-of-tests", &["secret/data/groupcast/", "transit/"]);
        let vault = Arc::new(Mutex::new(simulator));
        let address = serve(Arc::clone(&vault)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("vault-token");
        std::fs::write(&token, "root-of-tests\n").unwrap();
        let section = SecretsSection {
            file: folder.path().join("secrets"),
            key_file: folder.path().join("key"),
            vault: Some(VaultSection {
                address,
                namespace: None,
                mount: "secret".into(),
                ca_file: None,
                tenant_prefix: Some("groupcast/tenants".into()),
                token: Some(SecretSource::File(token)),
                app_role: None,
                kubernetes: None,
                timeout_seconds: 5,
            }),
            ..SecretsSection::default()
        };
        Self {
            vault,
            folder,
            section,
        }
    }

    fn vault(&self) -> MutexGuard<'_, VaultSimulator> {
        self.vault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn named(&mut self) -> &mut VaultSection {
        self.section.vault.as_mut().unwrap()
    }

    /// A role whose sign-in is good for what the tests read.
    fn sign_in_by_role(&mut self) {
        self.vault()
            .app_role("role-1", "secret-id-1", &["secret/data/groupcast/"]);
        let id = self.folder.path().join("id");
        std::fs::write(&id, "secret-id-1").unwrap();
        let named = self.named();
        named.token = None;
        named.app_role = Some(AppRoleSection {
            role_id: "role-1".into(),
            secret_id: SecretSource::File(id),
            mount: "approle".into(),
        });
    }

    fn secrets(&self) -> Secrets {
        Secrets::over(&self.section, Environment(|_| None))
    }
}

fn place(path: &str) -> SecretSource {
    SecretSource::Vault(VaultPlace {
        path: path.into(),
        field: "value".into(),
        mount: None,
    })
}

async fn read(secrets: &Secrets) -> Result<String, SecretError> {
    let value = secrets.get(&place("groupcast/entra")).await?;
    Ok(value.expose_secret().to_owned())
}

#[tokio::test]
async fn a_secret_is_read_with_its_version_and_its_end() {
    let world = World::new().await;
    world
        .vault()
        .describe("secret", "groupcast/entra", "expires_at", "2031-01-02T03:04:05Z");
    let found = world
        .secrets()
        .find(&Owner::Host, &place("groupcast/entra"))
        .await
        .unwrap();
    assert_eq!(
        (found.value.expose_secret(), found.version),
        ("first-value", Some(1))
    );
    assert_eq!(
        found.expires_at.unwrap().to_rfc3339(),
        "2031-01-02T03:04:05+00:00"
    );
}

#[tokio::test]
async fn every_way_of_signing_in_works_and_is_refused_with_what_to_do() {
    let mut world = World::new().await;
    world
        .vault()
        .app_role("role-1", "secret-id-1", &["secret/data/groupcast/"]);
    world
        .vault()
        .kubernetes_role("groupcast", "pod-token-1", &["secret/data/groupcast/"]);
    let path = |name: &str| world.folder.path().join(name);
    for (name, text) in [
        ("id", "secret-id-1"),
        ("pod", "pod-token-1"),
        ("wrong", "wrong-one-1"),
    ] {
        std::fs::write(path(name), text).unwrap();
    }
    let (right_id, pod, wrong) = (path("id"), path("pod"), path("wrong"));
    let role = |file: &Path| AppRoleSection {
        role_id: "role-1".into(),
        secret_id: SecretSource::File(file.to_path_buf()),
        mount: "approle".into(),
    };
    let kubernetes = |file: &Path| KubernetesSection {
        role: "groupcast".into(),
        jwt_file: file.to_path_buf(),
        mount: "kubernetes".into(),
    };
    let ways = |right: bool| {
        [
            (Some(SecretSource::File(wrong.clone())), None, None),
            (None, Some(role(if right { &right_id } else { &wrong })), None),
            (None, None, Some(kubernetes(if right { &pod } else { &wrong }))),
        ]
    };
    for (token, app_role, kubernetes) in ways(true).into_iter().skip(1) {
        let named = world.named();
        (named.token, named.app_role, named.kubernetes) = (token, app_role, kubernetes);
        assert_eq!(read(&world.secrets()).await.unwrap(), "first-value");
    }
    for (token, app_role, kubernetes) in ways(false) {
        let named = world.named();
        (named.token, named.app_role, named.kubernetes) = (token, app_role, kubernetes);
        let error = read(&world.secrets()).await.unwrap_err();
        assert!(!error.is_passing(), "{error}");
        let told = format!("{error} {error:?}");
        assert!(told.contains("check") && !told.contains("wrong-one-1"), "{told}");
    }
}

#[tokio::test]
async fn a_revoked_or_replaced_token_is_replaced_without_a_restart() {
    let mut world = World::new().await;
    let file = world.folder.path().join("vault-token");
    let secrets = world.secrets();
    assert_eq!(read(&secrets).await.unwrap(), "first-value");
    world.vault().revoke_all();
    assert!(!read(&secrets).await.unwrap_err().is_passing());
    // Vault Agent writes another one.
    world.vault().token("second-token", &["secret/data/groupcast/"]);
    std::fs::write(&file, "second-token").unwrap();
    assert_eq!(read(&secrets).await.unwrap(), "first-value");

    world.sign_in_by_role();
    let secrets = world.secrets();
    assert_eq!(read(&secrets).await.unwrap(), "first-value");
    world.vault().revoke_all();
    assert_eq!(read(&secrets).await.unwrap(), "first-value");
}

#[tokio::test]
async fn a_sign_in_is_renewed_before_it_ends() {
    let mut world = World::new().await;
    world.vault().life_seconds = 2;
    world.sign_in_by_role();
    let secrets = world.secrets();
    assert_eq!(read(&secrets).await.unwrap(), "first-value");
    world.vault().life_seconds = 600;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if world
            .vault()
            .requests()
            .iter()
            .any(|request| request.ends_with("renew-self"))
        {
            break;
        }
    }
    let count = |what: &str| {
        let vault = world.vault();
        vault
            .requests()
            .iter()
            .filter(|request| request.contains(what))
            .count()
    };
    assert_eq!((count("/login"), count("/renew-self")), (1, 1));
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(read(&secrets).await.unwrap(), "first-value");
    assert_eq!(count("/login"), 1, "the renewed sign-in is still good");
}

#[tokio::test]
async fn a_new_version_is_taken_up_and_an_outage_is_bridged_by_what_was_read_last() {
    let world = World::new().await;
    let secrets = world.secrets();
    let handle = secrets.handle(&Owner::Host, &place("groupcast/entra"));
    assert_eq!(
        handle.latest().await.unwrap().value.expose_secret(),
        "first-value"
    );
    world.vault().put(
        "secret",
        "groupcast/entra",
        json!({"value": "second-value"}),
        2_000,
    );
    // What is sent with every request does not ask each time; an exchange, or a refusal, does.
    assert_eq!(handle.known().await.unwrap().value.expose_secret(), "first-value");
    let latest = handle.latest().await.unwrap();
    assert_eq!(
        (latest.value.expose_secret(), latest.changes),
        ("second-value", 1)
    );
    world.vault().is_sealed = true;
    assert_eq!(
        handle.latest().await.unwrap().value.expose_secret(),
        "second-value"
    );
    let error = read(&secrets).await.unwrap_err();
    assert!(
        error.is_passing() && error.to_string().contains("sealed"),
        "{error}"
    );
    // Deleted is not an outage.
    world.vault().is_sealed = false;
    world.vault().delete("secret", "groupcast/entra", 3_000);
    let error = handle.latest().await.map(|_| ()).unwrap_err();
    assert!(
        !error.is_passing() && error.to_string().contains("deleted"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let mut world = World::new().await;
    let secrets = world.secrets();
    for (source, words) in [
        (place("groupcast/none"), "404"),
        (place("elsewhere/entra"), "403"),
        (
            SecretSource::Vault(VaultPlace {
                path: "groupcast/entra".into(),
                field: "password".into(),
                mount: None,
            }),
            "no field password",
        ),
    ] {
        let error = secrets.get(&source).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    // A redirect would take the token along.
    world.vault().active_node = Some("http://127.0.0.1:9".into());
    let error = read(&world.secrets()).await.unwrap_err();
    assert!(error.to_string().contains("redirect"), "{error}");
    world.vault().active_node = None;
    world.vault().namespace = Some("team-a".into());
    assert!(read(&world.secrets()).await.is_err());
    world.named().namespace = Some("team-a".into());
    assert_eq!(read(&world.secrets()).await.unwrap(), "first-value");
    world.named().address = "http://127.0.0.1:9".into();
    let error = read(&world.secrets()).await.unwrap_err();
    assert!(
        error.is_passing() && error.to_string().contains("cannot be reached"),
        "{error}"
    );
}

#[tokio::test]
async fn a_tenant_may_name_what_lies_below_its_own_prefix_and_nothing_else() {
    let mut world = World::new().await;
    for (path, value) in [
        ("groupcast/tenants/acme/entra", "acmes"),
        ("groupcast/tenants/acme2/entra", "another-tenants"),
    ] {
        world
            .vault()
            .put("secret", path, json!({ "value": value }), 1_000);
    }
    let acme = Owner::Tenant("acme".into());
    let secrets = world.secrets();
    let own = secrets
        .get_for(&acme, &place("groupcast/tenants/acme/entra"))
        .await
        .unwrap();
    assert_eq!(own.expose_secret(), "acmes");
    let elsewhere = SecretSource::Vault(VaultPlace {
        path: "groupcast/tenants/acme/entra".into(),
        field: "value".into(),
        mount: Some("other".into()),
    });
    for source in [
        place("groupcast/entra"),
        place("groupcast/tenants/acme2/entra"),
        place("groupcast/tenants/acme"),
        elsewhere,
    ] {
        let asked = world.vault().requests().len();
        let error = secrets.get_for(&acme, &source).await.unwrap_err();
        assert!(matches!(error, SecretError::NotYourPath { .. }), "{error}");
        assert_eq!(world.vault().requests().len(), asked, "nothing was asked");
    }
    world.named().tenant_prefix = None;
    let error = world
        .secrets()
        .get_for(&acme, &place("groupcast/tenants/acme/entra"))
        .await
        .unwrap_err();
    assert!(matches!(error, SecretError::NotYourPath { .. }), "{error}");
}

#[tokio::test]
async fn vaults_transit_key_wraps_the_data_keys_and_never_leaves() {
    let mut world = World::new().await;
    world.vault().transit_key("transit", "groupcast");
    // Before, the key was in a file.
    let store = Arc::new(MemoryStore::default());
    let with = |section: &SecretsSection| {
        let sealed: Arc<dyn SealedStore> = store.clone();
        Secrets::over(section, Environment(|_| None)).with_store(sealed)
    };
    let set = async |secrets: &Secrets, tenant: &str| {
        secrets
            .set_for(tenant, "entra", &"value".into(), None, None, &alice())
            .await
            .unwrap()
    };
    let get = async |secrets: &Secrets, tenant: &str| {
        let source = SecretSource::Stored("entra".into());
        secrets
            .get_for(&Owner::Tenant(tenant.into()), &source)
            .await
            .map(|value| value.expose_secret().to_owned())
    };
    set(&with(&world.section), "acme").await;
    let transit = KeySource::VaultTransit(TransitSection {
        key: "groupcast".into(),
        mount: "transit".into(),
    });
    world.section.key = Some(transit);
    world.section.previous_key = Some(KeySource::File(world.section.key_file.clone()));
    assert_eq!(get(&with(&world.section), "acme").await.unwrap(), "value");
    assert_eq!(with(&world.section).rotate_key().await.unwrap().tenants.done, 1);
    world.section.previous_key = None;
    std::fs::remove_file(&world.section.key_file).unwrap();
    assert_eq!(get(&with(&world.section), "acme").await.unwrap(), "value");
    set(&with(&world.section), "globex").await;

    // Vault's key is rotated there; wrapping again is of the latest version.
    world.vault().transit_key("transit", "groupcast");
    assert_eq!(with(&world.section).rotate_key().await.unwrap().tenants.done, 2);
    for key in store.kept().keys.values() {
        assert_eq!(key.wrapped_by, "vault:transit/groupcast");
        assert!(key.wrapped.starts_with(b"vault:v2:"));
    }
    assert_eq!(get(&with(&world.section), "globex").await.unwrap(), "value");
    // Bound to its tenant: Vault itself refuses to unwrap it for another.
    {
        let mut kept = store.kept();
        let mut key = kept.keys[&Some("acme".to_owned())].clone();
        key.tenant = Some("globex".into());
        kept.keys.insert(key.tenant.clone(), key);
    }
    assert!(get(&with(&world.section), "globex").await.is_err());
    // A process that serves asks once for each tenant.
    let serving = with(&world.section);
    for _ in 0..5 {
        get(&serving, "acme").await.unwrap();
    }
    let decrypted = world
        .vault()
        .requests()
        .iter()
        .rev()
        .take_while(|request| !request.contains("lookup-self"))
        .filter(|request| request.contains("/decrypt/"))
        .count();
    assert_eq!(decrypted, 1);
    let error = serving.set("mine", "value".into(), None).await.unwrap_err();
    assert!(matches!(error, SecretError::KeyInVault), "{error}");
}
