//! Reads the world: the source, the ledger and the target, into the planner's views. A plan, its apply and an
//! explanation read in the same way, or their fingerprints could not agree (R44).
//!
//! A read that falls short is not a failure of the run: it makes that group's view partial, and removals freeze (R42).
//! No decision is taken here, beyond which requests would be useless.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::source::{Directory, SourceDirectory};
use crate::engine::{Session, ends_the_run};
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Binding, BindingState, Membership, Provenance};
use crate::plan::eligibility::{self, Standing};
use crate::plan::model::{
    GroupView, ObservedMember, Reading, Resolution, Sight, SourceGroup, SourceUser, SourceView, TargetRules,
    TargetView, World,
};
use crate::plan::part::{GroupState, Reason};
use crate::plan::{Lookup, SecondReads, lookup};
use crate::target::{TargetDirectory, Wanted};

/// So long after members were written a list may still show what was before; vendors speak of minutes.
const SETTLING_SECONDS: u64 = 600;

/// Which groups to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All that are bound, known to the ledger, or named in the settings.
    Everything,
    /// Exactly these, by source group ID.
    Groups(BTreeSet<String>),
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What all groups share.
    pub world: World,
    /// One view a group, ascending by source group ID.
    pub views: Vec<GroupView>,
    /// Everybody whom the list of people showed: they are not deleted.
    pub(crate) listed: BTreeSet<String>,
}

/// The source's side: groups, who is bound, and what the ledger knows.
pub(crate) struct SourceSide {
    pub(crate) directory: Directory,
    pub(crate) groups: BTreeMap<String, Option<SourceGroup>>,
    pub(crate) bound: BTreeSet<String>,
    /// Why `bound` may lack groups; none where it is whole.
    pub(crate) bound_gap: Option<String>,
    pub(crate) bindings: BTreeMap<String, Binding>,
}

/// The source's half of what was read.
pub(crate) struct SourceHalf {
    pub(crate) side: SourceSide,
    pub(crate) people: People,
    pub(crate) sources: BTreeMap<String, SourceView>,
    pub(crate) lookups: BTreeMap<String, Lookup>,
}

/// The people that a run needs.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) users: BTreeMap<String, SourceUser>,
    /// Those whose own record is gone.
    pub(crate) deleted: BTreeSet<String>,
    /// All whom the list showed, needed or not.
    pub(crate) listed: BTreeSet<String>,
}

impl SourceSide {
    /// Whether a group counts as bound. On a partial read, a group that is managed still counts: its absence from
    /// what was seen proves nothing, and a release must not follow from it.
    pub(crate) fn is_bound(&self, group: &str) -> bool {
        self.bound.contains(group)
            || (self.bound_gap.is_some()
                && self
                    .bindings
                    .get(group)
                    .is_some_and(|binding| binding.state == BindingState::Managed))
    }

    /// Why removals are frozen for a group although its members may be read whole.
    fn frozen(&self, group: &str) -> Option<String> {
        match &self.bound_gap {
            Some(reason) if !self.bound.contains(group) => Some(format!(
                "the list of groups bound to the directory is not whole: {reason}"
            )),
            _ => None,
        }
    }
}

impl<S: SourceDirectory, T: TargetDirectory> Session<'_, S, T> {
    /// Reads the world as far as `scope` goes.
    ///
    /// # Errors
    /// A failure that ends the run: the directory is missing or of another kind, a credential is refused, the host
    /// said no, or a list that everything hangs on could not be read at all.
    pub(crate) async fn observe(&self, scope: &Scope) -> Result<Observed, Failure> {
        let directory = self.read_directory().await?;
        let half = self.observe_source(directory, scope).await?;
        self.observe_target(half, true).await
    }

    /// The source's half of the world, and what is to be looked up in the target.
    pub(crate) async fn observe_source(
        &self,
        directory: Directory,
        scope: &Scope,
    ) -> Result<SourceHalf, Failure> {
        let side = self.read_source_side(directory, scope).await?;
        let desired = self.read_members(&side).await?;
        let needed: BTreeSet<String> = desired
            .values()
            .flat_map(|reading| reading.seen().iter().cloned())
            .collect();
        let people = self.read_users(&side.directory, &needed).await?;
        let sources: BTreeMap<String, SourceView> = side
            .groups
            .keys()
            .map(|id| {
                (
                    id.clone(),
                    source_view(&side, id, desired.get(id), &people.deleted),
                )
            })
            .collect();
        let lookups = sources
            .iter()
            .filter_map(|(id, source)| {
                let found = lookup(id, source, side.bindings.get(id), self.rules, self.settings)?;
                Some((id.clone(), found))
            })
            .collect();
        Ok(SourceHalf {
            side,
            people,
            sources,
            lookups,
        })
    }

    /// The target's half: people, groups, and their members where `with_members`.
    pub(crate) async fn observe_target(
        &self,
        half: SourceHalf,
        with_members: bool,
    ) -> Result<Observed, Failure> {
        let SourceHalf {
            side,
            people,
            sources,
            lookups,
        } = half;
        let People { users, listed, .. } = people;
        let mut recorded: BTreeMap<String, Vec<Membership>> = BTreeMap::new();
        for id in sources.keys().filter(|id| side.bindings.contains_key(*id)) {
            recorded.insert(id.clone(), self.environment.ledger.memberships(id)?);
        }
        let TargetSide {
            resolutions,
            sights,
            mut members,
        } = self.read_target(&side, &lookups, &users, with_members).await?;
        let absent = unlisted(&recorded, &members);
        if !absent.is_empty() {
            self.target.doubt(&absent, &mut members).await;
        }

        let now = self.environment.clock.unix_seconds();
        let mut views = Vec::with_capacity(sources.len());
        for (id, source) in sources {
            let binding = side.bindings.get(&id).cloned();
            let memberships = recorded.remove(&id).unwrap_or_default();
            let sight = sights.get(&id).cloned().unwrap_or_else(|| Sight::Unknown {
                reason: "it was not looked up, since the group is not exported".to_owned(),
            });
            let reading_of = |target: &String| {
                members
                    .get(target)
                    .cloned()
                    .unwrap_or_else(|| unread("its members were not read"))
            };
            views.push(GroupView {
                target: TargetView {
                    members: found_id(&sight)
                        .as_ref()
                        .map_or_else(|| unread("there is no target group to read"), reading_of),
                    moving_from: lookups
                        .get(&id)
                        .map(|lookup| {
                            lookup
                                .old_targets
                                .iter()
                                .map(|target| (target.clone(), reading_of(target)))
                                .collect()
                        })
                        .unwrap_or_default(),
                    sight,
                },
                settling: binding.as_ref().is_some_and(|binding| {
                    binding
                        .details
                        .written_at
                        .is_some_and(|at| now < at.saturating_add(SETTLING_SECONDS))
                }),
                id,
                source,
                binding,
                memberships,
            });
        }
        Ok(Observed {
            world: World {
                rules: self.rules,
                users,
                resolutions,
                text: self.text,
            },
            views,
            listed,
        })
    }

    /// The directory, proven to be there, of the right kind, and not managed by the source's own engine (R35).
    ///
    /// # Errors
    /// [`FailureKind::Configuration`] where it is not; else the failure of the read.
    pub(crate) async fn read_directory(&self) -> Result<Directory, Failure> {
        self.progress("reading-source", 0, None, "the directory");
        let place = format!("directory {}", self.directory);
        let Some(directory) = self.source.directory(self.directory).await? else {
            return Err(Failure::new(
                FailureKind::Configuration,
                place,
                "JumpCloud knows no directory with this ID. Take the ID from JumpCloud's list of directories.",
            ));
        };
        if directory.rules != Some(self.rules) {
            return Err(Failure::new(
                FailureKind::Configuration,
                place,
                format!(
                    "JumpCloud says that “{}” is of the kind `{}`, which is not what this connection exports to. \
                     Choose the target that belongs to the directory.",
                    directory.name, directory.kind
                ),
            ));
        }
        if self.settings.managed && !self.settings.acknowledge && directory.groups_enabled == Some(true) {
            return Err(Failure::new(
                FailureKind::Configuration,
                place,
                format!(
                    "JumpCloud's own group management is still on for “{}”: two engines would fight over its groups. \
                     Switch it off in JumpCloud, or set `acknowledge`.",
                    directory.name
                ),
            ));
        }
        Ok(directory)
    }

    /// Everything but people: directory, groups, who is bound, bindings.
    async fn read_source_side(&self, directory: Directory, scope: &Scope) -> Result<SourceSide, Failure> {
        let bindings: BTreeMap<String, Binding> = self
            .environment
            .ledger
            .bindings()?
            .into_iter()
            .map(|binding| (binding.group.clone(), binding))
            .collect();
        self.progress("reading-source", 0, None, "groups");
        let mut known: BTreeMap<String, SourceGroup> = BTreeMap::new();
        let wanted: BTreeSet<String> = match scope {
            Scope::Everything => {
                let listed = self.source.groups().await?;
                if let Reading::Partial { reason, .. } = &listed {
                    self.warn(&format!(
                        "The list of groups is not whole ({reason}); groups that it lacks are asked for one by one."
                    ));
                }
                known.extend(
                    listed
                        .seen()
                        .iter()
                        .map(|group| (group.id.clone(), group.clone())),
                );
                BTreeSet::new()
            }
            Scope::Groups(groups) => groups.clone(),
        };
        for id in &wanted {
            if let Some(group) = self.source.group(id).await? {
                known.insert(id.clone(), group);
            }
        }
        let (mut bound, bound_gap) = match &self.settings.bound {
            Some(list) => (
                known
                    .values()
                    .filter(|group| names(list, group))
                    .map(|group| group.id.clone())
                    .collect(),
                None,
            ),
            None => match self.source.bound_groups(&directory).await? {
                Reading::Complete(whole) => (whole.get().clone(), None),
                Reading::Partial { seen, reason } => (seen, Some(reason)),
            },
        };
        let mut ids: BTreeSet<String> = match scope {
            Scope::Groups(groups) => groups.clone(),
            Scope::Everything => bindings.keys().chain(&bound).cloned().collect(),
        };
        if matches!(scope, Scope::Everything) {
            // A group that somebody prepared for export, and that only lacks its binding, is shown with that reason.
            ids.extend(
                known
                    .values()
                    .filter(|group| match self.rules {
                        TargetRules::Addressed => {
                            eligibility::email(self.settings, self.rules, group).is_some()
                        }
                        TargetRules::Named => names(&self.settings.selected, group),
                    })
                    .map(|group| group.id.clone()),
            );
        }
        let mut groups = BTreeMap::new();
        for id in ids {
            let group = match known.remove(&id) {
                Some(group) => Some(group),
                // A list never proves that a group is gone: only its own record does (R32).
                None if wanted.contains(&id) => None,
                None => self.source.group(&id).await?,
            };
            if group.is_none() && !bindings.contains_key(&id) {
                // Bound, but gone, and never exported: there is nothing to say of it.
                continue;
            }
            if let (Some(list), Some(group)) = (&self.settings.bound, &group)
                && names(list, group)
            {
                bound.insert(id.clone());
            }
            groups.insert(id, group);
        }
        Ok(SourceSide {
            directory,
            groups,
            bound,
            bound_gap,
            bindings,
        })
    }

    /// The members of the groups that are exported, and of those whose people are at risk (R34); of no others.
    async fn read_members(
        &self,
        side: &SourceSide,
    ) -> Result<BTreeMap<String, Reading<BTreeSet<String>>>, Failure> {
        let worth_reading: Vec<String> = side
            .groups
            .keys()
            .filter(|id| self.is_worth_reading(side, id))
            .cloned()
            .collect();
        if worth_reading.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.progress(
            "reading-source",
            0,
            Some(worth_reading.len()),
            "members of groups",
        );
        let mut members = self.source.many_members(&worth_reading).await?;
        for (group, reading) in &mut members {
            if let (Some(reason), Reading::Complete(_)) = (side.frozen(group), &*reading) {
                let seen = reading.seen().clone();
                *reading = Reading::Partial { seen, reason };
            }
        }
        Ok(members)
    }

    fn is_worth_reading(&self, side: &SourceSide, id: &str) -> bool {
        // Judged as if somebody were in it: whether somebody is, only reading tells.
        let somebody = Reading::Partial {
            seen: BTreeSet::from(["somebody".to_owned()]),
            reason: "not read yet".to_owned(),
        };
        let source = source_view(side, id, Some(&somebody), &BTreeSet::new());
        match eligibility::assess(&source, side.bindings.get(id), self.rules, self.settings) {
            Standing::Export(_) => true,
            Standing::Stopped(stopped) => stopped.state == GroupState::AtRisk,
        }
    }

    /// The records of the people needed, and those of them whose own record is gone.
    pub(crate) async fn read_users(
        &self,
        directory: &Directory,
        needed: &BTreeSet<String>,
    ) -> Result<People, Failure> {
        let mut deleted = BTreeSet::new();
        if needed.is_empty() {
            return Ok(People::default());
        }
        self.progress("reading-source", 0, Some(needed.len()), "people");
        let list = self.source.users(directory).await?;
        let listed = list.seen().iter().map(|user| user.id.clone()).collect();
        let mut users: BTreeMap<String, SourceUser> = list
            .seen()
            .iter()
            .filter(|user| needed.contains(&user.id))
            .map(|user| (user.id.clone(), user.clone()))
            .collect();
        for id in needed {
            if users.contains_key(id) {
                continue;
            }
            match self.source.user(id).await {
                Ok(Some(user)) => {
                    users.insert(id.clone(), user);
                }
                Ok(None) => {
                    deleted.insert(id.clone());
                }
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => self.warn(&format!("The person {id} could not be read: {failure}")),
            }
        }
        Ok(People {
            users,
            deleted,
            listed,
        })
    }

    async fn read_target(
        &self,
        side: &SourceSide,
        lookups: &BTreeMap<String, Lookup>,
        users: &BTreeMap<String, SourceUser>,
        with_members: bool,
    ) -> Result<TargetSide, Failure> {
        let mut found = TargetSide::default();
        if lookups.is_empty() {
            return Ok(found);
        }
        if !users.is_empty() {
            self.progress("reading-target", 0, Some(users.len()), "people");
            let people: Vec<SourceUser> = users.values().cloned().collect();
            found.resolutions = self.target.resolve(&people).await?;
        }
        self.progress("reading-target", 0, Some(lookups.len()), "groups");
        found.sights = self.look_up_targets(side, lookups).await?;
        let targets: BTreeSet<String> = found
            .sights
            .values()
            .filter_map(found_id)
            .chain(
                lookups
                    .values()
                    .flat_map(|lookup| lookup.old_targets.iter().cloned()),
            )
            .collect();
        if with_members && !targets.is_empty() {
            self.progress("reading-target", 0, Some(targets.len()), "members of groups");
            let targets: Vec<String> = targets.into_iter().collect();
            found.members = self.target.members(&targets).await;
        }
        Ok(found)
    }

    async fn look_up_targets(
        &self,
        side: &SourceSide,
        lookups: &BTreeMap<String, Lookup>,
    ) -> Result<BTreeMap<String, Sight>, Failure> {
        // R51: what one source group is bound to, or is still being moved away from, is nobody's candidate.
        let held: BTreeSet<String> = side
            .bindings
            .values()
            .flat_map(|binding| binding.target.iter().chain(binding.details.moving_from.keys()))
            .cloned()
            .collect();
        let wanted: Vec<Wanted> = lookups.values().map(|lookup| lookup.wanted.clone()).collect();
        let mut sights = self.target.look_up(&wanted, &held).await?;
        if self.rules == TargetRules::Addressed {
            for wanted in wanted {
                let renamed = side.bindings.get(&wanted.group).is_some_and(|binding| {
                    binding.target == wanted.bound && binding.target.is_some() && binding.key != wanted.key
                });
                if renamed {
                    self.look_where_a_rename_leads(wanted, &held, &mut sights).await?;
                }
            }
        }
        Ok(sights)
    }

    /// R16 with R18: the address that a group is to be renamed to must be free.
    async fn look_where_a_rename_leads(
        &self,
        wanted: Wanted,
        held: &BTreeSet<String>,
        sights: &mut BTreeMap<String, Sight>,
    ) -> Result<(), Failure> {
        let own = wanted.bound.clone();
        let free = Wanted {
            bound: None,
            ..wanted
        };
        let blocked = match self
            .target
            .look_up(std::slice::from_ref(&free), held)
            .await?
            .remove(&free.group)
        {
            Some(Sight::Takeover(group) | Sight::Bound(group)) if Some(&group.id) != own.as_ref() => {
                Some(Sight::Blocked {
                    conflict: true,
                    reason: Reason::new(
                        "address-taken",
                        format!(
                            "The group cannot be renamed to {}: another group has that address. Free it, or choose another.",
                            free.key
                        ),
                    ),
                })
            }
            Some(blocked @ Sight::Blocked { .. }) => {
                // An alias of the very group that is renamed is its own.
                let is_own = match &own {
                    Some(own) => self.target.leads_to(&free.key, own).await,
                    None => false,
                };
                (!is_own).then_some(blocked)
            }
            Some(unknown @ Sight::Unknown { .. }) => Some(unknown),
            _ => None,
        };
        if let Some(blocked) = blocked {
            sights.insert(free.group, blocked);
        }
        Ok(())
    }

    /// The second, agreeing read that removals need (R42), and the records of people who may be gone (R49): for the
    /// groups and people that `reads` names, and no others.
    pub(crate) async fn confirm(
        &self,
        observed: &mut Observed,
        reads: &BTreeMap<String, SecondReads>,
    ) -> Result<(), Failure> {
        let groups: Vec<String> = reads
            .iter()
            .filter(|(_, reads)| reads.list || !reads.users.is_empty())
            .map(|(group, _)| group.clone())
            .collect();
        let mut again = BTreeMap::new();
        if !groups.is_empty() {
            self.progress(
                "verifying",
                0,
                Some(groups.len()),
                "members of groups, a second time",
            );
            again = self.source.many_members(&groups).await?;
        }
        let people: BTreeSet<&String> = reads
            .values()
            .flat_map(|reads| reads.users.iter().chain(&reads.records))
            // Whoever shows in the list of people is not deleted.
            .filter(|user| !observed.listed.contains(*user))
            .collect();
        let deleted = self.read_deleted(&people).await?;
        for view in &mut observed.views {
            let Some(reads) = reads.get(&view.id) else {
                continue;
            };
            view.source.deleted_users.extend(
                reads
                    .users
                    .iter()
                    .chain(&reads.records)
                    .filter(|user| deleted.contains(*user))
                    .cloned(),
            );
            if let Some(Reading::Complete(second)) = again.remove(&view.id) {
                view.source.absent_again =
                    Some(second.map(|seen| reads.users.difference(&seen).cloned().collect()));
            }
        }
        Ok(())
    }

    /// Those of some people whose own record is gone.
    async fn read_deleted(&self, people: &BTreeSet<&String>) -> Result<BTreeSet<String>, Failure> {
        let mut deleted = BTreeSet::new();
        for (done, user) in people.iter().enumerate() {
            if done % 100 == 0 {
                self.progress("verifying", done, Some(people.len()), "people who may be gone");
            }
            match self.source.user(user).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    deleted.insert((*user).clone());
                }
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => self.warn(&format!("The person {user} could not be read: {failure}")),
            }
        }
        Ok(deleted)
    }
}

/// The target's side of what was read.
#[derive(Default)]
struct TargetSide {
    resolutions: BTreeMap<String, Resolution>,
    sights: BTreeMap<String, Sight>,
    /// By target ID.
    members: BTreeMap<String, Reading<Vec<ObservedMember>>>,
}

/// Members of ours, by target ID, whom a list that claims to be whole lacks.
fn unlisted(
    recorded: &BTreeMap<String, Vec<Membership>>,
    members: &BTreeMap<String, Reading<Vec<ObservedMember>>>,
) -> BTreeMap<String, BTreeSet<String>> {
    let listed: BTreeMap<&str, BTreeSet<&str>> = members
        .iter()
        .filter_map(|(target, reading)| {
            let whole = reading.complete()?.get();
            let ids = whole.iter().map(|member| member.principal.id.as_str()).collect();
            Some((target.as_str(), ids))
        })
        .collect();
    let mut absent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in recorded.values().flatten() {
        let lacks = listed
            .get(row.target.as_str())
            .is_some_and(|ids| !ids.contains(row.principal.as_str()));
        if lacks && row.provenance != Provenance::Foreign {
            absent
                .entry(row.target.clone())
                .or_default()
                .insert(row.principal.clone());
        }
    }
    absent
}

fn source_view(
    side: &SourceSide,
    id: &str,
    users: Option<&Reading<BTreeSet<String>>>,
    deleted: &BTreeSet<String>,
) -> SourceView {
    let users = users.cloned().unwrap_or_else(|| Reading::Partial {
        seen: BTreeSet::new(),
        reason: "its users were not read, since the group is not exported".to_owned(),
    });
    SourceView {
        group: side.groups.get(id).cloned().flatten(),
        bound: side.is_bound(id),
        deleted_users: users.seen().intersection(deleted).cloned().collect(),
        users,
        absent_again: None,
    }
}

/// Whether a list of names or IDs names this group; names match code point for code point.
pub(crate) fn names(list: &[String], group: &SourceGroup) -> bool {
    list.iter()
        .any(|entry| *entry == group.id || *entry == group.name)
}

fn unread(reason: &str) -> Reading<Vec<ObservedMember>> {
    Reading::Partial {
        seen: Vec::new(),
        reason: reason.to_owned(),
    }
}

/// The ID of the group that a look-up found.
pub(crate) fn found_id(sight: &Sight) -> Option<String> {
    match sight {
        Sight::Bound(group) | Sight::Takeover(group) => Some(group.id.clone()),
        Sight::BoundMissing | Sight::Nothing { .. } | Sight::Blocked { .. } | Sight::Unknown { .. } => None,
    }
}
