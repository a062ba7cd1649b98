//! The plugin's small durable values.

use async_trait::async_trait;
use sqlx::Row;

use super::SqlStore;
use crate::store::values::{at_most, known_by, signed, unsigned};
use crate::store::{DirectoryKey, Result, STATE_KEY_BYTES, STATE_VALUE_BYTES, StateEntry, StateStore};

#[async_trait]
impl StateStore for SqlStore {
    async fn state_get(&self, directory: &DirectoryKey, key: &str) -> Result<Option<StateEntry>> {
        let row = sqlx::query("SELECT value, version FROM state WHERE directory = $1 AND key = $2")
            .bind(directory.as_str())
            .bind(key)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| {
            Ok(StateEntry {
                value: row.try_get("value")?,
                version: unsigned(row.try_get("version")?)?,
            })
        })
        .transpose()
    }

    async fn state_put(
        &self,
        directory: &DirectoryKey,
        key: &str,
        value: &[u8],
        expected: Option<u64>,
    ) -> Result<Option<u64>> {
        at_most("bytes of a state key", key.len(), STATE_KEY_BYTES)?;
        known_by("a state key", [key])?;
        at_most("bytes of a state value", value.len(), STATE_VALUE_BYTES)?;
        // One statement each, so the comparison and the write are one step for every process.
        let written = match expected {
            None => {
                sqlx::query("INSERT INTO state (directory, key, value, version) VALUES ($1, $2, $3, 1) ON CONFLICT DO NOTHING")
                    .bind(directory.as_str())
                    .bind(key)
                    .bind(value)
                    .execute(&self.writer)
                    .await?
            }
            Some(version) => {
                sqlx::query("UPDATE state SET value = $1, version = version + 1 WHERE directory = $2 AND key = $3 AND version = $4")
                    .bind(value)
                    .bind(directory.as_str())
                    .bind(key)
                    .bind(signed(version))
                    .execute(&self.writer)
                    .await?
            }
        };
        Ok((written.rows_affected() == 1).then(|| expected.unwrap_or(0) + 1))
    }
}
