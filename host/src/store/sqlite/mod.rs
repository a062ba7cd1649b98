//! The embedded store: one SQLite file.
//!
//! Write-ahead log, `synchronous = FULL` (a commit is on the disk before it answers), foreign keys on. All writes
//! of a process go through one connection and take the write lock at their beginning, so that two of them
//! never find each other half way; reads have connections of their own and wait for nobody. Several processes
//! may share the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};

use super::error::is_busy;
use super::locks::Lock;
use super::records::{Clock, system_clock};
use super::{Result, Schema, StoreError};

mod dialect;
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
#[path = "../sql/mod.rs"]
mod sql;

// What the shared statements know the database by.
type Db = Sqlite;
type DbConnection = SqliteConnection;
type DbRow = SqliteRow;
type SqlStore = SqliteStore;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// How long a write waits for another process's.
const BUSY: Duration = Duration::from_secs(15);
const READERS: u32 = 4;

/// A store in a SQLite file.
#[derive(Clone)]
pub struct SqliteStore {
    path: PathBuf,
    writer: SqlitePool,
    reader: SqlitePool,
    clock: Clock,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file, makes it (readable for its owner alone) where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened or written, is no database, or was made by a newer version.
    pub async fn open(path: &Path) -> Result<Self> {
        Self::open_with_clock(path, system_clock()).await
    }

    /// The same with a clock of the caller's.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with_clock(path: &Path, clock: Clock) -> Result<Self> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Open {
            place: path.display().to_string(),
            source,
        };
        create_private(path).map_err(|error| failed(error.into()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let writer = connect(1, &options).await.map_err(|error| failed(error.into()))?;
        migrate(&writer).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => StoreError::Newer {
                place: path.display().to_string(),
                version,
            },
            other => failed(other.into()),
        })?;
        let reader = connect(READERS, &options.pragma("query_only", "on"))
            .await
            .map_err(|error| failed(error.into()))?;
        Ok(Self {
            path: path.to_path_buf(),
            writer,
            reader,
            clock,
        })
    }

    /// Which schema the file has; makes and changes nothing.
    ///
    /// # Errors
    /// The file is there and cannot be opened, or is no database.
    pub async fn schema(path: &Path) -> Result<Schema> {
        let known = MIGRATIONS.iter().map(|known| known.version).max().unwrap_or(0);
        if !path.exists() {
            return Ok(Schema { found: None, known });
        }
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY);
        let opened = async {
            let mut connection = SqliteConnection::connect_with(&options).await?;
            let made: bool =
                sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = '_sqlx_migrations'")
                    .fetch_one(&mut connection)
                    .await?;
            let found = match made {
                true => {
                    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                        .fetch_one(&mut connection)
                        .await?
                }
                false => None,
            };
            connection.close().await?;
            Ok(found)
        };
        let found = opened.await.map_err(|error: sqlx::Error| StoreError::Open {
            place: path.display().to_string(),
            source: error.into(),
        })?;
        Ok(Schema { found, known })
    }

    /// Closes the file; what was answered is on the disk already.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Begins a write with the lock in hand: there is one, whatever is named.
    async fn write(&self, _: &[Lock<'_>]) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Begins to read everything as it is at one moment.
    async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.reader.begin().await?)
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn now(&self) -> i64 {
        (self.clock)().timestamp_millis()
    }

    /// The time that all processes on this store go by: they are on one machine, so it is its clock.
    async fn shared_now(&self, _: &mut SqliteConnection) -> Result<i64> {
        Ok(self.now())
    }
}

/// Opens connections to the file. While another process makes it, the journal's mode cannot be set, and SQLite does not
/// wait for that as it waits for other locks.
async fn connect(connections: u32, options: &SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let begun = tokio::time::Instant::now();
    loop {
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .connect_with(options.clone())
            .await;
        match pool {
            Err(sqlx::Error::Database(cause))
                if cause.code().as_deref().is_some_and(is_busy) && begun.elapsed() < BUSY =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            opened => return opened,
        }
    }
}

/// Brings the schema up to date. Two processes may find a new file at the same moment: the one that comes second fails
/// on what the first has made by then, and finds it done when it looks again.
async fn migrate(writer: &SqlitePool) -> std::result::Result<(), MigrateError> {
    for _ in 0..5 {
        match MIGRATIONS.run(writer).await {
            Err(MigrateError::ExecuteMigration(..) | MigrateError::Execute(_)) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            ended => return ended,
        }
    }
    MIGRATIONS.run(writer).await
}

/// The store names people: nobody but its owner reads it. SQLite gives its side files the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::service::AuditStore;
    use crate::store::{MaintenanceStore, RestoreOptions, Store, suite};

    #[tokio::test]
    async fn sqlite_passes_the_suite_of_all_stores() {
        let folder = tempfile::tempdir().unwrap();
        let count = std::sync::atomic::AtomicUsize::new(0);
        suite::all(async |clock| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let path = folder.path().join(format!("{number}.db"));
            Arc::new(SqliteStore::open_with_clock(&path, clock).await.unwrap()) as Arc<dyn Store>
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_kept_is_there_after_opening_again_and_only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let first = SqliteStore::open(&path).await.unwrap();
        let directory = suite::directory("kept");
        suite::bind(&first, &directory, "g1", "t1").await;
        first.close().await;
        let second: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
        let page = second.bindings(&directory, None).await.unwrap();
        assert_eq!(page.items.len(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_file_is_opened_by_many_at_once() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store.db");
            let opening: Vec<_> = (0..12)
                .map(|_| {
                    let path = path.clone();
                    tokio::spawn(async move { SqliteStore::open(&path).await.map(drop) })
                })
                .collect();
            for opened in opening {
                opened.await.unwrap().unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_store_of_a_newer_version_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = SqliteStore::open(&path).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'from the future', TRUE, x'00', 0)",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        store.close().await;
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Newer { version: 9999, .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let text = "this is a letter, not a database\n".repeat(100);
        std::fs::write(&path, &text).unwrap();
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[tokio::test]
    async fn a_backup_has_every_table_and_column() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        let mut found: Vec<String> = sqlx::query_scalar(
            "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table'",
        )
        .fetch_all(&store.reader)
        .await
        .unwrap();
        found.sort();
        assert_eq!(found, suite::all_columns());
    }

    #[tokio::test]
    async fn a_restored_audit_log_is_guarded_as_the_first_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        let guards = "SELECT name || ': ' || sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name";
        let before: Vec<String> = sqlx::query_scalar(guards).fetch_all(&store.reader).await.unwrap();
        assert_eq!(before.len(), 2);
        suite::audit_entries(&store, 2).await;
        let backup = folder.path().join("backup");
        store.backup(&backup).await.unwrap();
        let options = RestoreOptions {
            replace: true,
            keep_modes: false,
        };
        store
            .restore(&backup, options, &suite::entry("store.restored"))
            .await
            .unwrap();
        let after: Vec<String> = sqlx::query_scalar(guards).fetch_all(&store.reader).await.unwrap();
        assert_eq!(after, before);
    }

    #[tokio::test]
    async fn the_schema_of_a_file_is_told_without_making_or_changing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let none = SqliteStore::schema(&path).await.unwrap();
        assert_eq!((none.found, none.known >= 3, path.exists()), (None, true, false));
        std::fs::write(&path, "").unwrap();
        assert_eq!(SqliteStore::schema(&path).await.unwrap().found, None);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        SqliteStore::open(&path).await.unwrap().close().await;
        let made = SqliteStore::schema(&path).await.unwrap();
        assert_eq!(made.found, Some(made.known));
    }

    #[tokio::test]
    async fn an_audit_log_that_was_tampered_with_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        suite::audit_entries(&store, 4).await;
        for refused in [
            "UPDATE audit SET action = 'nothing' WHERE sequence = 2",
            "DELETE FROM audit WHERE sequence = 4",
        ] {
            let error = sqlx::query(refused).execute(&store.writer).await.unwrap_err();
            assert!(error.to_string().contains("only ever added to"), "{error}");
        }
        assert_eq!(store.verify_audit().await.unwrap(), None);
        // Whoever holds the file can take the triggers away: the chain still tells.
        for (tampering, first) in [
            ("DELETE FROM audit WHERE sequence = 4", 4),
            ("UPDATE audit SET action = 'nothing' WHERE sequence = 3", 3),
            (
                "UPDATE audit SET entry = replace(entry, 'Alice', 'Mallory') WHERE sequence = 2",
                2,
            ),
            ("DELETE FROM audit WHERE sequence = 1", 1),
        ] {
            sqlx::query("DROP TRIGGER IF EXISTS audit_stays")
                .execute(&store.writer)
                .await
                .unwrap();
            sqlx::query("DROP TRIGGER IF EXISTS audit_is_kept")
                .execute(&store.writer)
                .await
                .unwrap();
            sqlx::query(tampering).execute(&store.writer).await.unwrap();
            assert_eq!(store.verify_audit().await.unwrap(), Some(first), "{tampering}");
        }
    }

    #[tokio::test]
    async fn synchronous_is_full_and_the_log_is_write_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&store.writer)
            .await
            .unwrap();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(&store.writer)
            .await
            .unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    }
}
