//! The run as the WIT world gives it, and the one place that looks at a vendor's name.

use crate::engine::answers::{Explanation, Finding, PlanSummary, Question, Report};
use crate::environment::Environment;
use crate::failure::{Failure, FailureKind};

/// One end of a run where groups come from (WIT `source`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEnd {
    /// `jumpcloud`.
    pub vendor: String,
    /// Scheme, host and port.
    pub base_url: String,
    /// The source's own ID of the directory.
    pub directory: String,
}

/// The other end, where groups go (WIT `target`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetEnd {
    /// `google` or `entra`.
    pub vendor: String,
    /// Scheme, host and port.
    pub base_url: String,
}

/// One run (WIT `run`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Unique among the host's runs.
    pub id: String,
    /// Where groups come from.
    pub source: SourceEnd,
    /// Where groups go.
    pub target: TargetEnd,
    /// The connection's settings: a JSON document.
    pub settings: String,
    /// The only source of randomness.
    pub seed: u64,
}

/// The five exports over one run.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    /// The run.
    pub run: &'a Run,
    /// The imports.
    pub environment: Environment<'a>,
}
