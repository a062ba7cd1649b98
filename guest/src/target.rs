//! What the engine asks of a target directory; `google` and `entra` answer it. Batching, splitting a refused batch,
//! retries and pacing are the vendor room's own business: the engine hands over whole lists.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::failure::{Failure, VendorAnswer};
use crate::feed::{Mark, TargetChanges};
use crate::ledger::Settlement;
use crate::plan::model::{ObservedMember, Reading, Resolution, Sight, SourceUser, TargetGroup};
use crate::plan::part::Operation;

/// A source group whose target is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Source group ID.
    pub group: String,
    /// Name in the source, code point for code point.
    pub name: String,
    /// Key: the canonical address (Google), the `uniqueName` we would create under (Entra).
    pub key: String,
    /// The target's ID where the ledger binds one: then only this is looked up.
    pub bound: Option<String>,
}

/// One write: an approved operation and, where its group was created by this very plan, the ID it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What to do.
    pub operation: Operation,
    /// The target group's ID; none for a creation.
    pub target: Option<String>,
}

/// What became of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteResult {
    /// How it ended.
    pub settlement: Settlement,
    /// The vendor's answer.
    pub answer: Option<VendorAnswer>,
    /// Why it was refused or abandoned, for a person; empty where it went well.
    pub message: String,
    /// The group, after a creation (also where it existed already under the same key: `already`).
    pub created: Option<TargetGroup>,
    /// Not settled as done, and yet it may have taken effect, now or late: the answer was lost, and reading back did not
    /// show it. Whoever was perhaps added is remembered as ours; else nobody would ever take them out again.
    pub uncertain: bool,
}

/// What makes a list of members that claims to be whole fall short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Members whom the list lacks and who are there all the same.
    pub there: Vec<ObservedMember>,
    /// Why the list is not whole, for a person.
    pub reason: String,
}

/// One vendor's directory.
pub trait TargetDirectory {
    /// Finds source users in the target (R31): exact, unique, by immutable ID.
    fn resolve(
        &self,
        users: &[SourceUser],
    ) -> impl Future<Output = Result<BTreeMap<String, Resolution>, Failure>>;

    /// The same for a few people, without reading everybody where the directory can be asked for each of them.
    fn resolve_few(
        &self,
        users: &[SourceUser],
    ) -> impl Future<Output = Result<BTreeMap<String, Resolution>, Failure>> {
        self.resolve(users)
    }

    /// The present end of the directory's feed of changes to groups and their members. An error of its own that ends no
    /// run is `Ok(Err(why))`.
    fn feed_mark(&self) -> impl Future<Output = Result<Result<Mark, String>, Failure>> {
        async { Ok(Ok(Mark::NoFeed)) }
    }

    /// What changed since a mark; why that is not known, where the feed cannot go on from there.
    fn changes_since(
        &self,
        _mark: &str,
    ) -> impl Future<Output = Result<Result<TargetChanges, String>, Failure>> {
        async { Ok(Err("the directory has no feed of changes".to_owned())) }
    }

    /// Looks each group's target up; `held` are target IDs that other source groups are bound to (R51): never
    /// candidates. The answer has an entry for every wanted group (by source group ID).
    fn look_up(
        &self,
        wanted: &[Wanted],
        held: &BTreeSet<String>,
    ) -> impl Future<Output = Result<BTreeMap<String, Sight>, Failure>>;

    /// Members of target groups by ID. Each group's reading is handed over as it comes, one for every ID asked for, in no
    /// particular order: of a large directory, not all are kept as they come.
    fn members(
        &self,
        targets: &[String],
        take: &mut dyn FnMut(&str, Reading<Vec<ObservedMember>>),
    ) -> impl Future<Output = ()>;

    /// The same for a few groups: all readings, by target ID.
    fn few_members(
        &self,
        targets: &[String],
    ) -> impl Future<Output = BTreeMap<String, Reading<Vec<ObservedMember>>>> {
        async move {
            let mut readings = BTreeMap::new();
            self.members(targets, &mut |target, reading| {
                readings.insert(target.to_owned(), reading);
            })
            .await;
            readings
        }
    }

    /// Doubts lists of members that claim to be whole: `absent` are members, by target ID, whom the ledger has there and
    /// whom the list lacks. A directory that can be asked for one membership asks; where somebody is there after all, or
    /// no answer tells, it answers what makes the reading of that target fall short. By itself a list is believed.
    fn doubt(
        &self,
        _absent: &BTreeMap<String, BTreeSet<String>>,
    ) -> impl Future<Output = BTreeMap<String, Doubt>> {
        async { BTreeMap::new() }
    }

    /// Whether a key that is nobody's primary one leads to this target already, which then may take it as its own (R16).
    fn leads_to(&self, _key: &str, _target: &str) -> impl Future<Output = bool> {
        async { false }
    }

    /// What exactly a failed read shows to be wrong, by its stable name; none where that is not told apart.
    fn diagnose(&self, _failure: &Failure) -> Option<&'static str> {
        None
    }

    /// Whether the directory has a domain; none where that does not show, or means nothing there. Looks, and never writes.
    ///
    /// # Errors
    /// As [`Self::look_up`].
    fn has_domain(&self, _domain: &str) -> impl Future<Output = Result<Option<bool>, Failure>> {
        async { Ok(None) }
    }

    /// Carries out writes; one result each, in the same order. Never fails as a whole: what was not
    /// sent is `abandoned`. A bad entry never fails the others (R40).
    fn write(&self, writes: &[Write]) -> impl Future<Output = Vec<WriteResult>>;
}
