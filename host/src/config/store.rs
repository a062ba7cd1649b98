//! `[store]`: where the ledger, plans and runs are kept, and how long.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret_source::SecretSource;

/// Where the ledger, plans and runs are kept: in a SQLite file, or in a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// The database file; made where there is none. A relative path is relative to this file.
    pub path: PathBuf,
    /// Where the URL of a PostgreSQL database is, which then goes before `path`:
    /// `postgresql://user:password@host:5432/database?sslmode=verify-full`. It holds a password, so it never stands
    /// here: `{ env = "DATABASE_URL" }` or `{ file = "PATH" }`.
    pub url: Option<SecretSource>,
    /// How many connections to PostgreSQL are held at most.
    #[schemars(range(min = 2, max = 1_000))]
    pub connections: u32,
    /// Days after which runs, what they did, and their plans are forgotten. Who is in which group, what was begun and
    /// never settled, and the audit log are never forgotten.
    #[schemars(range(min = 1, max = 36_500))]
    pub keep_runs_days: u32,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            path: PathBuf::from("groupcast.db"),
            url: None,
            connections: 20,
            keep_runs_days: 400,
        }
    }
}

impl StoreSection {
    /// What the types cannot say: key path below `[store]`, and what is wrong.
    pub(super) fn faults(&self) -> Vec<(Vec<&'static str>, String)> {
        let mut faults = Vec::new();
        if !(2..=1_000).contains(&self.connections) {
            faults.push((vec!["connections"], "take a number from 2 to 1000".to_owned()));
        }
        if !(1..=36_500).contains(&self.keep_runs_days) {
            faults.push((vec!["keep_runs_days"], "take a number from 1 to 36500".to_owned()));
        }
        if !matches!(
            self.url,
            None | Some(SecretSource::Env(_) | SecretSource::File(_))
        ) {
            faults.push((
                vec!["url"],
                "secrets may be kept in the store itself, so its URL cannot be among them: name where it is by \
                 { env = \"DATABASE_URL\" } or { file = \"PATH\" }"
                    .to_owned(),
            ));
        }
        faults
    }
}
