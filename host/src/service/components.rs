//! Components that others wrote, as far as they were made known here: which a tenant may run, and what was granted to
//! them. A tenant's own is chosen by [`super::TenantChange::plugin`]. What may not enter: adding, granting, running.

use super::{Principal, Result, Service};
use crate::store::service::{PluginRecord, Role};

impl Service {
    /// What a tenant may run besides the built-in component, ascending by digest: its own, and the whole host's. `tenant`
    /// none: of the host and of all tenants.
    ///
    /// # Errors
    /// There is no such tenant that the caller sees; not an administrator of the host.
    pub async fn components(&self, who: &Principal, tenant: Option<&str>) -> Result<Vec<PluginRecord>> {
        let Some(tenant) = tenant else {
            self.require(who, None, Role::Admin)?;
            return Ok(self.store.all_plugins().await?);
        };
        self.require_of(who, tenant, Role::Viewer, "tenant", tenant)?;
        let mut known = self.store.plugins(Some(tenant)).await?;
        let hosts = self.store.plugins(None).await?;
        // As its runs do, the tenant's own goes before the host's of the same digest.
        let own: Vec<String> = known.iter().map(|one| one.digest.clone()).collect();
        known.extend(hosts.into_iter().filter(|one| !own.contains(&one.digest)));
        known.sort_by(|one, other| one.digest.cmp(&other.digest));
        Ok(known)
    }
}
