//! Whether a tenant's source can be reached, before there is any directory: what whoever connects it wants to know first.
//! What may not enter: anything that is kept.

use serde_json::json;

use super::declared::configuration;
use super::{Principal, Result, Service, ServiceError};
use crate::run::{SourceDirectory, attempts_with};
use crate::store::ConnectionId;
use crate::store::service::{DirectoryRecord, DirectoryVendor, Role};

/// Stands where an ID must stand that nothing is asked about.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// What the stand-in is called.
const SOURCE: &str = "source";

impl Service {
    /// Signs in to a stored tenant's JumpCloud and lists its cloud directories. Reads only.
    ///
    /// # Errors
    /// Not an administrator; declared in the file; the source cannot be reached with what is kept.
    pub async fn try_jumpcloud(&self, who: &Principal, tenant: &str) -> Result<Vec<SourceDirectory>> {
        self.require(who, Some(tenant), Role::Admin)?;
        let record = self.stored_tenant(tenant).await?;
        let source = record
            .jumpcloud
            .get("service_account")
            .unwrap_or(&record.jumpcloud);
        let secret = source
            .get("client_secret")
            .or_else(|| source.get("api_key"))
            .cloned();
        // Credentials belong to a source and a directory. This one stands in for a directory that is not connected yet,
        // and is never asked.
        let stand_in = DirectoryRecord {
            id: ConnectionId::new(tenant, SOURCE),
            vendor: DirectoryVendor::Entra,
            section: json!({
                "directory": "0".repeat(24), "tenant_id": NOBODY, "client_id": NOBODY,
                "client_secret": secret,
            }),
            version: 0,
            created_at: self.now(),
            updated_at: self.now(),
        };
        let config = configuration(&self.config, &record, &[stand_in])?;
        let setups = attempts_with(&config, &self.secrets)
            .await
            .map_err(|error| ServiceError::Internal(error.to_string()))?;
        let (_, setup) = setups
            .into_iter()
            .next()
            .ok_or_else(|| ServiceError::Internal("a stand-in gave no connection".to_owned()))?;
        let setup = setup.map_err(|error| ServiceError::Refused(told(&error.to_string(), tenant)))?;
        Ok(self.groupcast.source_directories(&setup).await?)
    }
}

/// Without the name of the stand-in, which nobody knows.
fn told(error: &str, tenant: &str) -> String {
    let of_stand_in = format!("{tenant}/{SOURCE}: ");
    error.strip_prefix(&of_stand_in).unwrap_or(error).to_owned()
}
