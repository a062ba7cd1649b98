//! Whether a directory is managed *now* (R36): asked where an administrator switches it off, at the moment of asking, also
//! while a run is at work or a service has been running for weeks. Directories of the configuration file are switched
//! off there; those of the store, there, by whichever process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::store::ConnectionId;
use crate::store::StoreError;
use crate::store::service::TenancyStore;

use super::RunFailure;

/// The switch of one connection.
pub struct ManagedSwitch {
    connection: ConnectionId,
    place: Place,
}

enum Place {
    File(Arc<SwitchFile>),
    Store(Arc<dyn TenancyStore>),
}

/// Why nobody can say whether a directory is managed.
#[derive(Debug, thiserror::Error)]
#[error("whether {connection} is managed could not be read from the store: {source}")]
pub struct SwitchError {
    connection: ConnectionId,
    source: StoreError,
}

impl From<SwitchError> for RunFailure {
    fn from(error: SwitchError) -> Self {
        Self::failed(error.to_string())
    }
}

impl ManagedSwitch {
    /// The switch of a connection of the configuration file.
    pub fn in_file(file: Arc<SwitchFile>, connection: ConnectionId) -> Self {
        Self {
            connection,
            place: Place::File(file),
        }
    }

    /// The switch of a connection that is kept in the store.
    pub fn in_store(store: Arc<dyn TenancyStore>, connection: ConnectionId) -> Self {
        Self {
            connection,
            place: Place::Store(store),
        }
    }

    /// Whether it is on. A directory that is no longer there is off.
    ///
    /// # Errors
    /// If the store cannot say: then nothing may be written.
    pub async fn is_on(&self) -> Result<bool, SwitchError> {
        match &self.place {
            Place::File(file) => Ok(file.is_on(&self.connection)),
            Place::Store(store) => {
                let record = store
                    .directory(&self.connection)
                    .await
                    .map_err(|source| SwitchError {
                        connection: self.connection.clone(),
                        source,
                    })?;
                Ok(record.is_some_and(|record| {
                    record.section.get("managed") == Some(&serde_json::Value::Bool(true))
                }))
            }
        }
    }
}

/// The configuration file as far as switches are concerned; one for all connections of it, since a file of many tenants
/// is long.
pub struct SwitchFile {
    path: PathBuf,
    last: Mutex<Last>,
}

/// What was read last: files are compared by content, since a clock's tick can hide a change.
struct Last {
    bytes: Vec<u8>,
    on: BTreeMap<ConnectionId, bool>,
}

impl SwitchFile {
    /// The switches of a configuration that was just read.
    pub fn new(config: &Config) -> Self {
        Self::with(&config.path, switches(config))
    }

    fn with(path: &Path, on: BTreeMap<ConnectionId, bool>) -> Self {
        Self {
            path: path.to_path_buf(),
            last: Mutex::new(Last {
                bytes: Vec::new(),
                on,
            }),
        }
    }

    /// A file that cannot be read or understood at this moment (an editor is saving it) says what it said last; a file
    /// that no longer has the connection says off.
    fn is_on(&self, connection: &ConnectionId) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(bytes) = std::fs::read(&self.path)
            && bytes != last.bytes
            && let Ok(config) = Config::from_bytes(&self.path, &bytes)
        {
            last.on = switches(&config);
            last.bytes = bytes;
        }
        last.on.get(connection).copied().unwrap_or(false)
    }
}

fn switches(config: &Config) -> BTreeMap<ConnectionId, bool> {
    config
        .connections()
        .map(|connection| (connection.id.clone(), connection.settings().managed))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;
    use crate::store::service::{
        Actor, Changed, DirectoryRecord, DirectoryVendor, NewAuditEntry, TenantRecord,
    };

    fn text(managed: &str) -> String {
        format!(
            "[jumpcloud]\napi_key = {{ env = \"KEY\" }}\n[google]\ndirectory = \"d1\"\nadmin = \"admin@example.com\"\n\
             service_account_key = {{ env = \"ACCOUNT\" }}\n{managed}\n"
        )
    }

    #[tokio::test]
    async fn r36_the_switch_follows_the_file_and_half_a_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groupcast.toml");
        let connection = ConnectionId::new("default", "google");
        let file = SwitchFile::with(&path, [(connection.clone(), true)].into());
        let switch = ManagedSwitch::in_file(Arc::new(file), connection);
        assert!(switch.is_on().await.unwrap(), "no file: as it was");
        for (content, on) in [
            (text("managed = true"), true),
            (text("managed = false"), false),
            ("[google]\ndirect".to_owned(), false),
            (text("managed = true"), true),
            ("[google]\ndirect".to_owned(), true),
            (text(""), false),
            (
                text("managed = true").replace("[google]", "[google]\nname = \"other\""),
                false,
            ),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(switch.is_on().await.unwrap(), on, "{content}");
        }
    }

    fn audit() -> NewAuditEntry {
        NewAuditEntry {
            actor: Actor {
                subject: "email:alice@example.com".to_owned(),
                name: "Alice".to_owned(),
                address: None,
            },
            tenant: Some("acme".to_owned()),
            action: "directory.changed".to_owned(),
            subject: "acme/google".to_owned(),
            before: None,
            after: None,
            request: None,
        }
    }

    #[tokio::test]
    async fn r36_the_switch_of_a_stored_directory_follows_the_store_whichever_process_changes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groupcast.db");
        let here = Arc::new(SqliteStore::open(&path).await.unwrap());
        let elsewhere = SqliteStore::open(&path).await.unwrap();
        let now = chrono::Utc::now();
        let tenant = TenantRecord {
            name: "acme".to_owned(),
            title: "Acme".to_owned(),
            jumpcloud: serde_json::json!({}),
            plugin: None,
            enabled: true,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        elsewhere.put_tenant(&tenant, None, &audit()).await.unwrap();
        let id = ConnectionId::new("acme", "google");
        let directory = |managed: serde_json::Value| DirectoryRecord {
            id: ConnectionId::new("acme", "google"),
            vendor: DirectoryVendor::Google,
            section: serde_json::json!({ "name": "google", "managed": managed }),
            version: 0,
            created_at: now,
            updated_at: now,
        };
        let switch = ManagedSwitch::in_store(here, id.clone());
        assert!(!switch.is_on().await.unwrap(), "there is none");
        let mut expected = None;
        for (managed, on) in [
            (true.into(), true),
            (false.into(), false),
            (true.into(), true),
            ("yes".into(), false),
        ] {
            let made = elsewhere
                .put_directory(&directory(managed), expected, &audit())
                .await;
            let Changed::Made(version) = made.unwrap() else {
                panic!("nobody else changes it")
            };
            expected = Some(version);
            assert_eq!(switch.is_on().await.unwrap(), on);
        }
        let removed = elsewhere.remove_directory(&id, expected.unwrap(), &audit()).await;
        assert!(matches!(removed.unwrap(), Changed::Made(_)));
        assert!(!switch.is_on().await.unwrap(), "it is gone");
    }
}
