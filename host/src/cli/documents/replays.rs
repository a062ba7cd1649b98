//! Recordings: done again, done by another component, copied without people.

use serde::Serialize;

use crate::cli::exit::Exit;
use crate::recording::{Against, Head, Kind, Redacted, Replayed};

/// `replay`: `groupcast/replay/1`.
#[derive(Debug, Serialize)]
pub struct ReplayDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The run.
    pub run: String,
    /// `check`, `plan`, `apply` or `why`.
    pub kind: Kind,
    /// `tenant/connection`.
    pub connection: String,
    /// SHA-256 of the recorded component.
    pub component: String,
    /// Whether the replay was the same, bit for bit.
    pub reproduced: bool,
    /// What the replay found.
    #[serde(flatten)]
    pub replayed: Replayed,
}

impl ReplayDocument {
    /// Of a replay.
    pub fn new(exit: Exit, head: &Head, replayed: Replayed) -> Self {
        Self {
            format: "groupcast/replay/1",
            exit: exit.code(),
            run: head.run.id.clone(),
            kind: head.kind,
            connection: head.connection.clone(),
            component: head.component.clone(),
            reproduced: replayed.difference.is_none(),
            replayed,
        }
    }
}

/// `replay --against`: `groupcast/replay-against/1`.
#[derive(Debug, Serialize)]
pub struct AgainstDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The run.
    pub run: String,
    /// `check`, `plan`, `apply` or `why`.
    pub kind: Kind,
    /// `tenant/connection`.
    pub connection: String,
    /// SHA-256 of the recorded component.
    pub recorded_component: String,
    /// What the other component makes of it.
    #[serde(flatten)]
    pub against: Against,
}

impl AgainstDocument {
    /// Of another component's replay.
    pub fn new(exit: Exit, head: &Head, against: Against) -> Self {
        Self {
            format: "groupcast/replay-against/1",
            exit: exit.code(),
            run: head.run.id.clone(),
            kind: head.kind,
            connection: head.connection.clone(),
            recorded_component: head.component.clone(),
            against,
        }
    }
}

/// `replay --redact`: `groupcast/redacted/1`.
#[derive(Debug, Serialize)]
pub struct RedactedDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The run.
    pub run: String,
    /// The copy.
    pub file: String,
    /// What it is worth.
    #[serde(flatten)]
    pub redacted: Redacted,
    /// Its replay.
    pub replayed: Replayed,
}

impl RedactedDocument {
    /// Of a copy and its replay.
    pub fn new(exit: Exit, head: &Head, file: String, redacted: Redacted, replayed: Replayed) -> Self {
        Self {
            format: "groupcast/redacted/1",
            exit: exit.code(),
            run: head.run.id.clone(),
            file,
            redacted,
            replayed,
        }
    }
}
