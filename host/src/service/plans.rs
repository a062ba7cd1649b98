//! Plans: shown part by part, approved as a whole or by group (R44).

use std::collections::HashSet;

use groupcast_guest::plan::part::Part;

use super::{PAGE, Principal, Result, Service, ServiceError};
use crate::store::service::Role;
use crate::store::{ConnectionId, DirectoryKey, Page, PartRecord, Parts, PlanQuery, PlanRecord};

/// A plan as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanView {
    /// Without its parts.
    pub record: PlanRecord,
    /// Operations in it.
    pub operations: u64,
    /// Operations that are held.
    pub held: u64,
}

/// A part of a plan with what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartView {
    /// Its place, hash and approval.
    pub record: PartRecord,
    /// What is in it.
    pub part: Part,
}

impl Service {
    /// Plans of a connection, the latest first.
    ///
    /// # Errors
    /// Not allowed; the store.
    pub async fn plans(&self, who: &Principal, id: &ConnectionId) -> Result<Vec<PlanRecord>> {
        self.latest_plans(who, id, 0).await
    }

    /// The same, at most so many of them (0: all).
    ///
    /// # Errors
    /// Not allowed; the store.
    pub async fn latest_plans(
        &self,
        who: &Principal,
        id: &ConnectionId,
        limit: u32,
    ) -> Result<Vec<PlanRecord>> {
        self.require_directory(who, id, Role::Viewer).await?;
        self.plans_of(id, limit).await
    }

    pub(super) async fn plans_of(&self, id: &ConnectionId, limit: u32) -> Result<Vec<PlanRecord>> {
        let query = PlanQuery {
            tenant: Some(id.tenant.clone()),
            connection: Some(id.name.clone()),
            limit,
            ..PlanQuery::default()
        };
        Ok(self.store.plans(&query).await?)
    }

    /// A plan of a connection by its hash, or a beginning of it that only one plan has.
    ///
    /// # Errors
    /// There is none that the caller sees.
    pub async fn plan(&self, who: &Principal, id: &ConnectionId, hash: &str) -> Result<PlanView> {
        let (record, directory) = self.plan_of(who, Role::Viewer, id, hash).await?;
        let seen = self.seen(&directory, &record.hash).await?;
        if let Some(why) = &seen.unreadable {
            return Err(ServiceError::Internal(why.clone()));
        }
        Ok(PlanView {
            record,
            operations: seen.operations,
            held: seen.held,
        })
    }

    /// The same, without what is in it.
    ///
    /// # Errors
    /// There is none that the caller sees.
    pub async fn plan_record(&self, who: &Principal, id: &ConnectionId, hash: &str) -> Result<PlanRecord> {
        Ok(self.plan_of(who, Role::Viewer, id, hash).await?.0)
    }

    async fn plan_of(
        &self,
        who: &Principal,
        role: Role,
        id: &ConnectionId,
        hash: &str,
    ) -> Result<(PlanRecord, DirectoryKey)> {
        self.require_of(who, &id.tenant, role, "plan", hash)?;
        let is_hash = !hash.is_empty() && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let query = PlanQuery {
            tenant: Some(id.tenant.clone()),
            connection: Some(id.name.clone()),
            hash_prefix: Some(hash.to_owned()),
            limit: 2,
        };
        let mut found = if is_hash {
            self.store.plans(&query).await?
        } else {
            Vec::new()
        };
        if found.len() > 1 {
            return Err(ServiceError::invalid(
                "plan",
                format!("more than one plan begins with {hash}; write more of it"),
            ));
        }
        let record = found.pop().ok_or_else(|| ServiceError::not_found("plan", hash))?;
        let directory = record.directory.clone();
        Ok((record, directory))
    }

    /// Parts of a plan after the mark, in order.
    ///
    /// # Errors
    /// There is no such plan that the caller sees.
    pub async fn plan_parts(
        &self,
        who: &Principal,
        id: &ConnectionId,
        hash: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Page<PartView>> {
        let (record, directory) = self.plan_of(who, Role::Viewer, id, hash).await?;
        let limit = limit.clamp(1, PAGE);
        let mut read = self
            .store
            .read_parts(&directory, &record.hash, after, limit + 1)
            .await?;
        let limit = usize::try_from(limit).unwrap_or(1);
        let more = read.len() > limit;
        read.truncate(limit);
        let mut items = Vec::with_capacity(read.len());
        for (part, bytes) in read {
            items.push(PartView {
                part: readable(&record.hash, part.position, &bytes)?,
                record: part,
            });
        }
        Ok(Page {
            next: items
                .last()
                .filter(|_| more)
                .map(|last| last.record.position.to_string()),
            items,
        })
    }

    /// Approves a plan, as a whole or some groups of it; with `release_held` what these groups hold back becomes part
    /// of the plan first, which gives another plan: that one is answered.
    ///
    /// # Errors
    /// Not allowed; no such plan; expired or applied; no such group in it; nothing held.
    pub async fn approve(
        &self,
        who: &Principal,
        id: &ConnectionId,
        hash: &str,
        groups: Option<&[String]>,
        release_held: bool,
    ) -> Result<PlanRecord> {
        let (record, directory) = self.plan_of(who, Role::Operator, id, hash).await?;
        let parts = self.store.parts(&directory, &record.hash).await?;
        let known: HashSet<&String> = parts.iter().map(|part| &part.group).collect();
        let chosen: Vec<String> = match groups {
            Some(groups) => {
                if let Some(unknown) = groups.iter().find(|group| !known.contains(group)) {
                    return Err(ServiceError::not_found("part of the plan for group", unknown));
                }
                groups.to_vec()
            }
            None => parts.iter().map(|part| part.group.clone()).collect(),
        };
        let mut record = record;
        if release_held {
            let seen = self.seen(&directory, &record.hash).await?;
            if let Some(why) = &seen.unreadable {
                return Err(ServiceError::Internal(why.clone()));
            }
            let holds = |group: &&String| seen.groups.get(*group).is_some_and(|group| group.holds);
            let holding: Vec<String> = chosen.iter().filter(holds).cloned().collect();
            if !holding.is_empty() {
                record = self
                    .store
                    .release_held(&directory, &record.hash, &holding)
                    .await?;
            }
        }
        let approved = match groups {
            Some(_) => Parts::Groups(chosen.clone()),
            None => Parts::All,
        };
        let mut audit = Self::entry(who, Some(&id.tenant), "plan.approved", record.hash.clone());
        audit.after = Some(serde_json::json!({
            "connection": id.to_string(), "groups": groups.map(|_| &chosen), "release_held": release_held,
            "derived_from": record.derived_from,
        }));
        // Before it is done: an approval that nobody wrote down must not be.
        self.store.append_audit(&audit).await?;
        Ok(self
            .store
            .approve(&directory, &record.hash, &approved, &who.actor.subject)
            .await?)
    }
}

/// A part as it was kept.
pub(super) fn readable(hash: &str, position: u64, bytes: &[u8]) -> Result<Part> {
    Part::from_bytes(bytes)
        .map_err(|why| ServiceError::Internal(format!("part {position} of plan {hash} does not read: {why}")))
}
