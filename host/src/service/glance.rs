//! Tenants at a glance: a page of them, each with its directories and what waits for a person. Asked of the store in as
//! many questions as for one tenant. What may not enter: words for people.

use std::collections::{BTreeMap, HashSet};

use super::{DirectoryView, Principal, Result, Service, TenantView};
use crate::store::{ConnectionId, Page, RunResult};

/// A tenant at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantGlance {
    /// The tenant.
    pub tenant: TenantView,
    /// Its directories, by name.
    pub directories: Vec<DirectoryView>,
    /// How many of those that are managed wait for a person.
    pub waiting: usize,
}

impl Service {
    /// Tenants after the mark, ascending by name, each with its directories.
    ///
    /// # Errors
    /// The store.
    pub async fn tenants_at_a_glance(
        &self,
        who: &Principal,
        search: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<TenantGlance>> {
        let page = self.tenants(who, search, after, limit).await?;
        let directories = self.directories_of(&page.items).await?;
        let waiting = self.waiting(&directories).await?;
        let mut by_tenant = BTreeMap::<String, Vec<DirectoryView>>::new();
        for directory in directories {
            by_tenant
                .entry(directory.id.tenant.clone())
                .or_default()
                .push(directory);
        }
        let glance = |tenant: TenantView| {
            let directories = by_tenant.remove(&tenant.name).unwrap_or_default();
            let waits = |one: &&DirectoryView| one.managed && waiting.contains(&one.id);
            TenantGlance {
                waiting: directories.iter().filter(waits).count(),
                directories,
                tenant,
            }
        };
        Ok(Page {
            items: page.items.into_iter().map(glance).collect(),
            next: page.next,
        })
    }

    /// Those of these directories whose last run left something for a person. Whoever asks has seen them.
    ///
    /// # Errors
    /// The store.
    pub async fn waiting(&self, directories: &[DirectoryView]) -> Result<HashSet<ConnectionId>> {
        let ids: Vec<ConnectionId> = directories.iter().map(|one| one.id.clone()).collect();
        let runs = self.store.latest_runs(&ids).await?;
        Ok(runs
            .into_iter()
            .filter(|run| {
                run.end
                    .as_ref()
                    .is_some_and(|end| end.result == RunResult::ChangesPending)
            })
            .map(|run| run.connection)
            .collect())
    }
}
