//! Looking a source group's target up: by stored ID, or by its address. Never by a list: a group that was created lately
//! can be missing there (R20).

use std::collections::{BTreeMap, BTreeSet};

use super::address::{canonical, domain};
use super::people::{People, ends_the_run, get_user};
use super::records::{GROUP_FIELDS, GroupRecord, UserRecord};
use super::{Google, batch, errors, path};
use crate::failure::Failure;
use crate::http::{Answer, Call};
use crate::plan::model::Sight;
use crate::plan::part::Reason;
use crate::target::Wanted;

/// groups.get by any key.
pub(super) fn get_group(key: &str) -> Call {
    Call::get(&path(&["groups", key])).query("fields", GROUP_FIELDS)
}

impl Google<'_> {
    pub(super) async fn look_up_groups(
        &self,
        wanted: &[Wanted],
        held: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Sight>, Failure> {
        let mut sights = BTreeMap::new();
        let mut asked = Vec::new();
        for want in wanted {
            match self.refused_address(want) {
                Some(sight) => {
                    sights.insert(want.group.clone(), sight);
                }
                None => asked.push(want),
            }
        }
        let calls: Vec<Call> = asked
            .iter()
            .map(|want| get_group(want.bound.as_deref().unwrap_or(&want.key)))
            .collect();
        let mut free = Vec::new();
        for (want, answer) in asked.into_iter().zip(batch::send(&self.client, &calls).await) {
            let sight = match (answer, &want.bound) {
                (Err(failure), _) if ends_the_run(&failure) => return Err(failure),
                (Err(failure), _) => unknown(failure.to_string()),
                (Ok(answer), Some(id)) => bound(id, &answer),
                (Ok(answer), None) => match free_standing(want, &answer, held) {
                    Some(sight) => sight,
                    None => {
                        free.push((want, answer));
                        continue;
                    }
                },
            };
            sights.insert(want.group.clone(), sight);
        }
        if !free.is_empty() {
            self.look_at_free_addresses(free, &mut sights).await?;
        }
        Ok(sights)
    }

    /// What can be told of an unbound group's address without asking Google (R18).
    fn refused_address(&self, want: &Wanted) -> Option<Sight> {
        if want.bound.is_some() {
            return None;
        }
        match domain(&want.key) {
            None => Some(blocked(
                "invalid-address",
                format!("`{}` is no address. Correct the group's email.", want.key),
            )),
            Some(domain) if !self.domains.is_empty() && !self.domains.contains(&domain) => {
                Some(foreign_domain(&want.key, &domain))
            }
            Some(_) => None,
        }
    }

    /// Whether a domain is the directory's: asked by an address in it that no group has. Google answers for a foreign one
    /// that it is not there, or that nobody may look; for its own, that the group is not there.
    pub(super) async fn holds_domain(&self, domain: &str) -> Result<Option<bool>, Failure> {
        let call = get_group(&format!("groupcast-reachability-check@{domain}"));
        let mut answers = batch::send(&self.client, &[call]).await.into_iter();
        let Some(answer) = answers.next() else {
            return Ok(None);
        };
        let answer = answer?;
        let said = errors::said(&answer);
        Ok(match (answer.status, said.reason.as_str()) {
            (200, _) => Some(true),
            (404, "domainNotFound") => Some(false),
            (404, _) => Some(!said.message.to_ascii_lowercase().contains("domain")),
            (403, "forbidden") => Some(false),
            _ => None,
        })
    }

    /// Whether an address, primary or alias, is this group's.
    pub(super) async fn is_address_of(&self, address: &str, target: &str) -> bool {
        let answers = batch::send(&self.client, &[get_group(address)]).await;
        answers.into_iter().any(|answer| {
            answer.is_ok_and(|answer| {
                answer.is_success() && answer.json::<GroupRecord>().is_ok_and(|group| group.id == target)
            })
        })
    }

    /// No group has these addresses: does a user, and may a group be created there?
    async fn look_at_free_addresses(
        &self,
        free: Vec<(&Wanted, Answer)>,
        sights: &mut BTreeMap<String, Sight>,
    ) -> Result<(), Failure> {
        let people = if self.domains.is_empty() {
            Some(self.people().await?)
        } else {
            None
        };
        let calls: Vec<Call> = free.iter().map(|(want, _)| get_user(&want.key)).collect();
        let answers = batch::send(&self.client, &calls).await;
        for ((want, of_group), of_user) in free.into_iter().zip(answers) {
            let sight = match of_user {
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => unknown(failure.to_string()),
                Ok(answer) if answer.is_success() => match answer.json::<UserRecord>() {
                    Ok(user) => blocked(
                        "address-of-user",
                        format!(
                            "The address {} belongs to the user {}. Give the group another email.",
                            want.key, user.primary
                        ),
                    ),
                    Err(failure) => unknown(failure.to_string()),
                },
                Ok(of_user) => match people.as_deref().and_then(|people| outside(people, &want.key)) {
                    Some(sight) => sight,
                    None if of_group.status == 404 && of_user.status == 404 => {
                        Sight::Nothing { warnings: Vec::new() }
                    }
                    None => {
                        let answer = if of_group.status == 404 { of_user } else { of_group };
                        unknown(what_google_said(&answer))
                    }
                },
            };
            sights.insert(want.group.clone(), sight);
        }
        Ok(())
    }
}

fn bound(id: &str, answer: &Answer) -> Sight {
    if answer.is_success() {
        return match answer.json::<GroupRecord>() {
            Ok(group) if group.id == id => Sight::Bound(group.into()),
            Ok(group) => unknown(format!(
                "Google was asked for the group with the ID {id} and answered another one ({})",
                group.id
            )),
            Err(failure) => unknown(failure.to_string()),
        };
    }
    if answer.status == 404 {
        return Sight::BoundMissing;
    }
    unknown(what_google_said(answer))
}

/// What groups.get by address found; none where no group has the address.
fn free_standing(want: &Wanted, answer: &Answer, held: &BTreeSet<String>) -> Option<Sight> {
    if !answer.is_success() {
        return match answer.status {
            // 403: an address outside the directory, or a missing right; the domain tells which.
            403 | 404 => None,
            _ => Some(unknown(what_google_said(answer))),
        };
    }
    Some(match answer.json::<GroupRecord>() {
        Err(failure) => unknown(failure.to_string()),
        Ok(group) if canonical(&group.email) != canonical(&want.key) => blocked(
            "alias",
            format!(
                "The address {} is an alias of the group {}. Remove the alias there, or give this group another email.",
                want.key, group.email
            ),
        ),
        Ok(group) if held.contains(&group.id) => blocked(
            "held-by-another",
            format!(
                "The group {} is bound to another source group already.",
                group.email
            ),
        ),
        Ok(group) => Sight::Takeover(group.into()),
    })
}

/// Whether an address lies outside the domains that the directory's users have.
fn outside(people: &People, address: &str) -> Option<Sight> {
    let domain = domain(address)?;
    if people.domains.contains(&domain) {
        return None;
    }
    Some(match &people.shortfall {
        None => foreign_domain(address, &domain),
        Some(reason) => unknown(format!(
            "whether {domain} is a domain of the directory could not be told: {reason}"
        )),
    })
}

fn foreign_domain(address: &str, domain: &str) -> Sight {
    blocked(
        "foreign-domain",
        format!(
            "The address {address} is outside the directory's domains. Give the group an email in one of them, or add \
             {domain} to the setting `domains` if it is verified there."
        ),
    )
}

fn blocked(code: &str, message: String) -> Sight {
    Sight::Blocked {
        conflict: true,
        reason: Reason::new(code, message),
    }
}

fn unknown(reason: String) -> Sight {
    Sight::Unknown { reason }
}

fn what_google_said(answer: &Answer) -> String {
    let said = errors::said(answer);
    format!(
        "{}: Google answered {} {} {}",
        answer.place, answer.status, said.reason, said.message
    )
}
