//! Does jobs: every kind of work that can be asked for, over the verbs of [`Groupcast`]. What may not enter: when a job
//! begins, and who may ask for it.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use groupcast_guest::engine::{Extent, Severity};
use groupcast_guest::words::{count, fitting};
use tokio_util::sync::CancellationToken;

use super::groupcast::Groupcast;
use super::job::JobRuns;
use super::outcome::{PlanOutcome, Repetition, RunFailure, RunFailureKind, Selection, SyncOutcome};
use super::sample::Samples;
use crate::config::Config;
use crate::schedule::{EngineLimits, JobControl, JobEnd, Runner, Trouble};
use crate::store::service::{JobRecord, Trigger, Work};
use crate::store::{RunEnd, RunResult};

/// What somebody can do about a failure that no repetition mends, whatever it is.
const WAY_OUT: &str = "mend what it says (a credential, a scope, the settings); once that is changed here, a sync asked for \
                       by hand succeeds, or somebody releases it, it runs by itself again";

/// How much a service does at once, of its configuration.
pub fn engine_limits(config: &Config) -> EngineLimits {
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let limits = &config.limits;
    let at_once = match limits.runs_at_once {
        Some(runs) => number(runs),
        None => EngineLimits::runs_at_once(number(limits.memory_mib).saturating_mul(1 << 20)),
    };
    EngineLimits::of(at_once, number(limits.runs_per_tenant))
}

/// Does the jobs of a host's connections.
pub struct JobRunner {
    groupcast: Arc<Groupcast>,
    samples: Samples,
}

impl JobRunner {
    /// Over everything that was opened.
    pub fn new(groupcast: Arc<Groupcast>) -> Self {
        Self {
            groupcast,
            samples: Samples::default(),
        }
    }
}

#[async_trait]
impl Runner for JobRunner {
    async fn run(&self, job: &JobRecord, control: JobControl) -> JobEnd {
        let connection = &job.connection;
        let word = job.work.word();
        tracing::info!(%connection, job = job.id, work = word, trigger = ?job.trigger, "a job begins");
        let runs = Arc::new(JobRuns::new(job, control.clone()));
        let groupcast = self.groupcast.for_job(Arc::clone(&runs));
        let done = match groupcast.prepare(connection).await {
            Ok(()) => groupcast.work(job, &self.samples, control.token()).await,
            Err(failure) => Err(failure),
        };
        let noted = runs.noted();
        let plan = match &job.work {
            Work::Apply { plan, .. } => Some(plan.clone()),
            _ => noted.plan,
        };
        let (mut end, trouble) = match done {
            Ok((end, trouble)) => (end, trouble),
            Err(failure) => told(&failure),
        };
        if noted.handed_over {
            end.result = RunResult::HandedOver;
        }
        match end.result {
            RunResult::Done | RunResult::HandedOver => {
                tracing::info!(%connection, job = job.id, work = word, outcome = end.message, "a job ended")
            }
            RunResult::ChangesPending => {
                tracing::warn!(%connection, job = job.id, work = word, outcome = end.message, "a job ended, changes wait");
            }
            RunResult::Refused | RunResult::Failed => {
                tracing::error!(%connection, job = job.id, work = word, outcome = end.message, "a job ended badly");
            }
        }
        JobEnd {
            end,
            runs: runs.runs(),
            plan,
            trouble,
        }
    }
}

/// A failure as a job's end.
fn told(failure: &RunFailure) -> (RunEnd, Option<Trouble>) {
    let result = match failure.kind {
        RunFailureKind::Refused => RunResult::Refused,
        RunFailureKind::Failed => RunResult::Failed,
    };
    let trouble = match failure.repetition {
        Repetition::NoMatter => None,
        Repetition::MayHelp { pause } => Some(Trouble::Passing { pause }),
        Repetition::NeedsMending => Some(Trouble::Lasting {
            way_out: WAY_OUT.to_owned(),
        }),
    };
    (RunEnd::new(result, failure.to_string()), trouble)
}

fn planned(plan: &PlanOutcome) -> RunEnd {
    let message = format!(
        "{} planned, {} held",
        count(plan.summary.operations, "operation", "operations"),
        plan.summary.held
    );
    if plan.plan.has_work() || plan.plan.has_held() {
        RunEnd::new(RunResult::ChangesPending, message)
    } else {
        RunEnd::new(RunResult::Done, message)
    }
}

/// What could not be read whole is neither in step nor out of it.
fn frozen(plan: &PlanOutcome) -> Option<(RunEnd, Option<Trouble>)> {
    let frozen = plan.plan.frozen();
    (frozen > 0).then(|| {
        let message = format!(
            "{} could not be read whole and {} left alone; `groupcast plan` says why",
            count(frozen as u64, "group", "groups"),
            fitting(frozen as u64, "was", "were")
        );
        (
            RunEnd::new(RunResult::Failed, message),
            Some(Trouble::Passing { pause: None }),
        )
    })
}

impl Groupcast {
    async fn work(
        &self,
        job: &JobRecord,
        samples: &Samples,
        cancel: &CancellationToken,
    ) -> Result<(RunEnd, Option<Trouble>), RunFailure> {
        let connection = &job.connection;
        let begun = Instant::now();
        let end = match &job.work {
            Work::Check => {
                let report = self.check(connection, cancel).await?;
                let problems: Vec<&str> = report
                    .findings
                    .iter()
                    .filter(|finding| finding.severity == Severity::Problem)
                    .map(|finding| finding.message.as_str())
                    .collect();
                match problems.first() {
                    None => RunEnd::new(RunResult::Done, "no problem found"),
                    Some(first) => RunEnd::new(
                        RunResult::Failed,
                        format!(
                            "{} found; the first: {first}",
                            count(problems.len() as u64, "problem", "problems")
                        ),
                    ),
                }
            }
            Work::Plan => {
                // What somebody is to look at is the whole of it; what only keeps watch in quiet hours is not.
                let read = match job.trigger {
                    Trigger::Request { .. } => Extent::Whole,
                    Trigger::Schedule | Trigger::Event => Extent::Changes,
                };
                let plan = self.plan_reading(connection, read, cancel).await?;
                match frozen(&plan) {
                    Some(ended) => return Ok(ended),
                    None => planned(&plan),
                }
            }
            Work::Sync { full } => {
                let read = if *full { Extent::Whole } else { Extent::Changes };
                let outcome = self.sync(connection, read, cancel).await?;
                let (plan, apply) = match &outcome {
                    SyncOutcome::Nothing(plan) | SyncOutcome::Planned { plan, .. } => (plan, None),
                    SyncOutcome::Applied { plan, apply } => (plan, Some(apply)),
                };
                let mut requests = plan.requests.clone();
                if let Some(apply) = apply {
                    requests.add(&apply.requests);
                }
                self.sample(
                    samples,
                    connection,
                    plan,
                    &requests,
                    apply.is_some(),
                    begun.elapsed(),
                )
                .await;
                match outcome {
                    SyncOutcome::Nothing(plan) => match frozen(&plan) {
                        Some(ended) => return Ok(ended),
                        None => RunEnd::new(RunResult::Done, "source and target are in step"),
                    },
                    SyncOutcome::Planned { why, .. } => RunEnd::new(RunResult::ChangesPending, why),
                    SyncOutcome::Applied { plan, apply } => match frozen(&plan) {
                        Some(ended) => return Ok(ended),
                        None => applied(&apply.report),
                    },
                }
            }
            Work::Apply {
                plan,
                groups,
                release_held,
            } => {
                self.end_earlier_runs().await?;
                let selection = Selection {
                    groups: groups.clone(),
                    release_held: *release_held,
                };
                applied(&self.apply(connection, plan, selection, cancel).await?.report)
            }
            Work::Undo { run } => planned(&self.undo(run, cancel).await?),
        };
        Ok((end, None))
    }
}

fn applied(report: &groupcast_guest::engine::Report) -> RunEnd {
    let mut message = format!(
        "{} applied, {} refused",
        count(report.applied, "operation", "operations"),
        report.failed
    );
    if !report.moved.is_empty() {
        message = format!(
            "{message}, {} moved meanwhile",
            count(report.moved.len() as u64, "group", "groups")
        );
    }
    let clean = report.failed == 0 && report.moved.is_empty();
    let result = if clean {
        RunResult::Done
    } else {
        RunResult::ChangesPending
    };
    RunEnd::new(result, message)
}
