//! Commands that change nothing: `check`, `plan`, `why`, `runs`.

use futures_util::future::join_all;
use groupcast_guest::engine::{Finding, Severity};

use super::answers::Answers;
use super::exit_of_plan;
use crate::cli::arguments::{RunsArguments, WhyArguments};
use crate::cli::documents::{CheckEntry, FindingEntry, PlanEntry, RunEntry, RunsDocument, WhyEntry};
use crate::cli::exit::Exit;
use crate::cli::problem::Problem;
use crate::cli::render;
use crate::cli::render::plan::Totals;
use crate::cli::session::{Session, problem};

/// How many runs are looked through for those of one connection.
const REMEMBERED_RUNS: usize = 10_000;

/// `check`.
pub async fn check(session: &mut Session<'_>) -> Result<Exit, Problem> {
    let operations = session.open().await?;
    let connections = session.connections(operations.as_ref())?;
    let results = join_all(
        connections
            .iter()
            .map(|connection| operations.check(connection, &session.cancel)),
    )
    .await;
    let mut answers = Answers::new("check");
    for (connection, result) in connections.iter().zip(results) {
        match result {
            Ok(report) => {
                let is_problem = |finding: &Finding| finding.severity == Severity::Problem;
                let exit = if report.findings.iter().any(is_problem) {
                    Exit::Refused
                } else {
                    Exit::Done
                };
                if !session.shared.json {
                    session.text(&render::check::check(connection, &report.findings))?;
                }
                let entry = CheckEntry {
                    run: report.run,
                    findings: report.findings.into_iter().map(FindingEntry::from).collect(),
                };
                answers.done(connection, exit, entry);
            }
            Err(failure) => answers.failed(session, connection, &problem(connection, failure))?,
        }
    }
    answers.end(session)
}

/// `plan`.
pub async fn plan(session: &mut Session<'_>) -> Result<Exit, Problem> {
    let operations = session.open().await?;
    let connections = session.connections(operations.as_ref())?;
    let results = join_all(
        connections
            .iter()
            .map(|connection| operations.plan(connection, &session.cancel)),
    )
    .await;
    let mut answers = Answers::new("plan");
    for (connection, result) in connections.iter().zip(results) {
        match result {
            Ok(outcome) => {
                let exit = exit_of_plan(&Totals::of(&outcome.plan.parts));
                if !session.shared.json {
                    let approval = session.approval(operations.as_ref(), connection, &outcome.plan.hash);
                    let text = render::plan::plan(connection, &outcome.plan, &approval, session.detail());
                    session.text(&text)?;
                }
                answers.done(connection, exit, PlanEntry::from(outcome));
            }
            Err(failure) => answers.failed(session, connection, &problem(connection, failure))?,
        }
    }
    answers.end(session)
}

/// `why`.
pub async fn why(session: &mut Session<'_>, arguments: &WhyArguments) -> Result<Exit, Problem> {
    let operations = session.open().await?;
    let connections = session.connections(operations.as_ref())?;
    let person = arguments.person.as_deref();
    let results = join_all(
        connections
            .iter()
            .map(|connection| operations.why(connection, person, &arguments.group, &session.cancel)),
    )
    .await;
    let mut answers = Answers::new("why");
    for (connection, result) in connections.iter().zip(results) {
        match result {
            Ok(explanation) => {
                if !session.shared.json {
                    session.text(&render::why::why(connection, &explanation))?;
                }
                answers.done(connection, Exit::Done, WhyEntry::from(explanation));
            }
            Err(failure) => answers.failed(session, connection, &problem(connection, failure))?,
        }
    }
    answers.end(session)
}

/// `runs`.
pub async fn runs(session: &mut Session<'_>, arguments: &RunsArguments) -> Result<Exit, Problem> {
    let operations = session.open().await?;
    let connections = session.connections(operations.as_ref())?;
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    // The limit counts what is shown, so other connections' runs must not use it up.
    let asked = if session.shared.connection.is_some() {
        REMEMBERED_RUNS.max(limit)
    } else {
        limit
    };
    let mut records = operations.runs(asked).await?;
    if session.shared.connection.is_some() {
        records.retain(|record| connections.contains(&record.connection));
        records.truncate(limit);
    }
    if session.shared.json {
        session.document(&RunsDocument {
            format: "groupcast/runs/1",
            runs: records.into_iter().map(RunEntry::from).collect(),
        })?;
    } else {
        session.text(&render::runs::runs(&records))?;
    }
    Ok(Exit::Done)
}
