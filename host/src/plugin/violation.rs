//! How a plugin breaks its bounds: each breach has a type that blames the plugin, a stable code for programs, a sentence
//! for people, and an entry of the audit log. What may not enter: what the host or a vendor did wrong.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::ConnectionId;
use crate::store::service::{Actor, NewAuditEntry};

/// What a flood is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flood {
    /// Log lines and progress events.
    Log,
    /// Bytes of plan parts.
    Plan,
    /// Entries handed to the ledger.
    Ledger,
    /// Bytes handed to the state.
    State,
    /// Requests at once, or refused ones one after the other.
    Requests,
}

impl Flood {
    fn noun(self) -> &'static str {
        match self {
            Self::Log => "log lines and progress",
            Self::Plan => "plan parts",
            Self::Ledger => "entries of the ledger",
            Self::State => "state",
            Self::Requests => "requests",
        }
    }
}

/// What a plugin did that no plugin may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Violation {
    /// A trap: `unreachable`, out of bounds, division by zero.
    #[error(
        "the plugin crashed ({how}); the run ended and nothing more was written; report it to the plugin's author"
    )]
    Crashed {
        /// The engine's words.
        how: String,
    },
    /// It called itself without end.
    #[error("the plugin crashed: it used its whole call stack; report it to the plugin's author")]
    StackExhausted,
    /// What it handed over is no value of its type: text that is no UTF-8, an unknown case, a handle that it does not
    /// have, a pointer outside of its memory.
    #[error("the plugin crashed: it broke the calling convention ({how}); report it to the plugin's author")]
    BrokenContract {
        /// The engine's words.
        how: String,
    },
    /// It computed for longer than a run may.
    #[error(
        "the plugin computed for more than {limit:?} and was stopped; raise limits.cpu_seconds if the organisation is large"
    )]
    ComputedTooLong {
        /// The limit.
        limit: Duration,
    },
    /// The time was up, and the plugin had not been waiting for the host or a vendor.
    #[error(
        "the plugin did not end within {limit:?} and was stopped; it was not waiting for any answer; report it to the \
         plugin's author"
    )]
    NeverEnded {
        /// The limit.
        limit: Duration,
    },
    /// More memory, table elements, instances or handles than a run may have.
    #[error(
        "the plugin needed more {what} than its limit and was stopped; raise limits.{setting} if the organisation is large"
    )]
    TooMuch {
        /// Of what.
        what: Cow<'static, str>,
        /// Which setting.
        setting: Cow<'static, str>,
    },
    /// One call handed over more than the host takes at once.
    #[error(
        "the plugin handed over more than {limit} bytes in one call and was stopped; report it to the plugin's author"
    )]
    TooMuchAtOnce {
        /// The limit.
        limit: usize,
    },
    /// Bodies of requests and answers that it keeps open.
    #[error(
        "the plugin kept more than {limit} bytes of requests and answers open at once and was stopped; report it to the \
         plugin's author"
    )]
    HeldTooMuch {
        /// The limit.
        limit: usize,
    },
    /// A flood.
    #[error("the plugin handed over more {} than a run may; report it to the plugin's author", of.noun())]
    Flooded {
        /// Of what.
        of: Flood,
    },
    /// A request that a sync may not make: another place, another path, a header, a write while reading, a user.
    #[error("the plugin asked for {request}, which was refused: {reason}")]
    ForbiddenRequest {
        /// Method and URL.
        request: String,
        /// The gate's reason.
        reason: String,
    },
    /// A call that the export may not make.
    #[error("the plugin called {call}, which only another of its exports may")]
    ForbiddenCall {
        /// Which.
        call: String,
    },
    /// An operation that nobody approved.
    #[error("the plugin was about to do to group {group} what the approved plan does not hold: {operation}")]
    NotApproved {
        /// Source group ID.
        group: String,
        /// The operation, as JSON.
        operation: String,
    },
    /// A plan that is none: parts out of order or twice, or that do not read.
    #[error("the plugin's plan cannot be used: {why}")]
    UnusablePlan {
        /// Why.
        why: String,
    },
    /// A plan of somebody else's component that would change more at once than the connection's limits let anybody.
    #[error("the plugin's plan is over this connection's limits, and no part of it is held for that: {why}")]
    PlanOverLimits {
        /// Which limit.
        why: String,
    },
    /// It reports more than the ledger knows to be done.
    #[error("the plugin reports {claimed} operations as done, and the ledger knows of {known}")]
    FalseReport {
        /// What it says.
        claimed: u64,
        /// What is so.
        known: u64,
    },
}

impl Violation {
    /// Stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Crashed { .. } => "crashed",
            Self::StackExhausted => "stack-exhausted",
            Self::BrokenContract { .. } => "broken-contract",
            Self::ComputedTooLong { .. } => "computed-too-long",
            Self::NeverEnded { .. } => "never-ended",
            Self::TooMuch { .. } => "too-much",
            Self::TooMuchAtOnce { .. } => "too-much-at-once",
            Self::HeldTooMuch { .. } => "held-too-much",
            Self::Flooded { .. } => "flooded",
            Self::ForbiddenRequest { .. } => "forbidden-request",
            Self::ForbiddenCall { .. } => "forbidden-call",
            Self::NotApproved { .. } => "not-approved",
            Self::UnusablePlan { .. } => "unusable-plan",
            Self::PlanOverLimits { .. } => "plan-over-limits",
            Self::FalseReport { .. } => "false-report",
        }
    }

    /// The entry of the audit log: the plugin did it, to that connection.
    pub fn audit_entry(&self, digest: &str, connection: &ConnectionId, run: &str) -> NewAuditEntry {
        NewAuditEntry {
            actor: Actor {
                subject: format!("plugin:{digest}"),
                name: "plugin".to_owned(),
                address: None,
            },
            tenant: Some(connection.tenant.clone()),
            action: "plugin.violation".to_owned(),
            subject: connection.to_string(),
            before: None,
            after: Some(serde_json::json!({
                "run": run,
                "code": self.code(),
                "message": self.to_string(),
            })),
            request: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_blames_the_plugin_and_says_what_it_did_to_whom() {
        let connection = ConnectionId::new("acme", "google");
        let entry = Violation::Flooded { of: Flood::Log }.audit_entry("ab12", &connection, "r1");
        assert_eq!(entry.actor.subject, "plugin:ab12");
        assert_eq!(entry.action, "plugin.violation");
        assert_eq!(entry.tenant.as_deref(), Some("acme"));
        let after = entry.after.unwrap();
        assert_eq!(after["code"], "flooded");
        assert!(
            after["message"].as_str().unwrap().contains("log lines"),
            "{after}"
        );
    }
}
