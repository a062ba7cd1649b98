//! Reading the members of groups. `directMembersCount` may leave pending members out and is not looked at.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::people::People;
use super::records::{MEMBER_FIELDS, MEMBERS_FIELDS, MemberPage, MemberRecord};
use super::{Google, batch, errors, path};
use crate::complete::{Collector, Next, Page};
use crate::http::{Call, together};
use crate::plan::model::{MemberKind, ObservedMember, Principal, Reading, Role};

impl Google<'_> {
    pub(super) async fn members_of(
        &self,
        targets: &[String],
    ) -> BTreeMap<String, Reading<Vec<ObservedMember>>> {
        let done = Cell::new(0);
        let people = self.known_people();
        let reads = targets.iter().map(|target| async {
            let reading = self.members_of_one(target).await;
            done.set(done.get() + 1);
            let progress = self.client.environment().progress;
            progress.report("target-members", done.get(), Some(targets.len() as u64), target);
            reading
        });
        let readings = together(reads, self.client.at_once()).await;
        let observe = |records: Vec<MemberRecord>| -> Vec<ObservedMember> {
            records
                .into_iter()
                .map(|record| observed(record, people.as_deref()))
                .collect()
        };
        targets
            .iter()
            .zip(readings)
            .map(|(target, reading)| {
                let reading = match reading {
                    Reading::Complete(whole) => Reading::Complete(whole.map(observe)),
                    Reading::Partial { seen, reason } => Reading::Partial {
                        seen: observe(seen),
                        reason,
                    },
                };
                (target.clone(), reading)
            })
            .collect()
    }

    /// Members show late in lists, and a list can lack some and claim to be whole: whoever is recorded in a group and not
    /// listed is asked for by themselves (R42). Taken for gone, they would be forgotten, and a member of ours whom nobody
    /// wants any more would be a stranger for ever.
    pub(super) async fn ask_for_absent(
        &self,
        absent: &BTreeMap<String, BTreeSet<String>>,
        readings: &mut BTreeMap<String, Reading<Vec<ObservedMember>>>,
    ) {
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
        for (target, (there, reason)) in found {
            if let Some(reading) = readings.get_mut(target) {
                let mut seen = reading.seen().clone();
                seen.extend(
                    there
                        .into_iter()
                        .map(|record| observed(record, people.as_deref())),
                );
                *reading = Reading::Partial { seen, reason };
            }
        }
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
