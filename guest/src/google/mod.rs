//! Google Workspace as a target: groups and their members by the Directory API. Users are read and never
//! written (R33).

use crate::manifest::{Credential, EgressRule};

/// The credential that reads and writes need.
pub const CREDENTIAL: Credential = Credential {
    name: "google",
    purpose: "Creates and updates groups, adds and removes their members, and reads users to find them by address.",
    scopes: &[
        "https://www.googleapis.com/auth/admin.directory.group",
        "https://www.googleapis.com/auth/admin.directory.user.readonly",
    ],
};

/// All requests to Google.
pub fn egress_rules() -> Vec<EgressRule> {
    vec![
        EgressRule::read("google", "GET", "/admin/directory/v1/users"),
        EgressRule::read("google", "GET", "/admin/directory/v1/users/{user}"),
        EgressRule::read("google", "GET", "/admin/directory/v1/groups/{group}"),
        EgressRule::read("google", "GET", "/admin/directory/v1/groups/{group}/members"),
        EgressRule::read(
            "google",
            "GET",
            "/admin/directory/v1/groups/{group}/members/{member}",
        ),
        EgressRule::write("google", "POST", "/admin/directory/v1/groups"),
        EgressRule::write("google", "PATCH", "/admin/directory/v1/groups/{group}"),
        EgressRule::write("google", "POST", "/admin/directory/v1/groups/{group}/members"),
        EgressRule::write(
            "google",
            "DELETE",
            "/admin/directory/v1/groups/{group}/members/{member}",
        ),
        EgressRule::batch("google", "POST", "/batch"),
    ]
}
