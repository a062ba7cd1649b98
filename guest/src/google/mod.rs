//! Google Workspace as a target: groups and their members by the Directory API. Users are read and never
//! written (R33). Bodies of writes hold nothing but what export needs: a group's email, name and description, a
//! member's ID and the role MEMBER (R52).

mod address;
mod batch;
mod errors;
mod look_up;
mod members;
mod people;
mod records;
mod write;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::failure::Failure;
use crate::http::Client;
use crate::manifest::{Credential, EgressRule};
use crate::plan::model::{ObservedMember, Reading, Resolution, Sight, SourceUser};
use crate::settings::Settings;
use crate::target::{Doubt, TargetDirectory, Wanted, Write, WriteResult};

pub use errors::classify;

use people::People;

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

/// Segments under which the Directory API lies.
fn path<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    let mut segments = vec!["admin", "directory", "v1"];
    segments.extend_from_slice(rest);
    segments
}

/// One Google Workspace directory.
#[derive(Debug)]
pub struct Google<'a> {
    client: Client<'a>,
    /// Domains that group addresses may use, lower case; empty where the operator names none (R18).
    domains: BTreeSet<String>,
    /// The users, once read: a run looks at them as they were then.
    people: RefCell<Option<Rc<People>>>,
}

impl<'a> Google<'a> {
    /// A directory over a client made with [`classify`].
    pub fn new(client: Client<'a>, settings: &Settings) -> Self {
        Self {
            client,
            domains: settings
                .domains
                .iter()
                .map(|domain| domain.trim().to_lowercase())
                .collect(),
            people: RefCell::new(None),
        }
    }
}

impl TargetDirectory for Google<'_> {
    async fn resolve(&self, users: &[SourceUser]) -> Result<BTreeMap<String, Resolution>, Failure> {
        self.resolve_users(users).await
    }

    async fn resolve_few(&self, users: &[SourceUser]) -> Result<BTreeMap<String, Resolution>, Failure> {
        self.resolve_each(users).await
    }

    async fn look_up(
        &self,
        wanted: &[Wanted],
        held: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Sight>, Failure> {
        self.look_up_groups(wanted, held).await
    }

    async fn members(&self, targets: &[String], take: &mut dyn FnMut(&str, Reading<Vec<ObservedMember>>)) {
        self.members_of(targets, take).await;
    }

    async fn doubt(&self, absent: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, Doubt> {
        self.ask_for_absent(absent).await
    }

    async fn leads_to(&self, key: &str, target: &str) -> bool {
        self.is_address_of(key, target).await
    }

    fn diagnose(&self, failure: &Failure) -> Option<&'static str> {
        errors::diagnose(failure)
    }

    async fn has_domain(&self, domain: &str) -> Result<Option<bool>, Failure> {
        self.holds_domain(domain).await
    }

    async fn write(&self, writes: &[Write]) -> Vec<WriteResult> {
        self.write_all(writes).await
    }
}

#[cfg(test)]
mod tests;
