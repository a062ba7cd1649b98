//! What PostgreSQL says in its own way.

use sqlx::postgres::PgConnection;
use sqlx::{Postgres, QueryBuilder};

use crate::store::Result;
use crate::store::values::signed;

/// What the database is called in a backup.
pub(super) const KIND: &str = "postgresql";

/// New intent IDs, ascending. Taken from a sequence, which nobody waits for; what is taken back leaves a gap.
pub(super) async fn intent_ids(connection: &mut PgConnection, count: usize) -> Result<Vec<i64>> {
    let mut ids: Vec<i64> = sqlx::query_scalar("SELECT nextval('intent_ids') FROM generate_series(1, $1)")
        .bind(signed(count as u64))
        .fetch_all(connection)
        .await?;
    ids.sort_unstable();
    Ok(ids)
}

/// The last intent ID that was given.
pub(super) async fn intent_counter(connection: &mut PgConnection) -> Result<i64> {
    let last = sqlx::query_scalar("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM intent_ids")
        .fetch_one(connection)
        .await?;
    Ok(last)
}

/// Goes on after this one.
pub(super) async fn set_intent_counter(connection: &mut PgConnection, last: i64) -> Result<()> {
    sqlx::query("SELECT setval('intent_ids', greatest($1, 1), $1 > 0)")
        .bind(last)
        .execute(connection)
        .await?;
    Ok(())
}

/// A list of texts as a subquery of one column, with one parameter however long the list is.
pub(super) fn push_texts(query: &mut QueryBuilder<Postgres>, texts: &[String]) -> Result<()> {
    query.push("SELECT unnest(").push_bind(texts.to_vec()).push(")");
    Ok(())
}

/// Size of the database in bytes.
pub(super) async fn bytes_of_all(connection: &mut PgConnection) -> Result<i64> {
    let bytes = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(connection)
        .await?;
    Ok(bytes)
}

/// Keeps everybody else from writing until the transaction ends: runs, and what every other change goes through.
pub(super) async fn alone(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("LOCK TABLE leases, runs, bindings, connections, counters, audit IN EXCLUSIVE MODE")
        .execute(connection)
        .await?;
    Ok(())
}

/// Empties the audit log, whose trigger refuses it: only a restore does, which puts another one in its place.
pub(super) async fn empty_audit(connection: &mut PgConnection) -> Result<()> {
    for statement in [
        "ALTER TABLE audit DISABLE TRIGGER audit_stays",
        "DELETE FROM audit",
        "ALTER TABLE audit ENABLE TRIGGER audit_stays",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}
