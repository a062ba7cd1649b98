//! Whether a directory is managed *now* (R36): asked of the configuration file as it is at this moment, since that is
//! where an administrator switches it off, also while a run is at work or a service has been running for weeks.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::config::Config;
use crate::store::ConnectionId;

/// The switch of one connection.
pub struct ManagedSwitch {
    path: PathBuf,
    connection: ConnectionId,
    last: Mutex<Last>,
}

/// What was read last: files are compared by content, since a clock's tick can hide a change.
struct Last {
    bytes: Vec<u8>,
    on: bool,
}

impl ManagedSwitch {
    /// The switch of a connection of a configuration that was just read and said `on`.
    pub fn new(path: &Path, connection: ConnectionId, on: bool) -> Self {
        Self {
            path: path.to_path_buf(),
            connection,
            last: Mutex::new(Last {
                bytes: Vec::new(),
                on,
            }),
        }
    }

    /// Whether it is on. A file that cannot be read or understood at this moment (an editor is saving it) says what it
    /// said last; a file that no longer has the connection says off.
    pub fn is_on(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(bytes) = std::fs::read(&self.path) else {
            return last.on;
        };
        if bytes != last.bytes
            && let Ok(config) = Config::from_bytes(&self.path, &bytes)
        {
            last.on = config
                .connections()
                .find(|connection| connection.id == self.connection)
                .is_some_and(|connection| connection.settings().managed);
            last.bytes = bytes;
        }
        last.on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(managed: &str) -> String {
        format!(
            "[jumpcloud]\napi_key = {{ env = \"KEY\" }}\n[google]\ndirectory = \"d1\"\nadmin = \"admin@example.com\"\n\
             service_account_key = {{ env = \"ACCOUNT\" }}\n{managed}\n"
        )
    }

    #[test]
    fn r36_the_switch_follows_the_file_and_half_a_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groupcast.toml");
        let connection = ConnectionId::new("default", "google");
        let switch = ManagedSwitch::new(&path, connection, true);
        assert!(switch.is_on(), "no file: as it was");
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
            assert_eq!(switch.is_on(), on, "{content}");
        }
    }
}
