//! The content of plans' parts: kept once under its hash, however many plans have it, and forgotten when none has.
//!
//! Whoever keeps content and refers to it in the same transaction holds [`Lock::KeepContents`], which any number may
//! hold at once; whoever forgets holds [`Lock::ForgetContents`] and looks again with that lock in hand. So nothing is
//! forgotten between its being found there and its being referred to.

use groupcast_guest::plan::part::sha256_hex;
use sqlx::QueryBuilder;

use super::{Db, DbConnection, SqlStore, push_texts};
use crate::store::Result;
use crate::store::locks::Lock;
use crate::store::values::signed;

/// How many are forgotten in one transaction: others wait no longer than for that.
const AT_ONCE: usize = 500;
/// How many are looked for at a time.
const LOOKED_FOR: usize = 10_000;

const UNUSED: &str = "NOT EXISTS (SELECT 1 FROM plan_parts p WHERE p.sha256 = part_bytes.sha256) \
    AND NOT EXISTS (SELECT 1 FROM staged_parts s WHERE s.sha256 = part_bytes.sha256)";

/// Keeps content under its hash, and answers the hash.
pub(super) async fn keep_bytes(connection: &mut DbConnection, bytes: &[u8]) -> Result<String> {
    let sha256 = sha256_hex(bytes);
    sqlx::query("INSERT INTO part_bytes (sha256, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(&sha256)
        .bind(bytes)
        .execute(connection)
        .await?;
    Ok(sha256)
}

impl SqlStore {
    /// Forgets those of these that nothing refers to, and answers how many.
    pub(super) async fn forget_unused(&self, hashes: &[String]) -> Result<u64> {
        let mut forgotten = 0;
        for some in hashes.chunks(AT_ONCE) {
            let mut transaction = self.write(&[Lock::ForgetContents]).await?;
            let mut delete = QueryBuilder::<Db>::new("DELETE FROM part_bytes WHERE sha256 IN (");
            push_texts(&mut delete, some)?;
            delete.push(") AND ").push(UNUSED);
            forgotten += delete.build().execute(&mut *transaction).await?.rows_affected();
            transaction.commit().await?;
        }
        Ok(forgotten)
    }

    /// Forgets all that nothing refers to, and answers how many. It is looked for without a lock.
    pub(super) async fn forget_all_unused(&self) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let mut select = QueryBuilder::<Db>::new("SELECT sha256 FROM part_bytes WHERE ");
            select
                .push(UNUSED)
                .push(" LIMIT ")
                .push_bind(signed(LOOKED_FOR as u64));
            let unused: Vec<String> = select.build_query_scalar().fetch_all(&self.reader).await?;
            let now = self.forget_unused(&unused).await?;
            forgotten += now;
            // Fewer than were found: somebody took some of them up again, and the rest can wait for the next time.
            if unused.len() < LOOKED_FOR || now == 0 {
                return Ok(forgotten);
            }
        }
    }
}
