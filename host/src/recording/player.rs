//! Answers from a recording, in its order. The same component makes the same calls; the first that is another one ends
//! the replay, and its place is the answer to "where?".

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::describe;
use super::file::Recording;
use crate::plugin::journal::{Answer, Call, Journal, LeftRecording};

/// Where a replay and its recording part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which call, from 1; one more than there are where only the end differs.
    pub call: u64,
    /// What was recorded, in words.
    pub recorded: String,
    /// What the replay did, in words.
    pub replayed: String,
    /// The first byte that differs, where both are the same kind of call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "call {}: recorded is {}; the replay made {}",
            self.call, self.recorded, self.replayed
        )?;
        match self.byte {
            Some(byte) => write!(formatter, " (from byte {byte} on)"),
            None => Ok(()),
        }
    }
}

#[derive(Default)]
struct At {
    next: usize,
    difference: Option<Difference>,
    /// A call after the last recorded one.
    beyond: Option<String>,
}

/// Plays a recording.
pub(super) struct Player {
    recording: Recording,
    at: Mutex<At>,
}

impl Player {
    pub(super) fn new(recording: Recording) -> Self {
        Self {
            recording,
            at: Mutex::default(),
        }
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.recording
    }

    /// How many calls were the same; the first that was not, if any; the call beyond the last, if any.
    pub(super) fn result(&self) -> (u64, Option<Difference>, Option<String>) {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        (at.next as u64, at.difference.clone(), at.beyond.clone())
    }
}

fn difference(number: usize, recorded: &Call, made: &Call) -> Difference {
    let (mut told, mut now) = (describe::call(recorded), describe::call(made));
    let mut byte = None;
    if std::mem::discriminant(recorded) == std::mem::discriminant(made)
        && let Some((at, before, after)) = describe::detail(recorded, made)
    {
        byte = Some(at as u64);
        told = format!("{told}: …{before}…");
        now = format!("{now}: …{after}…");
    }
    Difference {
        call: number as u64 + 1,
        recorded: told,
        replayed: now,
        byte,
    }
}

impl Journal for Player {
    fn replays(&self) -> bool {
        true
    }

    fn answer(&self, call: &Call) -> Result<Option<Answer>, LeftRecording> {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at.difference.is_some() || at.beyond.is_some() {
            return Err(LeftRecording);
        }
        match self.recording.calls.get(at.next) {
            Some((recorded, answer)) if recorded == call => {
                at.next += 1;
                Ok(Some(answer.clone()))
            }
            Some((recorded, _)) => {
                at.difference = Some(difference(at.next, recorded, call));
                Err(LeftRecording)
            }
            None => {
                at.beyond = Some(describe::call(call));
                Err(LeftRecording)
            }
        }
    }

    fn note(&self, _: Call, _: Answer) {}
}
