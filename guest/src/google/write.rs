//! Carrying out writes. Order is kept: neighbours of one kind go out together in batches, kind after kind.
//!
//! What Google answers to a write is not always what happened, so doubt is settled by reading back: duplicates, vanished
//! members, lost answers, and the `conflict` that means "may be delayed" (R40).

use super::address::canonical;
use super::look_up::get_group;
use super::records::{GroupPatch, GroupRecord, MEMBER_FIELDS, MemberRecord, NewGroup, NewMember};
use super::{Google, batch, errors, path};
use crate::failure::{Failure, FailureKind, VendorAnswer};
use crate::http::{Answer, Call};
use crate::ledger::Settlement;
use crate::plan::part::{GroupRef, Operation};
use crate::target::{Write, WriteResult};

/// Times that a write to a group just created is sent while Google does not show the group: about a minute (R20).
const NEW_GROUP_ROUNDS: u32 = 7;
/// The same for a group that is older; it is more likely gone.
const OLD_GROUP_ROUNDS: u32 = 3;
/// Times that a doubtful outcome is read back.
const READ_BACK_ROUNDS: u32 = 3;

/// What an answer to a write means.
enum Judged {
    /// It is settled.
    Done(WriteResult),
    /// The group (or the user) is not shown yet: the same again later; if it stays so, this.
    Late(WriteResult),
    /// Read back; `met` if it is as wanted, with the vendor's own answer, else `missed`.
    Doubt {
        met: Settlement,
        answer: Option<VendorAnswer>,
        missed: WriteResult,
    },
}

impl Google<'_> {
    pub(super) async fn write_all(&self, writes: &[Write]) -> Vec<WriteResult> {
        let mut results: Vec<WriteResult> = Vec::with_capacity(writes.len());
        let mut stopped: Option<String> = None;
        let same_kind = |one: &Write, next: &Write| {
            std::mem::discriminant(&one.operation) == std::mem::discriminant(&next.operation)
        };
        for run in writes.chunk_by(same_kind) {
            // Two batches at a time, so that a refused credential or a long throttle stops what comes after it.
            for chunk in run.chunks(2 * batch::MOST) {
                if let Some(why) = &stopped {
                    let message = format!("Not sent, since an earlier write failed: {why}");
                    results.extend(chunk.iter().map(|_| abandoned(&message)));
                    continue;
                }
                let (settled, failure) = self.write_chunk(chunk).await;
                results.extend(settled);
                stopped = failure;
                let progress = self.client.environment().progress;
                progress.report("write", results.len() as u64, Some(writes.len() as u64), "");
            }
        }
        results
    }

    /// Writes of one kind; one result each, and why nothing more should be sent, where that is so.
    async fn write_chunk(&self, writes: &[Write]) -> (Vec<WriteResult>, Option<String>) {
        let mut stop = None;
        let mut results: Vec<WriteResult> = writes.iter().map(|_| abandoned("Not sent.")).collect();
        let mut pending: Vec<(usize, &Write, Call)> = Vec::new();
        for (index, write) in writes.iter().enumerate() {
            match call(write) {
                Some(call) => pending.push((index, write, call)),
                None => set(
                    &mut results,
                    index,
                    abandoned("Not sent, since its group was not created."),
                ),
            }
        }
        let mut doubts: Vec<Doubt<'_>> = Vec::new();
        for round in 0..NEW_GROUP_ROUNDS {
            let calls: Vec<Call> = pending.iter().map(|(_, _, call)| call.clone()).collect();
            let answers = batch::send(&self.client, &calls).await;
            let mut late = Vec::new();
            for ((index, write, call), answer) in pending.into_iter().zip(answers) {
                if let Err(failure) = &answer
                    && matches!(
                        failure.kind,
                        FailureKind::Unauthorized | FailureKind::Throttled(_)
                    )
                {
                    stop.get_or_insert_with(|| failure.to_string());
                }
                match judge(write, answer) {
                    Judged::Done(result) => set(&mut results, index, result),
                    Judged::Doubt { met, answer, missed } => doubts.push(Doubt {
                        index,
                        write,
                        met: WriteResult {
                            settlement: met,
                            answer,
                            message: String::new(),
                            created: None,
                            uncertain: false,
                        },
                        missed,
                    }),
                    Judged::Late(result) => {
                        set(&mut results, index, result);
                        if round + 1 < rounds(write) {
                            late.push((index, write, call));
                        }
                    }
                }
            }
            pending = late;
            if pending.is_empty() || self.client.pause(round, None).await.is_err() {
                break;
            }
        }
        self.read_back(doubts, &mut results).await;
        (results, stop)
    }

    async fn read_back(&self, mut doubts: Vec<Doubt<'_>>, results: &mut [WriteResult]) {
        for round in 0..READ_BACK_ROUNDS {
            if doubts.is_empty() || (round > 0 && self.client.pause(round - 1, None).await.is_err()) {
                break;
            }
            let calls: Vec<Call> = doubts.iter().filter_map(|doubt| look(doubt.write)).collect();
            let answers = batch::send(&self.client, &calls).await;
            let mut open = Vec::new();
            for (doubt, answer) in doubts.into_iter().zip(answers) {
                match is_as_wanted(doubt.write, &answer) {
                    Some(created) => set(results, doubt.index, WriteResult { created, ..doubt.met }),
                    None => {
                        set(results, doubt.index, doubt.missed.clone());
                        open.push(doubt);
                    }
                }
            }
            doubts = open;
        }
    }
}

/// A write whose outcome only reading back tells.
struct Doubt<'a> {
    index: usize,
    write: &'a Write,
    met: WriteResult,
    missed: WriteResult,
}

fn set(results: &mut [WriteResult], index: usize, result: WriteResult) {
    if let Some(place) = results.get_mut(index) {
        *place = result;
    }
}

fn rounds(write: &Write) -> u32 {
    match &write.operation {
        Operation::AddMember { group, .. }
        | Operation::RemoveMember { group, .. }
        | Operation::UpdateGroup { group, .. }
            if matches!(group, GroupRef::New(_)) =>
        {
            NEW_GROUP_ROUNDS
        }
        _ => OLD_GROUP_ROUNDS,
    }
}

/// The target group's ID of a write to a group there is.
fn group_id(write: &Write) -> Option<&str> {
    if let Some(id) = &write.target {
        return Some(id);
    }
    match &write.operation {
        Operation::CreateGroup { .. } => None,
        Operation::UpdateGroup { group, .. }
        | Operation::AddMember { group, .. }
        | Operation::RemoveMember { group, .. } => match group {
            GroupRef::Id(id) => Some(id),
            GroupRef::New(_) => None,
        },
    }
}

/// The request; none where the group's ID is not known. Each may be sent twice: Google answers the second time that it
/// is so already, and reading back tells.
fn call(write: &Write) -> Option<Call> {
    use http::Method;
    let call = match &write.operation {
        Operation::CreateGroup {
            key,
            name,
            description,
        } => Call::new(Method::POST, &path(&["groups"])).json(&NewGroup {
            email: key,
            name,
            description,
        }),
        Operation::UpdateGroup {
            name,
            description,
            address,
            ..
        } => Call::new(Method::PATCH, &path(&["groups", group_id(write)?])).json(&GroupPatch {
            email: address.as_deref(),
            name: name.as_deref(),
            description: description.as_deref(),
        }),
        Operation::AddMember { principal, .. } => {
            Call::new(Method::POST, &path(&["groups", group_id(write)?, "members"])).json(&NewMember {
                id: principal,
                role: "MEMBER",
            })
        }
        Operation::RemoveMember { principal, .. } => {
            let segments = ["groups", group_id(write)?, "members", principal];
            Call::new(Method::DELETE, &path(&segments))
        }
    };
    Some(call.repeatable())
}

/// The read that tells whether a write is as wanted.
fn look(write: &Write) -> Option<Call> {
    Some(match &write.operation {
        Operation::CreateGroup { key, .. } => get_group(key),
        Operation::UpdateGroup { .. } => get_group(group_id(write)?),
        Operation::AddMember { principal, .. } | Operation::RemoveMember { principal, .. } => {
            let segments = ["groups", group_id(write)?, "members", principal];
            Call::get(&path(&segments)).query("fields", MEMBER_FIELDS)
        }
    })
}

/// Whether what was read back is as the write wants it; with the group, where a creation was.
fn is_as_wanted(
    write: &Write,
    answer: &Result<Answer, Failure>,
) -> Option<Option<crate::plan::model::TargetGroup>> {
    let answer = answer.as_ref().ok()?;
    match &write.operation {
        Operation::CreateGroup { key, .. } => {
            let group = found_group(answer)?;
            // Another primary address: the key is that group's alias, and the group is somebody else's (R18).
            (canonical(&group.email) == canonical(key)).then(|| Some(group.into()))
        }
        Operation::UpdateGroup {
            name,
            description,
            address,
            ..
        } => {
            let group = found_group(answer)?;
            let same =
                |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
            let same_address = address
                .as_deref()
                .is_none_or(|address| canonical(address) == canonical(&group.email));
            (same_address
                && same(name, group.name.as_deref().unwrap_or_default())
                && same(description, group.description.as_deref().unwrap_or_default()))
            .then_some(None)
        }
        Operation::AddMember { .. } => {
            let present = answer.is_success() && answer.json::<MemberRecord>().is_ok();
            present.then_some(None)
        }
        Operation::RemoveMember { .. } => {
            let absent = answer.status == 404 && !names_the_group(answer);
            absent.then_some(None)
        }
    }
}

fn found_group(answer: &Answer) -> Option<GroupRecord> {
    answer.is_success().then(|| answer.json().ok()).flatten()
}

fn names_the_group(answer: &Answer) -> bool {
    errors::said(answer).message.contains("groupKey")
}

fn judge(write: &Write, answer: Result<Answer, Failure>) -> Judged {
    let answer = match answer {
        Ok(answer) => answer,
        Err(failure) => return judge_failure(failure),
    };
    let said = errors::said(&answer);
    let vendor = answer.vendor(&said.reason);
    let refused = |code: &str, message: &str| {
        let vendor = VendorAnswer {
            reason: if code.is_empty() {
                said.reason.clone()
            } else {
                code.to_owned()
            },
            ..vendor.clone()
        };
        let google = if said.message.is_empty() {
            String::new()
        } else {
            format!(" Google says: {}", said.message)
        };
        WriteResult {
            settlement: Settlement::Refused,
            answer: Some(vendor),
            message: format!("{message}{google}"),
            created: None,
            uncertain: false,
        }
    };
    if answer.is_success() {
        return succeeded(write, &answer, vendor.clone());
    }
    let is_add = matches!(write.operation, Operation::AddMember { .. });
    match (&write.operation, answer.status, said.reason.as_str()) {
        (Operation::CreateGroup { key, .. }, 409, "duplicate") => Judged::Doubt {
            met: Settlement::Already,
            answer: Some(vendor.clone()),
            missed: refused(
                "",
                &format!(
                    "The address {key} is taken in the directory, and not by a group that has it as its primary address."
                ),
            ),
        },
        (Operation::AddMember { address, .. }, 409, "duplicate") => Judged::Doubt {
            met: Settlement::Already,
            answer: Some(vendor.clone()),
            missed: refused(
                "pending-invitation",
                &format!(
                    "{address} has an invitation to the group that is not accepted yet: Google counts them as a member and does \
                     not show them. Nothing can be done here until they accept or the invitation ends."
                ),
            ),
        },
        // "The action may be delayed": done, if it shows.
        (_, _, "conflict") => Judged::Doubt {
            met: Settlement::Applied,
            answer: Some(vendor.clone()),
            missed: WriteResult {
                uncertain: true,
                ..refused(
                    "",
                    "Google answered that it conflicts with another change, and it does not show.",
                )
            },
        },
        (_, _, "conditionNotMet") if is_add && said.message.to_lowercase().contains("cyclic") => {
            Judged::Done(refused("", "The membership would go in a circle."))
        }
        (_, _, "conditionNotMet") if is_add => Judged::Doubt {
            met: Settlement::Already,
            answer: Some(vendor.clone()),
            missed: refused("", "Google's condition for the membership is not met."),
        },
        (Operation::RemoveMember { .. }, 404, _) if !names_the_group(&answer) => Judged::Doubt {
            met: Settlement::Already,
            answer: Some(vendor.clone()),
            missed: refused("", "Google answers that the member does not exist, and shows it."),
        },
        (Operation::CreateGroup { .. }, 404, _) => {
            Judged::Done(refused("", "The address is outside the directory's domains."))
        }
        (_, 404, _) => Judged::Late(refused(
            "",
            "Google does not show the group or the person: created lately, or gone. It is tried again at the next run.",
        )),
        (_, 403, _) => Judged::Done(refused("", errors::FORBIDDEN)),
        _ => Judged::Done(refused("", "Google refused it.")),
    }
}

/// A success is one only with the answer that Google gives to such a write: a proxy on the way says 200 too.
fn succeeded(write: &Write, answer: &Answer, vendor: VendorAnswer) -> Judged {
    let result = |settlement, message: String| WriteResult {
        settlement,
        answer: Some(vendor.clone()),
        message,
        created: None,
        uncertain: settlement != Settlement::Applied,
    };
    let created = match &write.operation {
        Operation::CreateGroup { .. } => answer.json::<GroupRecord>().ok().map(|group| Some(group.into())),
        Operation::UpdateGroup { .. } => answer.json::<GroupRecord>().ok().map(|_| None),
        Operation::AddMember { .. } => answer.json::<MemberRecord>().ok().map(|_| None),
        // 204, not merely nothing: an empty 200 is also what a proxy makes of an answer that it lost. Looking costs one read.
        Operation::RemoveMember { .. } => {
            (answer.status == 204 && answer.body.trim_ascii().is_empty()).then_some(None)
        }
    };
    match created {
        Some(created) => Judged::Done(WriteResult {
            created,
            ..result(Settlement::Applied, String::new())
        }),
        None => Judged::Doubt {
            met: Settlement::Applied,
            answer: Some(vendor.clone()),
            missed: result(
                Settlement::Abandoned,
                "Whether it was done is not known: the answer was a success in another form than Google's. Look whether \
                 a proxy is in between; the next run looks again."
                    .to_owned(),
            ),
        },
    }
}

fn judge_failure(failure: Failure) -> Judged {
    let uncertain = match failure.kind {
        FailureKind::Transient => true,
        // A refusal is certain; what is neither a refusal nor Google's success is not.
        FailureKind::Vendor => failure.vendor.as_ref().is_none_or(|answer| answer.status < 400),
        _ => false,
    };
    let result = WriteResult {
        settlement: match failure.kind {
            FailureKind::Unauthorized | FailureKind::Vendor if failure.vendor.is_some() => {
                Settlement::Refused
            }
            _ => Settlement::Abandoned,
        },
        message: failure.to_string(),
        answer: failure.vendor,
        created: None,
        uncertain,
    };
    match failure.kind {
        // It may have taken effect before the answer was lost.
        FailureKind::Transient => Judged::Doubt {
            met: Settlement::Applied,
            answer: result.answer.clone(),
            missed: result,
        },
        _ => Judged::Done(result),
    }
}

fn abandoned(message: &str) -> WriteResult {
    WriteResult {
        settlement: Settlement::Abandoned,
        answer: None,
        message: message.to_owned(),
        created: None,
        uncertain: false,
    }
}
