//! The verb `why`: the component's chain, and what only the host keeps: whether the connection writes at all, what waits
//! in the plan that was made last, and how the last writes ended, with the vendor's request ID.

use std::sync::Arc;

use groupcast_guest::engine::{Explanation, Extent, Question, Step};
use groupcast_guest::plan::part::{Operation, Part};
use tokio_util::sync::CancellationToken;

use super::ConnectionName;
use super::groupcast::{Groupcast, new_run_id};
use super::host::Access;
use super::outcome::RunFailure;
use super::setup::ConnectionSetup;
use crate::egress::permit::NoPermit;
use crate::egress::policy::Phase;
use crate::ledger::Settlement;
use crate::recording::Kind;
use crate::store::{Mode, OutcomeQuery, OutcomeRecord, PlanQuery};

impl Groupcast {
    /// Why a person is (not) in a group, or why a group is in its state. Never writes.
    ///
    /// # Errors
    /// If something could not be read.
    pub async fn why(
        &self,
        connection: &ConnectionName,
        person: Option<&str>,
        group: &str,
        cancel: &CancellationToken,
    ) -> Result<Explanation, RunFailure> {
        let setup = &*self.setup(connection)?;
        let run = new_run_id();
        let (host, recorder) = self.host(setup, &run, Phase::Reads, Arc::new(NoPermit), Access::Look);
        let question = Question {
            person: person.map(ToOwned::to_owned),
            group: group.to_owned(),
        };
        let asked = self.run_of(setup, &run, Extent::Whole).await?;
        let (services, recording) = self.recorded(setup, Kind::Why, &asked, Some(&question), host);
        let explained = self
            .sandbox(setup)
            .explain(self.plugin_of(setup), services, cancel.clone(), &asked, &question)
            .await;
        recording.end(&explained);
        self.audit_violations(&recorder).await;
        let (mut explanation, _) = explained.map_err(|error| Self::failure(error, &recorder))?;
        self.add_what_is_kept(setup, &mut explanation).await?;
        Ok(explanation)
    }

    async fn add_what_is_kept(
        &self,
        setup: &ConnectionSetup,
        explanation: &mut Explanation,
    ) -> Result<(), RunFailure> {
        let Some(group) = explanation.group.clone() else {
            return Ok(());
        };
        // Where every link holds there is nothing to add.
        if explanation.steps.iter().all(|step| step.holds) {
            return Ok(());
        }
        let about = About {
            group: &group,
            people: &explanation.people,
        };
        let mut steps = Vec::new();
        // Somebody has to apply what is planned; on this connection no schedule does.
        let waits = explanation.steps.iter().any(|step| {
            matches!(step.code.as_str(), "plan" | "changes") || step.code == "target-group" && !step.holds
        });
        if waits && self.store.connection(&setup.id).await?.mode == Mode::PlanOnly {
            steps.push(Step {
                code: "plan-only".to_owned(),
                holds: false,
                message: format!(
                    "The connection only plans until a plan of it is approved. Look at `groupcast plan --connection {0}`, then \
                     run `groupcast apply --connection {0}`.",
                    setup.id
                ),
            });
        }
        steps.extend(self.waiting_in_the_last_plan(setup, about).await?);
        steps.extend(self.last_outcome(setup, about).await?);
        explanation.steps.extend(steps);
        Ok(())
    }

    /// What the plan made last holds back: a limit of the whole run shows in no look at one group.
    async fn waiting_in_the_last_plan(
        &self,
        setup: &ConnectionSetup,
        about: About<'_>,
    ) -> Result<Option<Step>, RunFailure> {
        let query = PlanQuery {
            tenant: Some(setup.id.tenant.clone()),
            connection: Some(setup.id.name.clone()),
            limit: 1,
            ..PlanQuery::default()
        };
        let Some(plan) = self.store.plans(&query).await?.into_iter().next() else {
            return Ok(None);
        };
        let records = self.store.parts(&setup.directory_key, &plan.hash).await?;
        let Some(record) = records.into_iter().find(|record| record.group == about.group) else {
            return Ok(None);
        };
        let bytes = self
            .store
            .part_bytes(&setup.directory_key, &plan.hash, record.position)
            .await?;
        let Ok(part) = Part::from_bytes(&bytes) else {
            return Ok(None);
        };
        let held = part.held.iter().find(|held| about.concerns(&held.operation));
        Ok(held.map(|held| Step {
            code: "last-plan".to_owned(),
            holds: false,
            message: format!(
                "The plan {} of {} holds it back ({}): {}{}",
                plan.hash.get(..12).unwrap_or(&plan.hash),
                plan.created_at.format("%Y-%m-%d %H:%M UTC"),
                held.reason.code,
                held.reason.message,
                if held.approvable {
                    format!(
                        " To release it: `groupcast apply --plan {0} --group {1} --release-held`.",
                        plan.hash.get(..12).unwrap_or(&plan.hash),
                        part.group.id
                    )
                } else {
                    String::new()
                }
            ),
        }))
    }

    /// How the last write ended that was about the question; nothing where it went well.
    async fn last_outcome(
        &self,
        setup: &ConnectionSetup,
        about: About<'_>,
    ) -> Result<Option<Step>, RunFailure> {
        let mut before = None;
        loop {
            let query = OutcomeQuery::OfGroup {
                group: about.group.to_owned(),
                before,
            };
            let outcomes = self.store.outcomes(&setup.directory_key, &query).await?;
            let Some(oldest) = outcomes.last().map(|outcome| outcome.intent) else {
                return Ok(None);
            };
            let latest = outcomes.iter().find(|outcome| {
                serde_json::from_str::<Operation>(&outcome.operation)
                    .is_ok_and(|operation| about.concerns(&operation))
            });
            if let Some(outcome) = latest {
                return Ok(told(outcome));
            }
            before = Some(oldest);
        }
    }
}

/// What a question is about, by ID.
#[derive(Clone, Copy)]
struct About<'a> {
    group: &'a str,
    people: &'a [String],
}

impl About<'_> {
    /// Whether an operation on the group concerns the question: all of them where nobody was asked about.
    fn concerns(&self, operation: &Operation) -> bool {
        if self.people.is_empty() {
            return true;
        }
        match operation {
            Operation::CreateGroup { .. } | Operation::UpdateGroup { .. } => false,
            Operation::AddMember { principal, user, .. } => {
                self.people.contains(principal) || self.people.contains(user)
            }
            Operation::RemoveMember { principal, user, .. } => {
                self.people.contains(principal)
                    || user.as_ref().is_some_and(|user| self.people.contains(user))
            }
        }
    }
}

/// An outcome as a link; nothing where the write took effect.
fn told(outcome: &OutcomeRecord) -> Option<Step> {
    let what = match outcome.settlement {
        Some(Settlement::Applied | Settlement::Already) => return None,
        Some(Settlement::Refused) => "was refused",
        Some(Settlement::Abandoned) => "was not sent",
        None => "was cut short, and how it ended is not known yet; the next apply or sync finds out",
    };
    let mut answer = Vec::new();
    if let Some(status) = outcome.status {
        answer.push(format!("status {status}"));
    }
    if let Some(reason) = outcome.reason.as_deref().filter(|reason| !reason.is_empty()) {
        answer.push(reason.trim_end_matches('.').to_owned());
    }
    if let Some(id) = &outcome.request_id {
        answer.push(format!("request {id}"));
    }
    let answer = if answer.is_empty() {
        String::new()
    } else {
        format!(": {}", answer.join(", "))
    };
    Some(Step {
        code: "last-write".to_owned(),
        holds: false,
        message: format!(
            "The last write of it, in the run {} of {}, {what}{answer}. The next apply tries again; mend the cause before it, \
             or give the request ID to the vendor's support.",
            outcome.run,
            outcome.intended_at.format("%Y-%m-%d %H:%M UTC"),
        ),
    })
}
