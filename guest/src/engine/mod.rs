//! Puts the rooms together for each export of the WIT world: reads the world through the source and the target
//! directory, lets [`crate::plan`] decide, and lets [`crate::apply`] carry out what was approved.
//!
//! One file an export. What the exports share is [`observe`] (reading the world once, in the same way for a plan,
//! for its apply and for an explanation: otherwise fingerprints could not agree). No vendor's word enters here: the
//! vendor's name is looked at in one place, [`Engine`], to choose who answers.

pub mod answers;
pub(crate) mod changes;
pub mod check;
pub mod explain;
pub mod observe;
pub mod plan;
pub mod run;
pub mod source;

mod settings;
#[cfg(test)]
mod tests;

pub use answers::{Explanation, Finding, PlanSummary, Question, Report, Severity, Step};
pub use run::{Engine, Extent, Run, SourceEnd, TargetEnd};
pub use settings::parse as parse_settings;

use crate::environment::{Environment, Level};
use crate::failure::{Failure, FailureKind};
use crate::plan::model::{TargetRules, TextLimits};
use crate::settings::Settings;

/// What every export works with: the two directories, the imports and the settings of the run.
pub struct Session<'a, S, T> {
    /// Where groups come from.
    pub source: &'a S,
    /// Where groups go.
    pub target: &'a T,
    /// The imports.
    pub environment: Environment<'a>,
    /// The connection's settings.
    pub settings: &'a Settings,
    /// Which rules the target follows.
    pub rules: TargetRules,
    /// How long the target's texts may be.
    pub text: TextLimits,
    /// The source's own ID of the directory.
    pub directory: &'a str,
    /// How much is read.
    pub read: Extent,
}

impl<S, T> Session<'_, S, T> {
    /// Tells a person where the run is.
    pub(crate) fn progress(&self, phase: &str, done: usize, total: Option<usize>, message: &str) {
        self.environment.progress.report(
            phase,
            u64::try_from(done).unwrap_or(u64::MAX),
            total.map(|total| u64::try_from(total).unwrap_or(u64::MAX)),
            message,
        );
    }

    /// Logs something that somebody should look at.
    pub(crate) fn warn(&self, message: &str) {
        self.environment.progress.log(Level::Warn, message);
    }
}

/// Whether a failure ends the whole run, and not only the read that it fell in: the host or a credential says no,
/// and every further request would be answered in the same way.
pub(crate) fn ends_the_run(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Cancelled
        | FailureKind::Configuration
        | FailureKind::Unauthorized
        | FailureKind::Denied
        | FailureKind::Host => true,
        FailureKind::Transient | FailureKind::Throttled(_) | FailureKind::Vendor => false,
    }
}
