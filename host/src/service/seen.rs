//! What plans said of each group, without what they would do: kept, since a plan never changes, so that a page of groups
//! does not read a plan of thousands of parts again. What may not enter: anything that can change after a plan was made,
//! such as approvals.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use groupcast_guest::plan::part::{GroupState, Part, Reason};

use super::plans::readable;
use super::{Result, Service};
use crate::store::DirectoryKey;

/// How many plans are kept.
const PLANS: usize = 32;
/// Parts that are read at once.
const PARTS: u32 = 200;

/// What a plan said of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenGroup {
    pub(super) name: String,
    pub(super) users: Option<u64>,
    pub(super) state: GroupState,
    pub(super) reasons: Vec<Reason>,
    pub(super) target: Option<String>,
    pub(super) key: Option<String>,
    /// Whether it holds something back that an approval can release.
    pub(super) holds: bool,
}

impl From<Part> for SeenGroup {
    fn from(part: Part) -> Self {
        let (target, key) = part
            .target
            .map_or((None, None), |target| (target.id, Some(target.key)));
        Self {
            holds: part.held.iter().any(|held| held.approvable),
            name: part.group.name,
            users: part.group.users,
            state: part.state,
            reasons: part.reasons,
            target,
            key,
        }
    }
}

/// What a plan said, and how much there is in it.
#[derive(Debug, Default)]
pub(super) struct SeenPlan {
    pub(super) groups: HashMap<String, SeenGroup>,
    pub(super) operations: u64,
    pub(super) held: u64,
    /// Why a part of it could not be read, such as one that a newer version made.
    pub(super) unreadable: Option<String>,
}

/// Plans that were read lately, by directory and hash; the latest asked for goes last.
#[derive(Default)]
pub(super) struct SeenPlans(Mutex<VecDeque<(PlanPlace, Arc<SeenPlan>)>>);

/// A directory's key and a plan's hash.
type PlanPlace = (String, String);

fn place_of(directory: &DirectoryKey, hash: &str) -> PlanPlace {
    (directory.as_str().to_owned(), hash.to_owned())
}

impl SeenPlans {
    fn get(&self, directory: &DirectoryKey, hash: &str) -> Option<Arc<SeenPlan>> {
        let key = place_of(directory, hash);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| *known == key)?;
        let found = kept.remove(place)?;
        let plan = Arc::clone(&found.1);
        kept.push_back(found);
        Some(plan)
    }

    fn put(&self, directory: &DirectoryKey, hash: &str, plan: &Arc<SeenPlan>) {
        let key = place_of(directory, hash);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Two may have read it at once.
        kept.retain(|(known, _)| *known != key);
        if kept.len() >= PLANS {
            kept.pop_front();
        }
        kept.push_back((key, Arc::clone(plan)));
    }
}

impl Service {
    /// What a plan said of each of its groups.
    pub(super) async fn seen(&self, directory: &DirectoryKey, hash: &str) -> Result<Arc<SeenPlan>> {
        if let Some(plan) = self.seen_plans.get(directory, hash) {
            return Ok(plan);
        }
        let mut plan = SeenPlan::default();
        let mut after = None;
        loop {
            let parts = self.store.read_parts(directory, hash, after, PARTS).await?;
            let Some((last, _)) = parts.last() else {
                break;
            };
            after = Some(last.position);
            for (record, bytes) in parts {
                match readable(hash, record.position, &bytes) {
                    Ok(part) => {
                        plan.operations += part.operations.len() as u64;
                        plan.held += part.held.len() as u64;
                        plan.groups.insert(record.group, part.into());
                    }
                    Err(error) => plan.unreadable = Some(error.to_string()),
                }
            }
        }
        let plan = Arc::new(plan);
        self.seen_plans.put(directory, hash, &plan);
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_that_nobody_looks_at_are_forgotten_first() {
        let (kept, directory) = (SeenPlans::default(), DirectoryKey::new("jc", "google", "C01"));
        for number in 0..PLANS {
            kept.put(&directory, &number.to_string(), &Arc::default());
        }
        assert!(kept.get(&directory, "0").is_some());
        kept.put(&directory, "another", &Arc::default());
        assert!(kept.get(&directory, "0").is_some() && kept.get(&directory, "another").is_some());
        assert!(kept.get(&directory, "1").is_none());
        assert!(kept.get(&DirectoryKey::new("jc", "google", "C02"), "0").is_none());
    }
}
