//! Our own imports, over the run's services: sizes are checked here, meaning is not.

use groupcast_guest::failure::{Failure, FailureKind};
use wasmtime::Result;

use super::bindings::groupcast::sync::{ledger, plan_sink, plan_source, progress, state, types};
use super::convert;
use super::services::{Event, LogLevel};
use super::state::RunState;

/// Entries that a call of the ledger takes at most, as the WIT says.
const LEDGER_PAGE: usize = 1_000;
/// Bytes of a log line or of a progress message that are kept.
const LOG_LINE: usize = 4 << 10;
/// Bytes of a plan part, as the WIT says.
const LARGEST_PART: usize = 16 << 20;
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
        self.plan_bytes = self.plan_bytes.saturating_add(part.len() as u64);
        if self.plan_bytes > self.limits.plan_bytes {
            return Ok(Err(too_large(
                "plan-sink.put",
                "the plan is larger than a run's plan may be",
            )));
        }
        Ok(self.services.put_part(part).await.map_err(convert::error))
    }
}

impl plan_source::Host for RunState {
    async fn next(&mut self) -> Result<Result<Option<Vec<u8>>, types::Error>> {
        Ok(self.services.next_part().await.map_err(convert::error))
    }
}

impl ledger::Host for RunState {
    async fn bindings(&mut self, after: Option<String>) -> Result<Result<ledger::BindingPage, types::Error>> {
        Ok(match self.services.bindings(after.as_deref()).await {
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
        Ok(match self.services.memberships(&group, after.as_deref()).await {
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
        let intents = intents.into_iter().map(convert::intent).collect();
        Ok(self.services.intend(intents).await.map_err(convert::error))
    }

    async fn settle(&mut self, outcomes: Vec<ledger::Outcome>) -> Result<Result<(), types::Error>> {
        if outcomes.len() > LEDGER_PAGE {
            return Ok(Err(too_large("ledger.settle", "a call takes 1,000 outcomes")));
        }
        let outcomes = outcomes.into_iter().map(convert::outcome).collect();
        Ok(self.services.settle(outcomes).await.map_err(convert::error))
    }

    async fn amend(&mut self, effects: Vec<ledger::Effect>) -> Result<Result<(), types::Error>> {
        if effects.len() > LEDGER_PAGE {
            return Ok(Err(too_large("ledger.amend", "a call takes 1,000 effects")));
        }
        let effects = effects.into_iter().map(convert::effect).collect();
        Ok(self.services.amend(effects).await.map_err(convert::error))
    }

    async fn unsettled(&mut self, after: u64) -> Result<Result<Vec<ledger::OpenIntent>, types::Error>> {
        Ok(match self.services.unsettled(after).await {
            Ok(open) => Ok(open.into_iter().map(convert::to_open_intent).collect()),
            Err(failure) => Err(convert::error(failure)),
        })
    }
}

impl state::Host for RunState {
    async fn get(&mut self, key: String) -> Result<Result<Option<state::Entry>, types::Error>> {
        Ok(match self.services.state_get(&key).await {
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
        Ok(self
            .services
            .state_put(&key, value, expected)
            .await
            .map_err(convert::error))
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
        self.log_bytes <= self.limits.log_bytes
    }
}

/// The text's first bytes, whole characters only, with control characters made visible: a guest's line
/// must not look like two of the host's.
fn cut(text: &str, bytes: usize) -> String {
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
