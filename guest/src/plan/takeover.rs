//! A takeover is one decision (R43: strictest at takeover): where it would take people out of a group that exists, or
//! put more people into it than its limits allow, all of it waits for somebody who has seen it, the tie in the ledger
//! included. So it does not become an ordinary group whose next run goes by ordinary limits.

use crate::settings::Limits;

use super::draft::Draft;
use super::limits::over;
use super::part::{Operation, Reason, RemovalReason, TAKEOVER, TargetHow};

impl Draft<'_> {
    /// Whether it takes over a group that exists.
    pub(super) fn takes_over(&self) -> bool {
        self.part
            .target
            .as_ref()
            .is_some_and(|target| target.how == TargetHow::Takeover)
    }

    /// Lets a takeover wait that is over its own limits.
    pub(super) fn hold_if_takeover_is_large(&mut self, limits: &Limits) {
        if !self.takes_over() {
            return;
        }
        let count = |wanted: fn(&Operation) -> bool| {
            let found = self.part.operations.iter().filter(|operation| wanted(operation));
            u64::try_from(found.count()).unwrap_or(u64::MAX)
        };
        let removals = count(|operation| {
            matches!(
                operation,
                Operation::RemoveMember {
                    why: RemovalReason::NotInSource,
                    ..
                }
            )
        });
        let adds = count(|operation| matches!(operation, Operation::AddMember { .. }));
        let why = if let Some(over) = over(&limits.takeover_removals, removals, self.size) {
            format!("would take {removals} of its members out of it, over the limit of {over} for takeovers")
        } else if let Some(over) = over(&limits.takeover_adds, adds, self.size) {
            format!(
                "would add {} to it, over the limit of {over} for takeovers",
                crate::words::count(adds, "person", "people")
            )
        } else {
            return;
        };
        self.hold_takeover(&why);
    }

    /// Lets all of a takeover wait.
    pub(super) fn hold_takeover(&mut self, why: &str) {
        let reason = Reason::new(
            TAKEOVER,
            format!(
                "The group exists in the target, and taking it over {why}; approve the takeover as a whole, or use \
                 another policy or limit."
            ),
        );
        self.hold(&reason, |_| true);
    }
}
