//! Our own imports, over the run's services: sizes are checked here, meaning is not.

use std::sync::Arc;

use groupcast_guest::failure::{Failure, FailureKind};
use wasmtime::Result;

use super::bindings::groupcast::sync::{ledger, plan_sink, plan_source, progress, state, types};
use super::convert;
use super::services::{Event, LogLevel};
use super::state::RunState;
use super::violation::Flood;

/// Entries that a call of the ledger takes at most, as the WIT says.
const LEDGER_PAGE: usize = 1_000;
/// Bytes of a log line or of a progress message that are kept.
pub(super) const LOG_LINE: usize = 4 << 10;
/// Bytes of a plan part, as the WIT says.
const LARGEST_PART: usize = 16 << 20;
/// What a part or a value of state counts at least: a flood of nothing is a flood.
const SMALLEST: u64 = 256;
/// Bytes of a state value, as the WIT says.
const LARGEST_VALUE: usize = 1 << 20;

fn too_large(place: &str, what: &str) -> types::Error {
    convert::error(Failure::new(
        FailureKind::Host,
        place,
        format!("{what}; see the interface's documentation for what it takes"),
    ))
}

impl types::Host for RunState {}

impl plan_sink::Host for RunState {
    async fn put(&mut self, part: Vec<u8>) -> Result<Result<(), types::Error>> {
        if part.len() > LARGEST_PART {
            return Ok(Err(too_large("plan-sink.put", "a part may have 16 MiB")));
        }
        self.plan_bytes = self.plan_bytes.saturating_add((part.len() as u64).max(SMALLEST));
        if self.plan_bytes > self.limits.plan_bytes {
            self.flooded(Flood::Plan);
            return Ok(Err(too_large(
                "plan-sink.put",
                "the plan is larger than a run's plan may be",
            )));
        }
        let services = Arc::clone(&self.services);
        let put = self.watch.served(async move { services.put_part(part).await });
        Ok(put.await.map_err(convert::error))
    }
}

impl plan_source::Host for RunState {
    async fn next(&mut self) -> Result<Result<Option<Vec<u8>>, types::Error>> {
        let services = Arc::clone(&self.services);
        let next = self.watch.served(async move { services.next_part().await });
        Ok(next.await.map_err(convert::error))
    }
}

impl ledger::Host for RunState {
    async fn bindings(&mut self, after: Option<String>) -> Result<Result<ledger::BindingPage, types::Error>> {
        let services = Arc::clone(&self.services);
        let page = self
            .watch
            .served(async move { services.bindings(after.as_deref()).await });
        Ok(match page.await {
            Ok((items, next)) => Ok(ledger::BindingPage {
                items: items.into_iter().map(convert::to_binding).collect(),
                next,
            }),
            Err(failure) => Err(convert::error(failure)),
        })
    }

    async fn memberships(
        &mut self,
        group: String,
        after: Option<String>,
    ) -> Result<Result<ledger::MembershipPage, types::Error>> {
        let services = Arc::clone(&self.services);
        let page = self
            .watch
            .served(async move { services.memberships(&group, after.as_deref()).await });
        Ok(match page.await {
            Ok((items, next)) => Ok(ledger::MembershipPage {
                items: items.into_iter().map(convert::to_membership).collect(),
                next,
            }),
            Err(failure) => Err(convert::error(failure)),
        })
    }

    async fn intend(&mut self, intents: Vec<ledger::Intent>) -> Result<Result<Vec<u64>, types::Error>> {
        if intents.len() > LEDGER_PAGE {
            return Ok(Err(too_large("ledger.intend", "a call takes 1,000 intents")));
        }
        if let Some(refused) = self.too_many("ledger.intend", intents.len()) {
            return Ok(Err(refused));
        }
        let intents = intents.into_iter().map(convert::intent).collect();
        let services = Arc::clone(&self.services);
        let done = self.watch.served(async move { services.intend(intents).await });
        Ok(done.await.map_err(convert::error))
    }

    async fn settle(&mut self, outcomes: Vec<ledger::Outcome>) -> Result<Result<(), types::Error>> {
        if outcomes.len() > LEDGER_PAGE {
            return Ok(Err(too_large("ledger.settle", "a call takes 1,000 outcomes")));
        }
        if let Some(refused) = self.too_many(
            "ledger.settle",
            outcomes
                .iter()
                .map(|outcome| outcome.effects.len().saturating_add(1))
                .sum(),
        ) {
            return Ok(Err(refused));
        }
        let outcomes = outcomes.into_iter().map(convert::outcome).collect();
        let services = Arc::clone(&self.services);
        let done = self.watch.served(async move { services.settle(outcomes).await });
        Ok(done.await.map_err(convert::error))
    }

    async fn amend(&mut self, effects: Vec<ledger::Effect>) -> Result<Result<(), types::Error>> {
        if effects.len() > LEDGER_PAGE {
            return Ok(Err(too_large("ledger.amend", "a call takes 1,000 effects")));
        }
        if let Some(refused) = self.too_many("ledger.amend", effects.len()) {
            return Ok(Err(refused));
        }
        let effects = effects.into_iter().map(convert::effect).collect();
        let services = Arc::clone(&self.services);
        let done = self.watch.served(async move { services.amend(effects).await });
        Ok(done.await.map_err(convert::error))
    }

    async fn unsettled(&mut self, after: u64) -> Result<Result<Vec<ledger::OpenIntent>, types::Error>> {
        let services = Arc::clone(&self.services);
        let open = self.watch.served(async move { services.unsettled(after).await });
        Ok(match open.await {
            Ok(open) => Ok(open.into_iter().map(convert::to_open_intent).collect()),
            Err(failure) => Err(convert::error(failure)),
        })
    }
}

impl state::Host for RunState {
    async fn get(&mut self, key: String) -> Result<Result<Option<state::Entry>, types::Error>> {
        let services = Arc::clone(&self.services);
        let found = self.watch.served(async move { services.state_get(&key).await });
        Ok(match found.await {
            Ok(found) => Ok(found.map(|(value, version)| state::Entry { value, version })),
            Err(failure) => Err(convert::error(failure)),
        })
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        expected: Option<u64>,
    ) -> Result<Result<Option<u64>, types::Error>> {
        if key.len() > 256 || value.len() > LARGEST_VALUE {
            return Ok(Err(too_large(
                "state.put",
                "a key may have 256 bytes and a value 1 MiB",
            )));
        }
        self.state_bytes = self
            .state_bytes
            .saturating_add((key.len().saturating_add(value.len()) as u64).max(SMALLEST));
        if self.state_bytes > self.limits.state_bytes {
            self.flooded(Flood::State);
            return Ok(Err(too_large(
                "state.put",
                "a run may not put as much as this one did",
            )));
        }
        let services = Arc::clone(&self.services);
        let put = self
            .watch
            .served(async move { services.state_put(&key, value, expected).await });
        Ok(put.await.map_err(convert::error))
    }
}

impl progress::Host for RunState {
    async fn report(&mut self, event: progress::Event) -> Result<()> {
        if self.may_log(event.phase.len() + event.message.len()) {
            self.services.report(Event {
                phase: cut(&event.phase, 64),
                done: event.done,
                total: event.total,
                message: cut(&event.message, LOG_LINE),
            });
        }
        Ok(())
    }

    async fn log(&mut self, level: progress::Level, message: String) -> Result<()> {
        if self.may_log(message.len()) {
            let level = match level {
                progress::Level::Debug => LogLevel::Debug,
                progress::Level::Info => LogLevel::Info,
                progress::Level::Warn => LogLevel::Warn,
                progress::Level::Error => LogLevel::Error,
            };
            self.services.log(level, &cut(&message, LOG_LINE));
        }
        Ok(())
    }
}

impl RunState {
    /// Whether a line of this length is kept; what is over the run's log limit is dropped.
    fn may_log(&mut self, bytes: usize) -> bool {
        // Empty lines count too: a flood of nothing is a flood.
        self.log_bytes = self.log_bytes.saturating_add(bytes.min(LOG_LINE) as u64 + 16);
        let is_kept = self.log_bytes <= self.limits.log_bytes;
        if !is_kept {
            self.flooded(Flood::Log);
        }
        is_kept
    }

    /// Counts what is handed to the ledger; past the run's limit it is refused.
    fn too_many(&mut self, place: &str, entries: usize) -> Option<types::Error> {
        self.ledger_entries = self.ledger_entries.saturating_add(entries as u64);
        if self.ledger_entries <= self.limits.ledger_entries {
            return None;
        }
        self.flooded(Flood::Ledger);
        Some(too_large(
            place,
            "a run may not hand over as much as this one did",
        ))
    }
}

/// The text's first bytes, whole characters only, with control characters made visible: a guest's line
/// must not look like two of the host's.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end)
        .unwrap_or_default()
        .chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}
