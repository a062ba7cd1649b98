//! Reading Entra: finding users (R31), finding groups (R20 to R28, R51), listing members (R39, R42).

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::errors::Meaning;
use super::graph::{Graph, Outcome};
use super::request::{ObjectId, Request};
use super::takeover::{judge, judge_bound, judge_own};
use super::types::{DirectoryObject, Group, User};
use crate::failure::{Failure, FailureKind};
use crate::http::{as_they_come, together};
use crate::names::{Name, Names};
use crate::plan::model::{
    MemberKind, ObservedMember, Principal, Reading, Resolution, Role, Sight, SourceUser,
};
use crate::plan::part::Reason;
use crate::settings::OnAmbiguous;
use crate::target::{Doubt, Wanted};

/// Above this many people to be found by address, all users are listed instead: a page of 999 costs what one
/// look-up costs.
const LIST_ABOVE: usize = 100;

/// People asked for by ID whose answers are held at once.
const READ_AT_ONCE: usize = 1_000;

/// The longest display name that Graph takes, in characters.
const LONGEST_NAME: usize = 256;

/// Failures that concern the whole run and not the one object that was read.
fn stops_the_run(failure: &Failure) -> bool {
    !matches!(failure.kind, FailureKind::Transient | FailureKind::Vendor)
}

/// Reads one object: none where Graph answers that it does not exist.
fn found<T: serde::de::DeserializeOwned>(outcome: Outcome, place: &str) -> Result<Option<T>, Failure> {
    let reply = outcome?;
    if reply.meaning() == Meaning::Missing {
        return Ok(None);
    }
    reply.read(place).map(Some)
}

/// Finds source users.
pub async fn resolve(
    graph: &Graph<'_>,
    users: &[SourceUser],
) -> Result<BTreeMap<String, Resolution>, Failure> {
    let mut by_id: Vec<(&SourceUser, ObjectId)> = Vec::new();
    let mut by_address: Vec<(&SourceUser, String)> = Vec::new();
    let mut answer = BTreeMap::new();
    for user in users {
        let address = user.email.as_deref().map(str::trim).unwrap_or_default();
        if let Some(id) = user.target_id.as_deref().and_then(ObjectId::parse) {
            by_id.push((user, id));
        } else if address.is_empty() {
            answer.insert(user.id.clone(), Resolution::NoAddress);
        } else {
            by_address.push((user, address.to_owned()));
        }
    }

    let mut known = Listing::default();
    if by_address.len() > LIST_ABOVE {
        known = list_users(graph).await?;
        for (user, address) in &by_address {
            answer.insert(user.id.clone(), known.judge(address));
        }
    } else {
        let requests: Vec<Request> = by_address
            .iter()
            .map(|(_, address)| Request::UsersAddressed(address.clone()))
            .collect();
        let outcomes = graph.read(&requests).await;
        for ((user, address), outcome) in by_address.iter().zip(outcomes) {
            answer.insert(user.id.clone(), judge_filtered(graph, address, outcome).await?);
        }
    }

    let mut unseen: Vec<(&SourceUser, ObjectId)> = Vec::new();
    for (user, id) in by_id {
        match known.with_id(id.as_str()) {
            Some(principal) => {
                answer.insert(user.id.clone(), Resolution::Resolved(principal));
            }
            // What a complete list shows exists; what it does not show is asked for by ID, since lists lag behind.
            None => unseen.push((user, id)),
        }
    }
    drop(known);
    for asked in unseen.chunks(READ_AT_ONCE) {
        let requests: Vec<Request> = asked.iter().map(|(_, id)| Request::User(id.clone())).collect();
        for ((user, id), outcome) in asked.iter().zip(graph.read(&requests).await) {
            let resolution = match found::<User>(outcome, "/users/{id}") {
                Ok(Some(found)) if found.id.eq_ignore_ascii_case(id.as_str()) => {
                    Resolution::Resolved(principal(&found))
                }
                Ok(_) => Resolution::Unknown {
                    sought: format!("object ID {}", id.as_str()),
                },
                Err(failure) if stops_the_run(&failure) => return Err(failure),
                Err(failure) => Resolution::Unproven {
                    reason: failure.to_string(),
                },
            };
            answer.insert(user.id.clone(), resolution);
        }
    }
    Ok(answer)
}

/// Users that a list showed, in numbers: a tenant can have many.
#[derive(Default)]
struct Listing {
    names: Names,
    /// Object ID -> address.
    ids: HashMap<Name, Name>,
    /// Folded address -> who has it; where several do, the first.
    by_address: HashMap<Name, Account>,
    /// Folded address -> who has it too.
    others: BTreeMap<Name, Vec<Account>>,
    /// Why that is not all of them, where it is not proven.
    gap: Option<String>,
}

#[derive(Clone, Copy)]
struct Account {
    id: Name,
    address: Name,
}

impl Listing {
    /// Takes in a user, under each address once.
    fn take(&mut self, user: &User) {
        let account = Account {
            id: self.names.keep(&user.id),
            address: self.names.keep(user.address()),
        };
        self.ids.insert(account.id, account.address);
        let addresses: BTreeSet<String> = [&user.user_principal_name, &user.mail]
            .into_iter()
            .flatten()
            .map(|address| folded(address))
            .filter(|address| !address.is_empty())
            .collect();
        for address in addresses {
            let address = self.names.keep(&address);
            match self.by_address.entry(address) {
                Entry::Vacant(free) => {
                    free.insert(account);
                }
                Entry::Occupied(_) => self.others.entry(address).or_default().push(account),
            }
        }
    }

    fn principal(&self, account: Account) -> Principal {
        Principal {
            id: self.names.owned(account.id),
            address: self.names.owned(account.address),
        }
    }

    fn with_id(&self, id: &str) -> Option<Principal> {
        let id = self.names.find(id)?;
        let address = *self.ids.get(&id)?;
        Some(self.principal(Account { id, address }))
    }

    /// Judges what the list shows for an address. A list with a gap proves neither that nobody has the address nor that
    /// only one has it.
    fn judge(&self, address: &str) -> Resolution {
        let folded = self.names.find(&folded(address));
        let first = folded.and_then(|folded| self.by_address.get(&folded));
        let others = folded.and_then(|folded| self.others.get(&folded));
        match (first, others, &self.gap) {
            (first, Some(others), _) => Resolution::Ambiguous {
                candidates: first
                    .into_iter()
                    .chain(others)
                    .map(|account| self.principal(*account))
                    .collect(),
            },
            (_, None, Some(reason)) => Resolution::Unproven {
                reason: reason.clone(),
            },
            (Some(only), None, None) => Resolution::Resolved(self.principal(*only)),
            (None, None, None) => Resolution::Unknown {
                sought: address.to_owned(),
            },
        }
    }
}

async fn list_users(graph: &Graph<'_>) -> Result<Listing, Failure> {
    let first = graph.read(&[Request::Users]).await.pop();
    let Some(first) = first else {
        return Ok(Listing {
            gap: Some("users were not read".to_owned()),
            ..Listing::default()
        });
    };
    check_access(&first)?;
    Ok(listed(graph, "users".to_owned(), first).await)
}

/// Reads a list of users to its end.
async fn listed(graph: &Graph<'_>, what: String, first: Outcome) -> Listing {
    let mut listing = Listing::default();
    let judged = graph
        .list_into(
            what,
            first,
            |user: &User| user.id.clone(),
            |user| listing.take(&user),
        )
        .await;
    listing.gap = judged.err().map(|reason| reason.to_string());
    listing
}

/// Ends the run where the first answer shows that going on is no use (R7).
fn check_access(outcome: &Outcome) -> Result<(), Failure> {
    let failure = match outcome {
        Ok(reply) if matches!(reply.meaning(), Meaning::Unauthenticated | Meaning::Forbidden) => {
            reply.classified.to_failure("reading Microsoft Graph")
        }
        Ok(_) => return Ok(()),
        Err(failure) => failure.clone(),
    };
    if stops_the_run(&failure) {
        Err(failure)
    } else {
        Ok(())
    }
}

/// An address as it is compared: Entra compares sign-in names and mail addresses without case.
fn folded(address: &str) -> String {
    address.trim().to_lowercase()
}

fn principal(user: &User) -> Principal {
    Principal {
        id: user.id.clone(),
        address: user.address().to_owned(),
    }
}

async fn judge_filtered(graph: &Graph<'_>, address: &str, outcome: Outcome) -> Result<Resolution, Failure> {
    check_access(&outcome)?;
    let what = format!("users with the address {address}");
    Ok(listed(graph, what, outcome).await.judge(address))
}

/// Finds the targets of source groups.
pub async fn look_up(
    graph: &Graph<'_>,
    wanted: &[Wanted],
    held: &BTreeSet<String>,
    on_ambiguous: OnAmbiguous,
) -> Result<BTreeMap<String, Sight>, Failure> {
    let mut answer = BTreeMap::new();
    let mut asked: Vec<(&Wanted, bool)> = Vec::new();
    let mut requests = Vec::new();
    for group in wanted {
        match group.bound.as_deref().map(|id| (id, ObjectId::parse(id))) {
            Some((_, Some(id))) => {
                asked.push((group, true));
                requests.push(Request::Group(id));
            }
            Some((id, None)) => {
                let reason = format!("the ledger binds it to \"{id}\", which is no object ID of Entra");
                answer.insert(group.group.clone(), Sight::Unknown { reason });
            }
            None => match nameless(group) {
                Some(sight) => {
                    answer.insert(group.group.clone(), sight);
                }
                None => {
                    asked.push((group, false));
                    requests.push(Request::GroupByKey(group.key.clone()));
                }
            },
        }
    }

    let mut unkeyed: Vec<&Wanted> = Vec::new();
    for ((group, bound), outcome) in asked.into_iter().zip(graph.read(&requests).await) {
        let sight = match found::<Group>(outcome, &format!("group \"{}\"", group.name)) {
            Ok(Some(seen)) if bound => judge_bound(&seen),
            Ok(Some(seen)) => judge_own(group, &seen, held),
            Ok(None) if bound => Sight::BoundMissing,
            Ok(None) => {
                unkeyed.push(group);
                continue;
            }
            Err(failure) if stops_the_run(&failure) => return Err(failure),
            Err(failure) => Sight::Unknown {
                reason: failure.to_string(),
            },
        };
        answer.insert(group.group.clone(), sight);
    }
    by_name(graph, unkeyed, held, on_ambiguous, &mut answer).await?;
    Ok(answer)
}

/// A group that cannot be created in Entra for its name's sake.
fn nameless(group: &Wanted) -> Option<Sight> {
    let length = group.name.chars().count();
    if (1..=LONGEST_NAME).contains(&length) {
        return None;
    }
    Some(Sight::Blocked {
        conflict: true,
        reason: Reason::new(
            "name-length",
            format!(
                "The name has {length} characters; Entra takes 1 to {LONGEST_NAME}. Rename the group in the source."
            ),
        ),
    })
}

async fn by_name(
    graph: &Graph<'_>,
    mut wanted: Vec<&Wanted>,
    held: &BTreeSet<String>,
    on_ambiguous: OnAmbiguous,
    answer: &mut BTreeMap<String, Sight>,
) -> Result<(), Failure> {
    // Two source groups of one name must not both take the same group over (R51); the lower ID goes first, so
    // that the next run decides alike.
    wanted.sort_by(|one, other| one.group.cmp(&other.group));
    let names: Vec<&str> = {
        let unique: BTreeSet<&str> = wanted.iter().map(|group| group.name.as_str()).collect();
        unique.into_iter().collect()
    };
    let requests: Vec<Request> = names
        .iter()
        .map(|name| Request::GroupsNamed((*name).to_owned()))
        .collect();
    let outcomes = graph.read(&requests).await;
    for outcome in &outcomes {
        check_access(outcome)?;
    }
    let lists = together(
        names.iter().zip(outcomes).map(|(name, outcome)| {
            graph.list(format!("groups named \"{name}\""), outcome, |group: &Group| {
                group.id.clone()
            })
        }),
        8,
    )
    .await;
    let lists: BTreeMap<&str, _> = names.into_iter().zip(lists).collect();
    let mut held = held.clone();
    for group in wanted {
        let sight = match lists.get(group.name.as_str()) {
            Some(Ok(whole)) => judge(group, whole.get(), &held, on_ambiguous),
            Some(Err(short)) => Sight::Unknown {
                reason: short.reason.to_string(),
            },
            None => Sight::Unknown {
                reason: format!("groups named \"{}\" were not read", group.name),
            },
        };
        if let Sight::Takeover(target) = &sight {
            held.insert(target.id.clone());
        }
        answer.insert(group.group.clone(), sight);
    }
    Ok(())
}

/// Lists members of groups; each reading is handed over as it comes.
pub async fn members(
    graph: &Graph<'_>,
    targets: &[String],
    take: &mut dyn FnMut(&str, Reading<Vec<ObservedMember>>),
) {
    let readings = targets.chunks(super::request::BATCH / 2).map(|chunk| async move {
        let ids: Vec<Option<ObjectId>> = chunk.iter().map(|target| ObjectId::parse(target)).collect();
        let requests: Vec<Request> = ids
            .iter()
            .flatten()
            .flat_map(|id| [Request::Members(id.clone()), Request::Owners(id.clone())])
            .collect();
        let mut outcomes = graph.batch(&requests).await.into_iter();
        let mut readings = Vec::new();
        for (target, id) in chunk.iter().zip(ids) {
            let answers = match id {
                Some(_) => outcomes.next().zip(outcomes.next()),
                None => None,
            };
            let reading = match answers {
                Some((members, owners)) => members_of(graph, target, members, owners).await,
                None => Reading::Partial {
                    seen: Vec::new(),
                    reason: format!("\"{target}\" is no object ID of Entra"),
                },
            };
            readings.push((target, reading));
        }
        readings
    });
    let taken: Result<(), std::convert::Infallible> = as_they_come(readings, 4, |readings| {
        for (target, reading) in readings {
            take(target, reading);
        }
        Ok(())
    })
    .await;
    let Ok(()) = taken;
}

/// A list can lack members and claim to be whole: the lists that lack somebody who is recorded there are read once more
/// (R42). Taken for gone, they would be forgotten, and a member of ours whom nobody wants any more would be a stranger
/// for ever.
pub async fn list_again(
    graph: &Graph<'_>,
    absent: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, Doubt> {
    let targets: Vec<String> = absent.keys().cloned().collect();
    let mut doubts = BTreeMap::new();
    members(graph, &targets, &mut |target, again| {
        let failed = again.shortfall().map(str::to_owned);
        let sought = absent.get(target);
        let there: Vec<ObservedMember> = again
            .into_seen()
            .into_iter()
            .filter(|member| sought.is_some_and(|sought| sought.contains(&member.principal.id)))
            .collect();
        let reason = match (there.first(), failed) {
            (Some(member), _) => format!(
                "Entra's list lacked {} and claimed to be whole, and shows them when it is read again",
                member.principal.address
            ),
            (None, Some(why)) => {
                format!("Entra's list lacks members that are recorded, and reading it again failed: {why}")
            }
            (None, None) => return,
        };
        doubts.insert(target.to_owned(), Doubt { there, reason });
    })
    .await;
    doubts
}

async fn members_of(
    graph: &Graph<'_>,
    target: &str,
    members: Outcome,
    owners: Outcome,
) -> Reading<Vec<ObservedMember>> {
    let key = |object: &DirectoryObject| object.id.clone();
    let members = graph
        .list(format!("members of group {target}"), members, key)
        .await;
    let owners = graph.list(format!("owners of group {target}"), owners, key).await;
    match (members, owners) {
        (Ok(members), Ok(owners)) => Reading::Complete(
            members
                .zip(owners)
                .map(|(members, owners)| observed(&members, &owners)),
        ),
        // A member whose ownership is not known could be the last owner: not whole (R39).
        (Ok(members), Err(owners)) => Reading::Partial {
            seen: observed(members.get(), &owners.seen),
            reason: owners.reason.to_string(),
        },
        (Err(members), owners) => Reading::Partial {
            seen: observed(
                &members.seen,
                owners
                    .as_ref()
                    .map_or_else(|short| &short.seen, |whole| whole.get()),
            ),
            reason: members.reason.to_string(),
        },
    }
}

/// The planner's view of members. Ownership and membership are two lists in Entra: owners who are no members do
/// not show here.
fn observed(members: &[DirectoryObject], owners: &[DirectoryObject]) -> Vec<ObservedMember> {
    let owners: BTreeSet<&str> = owners.iter().map(|owner| owner.id.as_str()).collect();
    members
        .iter()
        .map(|member| ObservedMember {
            principal: Principal {
                id: member.id.clone(),
                address: [&member.user_principal_name, &member.mail, &member.display_name]
                    .into_iter()
                    .flatten()
                    .next()
                    .cloned()
                    .unwrap_or_default(),
            },
            kind: kind(member),
            role: if owners.contains(member.id.as_str()) {
                Role::Owner
            } else {
                Role::Member
            },
        })
        .collect()
}

/// The kind by `@odata.type`. Without one it is not known to be a user, and only users are ever removed.
fn kind(member: &DirectoryObject) -> MemberKind {
    match member.odata_type.as_deref() {
        Some("#microsoft.graph.user") => MemberKind::User,
        Some("#microsoft.graph.group") => MemberKind::Group,
        Some("#microsoft.graph.orgContact") => MemberKind::External,
        _ => MemberKind::Other,
    }
}

#[cfg(test)]
mod tests;
