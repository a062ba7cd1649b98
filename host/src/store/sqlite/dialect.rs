//! What SQLite says in its own way.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::store::Result;
use crate::store::values::{json, signed};

/// What the database is called in a backup.
pub(super) const KIND: &str = "sqlite";

/// New intent IDs, ascending: a block, so that a list of intents is one statement.
pub(super) async fn intent_ids(connection: &mut SqliteConnection, count: usize) -> Result<Vec<i64>> {
    let count = signed(count as u64);
    let last: i64 =
        sqlx::query_scalar("UPDATE counters SET value = value + $1 WHERE name = 'intent' RETURNING value")
            .bind(count)
            .fetch_one(connection)
            .await?;
    Ok((last - count + 1..=last).collect())
}

/// The last intent ID that was given.
pub(super) async fn intent_counter(connection: &mut SqliteConnection) -> Result<i64> {
    let last = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'intent'")
        .fetch_one(connection)
        .await?;
    Ok(last)
}

/// Goes on after this one.
pub(super) async fn set_intent_counter(connection: &mut SqliteConnection, last: i64) -> Result<()> {
    sqlx::query("UPDATE counters SET value = $1 WHERE name = 'intent'")
        .bind(last)
        .execute(connection)
        .await?;
    Ok(())
}

/// A list of texts as a subquery of one column, with one parameter however long the list is.
pub(super) fn push_texts(query: &mut QueryBuilder<Sqlite>, texts: &[String]) -> Result<()> {
    query
        .push("SELECT value FROM json_each(")
        .push_bind(json(texts)?)
        .push(")");
    Ok(())
}

/// Size of the database in bytes.
pub(super) async fn bytes_of_all(connection: &mut SqliteConnection) -> Result<i64> {
    let bytes =
        sqlx::query_scalar("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
            .fetch_one(connection)
            .await?;
    Ok(bytes)
}

/// Keeps everybody else from writing until the transaction ends: whoever writes has that already.
pub(super) async fn alone(_: &mut SqliteConnection) -> Result<()> {
    Ok(())
}

/// Empties the audit log, whose triggers refuse it: only a restore does, which puts another one in its place.
pub(super) async fn empty_audit(connection: &mut SqliteConnection) -> Result<()> {
    let triggers: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'")
            .fetch_all(&mut *connection)
            .await?;
    for (name, _) in &triggers {
        QueryBuilder::<Sqlite>::new(format!("DROP TRIGGER {name}"))
            .build()
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("DELETE FROM audit").execute(&mut *connection).await?;
    for (_, statement) in triggers {
        QueryBuilder::<Sqlite>::new(statement)
            .build()
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
