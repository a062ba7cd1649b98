//! Reading JumpCloud. There is no write in this room (R8): every request is a GET, but for the query of Directory
//! Insights, a read by POST. What it reads it hands out in
//! the planner's words ([`crate::plan::model`]) and with the proof that it is whole, or the reason why it is not.

mod errors;
mod events;
mod pages;
mod reach;
mod reader;
mod records;

use crate::manifest::{Credential, EgressRule};

pub use errors::{classify, diagnose};
pub use reader::{FoundUsers, Reader};
pub use records::Directory;

/// The credential that reads need.
pub const CREDENTIAL: Credential = Credential {
    name: "jumpcloud",
    purpose: "Reads groups, their members, users and the directories that they are bound to. Nothing is written.",
    scopes: &["Read Only"],
};

/// All requests to JumpCloud.
pub fn egress_rules() -> Vec<EgressRule> {
    [
        "/api/v2/directories",
        "/api/v2/gsuites/{id}",
        "/api/v2/office365s/{id}",
        "/api/v2/gsuites/{id}/associations",
        "/api/v2/office365s/{id}/associations",
        "/api/v2/office365s/{id}/users",
        "/api/v2/usergroups",
        "/api/v2/usergroups/{id}",
        "/api/v2/usergroups/{id}/membership",
        "/api/v2/usergroups/{id}/associations",
        "/api/v2/usergroups/{id}/gsuites",
        "/api/v2/usergroups/{id}/office365s",
        "/api/v2/users/{id}/memberof",
        "/api/systemusers",
        "/api/systemusers/{id}",
    ]
    .into_iter()
    .map(|path| EgressRule::read("jumpcloud", "GET", path))
    .chain([EgressRule::read(
        "jumpcloud",
        "POST",
        "/insights/directory/v1/events",
    )])
    .collect()
}
