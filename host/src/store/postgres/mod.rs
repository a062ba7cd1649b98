//! The store for many hosts: a PostgreSQL database.
//!
//! The statements are SQLite's ([`sql`]); what differs is that there are many writers. Each write takes locks by key at
//! its beginning ([`Lock`]), in one order for all, and then reads what is committed: for one key this is the single
//! writer that SQLite is for all of them. Isolation is set to what this relies on, whatever the database's default is,
//! and a commit that was answered is on the server's disk.
//!
//! Leases are kept by the server's clock, since the clocks of hosts differ.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::{Connection, Postgres, Row, Transaction};

use super::locks::Lock;
use super::records::{Clock, system_clock};
use super::{Result, Schema, StoreError};

mod address;
mod dialect;
#[expect(clippy::duplicate_mod, reason = "one source for both databases")]
#[path = "../sql/mod.rs"]
mod sql;
#[cfg(test)]
mod tests;

// What the shared statements know the database by.
type Db = Postgres;
type DbConnection = PgConnection;
type DbRow = PgRow;
type SqlStore = PostgresStore;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// The oldest server that is used: older ones get no more fixes from their makers.
const OLDEST: i32 = 130_000;
/// How long a write waits for another one's lock, as with SQLite.
const BUSY: &str = "15s";
/// How long a host that froze in the middle of a write keeps others waiting: then the server ends its transaction.
const FROZEN: &str = "60s";
/// How long a call waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(15);

/// A store in a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresStore {
    /// For people: host, port and database, without user and password.
    place: String,
    // The same pool twice: shared statements tell readers from writers, and here both may do both.
    reader: PgPool,
    writer: PgPool,
    clock: Clock,
    /// Whether leases go by `clock` and not by the server's: for tests that set it forward.
    own_clock: bool,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PostgresStore")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects to the database of the URL (`postgresql://user:password@host:port/database?sslmode=verify-full`), and
    /// brings its schema up to date. Without `sslmode` a server on another machine must have a certificate that is
    /// trusted and its own (`verify-full`). At most `connections` are held.
    ///
    /// # Errors
    /// The URL is none, the server cannot be reached or refuses, the database is missing, too old or not in UTF-8, or
    /// was made by a newer version. None shows user or password.
    pub async fn open(url: &SecretString, connections: u32) -> Result<Self> {
        Self::connect(url, connections, system_clock(), false).await
    }

    /// The same with a clock of the caller's, by which leases are kept too.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with_clock(url: &SecretString, connections: u32, clock: Clock) -> Result<Self> {
        Self::connect(url, connections, clock, true).await
    }

    async fn connect(url: &SecretString, connections: u32, clock: Clock, own_clock: bool) -> Result<Self> {
        let options = address::options(url.expose_secret())?;
        let place = address::place(&options);
        let refused = |error: sqlx::Error| address::refused(&options, &place, error);
        let mut connection = PgConnection::connect_with(&options).await.map_err(refused)?;
        fits(&mut connection, &place).await?;
        let current = is_current(&mut connection).await;
        connection.close().await.map_err(refused)?;
        if !current {
            // Without the limits below: another host may be making the tables, and that takes what it takes.
            let opening = PgPoolOptions::new()
                .max_connections(1)
                .connect_lazy_with(options.clone());
            MIGRATIONS.run(&opening).await.map_err(|error| match error {
                MigrateError::VersionMissing(version) => StoreError::Newer {
                    place: place.clone(),
                    version,
                },
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => refused(error),
                other => StoreError::Server {
                    place: place.clone(),
                    what: "its tables cannot be made".to_owned(),
                    source: other.into(),
                },
            })?;
            opening.close().await;
        }
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .connect_lazy_with(options.clone().options([
                ("lock_timeout", BUSY),
                ("idle_in_transaction_session_timeout", FROZEN),
                // What was answered is kept, whatever the database's default is. A standby is waited for where the
                // server waits for one with `on`.
                ("synchronous_commit", "on"),
            ]));
        Ok(Self {
            place,
            reader: pool.clone(),
            writer: pool,
            clock,
            own_clock,
        })
    }

    /// Which schema the database has; makes and changes nothing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn schema(url: &SecretString) -> Result<Schema> {
        let options = address::options(url.expose_secret())?;
        let place = address::place(&options);
        let looked = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let made: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
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
        Ok(Schema {
            found: looked
                .await
                .map_err(|error| address::refused(&options, &place, error))?,
            known: MIGRATIONS.iter().map(|known| known.version).max().unwrap_or(0),
        })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// Begins a write with these locks in hand, taken in one order for all, so that no two wait for each other.
    async fn write(&self, locks: &[Lock<'_>]) -> Result<Transaction<'static, Postgres>> {
        let mut transaction = self
            .writer
            .begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            .await?;
        if !locks.is_empty() {
            let mut numbers: Vec<(i64, bool)> = locks.iter().map(Lock::number).collect();
            numbers.sort_unstable();
            let (numbers, shared): (Vec<i64>, Vec<bool>) = numbers.into_iter().unzip();
            sqlx::query(
                "SELECT CASE WHEN shared THEN pg_advisory_xact_lock_shared(number) \
                 ELSE pg_advisory_xact_lock(number) END FROM unnest($1, $2) AS locks (number, shared)",
            )
            .bind(numbers)
            .bind(shared)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction)
    }

    /// Begins to read everything as it is at one moment.
    async fn snapshot(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self
            .reader
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?)
    }

    fn place(&self) -> String {
        self.place.clone()
    }

    fn now(&self) -> i64 {
        (self.clock)().timestamp_millis()
    }

    /// The time that all hosts on this store go by: the server's.
    async fn shared_now(&self, connection: &mut PgConnection) -> Result<i64> {
        if self.own_clock {
            return Ok(self.now());
        }
        Ok(
            sqlx::query_scalar("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
                .fetch_one(connection)
                .await?,
        )
    }
}

/// Whether the database is one that the store can be in.
async fn fits(connection: &mut PgConnection, place: &str) -> Result<()> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::int4 AS version, current_setting('server_version') AS name, \
         current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby",
    )
    .fetch_one(connection)
    .await?;
    let encoding: String = row.try_get("encoding")?;
    let unfit = if row.try_get::<i32, _>("version")? < OLDEST {
        let name: String = row.try_get("name")?;
        format!("the server is PostgreSQL {name}, and 13 is the oldest that is used; take a newer server")
    } else if encoding != "UTF8" {
        format!("its encoding is {encoding}; make one with ENCODING 'UTF8', since names come in all scripts")
    } else if row.try_get("standby")? {
        "the server is a standby, which only reads; name the primary server".to_owned()
    } else {
        return Ok(());
    };
    Err(StoreError::Unfit {
        place: place.to_owned(),
        what: unfit,
    })
}

/// Whether the schema is what this program knows, so that a user who may not change tables can use it.
async fn is_current(connection: &mut PgConnection) -> bool {
    let applied: sqlx::Result<Vec<(i64, Vec<u8>)>> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(connection)
            .await;
    let Ok(applied) = applied else {
        return false;
    };
    applied.len() == MIGRATIONS.iter().count()
        && MIGRATIONS
            .iter()
            .zip(&applied)
            .all(|(known, (version, checksum))| known.version == *version && *known.checksum == checksum[..])
}
