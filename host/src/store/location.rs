//! Where a store is, and opening whichever it is.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use serde::Serialize;

use super::{PostgresStore, Result, SqliteStore, Store};

/// Where a store is.
#[derive(Debug, Clone)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Server {
        /// Its URL, with user and password.
        url: SecretString,
        /// How many connections are held at most.
        connections: u32,
    },
}

/// Which schema a store has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schema {
    /// Its version; none where there is no store yet.
    pub found: Option<i64>,
    /// The version that this program makes of it.
    pub known: i64,
}

impl Location {
    /// Opens the store, makes it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// As [`SqliteStore::open`] and [`PostgresStore::open`].
    pub async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteStore::open(path).await?),
            Self::Server { url, connections } => Arc::new(PostgresStore::open(url, *connections).await?),
        })
    }

    /// Which schema it has; changes nothing.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn schema(&self) -> Result<Schema> {
        match self {
            Self::File(path) => SqliteStore::schema(path).await,
            Self::Server { url, .. } => PostgresStore::schema(url).await,
        }
    }
}
