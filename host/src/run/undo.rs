//! `undo`: what a run did, turned round, as a plan that is shown and approved like any other (R45).

use std::collections::BTreeMap;

use groupcast_guest::engine::PlanSummary;
use groupcast_guest::ledger::BindingDetails;
use groupcast_guest::plan::part::{GroupRef, Operation, Part};
use groupcast_guest::plan::undo::undo_parts;
use groupcast_guest::words::count;
use tokio_util::sync::CancellationToken;

use super::groupcast::Groupcast;
use super::outcome::{PlanOutcome, RunFailure};
use super::recorder::RequestCounts;
use super::setup::ConnectionSetup;
use crate::plugin::Usage;
use crate::store::{Mode, NewPlan, RunEnd, RunKind, RunResult};

impl Groupcast {
    /// Makes the plan that undoes a run. From then on the connection only plans, so that the next sync does not do
    /// again what is undone.
    ///
    /// # Errors
    /// If there is no such run, or it did nothing that can be undone.
    pub async fn undo(&self, run: &str, _cancel: &CancellationToken) -> Result<PlanOutcome, RunFailure> {
        let record = self.store.run(run).await?.ok_or_else(|| {
            RunFailure::refused(format!("there is no run {run}; `groupcast runs` lists them"))
        })?;
        let setup = &*self.setup(&record.connection)?;
        let nothing =
            || RunFailure::refused(format!("run {run} changed nothing, so there is nothing to undo"));
        let hash = record.plan.ok_or_else(nothing)?;

        let mut applied: Vec<(String, Operation)> = Vec::new();
        let mut after = 0;
        loop {
            let page = self
                .store
                .applied_operations(&setup.directory_key, run, after)
                .await?;
            let Some(last) = page.last() else { break };
            after = last.intent;
            for outcome in page {
                let operation = serde_json::from_str(&outcome.operation).map_err(|error| {
                    RunFailure::failed(format!("intent {} does not read: {error}", outcome.intent))
                })?;
                applied.push((outcome.group, operation));
            }
        }
        self.name_created(setup, &mut applied).await?;
        if applied.is_empty() {
            return Err(nothing());
        }
        let mut parts: Vec<Part> = Vec::new();
        for part in self.store.parts(&setup.directory_key, &hash).await? {
            let bytes = self
                .store
                .part_bytes(&setup.directory_key, &hash, part.position)
                .await?;
            parts.push(Part::from_bytes(&bytes).map_err(|reason| {
                RunFailure::failed(format!(
                    "part {} of plan {hash} does not read: {reason}",
                    part.position
                ))
            })?);
        }
        let undone = undo_parts(&parts, &applied);
        if undone.is_empty() {
            return Err(nothing());
        }
        let undo_run = self.start(setup, RunKind::Undo, None).await?;
        let bytes: Vec<Vec<u8>> = undone.iter().map(Part::to_bytes).collect();
        self.store.stage_parts(&undo_run, 0, &bytes).await?;
        let summary = summary(&undone);
        let mut described = serde_json::to_value(summary).unwrap_or_default();
        if let Some(fields) = described.as_object_mut() {
            fields.insert("undo".to_owned(), true.into());
            fields.insert("of_run".to_owned(), run.into());
        }
        let sealed = self
            .store
            .seal_plan(&NewPlan {
                run: undo_run.clone(),
                connection: setup.id.clone(),
                directory: setup.directory_key.clone(),
                summary: described,
                lifetime: None,
            })
            .await?;
        self.store.set_run_plan(&undo_run, &sealed.hash).await?;
        if let Some(job) = &self.job {
            job.planned(&sealed.hash);
        }
        self.store.set_mode(&setup.id, Mode::PlanOnly).await?;
        let message = format!(
            "{} to undo run {run}",
            count(summary.operations, "operation", "operations")
        );
        let end = RunEnd::new(RunResult::ChangesPending, message);
        self.store
            .end_run(&undo_run, &end, &serde_json::Value::Null)
            .await?;
        self.observer.ended(
            &self.run_ref(&setup.id, &undo_run),
            &end,
            &RequestCounts::default(),
            &Usage::default(),
        );
        Ok(PlanOutcome {
            run: undo_run,
            plan: self.stored(setup, &sealed).await?,
            summary,
            requests: RequestCounts::default(),
            usage: Usage::default(),
        })
    }
}

impl Groupcast {
    /// Operations in a group that the run created name it by its key; to another run only its ID says anything.
    async fn name_created(
        &self,
        setup: &ConnectionSetup,
        applied: &mut [(String, Operation)],
    ) -> Result<(), RunFailure> {
        let mut created: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self
                .store
                .bindings(&setup.directory_key, after.as_deref())
                .await?;
            for binding in page.items {
                // The component's own notes; what does not read names nothing.
                let notes: BindingDetails = serde_json::from_str(&binding.details).unwrap_or_default();
                for (target, key) in notes.moving_from {
                    created.insert((binding.group.clone(), key), target);
                }
                if let Some(target) = binding.target {
                    created.insert((binding.group, binding.key), target);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for (group, operation) in applied {
            let reference = match operation {
                Operation::CreateGroup { .. } => continue,
                Operation::UpdateGroup { group, .. }
                | Operation::AddMember { group, .. }
                | Operation::RemoveMember { group, .. } => group,
            };
            if let GroupRef::New(key) = reference
                && let Some(target) = created.get(&(group.clone(), key.clone()))
            {
                *reference = GroupRef::Id(target.clone());
            }
        }
        Ok(())
    }
}

fn summary(parts: &[Part]) -> PlanSummary {
    let mut summary = PlanSummary {
        groups: parts.len() as u64,
        ..PlanSummary::default()
    };
    for part in parts {
        summary.held += part.held.len() as u64;
        for operation in &part.operations {
            summary.operations += 1;
            match operation {
                Operation::AddMember { .. } => summary.adds += 1,
                Operation::RemoveMember { .. } => summary.removals += 1,
                Operation::CreateGroup { .. } | Operation::UpdateGroup { .. } => {}
            }
        }
    }
    summary
}
