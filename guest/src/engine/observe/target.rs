//! The target's half of the world: how people are found there, the groups, and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use super::people::{Members, Row};
use super::source::SourceHalf;
use super::{Observed, found_id};
use crate::engine::Session;
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::ledger::Provenance;
use crate::names::Name;
use crate::plan::model::{Reading, Sight, SourceUser, TargetRules};
use crate::plan::part::Reason;
use crate::target::{Doubt, TargetDirectory, Wanted};

/// Members that a directory is asked for at a time, when it is doubted that they are gone.
const DOUBTED_AT_ONCE: usize = 1_000;

impl<S: SourceDirectory, T: TargetDirectory> Session<'_, S, T> {
    /// The target's half: people, groups, and their members where `with_members`.
    pub(crate) async fn observe_target(
        &self,
        half: SourceHalf,
        with_members: bool,
    ) -> Result<Observed, Failure> {
        let mut observed = Observed::of(half, self.rules, self.text);
        if !observed.half.lookups.is_empty() {
            self.resolve_people(&mut observed.half, 0).await?;
            let lookups = observed.half.lookups.len();
            self.progress("reading-target", 0, Some(lookups), "groups");
            observed.sights = self.look_up_targets(&observed.half).await?;
            if with_members {
                self.read_target_members(&mut observed).await;
            }
        }
        self.read_ledger(&mut observed)?;
        self.doubt_absence(&mut observed).await;
        observed.now = self.environment.clock.unix_seconds();
        Ok(observed)
    }

    /// Looks people up in the target: up to `few` of them one by one, more in one reading of everybody.
    pub(super) async fn resolve_people(&self, half: &mut SourceHalf, few: usize) -> Result<(), Failure> {
        let people: Vec<SourceUser> = half
            .people
            .in_order(&half.names)
            .into_iter()
            .filter_map(|name| half.people.user(name, &half.names))
            .collect();
        if people.is_empty() {
            return Ok(());
        }
        self.progress("reading-target", 0, Some(people.len()), "people");
        let resolutions = if people.len() > few {
            self.target.resolve(&people).await?
        } else {
            self.target.resolve_few(&people).await?
        };
        drop(people);
        half.people.resolve(resolutions, &mut half.names);
        Ok(())
    }

    pub(super) async fn look_up_targets(
        &self,
        half: &SourceHalf,
    ) -> Result<BTreeMap<String, Sight>, Failure> {
        // R51: what one source group is bound to, or is still being moved away from, is nobody's candidate.
        let held: BTreeSet<String> = half
            .side
            .bindings
            .values()
            .flat_map(|binding| binding.target.iter().chain(binding.details.moving_from.keys()))
            .cloned()
            .collect();
        let wanted: Vec<Wanted> = half
            .lookups
            .values()
            .map(|lookup| lookup.wanted.clone())
            .collect();
        let mut sights = self.target.look_up(&wanted, &held).await?;
        if self.rules == TargetRules::Addressed {
            let renamed: Vec<Wanted> = wanted
                .into_iter()
                .filter(|wanted| {
                    half.side.bindings.get(&wanted.group).is_some_and(|binding| {
                        binding.target == wanted.bound
                            && binding.target.is_some()
                            && binding.key != wanted.key
                    })
                })
                .collect();
            self.look_where_renames_lead(renamed, &held, &mut sights).await?;
        }
        Ok(sights)
    }

    /// R16 with R18: the addresses that groups are to be renamed to must be free.
    async fn look_where_renames_lead(
        &self,
        renamed: Vec<Wanted>,
        held: &BTreeSet<String>,
        sights: &mut BTreeMap<String, Sight>,
    ) -> Result<(), Failure> {
        if renamed.is_empty() {
            return Ok(());
        }
        let (own, free): (Vec<Option<String>>, Vec<Wanted>) = renamed
            .into_iter()
            .map(|wanted| {
                (
                    wanted.bound.clone(),
                    Wanted {
                        bound: None,
                        ..wanted
                    },
                )
            })
            .unzip();
        let mut found = self.target.look_up(&free, held).await?;
        for (own, free) in own.into_iter().zip(free) {
            let blocked = match found.remove(&free.group) {
                Some(Sight::Takeover(group) | Sight::Bound(group)) if Some(&group.id) != own.as_ref() => {
                    Some(Sight::Blocked {
                        conflict: true,
                        reason: Reason::new(
                            "address-taken",
                            format!(
                                "The group cannot be renamed to {}: another group has that address. Free it, or choose \
                                 another.",
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
        }
        Ok(())
    }

    pub(super) async fn read_target_members(&self, observed: &mut Observed) {
        let targets: BTreeSet<String> = observed
            .sights
            .values()
            .filter_map(found_id)
            .chain(
                observed
                    .half
                    .lookups
                    .values()
                    .flat_map(|lookup| lookup.old_targets.iter().cloned()),
            )
            .collect();
        if targets.is_empty() {
            return;
        }
        self.progress("reading-target", 0, Some(targets.len()), "members of groups");
        let targets: Vec<String> = targets.into_iter().collect();
        self.read_members_of(observed, &targets).await;
    }

    /// Reads the members of targets; they take the place of what was read of these targets before.
    pub(crate) async fn read_members_of(&self, observed: &mut Observed, targets: &[String]) {
        let members = self.members_now(observed, targets).await;
        observed.members.extend(members);
    }

    /// The members of targets as they are now; what was read before stays beside it.
    pub(crate) async fn members_now(
        &self,
        observed: &mut Observed,
        targets: &[String],
    ) -> BTreeMap<String, Reading<Members>> {
        let names = &mut observed.half.names;
        let mut members = BTreeMap::new();
        self.target
            .members(targets, &mut |target, reading| {
                let kept = reading.map(|list| Members::keep(&list, names));
                members.insert(target.to_owned(), kept);
            })
            .await;
        members
    }

    pub(super) fn read_ledger(&self, observed: &mut Observed) -> Result<(), Failure> {
        let half = &mut observed.half;
        for id in half.side.groups.keys() {
            if half.side.bindings.contains_key(id) {
                let rows = self.environment.ledger.memberships(id)?;
                let mut rows: Vec<Row> = rows.iter().map(|row| Row::keep(row, &mut half.names)).collect();
                rows.sort_unstable_by_key(Row::key);
                observed.rows.insert(id.clone(), rows);
            }
        }
        Ok(())
    }

    /// Members of ours whom a list lacks that claims to be whole: such a list is doubted.
    pub(super) async fn doubt_absence(&self, observed: &mut Observed) {
        let absent = unlisted(observed);
        for chunk in absent.chunks(DOUBTED_AT_ONCE) {
            let names = &observed.half.names;
            let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (target, principal) in chunk {
                asked
                    .entry(names.owned(*target))
                    .or_default()
                    .insert(names.owned(*principal));
            }
            for (target, Doubt { there, reason }) in self.target.doubt(&asked).await {
                if let Some(reading) = observed.members.remove(&target) {
                    let seen = reading.into_seen().with(&there, &mut observed.half.names);
                    observed.members.insert(target, Reading::Partial { seen, reason });
                }
            }
        }
    }
}

/// Memberships of ours (target, principal) whom a list that claims to be whole lacks; ascending by target.
fn unlisted(observed: &Observed) -> Vec<(Name, Name)> {
    let names = &observed.half.names;
    let mut absent: Vec<(Name, Name)> = observed
        .rows
        .values()
        .flatten()
        .filter(|row| row.provenance != Provenance::Foreign)
        .filter(|row| {
            observed
                .members
                .get(names.text(row.target))
                .and_then(Reading::complete)
                .is_some_and(|list| list.get().find(row.principal).is_none())
        })
        .map(|row| (row.target, row.principal))
        .collect();
    absent.sort_unstable_by_key(|(target, principal)| (names.text(*target), names.text(*principal)));
    absent.dedup();
    absent
}
