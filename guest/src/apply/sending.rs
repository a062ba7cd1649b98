//! The one way in which anything is written: intend, write, settle, chunk by chunk.

use crate::apply::effects;
use crate::apply::packed::Packing;
use crate::apply::work::{Task, Worker};
use crate::engine::source::SourceDirectory;
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Effect, Intent, Outcome, Provenance, Settlement};
use crate::plan::model::Reading;
use crate::plan::part::Operation;
use crate::target::{TargetDirectory, Write, WriteResult};

/// Writes between two stops: what a crash leaves to be read back, and how soon a stop takes hold. The ledger takes up to
/// 1,000 at once; fewer keep both small at the price of a few more transactions.
const CHUNK: usize = 200;

impl<S: SourceDirectory, T: TargetDirectory> Worker<'_, '_, S, T> {
    /// Performs the tasks that `next` gives, of `total` at most. Each is made only when its chunk is begun.
    pub(super) async fn perform(
        &mut self,
        total: usize,
        what: &str,
        mut next: impl FnMut(&Self) -> Option<Task>,
    ) -> Result<(), Failure> {
        let mut done = 0;
        loop {
            let chunk: Vec<Task> = std::iter::from_fn(|| next(self)).take(CHUNK).collect();
            if chunk.is_empty() {
                break;
            }
            self.session.progress("writing", done, Some(total), what);
            let (settled, open): (Vec<&Task>, Vec<&Task>) = chunk.iter().partition(|task| self.is_done(task));
            self.settle_done(&settled)?;
            self.write(&open).await?;
            done += chunk.len();
        }
        if done > 0 {
            self.session.progress("writing", total, Some(total), what);
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
                && let Some(binding) = self.bindings.get_mut(&part.rest.group.id)
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
                    &part.rest, key, created,
                )?)])
            }
            (operation, _, _) => Ok(task
                .target
                .as_deref()
                .map(|target| {
                    let group = self.group(task);
                    let known = self.known(task);
                    if uncertain {
                        effects::of_perhaps(group, operation, target, known)
                    } else {
                        effects::of_membership(group, operation, target, settlement, known)
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
                    && let Ok(binding) = effects::binding_of_created(&part.rest, key, &group.id)
                {
                    self.bindings.insert(part.rest.group.id.clone(), binding);
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
        let members = self.members(task);
        match (&task.operation, task.packing) {
            (
                Operation::UpdateGroup {
                    name,
                    description,
                    address,
                    ..
                },
                _,
            ) => task
                .target
                .as_ref()
                .and_then(|target| self.groups.get(target))
                .is_some_and(|group| {
                    name.as_ref().is_none_or(|name| *name == group.name)
                        && description.as_ref().is_none_or(|text| *text == group.description)
                        && address.as_ref().is_none_or(|address| *address == group.key)
                }),
            (_, Packing::Add { principal, .. }) => {
                members.is_some_and(|reading| reading.seen().find(principal).is_some())
            }
            (_, Packing::Remove { principal, .. }) => members
                .and_then(Reading::complete)
                .is_some_and(|whole| whole.get().find(principal).is_none()),
            _ => false,
        }
    }

    /// Whether the ledger shows the operation done already, so that there is nothing to settle.
    fn is_recorded(&self, task: &Task) -> bool {
        match task.packing {
            Packing::Create { .. } => false,
            Packing::Update { .. } => true,
            Packing::Add { .. } => {
                matches!(self.known(task), Some(Provenance::Ours | Provenance::Adopted))
            }
            Packing::Remove { .. } => self.known(task).is_none(),
        }
    }

    /// Where the ledger has a task's membership from, as it was read; none where it does not have it.
    fn known(&self, task: &Task) -> Option<Provenance> {
        let (Packing::Add { principal, .. } | Packing::Remove { principal, .. }) = task.packing else {
            return None;
        };
        let target = task.target.as_deref()?;
        self.observed.provenance(self.group(task), target, principal)
    }
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
