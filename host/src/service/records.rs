//! What was done and how it was: the ledger, the audit log, the history. Read only.

use chrono::{DateTime, Utc};

use super::{Principal, Result, Scope, Service, ServiceError};
use crate::ledger::{Binding, Membership};
use crate::store::service::{AuditEntry, AuditQuery, ChangeCount, MembershipSample, Role};
use crate::store::{ConnectionId, Page};

impl Service {
    /// Bindings of a directory after the mark.
    ///
    /// # Errors
    /// Not allowed; the connection cannot be set up.
    pub async fn bindings(
        &self,
        who: &Principal,
        id: &ConnectionId,
        after: Option<&str>,
    ) -> Result<Page<Binding>> {
        self.require_directory(who, id, Role::Viewer).await?;
        let directory = self.groupcast.directory_key(id)?;
        Ok(self.store.bindings(&directory, after).await?)
    }

    /// Memberships that the ledger records for a group, after the mark.
    ///
    /// # Errors
    /// Not allowed; the connection cannot be set up.
    pub async fn memberships(
        &self,
        who: &Principal,
        id: &ConnectionId,
        group: &str,
        after: Option<&str>,
    ) -> Result<Page<Membership>> {
        self.require_directory(who, id, Role::Viewer).await?;
        let directory = self.groupcast.directory_key(id)?;
        Ok(self.store.memberships(&directory, group, after).await?)
    }

    /// Entries of the audit log: of a tenant for its administrators, of the host for the host's.
    ///
    /// # Errors
    /// Not an administrator there.
    pub async fn audit(&self, who: &Principal, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        match &query.tenant {
            Some(tenant) => self.require(who, Some(tenant), Role::Admin)?,
            None if who.tenants() == Scope::All => self.require(who, None, Role::Admin)?,
            None => return Err(ServiceError::Forbidden { need: Role::Admin }),
        }
        Ok(self.store.audit(query).await?)
    }

    /// How a directory was, since then.
    ///
    /// # Errors
    /// Not allowed; the store.
    pub async fn samples(
        &self,
        who: &Principal,
        id: &ConnectionId,
        since: DateTime<Utc>,
    ) -> Result<Vec<MembershipSample>> {
        self.require_directory(who, id, Role::Viewer).await?;
        Ok(self.store.samples(id, since).await?)
    }

    /// Changes that the vendor did, a day and kind.
    ///
    /// # Errors
    /// Not allowed; the store.
    pub async fn changes_per_day(
        &self,
        who: &Principal,
        id: &ConnectionId,
        since: DateTime<Utc>,
    ) -> Result<Vec<ChangeCount>> {
        self.require_directory(who, id, Role::Viewer).await?;
        Ok(self.store.changes_per_day(id, since).await?)
    }
}
