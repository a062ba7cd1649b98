//! What the engine asks of the source directory. There is no method that writes: the source is only read (R8).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::failure::Failure;
use crate::plan::model::{Reading, SourceGroup, SourceUser, TargetRules};

/// A directory as the source knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The source's ID of it.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// Which rules it follows; none where it is of a kind that this version does not export to.
    pub rules: Option<TargetRules>,
    /// The source's own word for its kind, for a person.
    pub kind: String,
    /// Its default domain, where the source knows one (R35).
    pub default_domain: Option<String>,
    /// Whether the source's own group management is switched on for it (R35); none where the source does not say.
    pub groups_enabled: Option<bool>,
}

/// Reads of the source. Retries and pacing are its own business.
pub trait SourceDirectory {
    /// The directory under an ID; none where the source answers that there is none.
    fn directory(&self, id: &str) -> impl Future<Output = Result<Option<Directory>, Failure>>;

    /// All directories that the source exports to (R35).
    fn directories(&self) -> impl Future<Output = Result<Reading<Vec<Directory>>, Failure>>;

    /// IDs of the groups associated with a directory.
    fn bound_groups(
        &self,
        directory: &Directory,
    ) -> impl Future<Output = Result<Reading<BTreeSet<String>>, Failure>>;

    /// All groups.
    fn groups(&self) -> impl Future<Output = Result<Reading<Vec<SourceGroup>>, Failure>>;

    /// One group's own record; none only where the source answers that it does not exist.
    fn group(&self, id: &str) -> impl Future<Output = Result<Option<SourceGroup>, Failure>>;

    /// All people, with the IDs that the source holds for them in this directory (R31).
    fn users(
        &self,
        directory: &Directory,
    ) -> impl Future<Output = Result<Reading<Vec<SourceUser>>, Failure>>;

    /// One person's own record; none only where the source answers that it does not exist (R49).
    fn user(&self, id: &str) -> impl Future<Output = Result<Option<SourceUser>, Failure>>;

    /// Effective users of groups, nested ones included; an entry for every group asked for.
    fn many_members(
        &self,
        groups: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, Reading<BTreeSet<String>>>, Failure>>;
}
