//! What the engine asks of the source directory. There is no method that writes: the source is only read (R8).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::failure::Failure;
use crate::feed::Event;
use crate::plan::model::{Reading, SourceGroup, SourceUser};

pub use crate::jumpcloud::{Directory, FoundUsers};

/// Reads of the source. Retries and pacing are its own business.
pub trait SourceDirectory {
    /// What exactly a failed read shows to be wrong, by its stable name; none where that is not told apart.
    fn diagnose(&self, _failure: &Failure) -> Option<&'static str> {
        None
    }

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
    fn users(&self, directory: &Directory)
    -> impl Future<Output = Result<Reading<Vec<SourceUser>>, Failure>>;

    /// One person's own record; none only where the source answers that it does not exist (R49).
    fn user(&self, id: &str) -> impl Future<Output = Result<Option<SourceUser>, Failure>>;

    /// How a person is in a group: the names of the groups between, outermost first, empty for a direct member; none where
    /// they are not in it, or the source does not tell. For explanations alone.
    fn path(&self, _group: &str, _user: &str) -> impl Future<Output = Result<Option<Vec<String>>, Failure>> {
        async { Ok(None) }
    }

    /// Effective users of groups, nested ones included. Each group's reading is handed over as it comes, one for every
    /// group asked for, in no particular order: of a large directory, not all are kept as they come.
    fn many_members(
        &self,
        groups: &[String],
        take: &mut dyn FnMut(&str, Reading<BTreeSet<String>>),
    ) -> impl Future<Output = Result<(), Failure>>;

    /// The same for a few groups: all readings, by group.
    fn few_members(
        &self,
        groups: &[String],
    ) -> impl Future<Output = Result<BTreeMap<String, Reading<BTreeSet<String>>>, Failure>> {
        async move {
            let mut readings = BTreeMap::new();
            self.many_members(groups, &mut |group, reading| {
                readings.insert(group.to_owned(), reading);
            })
            .await?;
            Ok(readings)
        }
    }

    /// The newest events since a moment (milliseconds since the Unix epoch), newest first. Partial where there is no
    /// feed, or where it could not be asked.
    fn newest_events(
        &self,
        directory: &str,
        from_ms: u64,
    ) -> impl Future<Output = Result<Reading<Vec<Event>>, Failure>>;

    /// All events since a moment, oldest first; partial likewise.
    fn events_since(
        &self,
        directory: &str,
        from_ms: u64,
    ) -> impl Future<Output = Result<Reading<Vec<Event>>, Failure>>;

    /// The groups bound to a directory through which a group leads there, itself among them where it is bound.
    fn bound_above(
        &self,
        directory: &Directory,
        group: &str,
    ) -> impl Future<Output = Result<Reading<BTreeSet<String>>, Failure>>;

    /// Whether one group is associated with a directory.
    fn is_bound(
        &self,
        directory: &Directory,
        group: &str,
    ) -> impl Future<Output = Result<Reading<bool>, Failure>>;

    /// The groups that a person is in, nested ones included.
    fn groups_of(&self, user: &str) -> impl Future<Output = Result<Reading<BTreeSet<String>>, Failure>>;

    /// A few people by ID.
    fn few_users(
        &self,
        ids: &BTreeSet<String>,
        directory: &Directory,
    ) -> impl Future<Output = Result<FoundUsers, Failure>>;
}

impl SourceDirectory for crate::jumpcloud::Reader<'_> {
    fn diagnose(&self, failure: &Failure) -> Option<&'static str> {
        crate::jumpcloud::diagnose(failure)
    }

    async fn directory(&self, id: &str) -> Result<Option<Directory>, Failure> {
        self.directory(id).await
    }

    async fn directories(&self) -> Result<Reading<Vec<Directory>>, Failure> {
        self.directories().await
    }

    async fn bound_groups(&self, directory: &Directory) -> Result<Reading<BTreeSet<String>>, Failure> {
        self.bound_groups(directory).await
    }

    async fn groups(&self) -> Result<Reading<Vec<SourceGroup>>, Failure> {
        self.groups().await
    }

    async fn group(&self, id: &str) -> Result<Option<SourceGroup>, Failure> {
        self.group(id).await
    }

    async fn users(&self, directory: &Directory) -> Result<Reading<Vec<SourceUser>>, Failure> {
        self.users(directory).await
    }

    async fn user(&self, id: &str) -> Result<Option<SourceUser>, Failure> {
        self.user(id).await
    }

    async fn path(&self, group: &str, user: &str) -> Result<Option<Vec<String>>, Failure> {
        self.path(group, user).await
    }

    async fn many_members(
        &self,
        groups: &[String],
        take: &mut dyn FnMut(&str, Reading<BTreeSet<String>>),
    ) -> Result<(), Failure> {
        self.many_members(groups, take).await
    }

    async fn newest_events(&self, directory: &str, from_ms: u64) -> Result<Reading<Vec<Event>>, Failure> {
        self.newest_events(directory, from_ms).await
    }

    async fn events_since(&self, directory: &str, from_ms: u64) -> Result<Reading<Vec<Event>>, Failure> {
        self.events_since(directory, from_ms).await
    }

    async fn bound_above(
        &self,
        directory: &Directory,
        group: &str,
    ) -> Result<Reading<BTreeSet<String>>, Failure> {
        self.bound_above(directory, group).await
    }

    async fn is_bound(&self, directory: &Directory, group: &str) -> Result<Reading<bool>, Failure> {
        self.is_bound(directory, group).await
    }

    async fn groups_of(&self, user: &str) -> Result<Reading<BTreeSet<String>>, Failure> {
        self.groups_of(user).await
    }

    async fn few_users(&self, ids: &BTreeSet<String>, directory: &Directory) -> Result<FoundUsers, Failure> {
        self.few_users(ids, directory).await
    }
}
