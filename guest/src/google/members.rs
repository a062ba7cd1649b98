//! Reading the members of groups. `directMembersCount` may leave pending members out and is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::people::People;
use super::records::{MEMBER_FIELDS, MEMBERS_FIELDS, MemberPage, MemberRecord};
use super::{Google, batch, errors, path};
use crate::complete::{Collector, Next, Page};
use crate::http::{Call, as_they_come};
use crate::plan::model::{MemberKind, ObservedMember, Principal, Reading, Role};
use crate::target::Doubt;

impl Google<'_> {
    pub(super) async fn members_of(
        &self,
        targets: &[String],
        take: &mut dyn FnMut(&str, Reading<Vec<ObservedMember>>),
    ) {
        let people = self.known_people();
        let reads = targets
            .iter()
            .map(|target| async move { (target, self.members_of_one(target).await) });
        let mut done = 0;
        let taken: Result<(), std::convert::Infallible> =
            as_they_come(reads, self.client.at_once(), |(target, reading)| {
                done += 1;
                let progress = self.client.environment().progress;
                progress.report("target-members", done, Some(targets.len() as u64), target);
                let observed = |records: Vec<MemberRecord>| {
                    records
                        .into_iter()
                        .map(|record| observed(record, people.as_deref()))
                        .collect()
                };
                take(target, reading.map(observed));
                Ok(())
            })
            .await;
        let Ok(()) = taken;
    }

    /// Members show late in lists, and a list can lack some and claim to be whole: whoever is recorded in a group and not
    /// listed is asked for by themselves (R42). Taken for gone, they would be forgotten, and a member of ours whom nobody
    /// wants any more would be a stranger for ever.
    pub(super) async fn ask_for_absent(
        &self,
        absent: &BTreeMap<String, BTreeSet<String>>,
    ) -> BTreeMap<String, Doubt> {
        let asked: Vec<(&str, &str)> = absent
            .iter()
            .flat_map(|(target, members)| {
                members
                    .iter()
                    .map(move |member| (target.as_str(), member.as_str()))
            })
            .collect();
        let calls: Vec<Call> = asked
            .iter()
            .map(|(target, member)| {
                Call::get(&path(&["groups", target, "members", member])).query("fields", MEMBER_FIELDS)
            })
            .collect();
        let answers = batch::send(&self.client, &calls).await;
        let mut found: BTreeMap<&str, (Vec<MemberRecord>, String)> = BTreeMap::new();
        for ((target, member), answer) in asked.into_iter().zip(answers) {
            let doubt = match answer {
                // 400 is what an ID that is nobody's (any more) can get.
                Ok(answer) if matches!(answer.status, 400 | 404) => continue,
                Ok(answer) if answer.is_success() => answer.json::<MemberRecord>(),
                Ok(answer) => {
                    let said = errors::said(&answer);
                    Err(answer.failure(crate::failure::FailureKind::Vendor, &said.reason, said.message))
                }
                Err(failure) => Err(failure),
            };
            let (there, reason) = found.entry(target).or_default();
            match doubt {
                Ok(record) => {
                    *reason = format!(
                        "Google's list lacks {} and claims to be whole, but they are a member when asked for",
                        record.email.as_deref().unwrap_or(member)
                    );
                    there.push(record);
                }
                Err(failure) => {
                    *reason = format!("Google's list lacks {member}, and asking for them failed: {failure}");
                }
            }
        }
        let people = self.known_people();
        found
            .into_iter()
            .map(|(target, (there, reason))| {
                let there = there
                    .into_iter()
                    .map(|record| observed(record, people.as_deref()))
                    .collect();
                (target.to_owned(), Doubt { there, reason })
            })
            .collect()
    }

    async fn members_of_one(&self, target: &str) -> Reading<Vec<MemberRecord>> {
        let what = format!("the members of the Google group {target}");
        let mut collector = Collector::new(what, |member: &MemberRecord| member.id.clone());
        let mut token: Option<String> = None;
        while !collector.is_done() {
            let mut call = Call::get(&path(&["groups", target, "members"]))
                .query("maxResults", "200")
                .query("fields", MEMBERS_FIELDS);
            if let Some(token) = &token {
                call = call.query("pageToken", token);
            }
            let page = match self.client.fetch_found::<MemberPage>(call, &[404]).await {
                Ok(Some(page)) => page,
                Ok(None) => {
                    collector.fail("Google answers that the group does not exist (404)");
                    break;
                }
                Err(failure) => {
                    collector.fail(failure.to_string());
                    break;
                }
            };
            let next = match page.next.filter(|next| !next.is_empty()) {
                Some(next) => Next::Token(next),
                None => Next::End,
            };
            // A fault stays in the collector and comes out at the end.
            let _ = collector.feed(Page::new(page.members.unwrap_or_default(), next));
            token = collector.next_token().map(str::to_owned);
        }
        match collector.finish() {
            Ok(whole) => Reading::Complete(whole),
            Err(shortfall) => Reading::Partial {
                seen: shortfall.seen,
                reason: shortfall.reason.to_string(),
            },
        }
    }
}

fn observed(record: MemberRecord, people: Option<&People>) -> ObservedMember {
    let kind = match record.kind.as_deref() {
        // A member outside the directory is of the type USER too, but Google gives it no status.
        Some("USER") => match people.and_then(|people| people.is_user(&record.id)) {
            Some(true) => MemberKind::User,
            Some(false) => MemberKind::External,
            None if record.status.is_some() => MemberKind::User,
            None => MemberKind::External,
        },
        Some("GROUP") => MemberKind::Group,
        _ => MemberKind::Other,
    };
    let role = match record.role.as_deref() {
        Some("MEMBER") => Role::Member,
        Some("OWNER") => Role::Owner,
        // A role that is not known is not taken away (R39).
        _ => Role::Manager,
    };
    ObservedMember {
        principal: Principal {
            address: record.email.unwrap_or_else(|| record.id.clone()),
            id: record.id,
        },
        kind,
        role,
    }
}
