//! Settles what an earlier run intended and never answered for: by reading back, never by guessing (R47). What cannot
//! be read back now stays open and is tried again by the next apply.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::effects;
use crate::engine::Session;
use crate::failure::Failure;
use crate::ledger::{
    Binding, BindingDetails, BindingState, Effect, Membership, OpenIntent, Outcome, Provenance, Settlement,
};
use crate::plan::address;
use crate::plan::model::{ObservedMember, Reading, Sight, TargetGroup, TargetRules};
use crate::plan::part::{GroupRef, Operation};
use crate::target::{TargetDirectory, Wanted};

/// Settles the open intents of earlier runs.
///
/// # Errors
/// The ledger's, or a look-up that could not be made at all.
pub async fn settle_open<S, T: TargetDirectory>(session: &Session<'_, S, T>) -> Result<(), Failure> {
    let open = session.environment.ledger.unsettled()?;
    if open.is_empty() {
        return Ok(());
    }
    session.progress("verifying", 0, Some(open.len()), "what an earlier run left open");
    let mut bindings: BTreeMap<String, Binding> = session
        .environment
        .ledger
        .bindings()?
        .into_iter()
        .map(|binding| (binding.group.clone(), binding))
        .collect();
    let mut outcomes = Vec::new();
    let mut about_groups = Vec::new();
    let mut about_members = Vec::new();
    for intent in &open {
        match serde_json::from_str::<Operation>(&intent.intent.operation) {
            Ok(operation @ (Operation::CreateGroup { .. } | Operation::UpdateGroup { .. })) => {
                about_groups.push((intent, operation));
            }
            Ok(operation) => about_members.push((intent, operation)),
            Err(error) => outcomes.push(outcome(
                intent,
                Settlement::Abandoned,
                &format!("the intent cannot be read: {error}"),
                Vec::new(),
            )),
        }
    }
    settle_groups(session, &about_groups, &mut bindings, &mut outcomes).await?;
    settle_members(session, &about_members, &mut bindings, &mut outcomes).await?;
    for chunk in outcomes.chunks(1_000) {
        session.environment.ledger.settle(chunk)?;
    }
    Ok(())
}

async fn settle_groups<S, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    open: &[(&OpenIntent, Operation)],
    bindings: &mut BTreeMap<String, Binding>,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Failure> {
    for (intent, operation) in open {
        let group = &intent.intent.group;
        match operation {
            Operation::CreateGroup { key, name, .. } => {
                let known = bindings
                    .get(group)
                    .is_some_and(|binding| binding.key == *key && binding.target.is_some());
                if known {
                    outcomes.push(outcome(
                        intent,
                        Settlement::Already,
                        "the ledger has the group",
                        Vec::new(),
                    ));
                    continue;
                }
                let held = held_by_others(bindings, group);
                let wanted = Wanted {
                    group: group.clone(),
                    name: name.clone(),
                    key: key.clone(),
                    bound: None,
                };
                let sight = session.target.look_up(&[wanted], &held).await?.remove(group);
                match sight {
                    Some(Sight::Takeover(found) | Sight::Bound(found))
                        if carries(session.rules, &found, key) =>
                    {
                        let binding = binding_after(bindings.get(group), group, key, name, &found);
                        bindings.insert(group.clone(), binding.clone());
                        outcomes.push(outcome(
                            intent,
                            Settlement::Already,
                            "the group was found under its key",
                            vec![Effect::Bind(binding)],
                        ));
                    }
                    Some(Sight::Unknown { reason }) => session.warn(&format!(
                        "Whether the group {key} was created could not be read back: {reason}"
                    )),
                    // Nothing there, or not ours. A group that shows up late is found when the creation is tried again:
                    // its key is taken, and then it is bound instead.
                    _ => outcomes.push(outcome(
                        intent,
                        Settlement::Abandoned,
                        "no group was found under the key",
                        Vec::new(),
                    )),
                }
            }
            Operation::UpdateGroup { .. } => {
                // Sending it again does no harm, and the next plan compares what is there.
                outcomes.push(outcome(
                    intent,
                    Settlement::Abandoned,
                    "unknown whether it took effect; the group is compared again",
                    Vec::new(),
                ));
            }
            Operation::AddMember { .. } | Operation::RemoveMember { .. } => {}
        }
    }
    Ok(())
}

async fn settle_members<S, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    open: &[(&OpenIntent, Operation)],
    bindings: &mut BTreeMap<String, Binding>,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Failure> {
    let now = session.environment.clock.unix_seconds();
    let aimed: Vec<(&OpenIntent, &Operation, Option<String>)> = open
        .iter()
        .map(|(intent, operation)| {
            let group = match operation {
                Operation::AddMember { group, .. } | Operation::RemoveMember { group, .. } => Some(group),
                _ => None,
            };
            let target = group.and_then(|group| match group {
                GroupRef::Id(target) => Some(target.clone()),
                GroupRef::New(key) => bindings
                    .get(&intent.intent.group)
                    .filter(|binding| binding.key == *key)
                    .and_then(|binding| binding.target.clone()),
            });
            (*intent, operation, target)
        })
        .collect();
    let targets: BTreeSet<String> = aimed.iter().filter_map(|(_, _, target)| target.clone()).collect();
    let targets: Vec<String> = targets.into_iter().collect();
    let members = if targets.is_empty() {
        BTreeMap::new()
    } else {
        session.target.few_members(&targets).await
    };
    let groups: BTreeSet<&String> = aimed.iter().map(|(intent, _, _)| &intent.intent.group).collect();
    let mut recorded: BTreeMap<(String, String, String), Provenance> = BTreeMap::new();
    for group in groups {
        for membership in session.environment.ledger.memberships(group)? {
            recorded.insert(
                (membership.group, membership.target, membership.principal),
                membership.provenance,
            );
        }
    }
    for (intent, operation, target) in aimed {
        let Some(target) = target else {
            outcomes.push(outcome(
                intent,
                Settlement::Abandoned,
                "its group was never created",
                Vec::new(),
            ));
            continue;
        };
        match members.get(&target) {
            Some(reading) => {
                let known = principal(operation).and_then(|principal| {
                    let key = (intent.intent.group.clone(), target.clone(), principal.to_owned());
                    recorded.get(&key).copied()
                });
                let mut settled = read_back(intent, operation, &target, reading, known);
                if let (Some(outcome), Some(binding)) = (&mut settled, bindings.get_mut(&intent.intent.group))
                {
                    // What died in the middle of it may show only later.
                    outcome.effects.extend(effects::written(binding, now));
                }
                outcomes.extend(settled);
            }
            None => session.warn(&format!("The members of {target} could not be read back.")),
        }
    }
    Ok(())
}

/// The member whom an operation is about.
fn principal(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::AddMember { principal, .. } | Operation::RemoveMember { principal, .. } => Some(principal),
        Operation::CreateGroup { .. } | Operation::UpdateGroup { .. } => None,
    }
}

/// What reading back shows; none where it shows nothing, and the intent stays open.
fn read_back(
    intent: &OpenIntent,
    operation: &Operation,
    target: &str,
    reading: &Reading<Vec<ObservedMember>>,
    known: Option<Provenance>,
) -> Option<Outcome> {
    let group = intent.intent.group.clone();
    let (Operation::AddMember { principal, .. } | Operation::RemoveMember { principal, .. }) = operation
    else {
        return None;
    };
    let present = reading
        .seen()
        .iter()
        .any(|member| member.principal.id == *principal);
    let absent = !present && reading.complete().is_some();
    match operation {
        Operation::AddMember { user, address, .. } if present => {
            // The plan had them absent and we were about to add them: ours, unless the ledger says that they were
            // there before.
            let provenance = known
                .filter(|provenance| *provenance == Provenance::Adopted)
                .unwrap_or(Provenance::Ours);
            Some(outcome(
                intent,
                Settlement::Already,
                "the member was found",
                vec![Effect::PutMembership(Membership {
                    group,
                    target: target.to_owned(),
                    principal: principal.clone(),
                    provenance,
                    user: Some(user.clone()),
                    address: address.clone(),
                })],
            ))
        }
        Operation::RemoveMember { .. } if absent => Some(outcome(
            intent,
            Settlement::Already,
            "the member is gone",
            vec![Effect::DropMembership {
                group,
                target: target.to_owned(),
                principal: principal.clone(),
            }],
        )),
        // A member can show late, so that an addition is remembered all the same.
        _ if present || absent => Some(outcome(
            intent,
            Settlement::Abandoned,
            "it did not take effect",
            effects::of_perhaps(&group, operation, target, known),
        )),
        _ => None,
    }
}

fn outcome(intent: &OpenIntent, settlement: Settlement, reason: &str, effects: Vec<Effect>) -> Outcome {
    Outcome {
        intent: intent.id,
        settlement,
        status: None,
        reason: Some(format!(
            "read back after run {} ended early: {reason}",
            intent.run
        )),
        request_id: None,
        effects,
    }
}

/// Whether a group that was found carries the key that we create under; one found by its mere name is not ours.
fn carries(rules: TargetRules, found: &TargetGroup, key: &str) -> bool {
    match rules {
        TargetRules::Addressed => address::canonical(&found.key).is_ok_and(|found| found == key),
        TargetRules::Named => found.key == key,
    }
}

fn binding_after(
    earlier: Option<&Binding>,
    group: &str,
    key: &str,
    name: &str,
    found: &TargetGroup,
) -> Binding {
    let mut moving_from = BTreeMap::new();
    if let Some(earlier) = earlier {
        moving_from.extend(earlier.details.moving_from.clone());
        // R15: the group before the move is not forgotten because the run died in the middle of it.
        if let Some(old) = &earlier.target
            && *old != found.id
            && earlier.state == BindingState::Managed
        {
            moving_from.insert(old.clone(), earlier.key.clone());
        }
    }
    Binding {
        group: group.to_owned(),
        state: BindingState::Managed,
        key: key.to_owned(),
        target: Some(found.id.clone()),
        details: BindingDetails {
            name: name.to_owned(),
            had_email: earlier.is_some_and(|binding| binding.details.had_email),
            moving_from,
            written_at: earlier.and_then(|binding| binding.details.written_at),
            latest: earlier.and_then(|binding| binding.details.latest),
        },
    }
}

fn held_by_others(bindings: &BTreeMap<String, Binding>, group: &str) -> BTreeSet<String> {
    bindings
        .values()
        .filter(|binding| binding.group != group)
        .flat_map(|binding| binding.target.iter().chain(binding.details.moving_from.keys()))
        .cloned()
        .collect()
}
