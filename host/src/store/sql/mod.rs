//! The store's statements, which SQLite and PostgreSQL both understand. This folder is compiled once for each of them:
//! `super` is the room of the database, which says what `Db`, its rows and connections are, how a write begins, and the
//! few things that the two say differently.

use super::dialect::{
    KIND, alone, bytes_of_all, empty_audit, intent_counter, intent_ids, push_texts, set_intent_counter,
};
use super::{Db, DbConnection, DbRow, SqlStore};
use crate::store::Result;

mod audit;
mod connections;
mod contents;
mod history;
mod identity;
mod jobs;
mod ledger;
mod maintenance;
mod plans;
mod portable;
mod release;
mod runs;
mod sealed;
mod state;
mod tenancy;

/// The version of the newest migration that was applied.
async fn schema_version(connection: &mut DbConnection) -> Result<i64> {
    Ok(
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(connection)
            .await?,
    )
}
