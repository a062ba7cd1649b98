//! Speaking to Entra ID through Microsoft Graph v1.0: reads users, groups and members; creates security groups,
//! changes them and their memberships. It never writes a user (R33), never deletes a group, and never
//! touches a group that the engine did not name. The planner's rules are not made here; which group may be taken
//! over is, since that is about Entra's kinds of groups ([`takeover`]).
//!
//! Rooms: [`request`] is the closed list of what is sent, [`errors`] what answers mean, [`types`] the shapes,
//! [`graph`] the sending, [`read`] and [`write`] the two halves of the [`TargetDirectory`].

pub mod errors;
#[cfg(test)]
mod fake;
pub mod feed;
pub mod graph;
mod lane;
pub mod read;
pub mod request;
pub mod takeover;
pub mod types;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::feed::{Mark, TargetChanges};
use crate::manifest::{Credential, EgressRule};
use crate::plan::model::{ObservedMember, Reading, Resolution, Sight, SourceUser};
use crate::settings::OnAmbiguous;
use crate::target::{Doubt, TargetDirectory, Wanted, Write, WriteResult};
use graph::Graph;

/// Name of the credential that the host attaches.
const NAME: &str = "entra";

/// What the component needs to speak to Graph.
pub const CREDENTIAL: Credential = Credential {
    name: NAME,
    purpose: "Reads users, groups and members in Entra ID; creates security groups and changes them and their members.",
    scopes: &[
        "Group.ReadWrite.All",
        "GroupMember.ReadWrite.All",
        "User.Read.All",
    ],
};

/// Every request that this room makes. Reads and writes go as parts of `$batch`, next pages as single reads.
pub fn egress_rules() -> Vec<EgressRule> {
    let mut rules = vec![EgressRule::batch(NAME, "POST", "/v1.0/$batch")];
    rules.extend(request::SHAPES.iter().map(|(method, path, writes)| {
        if *writes {
            EgressRule::write(NAME, method, path)
        } else {
            EgressRule::read(NAME, method, path)
        }
    }));
    rules
}

/// The `uniqueName` of the group that we create for a source group (R25).
pub fn key_of(source_group: &str) -> String {
    format!("{}{source_group}", takeover::KEY_PREFIX)
}

/// One Entra tenant.
#[derive(Debug)]
pub struct Entra<'a> {
    graph: Graph<'a>,
    on_ambiguous: OnAmbiguous,
}

impl<'a> Entra<'a> {
    /// The tenant at a base URL, such as `https://graph.microsoft.com`; which tenant it is, the host's credential
    /// decides. `seed` is the run's: the only source of jitter.
    pub fn new(environment: Environment<'a>, base_url: &str, on_ambiguous: OnAmbiguous, seed: u64) -> Self {
        Self {
            graph: Graph::new(environment, base_url, seed),
            on_ambiguous,
        }
    }
}

impl TargetDirectory for Entra<'_> {
    fn diagnose(&self, failure: &Failure) -> Option<&'static str> {
        errors::diagnose(failure)
    }

    async fn resolve(&self, users: &[SourceUser]) -> Result<BTreeMap<String, Resolution>, Failure> {
        read::resolve(&self.graph, users).await
    }

    async fn feed_mark(&self) -> Result<Result<Mark, String>, Failure> {
        feed::mark(&self.graph).await
    }

    async fn changes_since(&self, mark: &str) -> Result<Result<TargetChanges, String>, Failure> {
        feed::changes_since(&self.graph, mark).await
    }

    async fn look_up(
        &self,
        wanted: &[Wanted],
        held: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Sight>, Failure> {
        read::look_up(&self.graph, wanted, held, self.on_ambiguous).await
    }

    async fn members(&self, targets: &[String], take: &mut dyn FnMut(&str, Reading<Vec<ObservedMember>>)) {
        read::members(&self.graph, targets, take).await;
    }

    async fn doubt(&self, absent: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, Doubt> {
        read::list_again(&self.graph, absent).await
    }

    async fn write(&self, writes: &[Write]) -> Vec<WriteResult> {
        write::write(&self.graph, writes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r33_no_rule_writes_a_user_or_deletes_anything_but_a_link() {
        for rule in egress_rules() {
            if rule.method == "DELETE" {
                assert!(rule.path.ends_with("/$ref"), "{rule:?}");
            }
            assert_eq!(rule.writes, matches!(rule.method, "PATCH" | "DELETE"), "{rule:?}");
            assert!(!rule.writes || rule.path.starts_with("/v1.0/groups"), "{rule:?}");
        }
        assert!(
            CREDENTIAL
                .scopes
                .iter()
                .all(|scope| !scope.starts_with("User.ReadWrite"))
        );
    }
}
