//! What can go wrong with the store, in words that an operator can act on.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database could not be opened.
    #[error("the store {place} cannot be opened: {source}; check that the folder exists and is writable")]
    Open {
        /// The database file.
        place: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database was written by a newer program.
    #[error(
        "the store {place} was made by a newer version of groupcast (schema {version}); use that version, or another store"
    )]
    Newer {
        /// The database file, or database and server.
        place: String,
        /// The schema version that this program does not know.
        version: i64,
    },
    /// The database server does not let us in.
    #[error("the store {place} cannot be opened: {what} ({source})")]
    Server {
        /// Database and server.
        place: String,
        /// What is wrong and what to do.
        what: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database is none that the store can be in.
    #[error("the store {place} cannot be used: {what}")]
    Unfit {
        /// Database and server.
        place: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// The connection to the server broke in mid-step.
    #[error(
        "the connection to the store broke ({0}); check that its server runs. Whether this step was kept shows when the          run is started again, which is safe"
    )]
    Broken(sqlx::Error),
    /// No connection to the server came free, or could be made.
    #[error(
        "the store gave no connection in time; check that its server runs, and raise `store.connections` where many runs          are under way at once"
    )]
    NoConnection,
    /// The database refused or failed.
    #[error("the store failed: {0}; nothing of this step was kept")]
    Database(sqlx::Error),
    /// A backup that cannot be written or restored.
    #[error("the backup {path} cannot be used: {what}", path = .path.display())]
    Backup {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        what: String,
    },
    /// A store that something would be restored over.
    #[error(
        "the store is not empty, and nothing was changed; restore into an empty one, or throw away what is in it with \
         `--replace`"
    )]
    NotEmpty,
    /// A store that hosts are at work on.
    #[error(
        "run {0} is under way on the store, and nothing was changed; stop every host that uses it, then try again"
    )]
    AtWork(String),
    /// Another process has been writing for longer than any write takes.
    #[error(
        "the store is held by another process that does not let go of it, so nothing of this step was kept; a process \
         that was frozen in the middle of a commit does that: wake it or end it, then try again"
    )]
    Busy,
    /// What was read back is not what was written.
    #[error("the store is damaged: {0}; restore it from a backup")]
    Damaged(String),
    /// The caller broke a limit that the WIT contract names.
    #[error("{what}: {given} is over the limit of {limit}")]
    TooMuch {
        /// What was too much.
        what: &'static str,
        /// What was given.
        given: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A name by which something is known has a character that no directory gives one.
    #[error("{what} has the character U+0000 in it, which no directory takes; nothing of it was kept")]
    Unstorable {
        /// What was given.
        what: &'static str,
    },
    /// The mark of a page is none that this store gave.
    #[error("`{0}` is no page mark of this store; start again without a mark")]
    Mark(String),
    /// An intent that is not open: never made in this directory, or settled before.
    #[error("intent {0} cannot be settled: it was settled before, or was never made in this directory")]
    NotOpen(u64),
    /// The lease is gone, so nothing may be intended under it (R48).
    #[error(
        "the lease on {key} (token {token}) is no longer held; the run must stop, and may be started again"
    )]
    LeaseLost {
        /// What was leased.
        key: String,
        /// The fencing token that is stale.
        token: u64,
    },
    /// No such run.
    #[error("there is no run {0}; `groupcast runs` lists them")]
    NoRun(String),
    /// The run ended before.
    #[error("run {0} has ended already")]
    RunEnded(String),
    /// A run of this ID exists.
    #[error("a run {0} exists already")]
    RunExists(String),
    /// No such tenant in the store.
    #[error("there is no tenant {0} in the store; make it first")]
    NoTenant(String),
    /// No such plan in this directory.
    #[error("there is no plan {0} for this directory; make one with `groupcast plan`")]
    NoPlan(String),
    /// No such part in the plan.
    #[error("plan {plan} has no part for {part}")]
    NoPart {
        /// Hash of the plan.
        plan: String,
        /// Group ID or position.
        part: String,
    },
    /// The plan is too old to be approved or applied.
    #[error("plan {hash} expired on {at}; make a new one with `groupcast plan`", at = .at.format("%Y-%m-%d %H:%M UTC"))]
    PlanExpired {
        /// Hash of the plan.
        hash: String,
        /// When it expired.
        at: DateTime<Utc>,
    },
    /// The plan was applied before.
    #[error("plan {0} was applied already; make a new one with `groupcast plan`")]
    PlanApplied(String),
    /// What the plugin gave as a part is none.
    #[error("part {position} of the plan cannot be kept: {why}")]
    BadPart {
        /// Position, from 0.
        position: u64,
        /// What is wrong.
        why: String,
    },
    /// Nothing in the group can be released.
    #[error("plan {plan} holds nothing for group {group} that an approval can release")]
    NothingHeld {
        /// Hash of the plan.
        plan: String,
        /// Group ID.
        group: String,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|cause| cause.code());
        match (&error, code.as_deref()) {
            (_, Some(code)) if is_busy(code) => Self::Busy,
            // The server is going away, or ended a transaction that stood still for too long.
            (_, Some("57P01" | "57P02" | "57P03" | "25P03")) => Self::Broken(error),
            (sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed, _) => {
                Self::Broken(error)
            }
            (sqlx::Error::PoolTimedOut, _) => Self::NoConnection,
            _ => Self::Database(error),
        }
    }
}

/// Whether the code says that somebody else holds what a write needs. SQLite's codes are numbers of up to four digits:
/// `SQLITE_BUSY`, and its extended codes in the low byte. PostgreSQL's have five places.
pub(super) fn is_busy(code: &str) -> bool {
    match code.len() {
        5 => matches!(code, "55P03" | "40P01" | "40001"),
        _ => code.parse::<u32>().is_ok_and(|code| code & 0xff == 5),
    }
}

/// The store's results.
pub type Result<T> = std::result::Result<T, StoreError>;
