//! Tests of tenants' secrets in a store, and of the host's key.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::*;
use crate::config::KeySource;
use crate::store::Result as StoreResult;
use crate::store::service::{Actor, NewAuditEntry, SealedKey};

/// A store in memory, with the conditions of the real ones; their own suite runs on those.
#[derive(Default)]
pub(super) struct MemoryStore(Mutex<Kept>);

#[derive(Default)]
pub(super) struct Kept {
    pub keys: BTreeMap<Option<String>, SealedKey>,
    pub secrets: BTreeMap<SecretName, SealedSecret>,
    pub audit: Vec<NewAuditEntry>,
}

impl MemoryStore {
    pub(super) fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SealedStore for MemoryStore {
    async fn sealed_key(&self, tenant: Option<&str>) -> StoreResult<Option<SealedKey>> {
        Ok(self.kept().keys.get(&tenant.map(str::to_owned)).cloned())
    }

    async fn sealed_keys(&self) -> StoreResult<Vec<SealedKey>> {
        Ok(self.kept().keys.values().cloned().collect())
    }

    async fn put_sealed_key(&self, key: &SealedKey, expected: Option<u64>) -> StoreResult<bool> {
        let mut kept = self.kept();
        if kept.keys.get(&key.tenant).map(|known| known.generation) != expected {
            return Ok(false);
        }
        kept.keys.insert(key.tenant.clone(), key.clone());
        Ok(true)
    }

    async fn sealed_secret(&self, name: &SecretName) -> StoreResult<Option<SealedSecret>> {
        Ok(self.kept().secrets.get(name).cloned())
    }

    async fn sealed_secrets(&self, tenant: Option<&str>) -> StoreResult<Vec<SealedSecret>> {
        let kept = self.kept();
        let of_tenant = kept
            .secrets
            .values()
            .filter(|secret| secret.name.tenant.as_deref() == tenant);
        Ok(of_tenant.cloned().collect())
    }

    async fn put_sealed_secret(
        &self,
        secret: &SealedSecret,
        expected: Option<Version>,
        audit: Option<&NewAuditEntry>,
    ) -> StoreResult<Changed> {
        let mut kept = self.kept();
        let current = kept.secrets.get(&secret.name).map(|known| known.version);
        if current != expected {
            return Ok(Changed::Conflict { current });
        }
        let version = expected.unwrap_or(0) + 1;
        let record = SealedSecret {
            version,
            ..secret.clone()
        };
        kept.secrets.insert(secret.name.clone(), record);
        kept.audit.extend(audit.cloned());
        Ok(Changed::Made(version))
    }

    async fn remove_sealed_secret(&self, name: &SecretName, audit: &NewAuditEntry) -> StoreResult<bool> {
        let mut kept = self.kept();
        let was_there = kept.secrets.remove(name).is_some();
        if was_there {
            kept.audit.push(audit.clone());
        }
        Ok(was_there)
    }
}

pub(super) fn alice() -> Author {
    Author {
        actor: Actor {
            subject: "email:alice@example.com".into(),
            name: "Alice".into(),
            address: None,
        },
        request: Some("request-1".into()),
    }
}

fn stored(name: &str) -> SecretSource {
    SecretSource::Stored(name.to_owned())
}

fn tenant(name: &str) -> Owner {
    Owner::Tenant(name.to_owned())
}

fn section(folder: &Path) -> SecretsSection {
    SecretsSection {
        file: folder.join("secrets"),
        key_file: folder.join("key"),
        ..SecretsSection::default()
    }
}

fn over(section: &SecretsSection, store: &Arc<MemoryStore>) -> Secrets {
    let store: Arc<dyn SealedStore> = store.clone();
    Secrets::over(section, Environment(|_| None)).with_store(store)
}

async fn set(secrets: &Secrets, tenant: &str, name: &str, value: &str) -> Changed {
    secrets
        .set_for(tenant, name, &value.into(), None, None, &alice())
        .await
        .unwrap()
}

async fn get(secrets: &Secrets, tenant: &str, name: &str) -> Result<String, SecretError> {
    let owner = Owner::Tenant(tenant.to_owned());
    let value = secrets.get_for(&owner, &stored(name)).await?;
    Ok(value.expose_secret().to_owned())
}

#[tokio::test]
async fn a_tenants_name_never_opens_anothers_secret() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    let secrets = over(&section(folder.path()), &store);
    set(&secrets, "acme", "entra", "acmes-secret").await;
    set(&secrets, "globex", "entra", "globexs-secret").await;
    secrets
        .set("entra", "the-hosts-secret".into(), None)
        .await
        .unwrap();
    assert_eq!(get(&secrets, "acme", "entra").await.unwrap(), "acmes-secret");
    assert_eq!(get(&secrets, "globex", "entra").await.unwrap(), "globexs-secret");
    let host = secrets.get(&stored("entra")).await.unwrap();
    assert_eq!(host.expose_secret(), "the-hosts-secret");
    assert!(matches!(
        get(&secrets, "initech", "entra").await,
        Err(SecretError::NotStoredFor { .. })
    ));
    // The host's own places are none of a tenant's.
    let file = folder.path().join("file");
    std::fs::write(&file, "the-hosts-file").unwrap();
    for source in [SecretSource::File(file), SecretSource::Env("PATH".into())] {
        let error = secrets.get_for(&tenant("acme"), &source).await.unwrap_err();
        assert!(matches!(error, SecretError::NotYours(_)), "{error}");
    }
}

#[tokio::test]
async fn a_record_that_was_moved_to_another_tenant_name_or_version_opens_nowhere() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    let secrets = over(&section(folder.path()), &store);
    set(&secrets, "acme", "one", "acmes-one").await;
    set(&secrets, "acme", "two", "acmes-two").await;
    set(&secrets, "globex", "one", "globexs-one").await;
    let name = |tenant: &str, name: &str| of_tenant(tenant, name);
    let acme = store.kept().secrets[&name("acme", "one")].clone();
    let whole = |store: &MemoryStore| {
        let kept = store.kept();
        (kept.secrets.clone(), kept.keys.clone())
    };
    let before = whole(&store);
    type Move<'a> = (&'a str, &'a dyn Fn(&mut Kept));
    let moves: [Move<'_>; 5] = [
        ("to another tenant", &|kept| {
            kept.secrets.insert(
                name("globex", "one"),
                SealedSecret {
                    name: name("globex", "one"),
                    ..acme.clone()
                },
            );
        }),
        ("to another tenant with its key", &|kept| {
            kept.secrets.insert(
                name("globex", "one"),
                SealedSecret {
                    name: name("globex", "one"),
                    ..acme.clone()
                },
            );
            let mut key = kept.keys[&Some("acme".to_owned())].clone();
            key.tenant = Some("globex".to_owned());
            kept.keys.insert(key.tenant.clone(), key);
        }),
        ("to another name", &|kept| {
            let moved = SealedSecret {
                name: name("acme", "two"),
                ..acme.clone()
            };
            kept.secrets.insert(name("acme", "two"), moved);
        }),
        ("to another version", &|kept| {
            kept.secrets.get_mut(&name("acme", "one")).unwrap().version = 7;
        }),
        ("one bit", &|kept| {
            kept.secrets.get_mut(&name("acme", "one")).unwrap().sealed[30] ^= 1;
        }),
    ];
    for (what, change) in moves {
        change(&mut store.kept());
        // Another process: nothing is remembered of keys that were unwrapped before.
        let fresh = over(&section(folder.path()), &store);
        let mut broken = 0;
        for (tenant, name) in [("acme", "one"), ("acme", "two"), ("globex", "one")] {
            match get(&fresh, tenant, name).await {
                Ok(value) => assert_eq!(value, format!("{tenant}s-{name}"), "{what}"),
                Err(error) => {
                    assert!(matches!(error, SecretError::Broken { .. }), "{what}: {error}");
                    broken += 1;
                }
            }
        }
        assert_eq!(broken, 1, "{what}");
        let mut kept = store.kept();
        (kept.secrets, kept.keys) = before.clone();
    }
}

#[tokio::test]
async fn a_change_is_a_new_version_with_an_entry_that_does_not_hold_the_value() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    let secrets = over(&section(folder.path()), &store);
    assert_eq!(
        set(&secrets, "acme", "entra", "old-value-0").await,
        Changed::Made(1)
    );
    assert_eq!(
        set(&secrets, "acme", "entra", "new-value-0").await,
        Changed::Made(2)
    );
    let unseen = secrets
        .set_for("acme", "entra", &"lost".into(), None, Some(Some(1)), &alice())
        .await
        .unwrap();
    assert_eq!(unseen, Changed::Conflict { current: Some(2) });
    assert_eq!(get(&secrets, "acme", "entra").await.unwrap(), "new-value-0");
    assert!(secrets.remove_for("acme", "entra", &alice()).await.unwrap());
    assert!(!secrets.remove_for("acme", "entra", &alice()).await.unwrap());
    let kept = store.kept();
    let actions: Vec<&str> = kept.audit.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["secret.set", "secret.set", "secret.removed"]);
    let told = format!("{:?}", kept.audit);
    assert!(told.contains("Alice") && !told.contains("value-0"), "{told}");
}

#[tokio::test]
async fn many_who_set_at_once_make_one_data_key_and_lose_nothing() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    // Each with nothing in common but the store and the key file: several hosts.
    let hosts: Vec<Secrets> = (0..6).map(|_| over(&section(folder.path()), &store)).collect();
    set(&hosts[0], "other", "makes", "the-key").await;
    let setting = hosts.iter().cloned().enumerate().map(|(number, secrets)| {
        tokio::spawn(async move { set(&secrets, "acme", &format!("s{number}"), "v").await })
    });
    for made in futures_util::future::join_all(setting).await {
        assert_eq!(made.unwrap(), Changed::Made(1));
    }
    for number in 0..6 {
        for host in &hosts {
            assert_eq!(get(host, "acme", &format!("s{number}")).await.unwrap(), "v");
        }
    }
    assert_eq!(store.kept().keys.len(), 2);
}

#[tokio::test]
async fn a_rotated_key_is_taken_up_by_those_who_serve_and_the_old_one_opens_nothing_any_more() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    let section = section(folder.path());
    let (rotating, serving) = (over(&section, &store), over(&section, &store));
    for tenant in ["acme", "globex"] {
        set(&rotating, tenant, "entra", "value").await;
    }
    rotating.set("mine", "host-value".into(), None).await.unwrap();
    // One tenant's key is known to the process that serves, the other's is not.
    assert_eq!(get(&serving, "acme", "entra").await.unwrap(), "value");
    let old = std::fs::read_to_string(&section.key_file).unwrap();

    let rotated = rotating.rotate_key().await.unwrap();
    assert_eq!(
        (rotated.is_made, rotated.tenants.done, rotated.file),
        (true, 2, true)
    );
    assert!(!rotated.is_older_left);
    let new = std::fs::read_to_string(&section.key_file).unwrap();
    assert!(
        new.trim() != old.trim() && new.trim().lines().count() == 1,
        "one key, another"
    );
    for tenant in ["acme", "globex"] {
        assert_eq!(get(&serving, tenant, "entra").await.unwrap(), "value", "{tenant}");
    }
    assert_eq!(set(&serving, "initech", "entra", "value").await, Changed::Made(1));
    let host = serving.get(&stored("mine")).await.unwrap();
    assert_eq!(host.expose_secret(), "host-value");

    // A copy of the store with the old key is worth nothing.
    std::fs::write(&section.key_file, &old).unwrap();
    for tenant in ["acme", "globex", "initech"] {
        let error = get(&over(&section, &store), tenant, "entra").await.unwrap_err();
        assert!(
            matches!(error, SecretError::WrongHostKey { .. }),
            "{tenant}: {error}"
        );
    }
    assert!(matches!(
        over(&section, &store).get(&stored("mine")).await,
        Err(SecretError::WrongKey(_))
    ));
}

#[tokio::test]
async fn a_rotation_that_a_crash_ended_is_ended_by_the_next() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    let section = section(folder.path());
    let secrets = over(&section, &store);
    for tenant in ["acme", "globex"] {
        set(&secrets, tenant, "entra", "value").await;
    }
    // The new key was written before the old one, and the process died.
    let old = std::fs::read_to_string(&section.key_file).unwrap();
    let new = key::Key::generate();
    std::fs::write(&section.key_file, format!("{}\n{old}", new.text().as_str())).unwrap();
    assert_eq!(
        get(&over(&section, &store), "acme", "entra").await.unwrap(),
        "value"
    );
    let rotated = secrets.rotate_key().await.unwrap();
    assert_eq!((rotated.is_made, rotated.tenants.done), (false, 2));
    assert_eq!(
        std::fs::read_to_string(&section.key_file).unwrap().trim(),
        new.text().as_str()
    );
    assert_eq!(
        get(&over(&section, &store), "globex", "entra").await.unwrap(),
        "value"
    );
}

#[tokio::test]
async fn the_key_may_be_in_a_systemd_credential_and_move_from_a_file() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    let in_file = section(folder.path());
    set(&over(&in_file, &store), "acme", "entra", "value").await;

    let credentials: &'static Path = Box::leak(folder.path().join("credentials").into_boxed_path());
    std::fs::create_dir(credentials).unwrap();
    static FOLDER: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    FOLDER.set(credentials.display().to_string()).unwrap();
    let environment =
        Environment(|name| (name == "CREDENTIALS_DIRECTORY").then(|| FOLDER.get().unwrap().clone()));
    let moved = SecretsSection {
        key: Some(KeySource::Systemd("groupcast-key".into())),
        previous_key: Some(KeySource::File(in_file.key_file.clone())),
        ..in_file.clone()
    };
    let with = |section: &SecretsSection| {
        let sealed: Arc<dyn SealedStore> = store.clone();
        Secrets::over(section, environment).with_store(sealed)
    };
    let error = with(&moved).rotate_key().await.unwrap_err();
    assert!(matches!(error, SecretError::NoKey(_)), "{error}");
    std::fs::write(
        credentials.join("groupcast-key"),
        key::Key::generate().text().as_str(),
    )
    .unwrap();
    assert_eq!(get(&with(&moved), "acme", "entra").await.unwrap(), "value");
    let rotated = with(&moved).rotate_key().await.unwrap();
    assert_eq!((rotated.is_made, rotated.tenants.done), (false, 1));
    // Nothing needs the old place any more.
    std::fs::remove_file(&in_file.key_file).unwrap();
    let alone = SecretsSection {
        previous_key: None,
        ..moved
    };
    assert_eq!(get(&with(&alone), "acme", "entra").await.unwrap(), "value");
    let nowhere = Secrets::over(&alone, Environment(|_| None));
    let sealed: Arc<dyn SealedStore> = store.clone();
    assert!(matches!(
        get(&nowhere.with_store(sealed), "acme", "entra").await,
        Err(SecretError::NoCredentials(_))
    ));
}

#[tokio::test]
async fn ends_are_kept_for_the_host_and_for_tenants_and_told_in_order() {
    let (folder, store) = (tempfile::tempdir().unwrap(), Arc::new(MemoryStore::default()));
    let secrets = over(&section(folder.path()), &store);
    let at = |days| Some(Utc::now() + chrono::Duration::days(days));
    for (name, days) in [("late", 90), ("soon", 20), ("past", -1)] {
        secrets
            .set_for("acme", name, &"value".into(), at(days), None, &alice())
            .await
            .unwrap();
        secrets.set(name, "value".into(), at(days)).await.unwrap();
    }
    set(&secrets, "acme", "endless", "value").await;
    for tenant in [None, Some("acme")] {
        let expiring = secrets
            .expiring(tenant, chrono::Duration::days(30))
            .await
            .unwrap();
        let names: Vec<&str> = expiring.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["past", "soon"], "{tenant:?}");
        assert_eq!(expiring[0].owner.tenant(), tenant);
    }
    // A new value without an end has none.
    secrets.set("soon", "value".into(), None).await.unwrap();
    assert_eq!(
        secrets
            .expiring(None, chrono::Duration::days(30))
            .await
            .unwrap()
            .len(),
        1
    );
    let found = secrets.find(&Owner::Host, &stored("late")).await.unwrap();
    assert!(found.expires_at.is_some());
}

#[tokio::test]
async fn a_handle_sees_a_file_that_was_swapped_by_its_link() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::over(&section(folder.path()), Environment(|_| None));
    // As Kubernetes mounts secrets: a link to a folder, turned to another one.
    for (number, value) in [("1", "old-value"), ("2", "new-value")] {
        let data = folder.path().join(format!("..data-{number}"));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("token"), value).unwrap();
    }
    let link = folder.path().join("..data");
    std::os::unix::fs::symlink("..data-1", &link).unwrap();
    std::os::unix::fs::symlink("..data/token", folder.path().join("token")).unwrap();
    let handle = secrets.handle(&Owner::Host, &SecretSource::File(folder.path().join("token")));
    assert_eq!(handle.latest().await.unwrap().value.expose_secret(), "old-value");
    let turned = folder.path().join("..data_tmp");
    std::os::unix::fs::symlink("..data-2", &turned).unwrap();
    std::fs::rename(&turned, &link).unwrap();
    let now = handle.latest().await.unwrap();
    assert_eq!((now.value.expose_secret(), now.changes), ("new-value", 1));
    assert!(!format!("{handle:?}").contains("new-value"));
}
