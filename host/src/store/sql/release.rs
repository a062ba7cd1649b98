//! A plan made from another by releasing what groups hold back.

use groupcast_guest::plan::part::{Part, root_hash, sha256_hex};

use super::SqlStore;
use super::contents::keep_bytes;
use super::plans::{all_parts, at_part, bytes_of, find, required, usable};
use crate::store::locks::Lock;
use crate::store::released::release;
use crate::store::values::signed;
use crate::store::{DirectoryKey, PlanRecord, Result, StoreError};

impl SqlStore {
    pub(super) async fn release(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        groups: &[String],
    ) -> Result<PlanRecord> {
        let mut transaction = self.write(&[Lock::Plans(directory), Lock::KeepContents]).await?;
        let now = self.now();
        let old = required(&mut transaction, directory, hash, now).await?;
        usable(&old)?;
        let mut parts = all_parts(&mut transaction, directory, hash).await?;
        for group in groups {
            let part = parts
                .iter_mut()
                .find(|part| part.group == *group)
                .ok_or_else(|| StoreError::NoPart {
                    plan: hash.to_owned(),
                    part: format!("group {group}"),
                })?;
            let bytes = bytes_of(&mut transaction, directory, hash, part.position).await?;
            let new = Part::from_bytes(&bytes)
                .map_err(StoreError::Damaged)
                .map(release)?
                .ok_or_else(|| StoreError::NothingHeld {
                    plan: hash.to_owned(),
                    group: group.clone(),
                })?
                .to_bytes();
            at_part(part.position, &new)?;
            keep_bytes(&mut transaction, &new).await?;
            part.derived_from = Some(std::mem::replace(&mut part.sha256, sha256_hex(&new)));
            part.approved_by = None;
            part.approved_at = None;
        }
        let new_hash = root_hash(parts.iter().map(|part| part.sha256.as_str()));
        // Released before, or nothing asked for: the plan stands already, with its own approvals.
        if let Some(existing) = find(&mut transaction, directory, &new_hash, now).await? {
            usable(&existing)?;
            return Ok(existing);
        }
        sqlx::query(
            "INSERT INTO plans (directory, hash, tenant, connection, run, created_at, expires_at, derived_from, summary) \
             SELECT directory, $1, tenant, connection, run, $2, expires_at, hash, summary FROM plans \
             WHERE directory = $3 AND hash = $4",
        )
        .bind(&new_hash)
        .bind(now)
        .bind(directory.as_str())
        .bind(hash)
        .execute(&mut *transaction)
        .await?;
        for part in &parts {
            sqlx::query(
                "INSERT INTO plan_parts (directory, hash, position, group_id, sha256, derived_from, approved_by, \
                 approved_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(directory.as_str())
            .bind(&new_hash)
            .bind(signed(part.position))
            .bind(&part.group)
            .bind(&part.sha256)
            .bind(&part.derived_from)
            .bind(&part.approved_by)
            .bind(part.approved_at.map(|at| at.timestamp_millis()))
            .execute(&mut *transaction)
            .await?;
        }
        let record = required(&mut transaction, directory, &new_hash, now).await?;
        transaction.commit().await?;
        Ok(record)
    }
}
