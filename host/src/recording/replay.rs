//! A recorded run once more: the export called with what it was called with, every import answered from the recording.
//! Nothing is sent, nothing is stored, and no time passes.

use std::sync::Arc;

use groupcast_guest::plan::part::{root_hash, sha256_hex};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::describe;
use super::file::{Head, Kind, Outcome, Recording};
use super::player::{Difference, Player};
use super::recorder::outcome;
use super::services::Journalled;
use crate::plugin::journal::Journal;
use crate::plugin::{Plugin, PluginEngine, RunServices, Sandbox};

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Calls that were the same.
    pub calls: u64,
    /// Calls that are recorded.
    pub recorded_calls: u64,
    /// The hash of the plan that was made, for a plan.
    pub plan: Option<String>,
    /// Why the host had stopped the run, where it had: the replay ends at the same place.
    pub stopped: Option<String>,
    /// Where replay and recording part.
    pub difference: Option<Difference>,
}

/// Why a recording is not replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Another component.
    #[error(
        "run {run} was recorded with component {recorded}, and {origin} is {given}: bit for bit only the same component \
         can be replayed; give it with --plugin, or see what this one would do otherwise with --against"
    )]
    OtherComponent {
        /// The run.
        run: String,
        /// Digest of the recorded one, shortened.
        recorded: String,
        /// Where the given one is from.
        origin: String,
        /// Its digest, shortened.
        given: String,
    },
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// Refuses another component than the recorded one.
pub(super) fn require_same(plugin: &Plugin, recording: &Recording) -> Result<(), ReplayError> {
    if plugin.digest == recording.head.component {
        return Ok(());
    }
    Err(ReplayError::OtherComponent {
        run: recording.head.run.id.clone(),
        recorded: short(&recording.head.component),
        origin: plugin.origin.clone(),
        given: short(&plugin.digest),
    })
}

/// Calls the recorded export over a journal.
pub(super) async fn run(
    engine: &Arc<PluginEngine>,
    plugin: &Plugin,
    head: &Head,
    journal: Arc<dyn Journal>,
    cancel: &CancellationToken,
) -> Outcome {
    let sandbox = Sandbox::new(Arc::clone(engine), head.limits.of_replay());
    let services: Arc<dyn RunServices> = Arc::new(Journalled::replaying(journal));
    let cancel = cancel.clone();
    match (head.kind, &head.question) {
        (Kind::Check, _) => outcome(&sandbox.check(plugin, services, cancel, &head.run).await),
        (Kind::Plan, _) => outcome(&sandbox.plan(plugin, services, cancel, &head.run).await),
        (Kind::Apply, _) => outcome(&sandbox.apply(plugin, services, cancel, &head.run).await),
        (Kind::Why, Some(question)) => outcome(
            &sandbox
                .explain(plugin, services, cancel, &head.run, question)
                .await,
        ),
        (Kind::Why, None) => Outcome::Stopped("the recording has no question".to_owned()),
    }
}

/// Replays a recording with its own component, bit for bit.
///
/// # Errors
/// The component is another one.
pub async fn replay(
    engine: &Arc<PluginEngine>,
    plugin: &Plugin,
    recording: Recording,
    cancel: &CancellationToken,
) -> Result<Replayed, ReplayError> {
    require_same(plugin, &recording)?;
    let player = Arc::new(Player::new(recording));
    let head = &player.recording().head;
    let ended = run(
        engine,
        plugin,
        head,
        Arc::clone(&player) as Arc<dyn Journal>,
        cancel,
    )
    .await;
    let recording = player.recording();
    let (calls, difference, beyond) = player.result();
    let recorded_calls = recording.calls.len() as u64;
    let stopped = match &recording.ending.outcome {
        Outcome::Stopped(why) => Some(why.clone()),
        _ => None,
    };
    let difference = difference.or_else(|| {
        if calls < recorded_calls {
            let next = recording.calls.get(usize::try_from(calls).unwrap_or(usize::MAX));
            return Some(Difference {
                call: calls + 1,
                recorded: next.map(|(call, _)| describe::call(call)).unwrap_or_default(),
                replayed: told(&ended),
                byte: None,
            });
        }
        if stopped.is_some() {
            // Where the host stopped it, the component would have gone on with another call.
            return (!matches!(ended, Outcome::Stopped(_))).then(|| end(recording, &ended));
        }
        if let Some(call) = beyond {
            return Some(Difference {
                replayed: call,
                ..end(recording, &ended)
            });
        }
        (ended != recording.ending.outcome).then(|| end(recording, &ended))
    });
    let plan = (recording.head.kind == Kind::Plan).then(|| plan_hash(recording));
    Ok(Replayed {
        calls,
        recorded_calls,
        plan,
        stopped,
        difference,
    })
}

/// The hash of the plan that the recorded run made.
pub(super) fn plan_hash(recording: &Recording) -> String {
    let parts: Vec<String> = recording.parts().map(sha256_hex).collect();
    root_hash(parts.iter().map(String::as_str))
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Returned(value) => format!("the end: {value}"),
        Outcome::Failed(failure) => format!("the end: {failure}"),
        Outcome::Stopped(why) => format!("no end: {why}"),
    }
}

fn end(recording: &Recording, ended: &Outcome) -> Difference {
    Difference {
        call: recording.calls.len() as u64 + 1,
        recorded: told(&recording.ending.outcome),
        replayed: told(ended),
        byte: None,
    }
}
