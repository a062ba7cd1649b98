//! The phases of an apply across all its groups. What is sent and how it is settled is [`super::sending`].

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::effects;
use crate::apply::packed::{Packed, Packing, Place};
use crate::engine::Session;
use crate::engine::answers::Report;
use crate::engine::observe::Observed;
use crate::engine::observe::people::{Member, Members};
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::ledger::{Binding, Effect};
use crate::plan::model::{Reading, Role, TargetGroup};
use crate::plan::part::Operation;
use crate::target::TargetDirectory;

/// Changes to the ledger alone in one transaction at most.
const AMENDED_AT_ONCE: usize = 1_000;

/// One approved operation on its way.
pub(super) struct Task {
    /// Index of its part.
    pub(super) part: usize,
    /// The operation in numbers.
    pub(super) packing: Packing,
    /// The operation as it was approved.
    pub(super) operation: Operation,
    /// The group written to; none for a creation.
    pub(super) target: Option<String>,
}

/// How far a part got with the group itself.
#[derive(Default)]
pub(super) struct Progress {
    /// IDs of the groups that it created, by key.
    pub(super) created: BTreeMap<String, String>,
    /// A creation that did not happen: nothing else of the part can.
    pub(super) without_group: bool,
    /// An update that did not happen: the source's name is not recorded as applied.
    pub(super) not_updated: bool,
}

pub(super) struct Worker<'w, 's, S, T> {
    pub(super) session: &'w Session<'s, S, T>,
    pub(super) parts: &'w [Packed],
    pub(super) progress: Vec<Progress>,
    /// The world as it was read; the ledger's and the targets' members among it.
    pub(super) observed: Observed,
    /// Target groups as they were read, by ID.
    pub(super) groups: BTreeMap<String, TargetGroup>,
    pub(super) bindings: BTreeMap<String, Binding>,
    pub(super) report: &'w mut Report,
    /// The last reason why something was not sent after all retries; the run then ends as unfinished.
    pub(super) unfinished: Option<Failure>,
}

/// Carries out parts whose groups did not move.
pub(super) async fn carry_out<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    parts: &[Packed],
    observed: Observed,
    report: &mut Report,
) -> Result<(), Failure> {
    let bindings = observed.bindings();
    let mut worker = Worker {
        session,
        parts,
        progress: parts.iter().map(|_| Progress::default()).collect(),
        groups: observed
            .targets()
            .map(|group| (group.id.clone(), group.clone()))
            .collect(),
        bindings: observed
            .ids()
            .filter_map(|id| Some((id.to_owned(), bindings.get(id)?.clone())))
            .collect(),
        observed,
        report,
        unfinished: None,
    };
    worker.read_missing_members().await;
    worker.departures_phase().await?;
    worker.groups_phase().await?;
    worker.ties_phase()?;
    worker.additions_phase().await?;
    worker.removals_phase().await?;
    match worker.unfinished {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

impl<S: SourceDirectory, T: TargetDirectory> Worker<'_, '_, S, T> {
    /// Members of targets that operations name and that the reading does not have, such as those of a part that undoes.
    async fn read_missing_members(&mut self) {
        let names = self.observed.names();
        let named: BTreeSet<&str> = self
            .operations()
            .filter(|(_, packing)| packing.is_about_a_member())
            .filter_map(|(_, packing)| match packing.group() {
                Some(Place::Id(target)) => Some(names.text(target)),
                _ => None,
            })
            .collect();
        let missing: Vec<String> = named
            .into_iter()
            .filter(|target| self.observed.members(target).is_none())
            .map(str::to_owned)
            .collect();
        if !missing.is_empty() {
            self.session.read_members_of(&mut self.observed, &missing).await;
        }
    }

    /// R49: people whose own record says that they are gone, or suspended, leave before anything else happens.
    async fn departures_phase(&mut self) -> Result<(), Failure> {
        let nobody = BTreeMap::new();
        self.perform_all(
            Packing::departs,
            "removing people who are gone",
            |worker, task| worker.may_remove(task, &nobody),
        )
        .await
    }

    /// Creations and updates.
    async fn groups_phase(&mut self) -> Result<(), Failure> {
        let mut creations = Vec::new();
        let parts = self.parts;
        for (index, part) in parts.iter().enumerate() {
            for packing in &part.operations {
                let Packing::Create { key, .. } = packing else {
                    continue;
                };
                let key = self.observed.names().owned(*key);
                // Settled by an earlier apply of this very part, or by reading back after a crash.
                if let Some(target) = self.bound_under(&part.rest.group.id, &key) {
                    self.set_created(index, &key, target);
                    self.report.applied += 1;
                } else {
                    creations.extend(self.task(index, *packing));
                }
            }
        }
        // An update of a group that the same part creates needs the ID: creations first.
        let total = creations.len();
        let mut creations = creations.into_iter();
        self.perform(total, "creating groups", |_| creations.next())
            .await?;
        let updates = |packing: &Packing| matches!(packing, Packing::Update { .. });
        self.perform_all(updates, "updating groups", |_, _| true).await
    }

    /// Ties and provenance: durable before anybody is added, so that whatever happens next, the group is known by its
    /// ID (R20, R25) and what it still has to be moved away from is not forgotten (R15).
    fn ties_phase(&mut self) -> Result<(), Failure> {
        let ledger = self.session.environment.ledger;
        let mut batch: Vec<Effect> = Vec::new();
        for (part, progress) in self.parts.iter().zip(&self.progress) {
            if progress.without_group {
                continue;
            }
            let group = &part.rest.group.id;
            let created = progress.created.values().next().map(String::as_str);
            if let Some(mut binding) = effects::binding(&part.rest, created)? {
                if progress.not_updated {
                    // The next plan must see that the group still has its old name.
                    binding.details.name = self
                        .bindings
                        .get(group)
                        .map(|earlier| earlier.details.name.clone())
                        .unwrap_or_default();
                }
                let earlier = self.bindings.get(group);
                binding.details.written_at = earlier.and_then(|earlier| earlier.details.written_at);
                binding.details.latest = earlier.and_then(|earlier| earlier.details.latest);
                if earlier != Some(&binding) {
                    batch.push(Effect::Bind(binding.clone()));
                    self.bindings.insert(group.clone(), binding);
                }
            }
            // An amendment is one transaction: a part with more than fits is split, its tie first.
            for note in part.records(self.observed.names()) {
                batch.extend(effects::of_note(group, note));
                if batch.len() >= AMENDED_AT_ONCE {
                    ledger.amend(&batch)?;
                    batch.clear();
                }
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        ledger.amend(&batch)
    }

    async fn additions_phase(&mut self) -> Result<(), Failure> {
        self.perform_all(Packing::is_addition, "adding members", |_, _| true)
            .await
    }

    async fn removals_phase(&mut self) -> Result<(), Failure> {
        let arrived = self.arrivals().await;
        let others = |packing: &Packing| packing.is_removal() && !packing.departs();
        self.perform_all(others, "removing members", |worker, task| {
            worker.may_remove(task, &arrived)
        })
        .await
    }

    /// R15: who is in the new group, read after the additions, for each part that moves people.
    async fn arrivals(&mut self) -> BTreeMap<usize, Members> {
        let moving: BTreeSet<usize> = self
            .operations()
            .filter(|(index, packing)| packing.moves() && self.aim(*index, packing).is_some())
            .map(|(index, _)| index)
            .collect();
        let homes: BTreeMap<usize, String> = moving
            .into_iter()
            .filter_map(|index| Some((index, self.home(index)?)))
            .collect();
        let targets: BTreeSet<&String> = homes.values().collect();
        let targets: Vec<String> = targets.into_iter().cloned().collect();
        if targets.is_empty() {
            return BTreeMap::new();
        }
        self.session
            .progress("verifying", 0, Some(targets.len()), "members who were moved");
        let read = self.session.members_now(&mut self.observed, &targets).await;
        homes
            .into_iter()
            .map(|(index, target)| {
                let present = read.get(&target).map(|reading| reading.seen().clone());
                (index, present.unwrap_or_default())
            })
            .collect()
    }

    fn may_remove(&self, task: &Task, arrived: &BTreeMap<usize, Members>) -> bool {
        let Packing::Remove {
            principal, address, ..
        } = task.packing
        else {
            return false;
        };
        let address = self.observed.names().text(address);
        if task.packing.moves()
            && arrived
                .get(&task.part)
                .is_none_or(|present| present.find(principal).is_none())
        {
            self.session.warn(&format!(
                "{address} stays in the earlier group: the new one does not show them yet. The next run moves them."
            ));
            return false;
        }
        let raised = self
            .members(task)
            .and_then(|reading| reading.seen().find(principal))
            .map(Member::role)
            .is_some_and(|role| role != Role::Member);
        if raised {
            // R39: promoted since the plan was made.
            self.session.warn(&format!(
                "{address} is now an owner or manager of the group and was not removed."
            ));
        }
        !raised
    }

    /// Performs all operations of a kind, in the order of the parts, but for those whose group never came to be and those
    /// that `may` refuses.
    async fn perform_all(
        &mut self,
        wanted: impl Fn(&Packing) -> bool,
        what: &str,
        may: impl Fn(&Self, &Task) -> bool,
    ) -> Result<(), Failure> {
        let total = self.operations().filter(|(_, packing)| wanted(packing)).count();
        let parts = self.parts;
        let mut operations = parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| part.operations.iter().map(move |packing| (index, *packing)));
        self.perform(total, what, |worker| {
            operations
                .by_ref()
                .filter(|(_, packing)| wanted(packing))
                .filter_map(|(index, packing)| worker.task(index, packing))
                .find(|task| may(worker, task))
        })
        .await
    }

    fn operations(&self) -> impl Iterator<Item = (usize, &Packing)> {
        self.parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| part.operations.iter().map(move |packing| (index, packing)))
    }

    /// The task of an operation; none where its group never came to be.
    fn task(&self, part: usize, packing: Packing) -> Option<Task> {
        let target = match packing {
            Packing::Create { .. } => None,
            _ => Some(self.aim(part, &packing)?),
        };
        Some(Task {
            part,
            packing,
            operation: packing.whole(self.observed.names()),
            target,
        })
    }

    /// The ID of the group that an operation writes to; none where it never came to be.
    fn aim(&self, part: usize, packing: &Packing) -> Option<String> {
        let names = self.observed.names();
        match packing.group()? {
            Place::Id(target) => Some(names.owned(target)),
            Place::New(key) => {
                let key = names.text(key);
                let created = self.progress.get(part)?.created.get(key).cloned();
                created.or_else(|| self.bound_under(&self.parts.get(part)?.rest.group.id, key))
            }
        }
    }

    /// The target that a part's group has now.
    fn home(&self, index: usize) -> Option<String> {
        let created = self.progress.get(index)?.created.values().next().cloned();
        created.or_else(|| self.parts.get(index)?.rest.target.as_ref()?.id.clone())
    }

    fn bound_under(&self, group: &str, key: &str) -> Option<String> {
        self.bindings
            .get(group)
            .filter(|binding| binding.key == key)
            .and_then(|binding| binding.target.clone())
    }

    pub(super) fn set_created(&mut self, index: usize, key: &str, target: String) {
        if let Some(progress) = self.progress.get_mut(index) {
            progress.created.insert(key.to_owned(), target);
        }
    }

    /// The members of a task's group, as they were read.
    pub(super) fn members(&self, task: &Task) -> Option<&Reading<Members>> {
        self.observed.members(task.target.as_deref()?)
    }

    /// The source group of a task.
    pub(super) fn group(&self, task: &Task) -> &str {
        self.parts
            .get(task.part)
            .map_or("", |part| part.rest.group.id.as_str())
    }
}
