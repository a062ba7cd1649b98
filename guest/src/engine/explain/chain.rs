//! The chain itself: links in order, of which the first that does not hold is the cause.

use std::collections::BTreeSet;

use crate::engine::answers::{Explanation, Step};
use crate::plan::part::Reason;

/// The links of one chain.
#[derive(Default)]
pub(super) struct Chain {
    pub steps: Vec<Step>,
    /// The source group that the question turned out to be about.
    pub group: Option<String>,
    /// The person, by every ID that was found: in the source and in the target.
    pub people: BTreeSet<String>,
}

impl Chain {
    pub fn link(&mut self, code: &str, holds: bool, message: impl Into<String>) {
        self.steps.push(step(code, holds, message));
    }

    /// A reason as a link, unless the chain says the same already.
    pub fn reason(&mut self, reason: &Reason, holds: bool) {
        if !self.steps.iter().any(|step| step.message == reason.message) {
            self.link(&reason.code, holds, reason.message.clone());
        }
    }

    /// The cause: the first link that does not hold.
    pub fn cause(&self) -> Option<&Step> {
        self.steps.iter().find(|step| !step.holds)
    }

    pub fn end(self, conclusion: impl Into<String>) -> Explanation {
        Explanation {
            conclusion: conclusion.into(),
            group: self.group,
            people: self.people.into_iter().collect(),
            steps: self.steps,
        }
    }
}

fn step(code: &str, holds: bool, message: impl Into<String>) -> Step {
    Step {
        code: code.to_owned(),
        holds,
        message: message.into(),
    }
}
