//! The phases of an apply across all its groups, and the one way in which anything is written: intend, write, settle.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::effects::{self, Recorded};
use crate::engine::Session;
use crate::engine::answers::Report;
use crate::engine::observe::{Excerpt, Observed, found_id};
use crate::engine::source::SourceDirectory;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Binding, Effect, Intent, Outcome, Settlement};
use crate::plan::model::{ObservedMember, Reading, Role, Sight, TargetGroup};
use crate::plan::part::{GroupRef, Operation, Part, RemovalReason};
use crate::target::{TargetDirectory, Write, WriteResult};

/// Writes between two stops: what a crash leaves to be read back, and how soon a stop takes hold. The ledger takes up to
/// 1,000 at once; fewer keep both small at the price of a few more transactions.
const CHUNK: usize = 200;

/// One approved operation on its way.
struct Task {
    /// Index of its part.
    part: usize,
    operation: Operation,
    /// The group written to; none for a creation.
    target: Option<String>,
}

/// How far a part got with the group itself.
#[derive(Default)]
struct Progress {
    /// IDs of the groups that it created, by key.
    created: BTreeMap<String, String>,
    /// A creation that did not happen: nothing else of the part can.
    without_group: bool,
    /// An update that did not happen: the source's name is not recorded as applied.
    not_updated: bool,
}

struct Worker<'w, 's, S, T> {
    session: &'w Session<'s, S, T>,
    parts: &'w [Part],
    progress: Vec<Progress>,
    /// Target groups as they were read, by ID.
    groups: BTreeMap<String, TargetGroup>,
    /// Target members as they were read, by target ID.
    members: BTreeMap<String, Reading<Vec<ObservedMember>>>,
    recorded: Recorded,
    bindings: BTreeMap<String, Binding>,
    report: &'w mut Report,
    /// The last reason why something was not sent after all retries; the run then ends as unfinished.
    unfinished: Option<Failure>,
}

/// Carries out parts whose groups did not move.
pub(super) async fn carry_out<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    parts: Vec<Part>,
    observed: &Observed,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut worker = Worker {
        session,
        parts: &parts,
        progress: parts.iter().map(|_| Progress::default()).collect(),
        groups: BTreeMap::new(),
        members: BTreeMap::new(),
        recorded: Recorded::new(),
        bindings: BTreeMap::new(),
        report,
        unfinished: None,
    };
    worker.remember(observed);
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
    fn remember(&mut self, observed: &Observed) {
        let excerpts = observed.ids().filter_map(|id| observed.excerpt(id));
        for Excerpt { view, .. } in excerpts {
            if let Some(binding) = &view.binding {
                self.bindings.insert(view.id.clone(), binding.clone());
            }
            for membership in &view.memberships {
                self.recorded.insert(
                    (
                        view.id.clone(),
                        membership.target.clone(),
                        membership.principal.clone(),
                    ),
                    membership.provenance,
                );
            }
            if let Sight::Bound(group) | Sight::Takeover(group) = &view.target.sight {
                self.groups.insert(group.id.clone(), group.clone());
            }
            if let Some(target) = found_id(&view.target.sight) {
                self.members.insert(target, view.target.members.clone());
            }
            for (target, reading) in &view.target.moving_from {
                self.members.insert(target.clone(), reading.clone());
            }
        }
    }

    /// Creations and updates.
    async fn groups_phase(&mut self) -> Result<(), Failure> {
        let mut tasks = Vec::new();
        let parts = self.parts;
        for (index, part) in parts.iter().enumerate() {
            for operation in &part.operations {
                match operation {
                    Operation::CreateGroup { key, .. } => {
                        // Settled by an earlier apply of this very part, or by reading back after a crash.
                        if let Some(target) = self.bound_under(&part.group.id, key) {
                            self.set_created(index, key, target);
                            self.report.applied += 1;
                        } else {
                            tasks.push(Task {
                                part: index,
                                operation: operation.clone(),
                                target: None,
                            });
                        }
                    }
                    Operation::UpdateGroup { .. } => tasks.push(Task {
                        part: index,
                        operation: operation.clone(),
                        target: None,
                    }),
                    Operation::AddMember { .. } | Operation::RemoveMember { .. } => {}
                }
            }
        }
        // An update of a group that the same part creates needs the ID: creations first.
        let (creations, mut updates): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|task| matches!(task.operation, Operation::CreateGroup { .. }));
        self.perform(creations, "creating groups").await?;
        self.aim(&mut updates);
        self.perform(updates, "updating groups").await
    }

    /// Ties and provenance: durable before anybody is added, so that whatever happens next, the group is known by its
    /// ID (R20, R25) and what it still has to be moved away from is not forgotten (R15).
    fn ties_phase(&mut self) -> Result<(), Failure> {
        let mut batch: Vec<Effect> = Vec::new();
        for (part, progress) in self.parts.iter().zip(&self.progress) {
            if progress.without_group {
                continue;
            }
            let created = progress.created.values().next().map(String::as_str);
            if let Some(mut binding) = effects::binding(part, created)? {
                if progress.not_updated {
                    // The next plan must see that the group still has its old name.
                    binding.details.name = self
                        .bindings
                        .get(&part.group.id)
                        .map(|earlier| earlier.details.name.clone())
                        .unwrap_or_default();
                }
                binding.details.written_at = self
                    .bindings
                    .get(&part.group.id)
                    .and_then(|earlier| earlier.details.written_at);
                if self.bindings.get(&part.group.id) != Some(&binding) {
                    batch.push(Effect::Bind(binding.clone()));
                    self.bindings.insert(part.group.id.clone(), binding);
                }
            }
            batch.extend(effects::of_notes(part));
            // An amendment is one transaction of at most 1,000: a part with more is split, its tie first.
        }
        for chunk in batch.chunks(1_000) {
            self.session.environment.ledger.amend(chunk)?;
        }
        Ok(())
    }

    /// Members of targets that operations name and that the views did not read, such as those of a part that undoes.
    async fn read_missing_members(&mut self) {
        let missing: BTreeSet<String> = self
            .parts
            .iter()
            .flat_map(|part| &part.operations)
            .filter_map(|operation| match operation {
                Operation::AddMember {
                    group: GroupRef::Id(target),
                    ..
                }
                | Operation::RemoveMember {
                    group: GroupRef::Id(target),
                    ..
                } => Some(target),
                _ => None,
            })
            .filter(|target| !self.members.contains_key(*target))
            .cloned()
            .collect();
        if !missing.is_empty() {
            let targets: Vec<String> = missing.into_iter().collect();
            self.members
                .extend(self.session.target.few_members(&targets).await);
        }
    }

    async fn additions_phase(&mut self) -> Result<(), Failure> {
        let mut tasks = self.tasks(|operation| matches!(operation, Operation::AddMember { .. }));
        self.aim(&mut tasks);
        self.perform(tasks, "adding members").await
    }

    /// R49: people whose own record says that they are gone, or suspended, leave before anything else happens.
    async fn departures_phase(&mut self) -> Result<(), Failure> {
        let mut tasks = self.tasks(departs);
        self.aim(&mut tasks);
        tasks.retain(|task| self.may_remove(task, &BTreeMap::new()));
        self.perform(tasks, "removing people who are gone").await
    }

    async fn removals_phase(&mut self) -> Result<(), Failure> {
        let mut tasks = self
            .tasks(|operation| matches!(operation, Operation::RemoveMember { .. }) && !departs(operation));
        self.aim(&mut tasks);
        let arrived = self.arrivals(&tasks).await;
        tasks.retain(|task| self.may_remove(task, &arrived));
        self.perform(tasks, "removing members").await
    }

    /// R15: who is in the new group, read after the additions, for each part that moves people.
    async fn arrivals(&self, tasks: &[Task]) -> BTreeMap<usize, BTreeSet<String>> {
        let moving: BTreeSet<usize> = tasks
            .iter()
            .filter(|task| moves(task))
            .map(|task| task.part)
            .collect();
        let homes: BTreeMap<usize, String> = moving
            .into_iter()
            .filter_map(|index| Some((index, self.home(index)?)))
            .collect();
        let targets: Vec<String> = homes
            .values()
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if targets.is_empty() {
            return BTreeMap::new();
        }
        self.session
            .progress("verifying", 0, Some(targets.len()), "members who were moved");
        let read = self.session.target.few_members(&targets).await;
        homes
            .into_iter()
            .map(|(index, target)| {
                let present = read
                    .get(&target)
                    .map(|reading| {
                        reading
                            .seen()
                            .iter()
                            .map(|member| member.principal.id.clone())
                            .collect()
                    })
                    .unwrap_or_default();
                (index, present)
            })
            .collect()
    }

    fn may_remove(&self, task: &Task, arrived: &BTreeMap<usize, BTreeSet<String>>) -> bool {
        let Operation::RemoveMember {
            principal, address, ..
        } = &task.operation
        else {
            return false;
        };
        if moves(task)
            && !arrived
                .get(&task.part)
                .is_some_and(|present| present.contains(principal))
        {
            self.session.warn(&format!(
                "{address} stays in the earlier group: the new one does not show them yet. The next run moves them."
            ));
            return false;
        }
        let raised = task
            .target
            .as_ref()
            .and_then(|target| self.members.get(target))
            .is_some_and(|reading| {
                reading
                    .seen()
                    .iter()
                    .any(|member| member.principal.id == *principal && member.role != Role::Member)
            });
        if raised {
            // R39: promoted since the plan was made.
            self.session.warn(&format!(
                "{address} is now an owner or manager of the group and was not removed."
            ));
        }
        !raised
    }

    fn tasks(&self, wanted: impl Fn(&Operation) -> bool) -> Vec<Task> {
        self.parts
            .iter()
            .enumerate()
            .flat_map(|(index, part)| part.operations.iter().map(move |operation| (index, operation)))
            .filter(|(_, operation)| wanted(operation))
            .map(|(part, operation)| Task {
                part,
                operation: operation.clone(),
                target: None,
            })
            .collect()
    }

    /// Gives each task the ID of its group; those whose group never came to be are dropped.
    fn aim(&self, tasks: &mut Vec<Task>) {
        tasks.retain_mut(|task| {
            let group = match &task.operation {
                Operation::CreateGroup { .. } => return true,
                Operation::UpdateGroup { group, .. }
                | Operation::AddMember { group, .. }
                | Operation::RemoveMember { group, .. } => group,
            };
            task.target = match group {
                GroupRef::Id(target) => Some(target.clone()),
                GroupRef::New(key) => self
                    .progress
                    .get(task.part)
                    .and_then(|progress| progress.created.get(key).cloned())
                    .or_else(|| {
                        let part = self.parts.get(task.part)?;
                        self.bound_under(&part.group.id, key)
                    }),
            };
            task.target.is_some()
        });
    }

    /// The target that a part's group has now.
    fn home(&self, index: usize) -> Option<String> {
        let created = self.progress.get(index)?.created.values().next().cloned();
        created.or_else(|| self.parts.get(index)?.target.as_ref()?.id.clone())
    }

    fn bound_under(&self, group: &str, key: &str) -> Option<String> {
        self.bindings
            .get(group)
            .filter(|binding| binding.key == key)
            .and_then(|binding| binding.target.clone())
    }

    fn set_created(&mut self, index: usize, key: &str, target: String) {
        if let Some(progress) = self.progress.get_mut(index) {
            progress.created.insert(key.to_owned(), target);
        }
    }

    /// Intends, writes and settles, chunk by chunk.
    async fn perform(&mut self, tasks: Vec<Task>, what: &str) -> Result<(), Failure> {
        let total = tasks.len();
        let mut done = 0;
        for chunk in tasks.chunks(CHUNK) {
            self.session.progress("writing", done, Some(total), what);
            let (settled, open): (Vec<&Task>, Vec<&Task>) = chunk.iter().partition(|task| self.is_done(task));
            self.settle_done(&settled)?;
            self.write(&open).await?;
            done += chunk.len();
        }
        if total > 0 {
            self.session.progress("writing", done, Some(total), what);
        }
        Ok(())
    }

    /// What was read back as done already (R40) needs no request; where the ledger knows it too, not even an entry.
    fn settle_done(&mut self, tasks: &[&Task]) -> Result<(), Failure> {
        self.report.applied += size(tasks.len());
        let unknown: Vec<&Task> = tasks
            .iter()
            .copied()
            .filter(|task| !self.is_recorded(task))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let intents = self.intend(&unknown)?;
        let mut outcomes = Vec::with_capacity(unknown.len());
        for (task, intent) in unknown.iter().zip(intents) {
            outcomes.push(Outcome {
                intent,
                settlement: Settlement::Already,
                status: None,
                reason: Some("it was so when it was read back".to_owned()),
                request_id: None,
                effects: self.effects(task, Settlement::Already, None, false)?,
            });
        }
        self.session.environment.ledger.settle(&outcomes)
    }

    async fn write(&mut self, tasks: &[&Task]) -> Result<(), Failure> {
        if tasks.is_empty() {
            return Ok(());
        }
        let intents = self.intend(tasks)?;
        let writes: Vec<Write> = tasks
            .iter()
            .map(|task| Write {
                operation: task.operation.clone(),
                target: task.target.clone(),
            })
            .collect();
        let mut results = self.session.target.write(&writes).await;
        results.resize_with(tasks.len(), || WriteResult {
            settlement: Settlement::Abandoned,
            answer: None,
            message: "it was not answered for".to_owned(),
            created: None,
            uncertain: true,
        });
        let mut outcomes = Vec::with_capacity(tasks.len());
        for ((task, intent), result) in tasks.iter().zip(intents).zip(&results) {
            let created = result.created.as_ref().map(|group| group.id.as_str());
            outcomes.push(Outcome {
                intent,
                settlement: result.settlement,
                status: result.answer.as_ref().map(|answer| answer.status),
                reason: reason(result),
                request_id: result
                    .answer
                    .as_ref()
                    .and_then(|answer| answer.request_id.clone()),
                effects: self.effects(task, result.settlement, created, result.uncertain)?,
            });
        }
        self.note_when(tasks, &results, &mut outcomes);
        self.session.environment.ledger.settle(&outcomes)?;
        let mut stop = None;
        for (task, result) in tasks.iter().zip(&results) {
            self.note(task, result);
            if result.settlement == Settlement::Abandoned {
                let failure = self.not_sent(task, result);
                // Without an answer it was the host or the network that said no, and the next write would hear the
                // same: the run stops before it (R36).
                if result.answer.is_none() {
                    stop.get_or_insert(failure);
                } else {
                    self.unfinished.get_or_insert(failure);
                }
            }
        }
        stop.map_or(Ok(()), Err)
    }

    /// Notes, once for each group, when its members were written.
    fn note_when(&mut self, tasks: &[&Task], results: &[WriteResult], outcomes: &mut [Outcome]) {
        let now = self.session.environment.clock.unix_seconds();
        for ((task, result), outcome) in tasks.iter().zip(results).zip(outcomes) {
            let of_members = matches!(
                task.operation,
                Operation::AddMember { .. } | Operation::RemoveMember { .. }
            );
            if of_members
                && (result.settlement == Settlement::Applied || result.uncertain)
                && let Some(part) = self.parts.get(task.part)
                && let Some(binding) = self.bindings.get_mut(&part.group.id)
            {
                outcome.effects.extend(effects::written(binding, now));
            }
        }
    }

    fn intend(&self, tasks: &[&Task]) -> Result<Vec<u64>, Failure> {
        let intents: Vec<Intent> = tasks
            .iter()
            .map(|task| Intent {
                group: self.group(task).to_owned(),
                operation: task.operation.to_json(),
            })
            .collect();
        let ids = self.session.environment.ledger.intend(&intents)?;
        if ids.len() == intents.len() {
            Ok(ids)
        } else {
            Err(Failure::new(
                FailureKind::Host,
                "ledger",
                format!(
                    "It took {} intents and answered {} numbers; nothing was written.",
                    intents.len(),
                    ids.len()
                ),
            ))
        }
    }

    fn effects(
        &self,
        task: &Task,
        settlement: Settlement,
        created: Option<&str>,
        uncertain: bool,
    ) -> Result<Vec<Effect>, Failure> {
        match (&task.operation, created, self.parts.get(task.part)) {
            (Operation::CreateGroup { key, .. }, Some(created), Some(part))
                if matches!(settlement, Settlement::Applied | Settlement::Already) =>
            {
                Ok(vec![Effect::Bind(effects::binding_of_created(
                    part, key, created,
                )?)])
            }
            (operation, _, _) => Ok(task
                .target
                .as_deref()
                .map(|target| {
                    let group = self.group(task);
                    if uncertain {
                        effects::of_perhaps(group, operation, target, &self.recorded)
                    } else {
                        effects::of_membership(group, operation, target, settlement, &self.recorded)
                    }
                })
                .unwrap_or_default()),
        }
    }

    /// Counts a result and remembers what later phases hang on.
    fn note(&mut self, task: &Task, result: &WriteResult) {
        let done = matches!(result.settlement, Settlement::Applied | Settlement::Already);
        match result.settlement {
            Settlement::Applied | Settlement::Already => self.report.applied += 1,
            Settlement::Refused => {
                self.report.failed += 1;
                self.session.warn(&format!(
                    "{}: {} was refused: {}",
                    self.group(task),
                    label(&task.operation),
                    result.message
                ));
            }
            Settlement::Abandoned => {}
        }
        match (&task.operation, &result.created) {
            (Operation::CreateGroup { key, .. }, Some(group)) if done => {
                self.set_created(task.part, key, group.id.clone());
                // The ledger has it since the outcome was settled: the tie need not be written a second time.
                if let Some(part) = self.parts.get(task.part)
                    && let Ok(binding) = effects::binding_of_created(part, key, &group.id)
                {
                    self.bindings.insert(part.group.id.clone(), binding);
                }
            }
            (Operation::CreateGroup { .. }, _) => {
                if let Some(progress) = self.progress.get_mut(task.part) {
                    progress.without_group = true;
                }
            }
            (Operation::UpdateGroup { .. }, _) if !done => {
                if let Some(progress) = self.progress.get_mut(task.part) {
                    progress.not_updated = true;
                }
            }
            _ => {}
        }
    }

    fn not_sent(&self, task: &Task, result: &WriteResult) -> Failure {
        let kind = match &result.answer {
            Some(answer) if answer.status == 429 => FailureKind::Throttled(None),
            _ => FailureKind::Transient,
        };
        let failure = Failure::new(
            kind,
            format!("group {}", self.group(task)),
            format!(
                "{} was not done: {}. Applying the same plan again goes on from here.",
                label(&task.operation),
                result.message
            ),
        );
        match &result.answer {
            Some(answer) => failure.answered(answer.clone()),
            None => failure,
        }
    }

    /// Whether what was read shows the operation done already.
    fn is_done(&self, task: &Task) -> bool {
        let members = task.target.as_ref().and_then(|target| self.members.get(target));
        let present = |principal: &str| {
            members.is_some_and(|reading| {
                reading
                    .seen()
                    .iter()
                    .any(|member| member.principal.id == principal)
            })
        };
        match &task.operation {
            Operation::CreateGroup { .. } => false,
            Operation::UpdateGroup {
                name,
                description,
                address,
                ..
            } => task
                .target
                .as_ref()
                .and_then(|target| self.groups.get(target))
                .is_some_and(|group| {
                    name.as_ref().is_none_or(|name| *name == group.name)
                        && description.as_ref().is_none_or(|text| *text == group.description)
                        && address.as_ref().is_none_or(|address| *address == group.key)
                }),
            Operation::AddMember { principal, .. } => present(principal),
            Operation::RemoveMember { principal, .. } => {
                members.is_some_and(|reading| reading.complete().is_some()) && !present(principal)
            }
        }
    }

    /// Whether the ledger shows the operation done already, so that there is nothing to settle.
    fn is_recorded(&self, task: &Task) -> bool {
        let known = |principal: &String| {
            task.target.as_ref().and_then(|target| {
                self.recorded
                    .get(&(self.group(task).to_owned(), target.clone(), principal.clone()))
            })
        };
        match &task.operation {
            Operation::CreateGroup { .. } => false,
            Operation::UpdateGroup { .. } => true,
            Operation::AddMember { principal, .. } => matches!(
                known(principal),
                Some(crate::ledger::Provenance::Ours | crate::ledger::Provenance::Adopted)
            ),
            Operation::RemoveMember { principal, .. } => known(principal).is_none(),
        }
    }

    fn group(&self, task: &Task) -> &str {
        self.parts
            .get(task.part)
            .map_or("", |part| part.group.id.as_str())
    }
}

/// Whether a removal rests on the person's own record.
fn departs(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::RemoveMember {
            why: RemovalReason::UserDeleted | RemovalReason::UserSuspended,
            ..
        }
    )
}

fn moves(task: &Task) -> bool {
    matches!(
        task.operation,
        Operation::RemoveMember {
            why: RemovalReason::Moved,
            ..
        }
    )
}

fn reason(result: &WriteResult) -> Option<String> {
    if !result.message.is_empty() {
        return Some(result.message.clone());
    }
    result
        .answer
        .as_ref()
        .map(|answer| answer.reason.clone())
        .filter(|reason| !reason.is_empty())
}

/// An operation in a few words.
fn label(operation: &Operation) -> String {
    match operation {
        Operation::CreateGroup { key, .. } => format!("creating the group {key}"),
        Operation::UpdateGroup { .. } => "updating the group".to_owned(),
        Operation::AddMember { address, .. } => format!("adding {address}"),
        Operation::RemoveMember { address, .. } => format!("removing {address}"),
    }
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
