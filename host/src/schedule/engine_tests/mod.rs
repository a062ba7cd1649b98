//! The embedded engine in virtual time.

mod ends;
mod handing_over;
mod scene;
mod times;
mod troubles;
mod turns;

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use self::scene::{Process, Scene};
use super::*;
use crate::store::service::{Actor, JobState, NewAuditEntry, Pause, RunState, Trigger, Work};
use crate::store::{ConnectionId, RunEnd, RunResult};

const SYNC: Work = Work::Sync { full: false };

fn request() -> Trigger {
    Trigger::Request {
        by: "email:alice@example.com".to_owned(),
    }
}

fn audit(action: &str) -> NewAuditEntry {
    NewAuditEntry {
        actor: Actor {
            subject: "email:alice@example.com".to_owned(),
            name: "Alice".to_owned(),
            address: None,
        },
        tenant: Some("one".to_owned()),
        action: action.to_owned(),
        subject: "one/quick".to_owned(),
        before: None,
        after: None,
        request: None,
    }
}
