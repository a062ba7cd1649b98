//! The second, agreeing read that removals need (R42), and the records of people who may be gone (R49).

use std::collections::{BTreeMap, BTreeSet};

use super::Observed;
use crate::engine::source::SourceDirectory;
use crate::engine::{Session, ends_the_run};
use crate::failure::Failure;
use crate::names::{Name, Names};
use crate::plan::SecondReads;
use crate::plan::model::Reading;
use crate::target::TargetDirectory;

/// What must be read again for one group: [`SecondReads`] in numbers.
#[derive(Debug)]
pub(crate) struct Again {
    users: BTreeSet<Name>,
    list: bool,
    records: BTreeSet<Name>,
}

impl Again {
    /// Keeps what must be read again.
    pub(crate) fn keep(reads: &SecondReads, names: &mut Names) -> Self {
        let mut keep = |users: &BTreeSet<String>| users.iter().map(|user| names.keep(user)).collect();
        Self {
            users: keep(&reads.users),
            list: reads.list,
            records: keep(&reads.records),
        }
    }

    fn people(&self) -> impl Iterator<Item = Name> {
        self.users.iter().chain(&self.records).copied()
    }
}

impl<S: SourceDirectory, T: TargetDirectory> Session<'_, S, T> {
    /// Reads again what `reads` names, by source group ID, and nothing else.
    pub(crate) async fn confirm(
        &self,
        observed: &mut Observed,
        reads: &BTreeMap<String, Again>,
    ) -> Result<(), Failure> {
        let groups: Vec<String> = reads
            .iter()
            .filter(|(_, reads)| reads.list || !reads.users.is_empty())
            .map(|(group, _)| group.clone())
            .collect();
        if !groups.is_empty() {
            self.progress(
                "verifying",
                0,
                Some(groups.len()),
                "members of groups, a second time",
            );
            let (names, absent_again) = (&observed.half.names, &mut observed.absent_again);
            self.source
                .many_members(&groups, &mut |group, second| {
                    if let (Reading::Complete(second), Some(reads)) = (second, reads.get(group)) {
                        let absent = second.map(|seen| {
                            let absent = |user: &Name| !seen.contains(names.text(*user));
                            reads.users.iter().copied().filter(absent).collect()
                        });
                        absent_again.insert(group.to_owned(), absent);
                    }
                })
                .await?;
        }
        let names = &observed.half.names;
        let people: BTreeSet<Name> = reads
            .values()
            .flat_map(Again::people)
            // Whoever shows in the list of people is not deleted.
            .filter(|user| !observed.half.people.is_listed(*user))
            .collect();
        let mut people: Vec<Name> = people.into_iter().collect();
        people.sort_unstable_by_key(|user| names.text(*user));
        let deleted = self.read_deleted(&people, names).await?;
        for (group, reads) in reads {
            let gone: BTreeSet<Name> = reads.people().filter(|user| deleted.contains(user)).collect();
            if !gone.is_empty() {
                observed.gone.insert(group.clone(), gone);
            }
        }
        Ok(())
    }

    /// Those of some people whose own record is gone.
    async fn read_deleted(&self, people: &[Name], names: &Names) -> Result<BTreeSet<Name>, Failure> {
        let mut deleted = BTreeSet::new();
        for (done, user) in people.iter().enumerate() {
            if done % 100 == 0 {
                self.progress("verifying", done, Some(people.len()), "people who may be gone");
            }
            let id = names.text(*user);
            match self.source.user(id).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    deleted.insert(*user);
                }
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => self.warn(&format!("The person {id} could not be read: {failure}")),
            }
        }
        Ok(deleted)
    }
}
