//! Groups of a directory, as a person chooses them: which are bound, under which address, which are selected, and the
//! state of each with its reason, from the latest plan and the ledger.

use std::collections::{BTreeMap, HashMap};

use groupcast_guest::plan::part::{GroupState, Reason};
use groupcast_guest::settings::{DriftPolicy, Settings};
use serde_json::Value;

use super::catalogue::BoundBy;
use super::choosing::{begins_list, changed_section};
use super::seen::SeenGroup;
use super::{CatalogueGroup, GroupChange, PAGE, Principal, Result, Service, ServiceError};
use crate::ledger::Binding;
use crate::store::service::{Role, Version};
use crate::store::{ConnectionId, Page};

/// How many of the latest plans are looked at for what they said of a group: those of what changed have few each.
const LATEST: u32 = 40;

/// Which groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Only {
    /// All of the source.
    #[default]
    All,
    /// Bound to the directory.
    Bound,
    /// With a target.
    Exported,
    /// Held, in conflict, at risk, frozen, orphaned.
    Trouble,
}

/// Which groups, and which page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupQuery {
    /// In name, email or address.
    pub search: Option<String>,
    /// Of which kind.
    pub only: Only,
    /// After this mark, from the page before.
    pub after: Option<String>,
    /// At most this many.
    pub limit: u32,
    /// Whether the source is read anew.
    pub fresh: bool,
}

/// A group as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// JumpCloud's ID.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// Its own email there.
    pub email: Option<String>,
    /// Who bound it to this directory; none: it is not bound.
    pub bound: Option<BoundBy>,
    /// The address that takes the place of its own email here (Google).
    pub address: Option<String>,
    /// Whether it is selected for export (Entra).
    pub selected: bool,
    /// Its own drift policy, where it has one (R10).
    pub policy: Option<DriftPolicy>,
    /// Users, nested ones included, as the latest plan read them.
    pub users: Option<u64>,
    /// Its state in the latest plan; none where no plan saw it.
    pub state: Option<GroupState>,
    /// Why, most important first.
    pub reasons: Vec<Reason>,
    /// The target's immutable ID.
    pub target: Option<String>,
    /// What the target was looked up or created by: an address, a `uniqueName`.
    pub key: Option<String>,
    /// Whether it still is in the source.
    pub is_gone: bool,
}

/// What the latest plan and the ledger know.
struct Known {
    parts: HashMap<String, SeenGroup>,
    bindings: BTreeMap<String, Binding>,
}

impl Service {
    /// Groups of the source with their settings and states, ascending by name.
    ///
    /// # Errors
    /// Not allowed; the source cannot be read.
    pub async fn groups(
        &self,
        who: &Principal,
        id: &ConnectionId,
        query: &GroupQuery,
    ) -> Result<Page<GroupView>> {
        self.require_directory(who, id, Role::Viewer).await?;
        let settings = self.settings_of(id)?;
        let catalogue = self.catalogue(id, query.fresh).await?;
        let known = self.known(id).await?;
        let search = query.search.as_ref().map(|text| text.trim().to_lowercase());
        let mut views: Vec<GroupView> = catalogue
            .groups
            .iter()
            .map(|group| view(group, &settings, &known))
            .collect();
        let there: std::collections::HashSet<&str> =
            catalogue.groups.iter().map(|group| group.id.as_str()).collect();
        views.extend(known.gone(&there));
        views.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        views.retain(|group| {
            query.only.has(group) && search.as_ref().is_none_or(|search| group.mentions(search))
        });
        let begin = match &query.after {
            None => 0,
            Some(mark) => mark
                .parse::<usize>()
                .map_err(|_| ServiceError::invalid("after", "this is no mark of a page"))?,
        };
        let limit = usize::try_from(query.limit.clamp(1, PAGE)).unwrap_or(1);
        let end = begin.saturating_add(limit);
        Ok(Page {
            next: (views.len() > end).then(|| end.to_string()),
            items: views.into_iter().skip(begin).take(limit).collect(),
        })
    }

    /// One group.
    ///
    /// # Errors
    /// Not allowed; there is none.
    pub async fn group(&self, who: &Principal, id: &ConnectionId, group: &str) -> Result<GroupView> {
        self.require_directory(who, id, Role::Viewer).await?;
        let settings = self.settings_of(id)?;
        let catalogue = self.catalogue(id, false).await?;
        let known = self.known(id).await?;
        let found = catalogue.groups.iter().find(|one| one.id == group);
        if let Some(found) = found {
            return Ok(view(found, &settings, &known));
        }
        let there = catalogue.groups.iter().map(|one| one.id.as_str()).collect();
        known
            .gone(&there)
            .find(|one| one.id == group)
            .ok_or_else(|| ServiceError::not_found("group", group))
    }

    /// Changes one group's settings in a directory of the version that the caller saw.
    ///
    /// # Errors
    /// Not allowed; declared in the file; another version; what comes of it is wrong.
    pub async fn change_group(
        &self,
        who: &Principal,
        id: &ConnectionId,
        version: Version,
        group: &str,
        change: GroupChange,
    ) -> Result<GroupView> {
        self.require_directory(who, id, Role::Operator).await?;
        let before = self.stored_directory(id).await?;
        // Where a list of ours begins with what JumpCloud binds, that must be of this moment.
        let begins = begins_list(&before.section, &change);
        let catalogue = self.catalogue(id, begins).await?;
        if begins && let Some(why) = &catalogue.incomplete {
            return Err(ServiceError::Refused(format!(
                "the list of groups begins with those that JumpCloud binds, and these could not be read whole ({why}); \
                 try again"
            )));
        }
        let section = changed_section(&before, &catalogue, group, change)?;
        self.put_section(who, before, section, version, "group.changed")
            .await?;
        self.group(who, id, group).await
    }

    fn settings_of(&self, id: &ConnectionId) -> Result<Settings> {
        self.groupcast.settings(id).map_err(ServiceError::from)
    }

    async fn known(&self, id: &ConnectionId) -> Result<Known> {
        let Ok(directory) = self.groupcast.directory_key(id) else {
            return Ok(Known {
                parts: HashMap::new(),
                bindings: BTreeMap::new(),
            });
        };
        let mut bindings = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.bindings(&directory, after.as_deref()).await?;
            bindings.extend(page.items.into_iter().map(|one| (one.group.clone(), one)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut parts = HashMap::new();
        // A plan of what changed has parts of these groups alone: the latest part of each group counts.
        let mut plans = self.plans_of(id, LATEST).await?;
        plans.retain(|plan| plan.summary.get("undo").is_none());
        for plan in plans {
            let whole = plan.summary.get("verified_at").is_none_or(Value::is_null);
            for (group, seen) in &self.seen(&directory, &plan.hash).await?.groups {
                if !parts.contains_key(group) {
                    parts.insert(group.clone(), seen.clone());
                }
            }
            if whole {
                break;
            }
        }
        Ok(Known { parts, bindings })
    }
}

impl Known {
    /// Groups that the ledger knows and the source no longer shows.
    fn gone<'a>(
        &'a self,
        there: &'a std::collections::HashSet<&str>,
    ) -> impl Iterator<Item = GroupView> + 'a {
        self.bindings
            .values()
            .filter(|binding| !there.contains(binding.group.as_str()))
            .map(|binding| {
                let part = self.parts.get(&binding.group);
                GroupView {
                    id: binding.group.clone(),
                    name: part.map_or_else(|| binding.key.clone(), |part| part.name.clone()),
                    email: None,
                    bound: None,
                    address: None,
                    selected: false,
                    policy: None,
                    users: None,
                    state: part.map(|part| part.state).or(Some(GroupState::Orphaned)),
                    reasons: part.map(|part| part.reasons.clone()).unwrap_or_default(),
                    target: binding.target.clone(),
                    key: Some(binding.key.clone()),
                    is_gone: true,
                }
            })
    }
}

impl Only {
    fn has(self, group: &GroupView) -> bool {
        match self {
            Self::All => true,
            Self::Bound => group.bound.is_some(),
            Self::Exported => group.target.is_some(),
            Self::Trouble => matches!(
                group.state,
                Some(
                    GroupState::Held
                        | GroupState::Conflict
                        | GroupState::AtRisk
                        | GroupState::Frozen
                        | GroupState::Orphaned
                )
            ),
        }
    }
}

impl GroupView {
    fn mentions(&self, text: &str) -> bool {
        [
            Some(&self.name),
            self.email.as_ref(),
            self.address.as_ref(),
            self.key.as_ref(),
        ]
        .into_iter()
        .flatten()
        .any(|one| one.to_lowercase().contains(text))
    }
}

fn named(list: &[String], group: &CatalogueGroup) -> bool {
    list.iter().any(|one| *one == group.id || *one == group.name)
}

fn of<'a, T>(map: &'a BTreeMap<String, T>, group: &CatalogueGroup) -> Option<&'a T> {
    map.get(&group.id).or_else(|| map.get(&group.name))
}

fn view(group: &CatalogueGroup, settings: &Settings, known: &Known) -> GroupView {
    let part = known.parts.get(&group.id);
    let binding = known.bindings.get(&group.id);
    let bound = match &settings.bound {
        Some(list) => named(list, group).then_some(BoundBy::Us),
        None => group.is_bound.then_some(BoundBy::JumpCloud),
    };
    GroupView {
        id: group.id.clone(),
        name: group.name.clone(),
        email: group.email.clone(),
        address: of(&settings.addresses, group).cloned(),
        selected: named(&settings.selected, group)
            || bound.is_some() && settings.selected.iter().any(|one| one == "*"),
        policy: of(&settings.policies, group).copied(),
        users: part.and_then(|part| part.users),
        state: part.map(|part| part.state),
        reasons: part.map(|part| part.reasons.clone()).unwrap_or_default(),
        target: binding
            .and_then(|binding| binding.target.clone())
            .or_else(|| part.and_then(|part| part.target.clone())),
        key: binding
            .map(|binding| binding.key.clone())
            .or_else(|| part.and_then(|part| part.key.clone())),
        bound,
        is_gone: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str, name: &str, is_bound: bool) -> CatalogueGroup {
        CatalogueGroup {
            id: id.to_owned(),
            name: name.to_owned(),
            email: None,
            description: String::new(),
            is_bound,
        }
    }

    #[test]
    fn settings_name_groups_by_name_or_id_and_a_star_selects_what_is_bound() {
        let settings = Settings {
            selected: vec!["*".to_owned()],
            addresses: [("Sales".to_owned(), "s@example.com".to_owned())].into(),
            ..Settings::default()
        };
        let known = Known {
            parts: HashMap::new(),
            bindings: BTreeMap::new(),
        };
        let bound = view(&group("g1", "Sales", true), &settings, &known);
        assert_eq!((bound.bound, bound.selected), (Some(BoundBy::JumpCloud), true));
        assert_eq!(bound.address.as_deref(), Some("s@example.com"));
        let free = view(&group("g2", "Ops", false), &settings, &known);
        assert_eq!((free.bound, free.selected), (None, false));
    }
}
