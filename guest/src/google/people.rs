//! Finding source users among the directory's users: by primary address or alias, to the immutable ID (R31).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::address::{canonical, domain};
use super::records::{USER_FIELDS, USERS_FIELDS, UserPage, UserRecord};
use super::{Google, batch, errors, path};
use crate::complete::{Collector, Next, Page};
use crate::failure::{Failure, FailureKind};
use crate::http::Call;
use crate::names::{Name, Names};
use crate::plan::model::{Principal, Resolution, SourceUser};

/// The directory's users, as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct People {
    names: Names,
    /// Canonical address -> who has it; where several do, the first that came.
    by_address: HashMap<Name, Account>,
    /// Canonical address -> all who have it, where several do, which is possible while addresses move.
    shared: BTreeMap<Name, BTreeSet<Principal>>,
    ids: HashSet<Name>,
    /// Domains of all addresses, lower case.
    pub domains: BTreeSet<String>,
    /// Why the list is not whole; none where it is.
    pub shortfall: Option<String>,
}

/// A user, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    id: Name,
    primary: Name,
}

impl People {
    fn take(&mut self, record: &UserRecord) {
        let account = Account {
            id: self.names.keep(&record.id),
            primary: self.names.keep(&record.primary),
        };
        self.ids.insert(account.id);
        for address in record.addresses() {
            if let Some(domain) = domain(address)
                && !self.domains.contains(&domain)
            {
                self.domains.insert(domain);
            }
            let address = self.names.keep(&canonical(address));
            let first = *self.by_address.entry(address).or_insert(account);
            if first != account {
                let first = self.principal(first);
                let all = self.shared.entry(address).or_default();
                all.insert(first);
                all.insert(principal(record));
            }
        }
    }

    fn principal(&self, account: Account) -> Principal {
        Principal {
            id: self.names.owned(account.id),
            address: self.names.owned(account.primary),
        }
    }

    /// Who has an address, in canonical form; none where nobody in the list has it.
    fn find(&self, address: &str) -> Option<Resolution> {
        let address = self.names.find(address)?;
        if let Some(several) = self.shared.get(&address) {
            return Some(Resolution::Ambiguous {
                candidates: several.iter().cloned().collect(),
            });
        }
        let account = self.by_address.get(&address)?;
        Some(Resolution::Resolved(self.principal(*account)))
    }

    /// Whether an ID is a user of the directory; none where the list is not whole and does not have it.
    pub(super) fn is_user(&self, id: &str) -> Option<bool> {
        if self.names.find(id).is_some_and(|id| self.ids.contains(&id)) {
            Some(true)
        } else {
            self.shortfall.is_none().then_some(false)
        }
    }
}

fn principal(record: &UserRecord) -> Principal {
    Principal {
        id: record.id.clone(),
        address: record.primary.clone(),
    }
}

impl Google<'_> {
    /// The users, read once.
    pub(super) async fn people(&self) -> Result<Rc<People>, Failure> {
        if let Some(people) = self.known_people() {
            return Ok(people);
        }
        let people = Rc::new(self.read_people().await?);
        *self.people.borrow_mut() = Some(Rc::clone(&people));
        Ok(people)
    }

    /// The users, if they were read already.
    pub(super) fn known_people(&self) -> Option<Rc<People>> {
        self.people.borrow().clone()
    }

    async fn read_people(&self) -> Result<People, Failure> {
        let mut collector = Collector::new("the directory's users", |user: &UserRecord| user.id.clone());
        let mut people = People::default();
        let mut token: Option<String> = None;
        while !collector.is_done() {
            let mut call = Call::get(&path(&["users"]))
                .query("customer", "my_customer")
                .query("maxResults", "500")
                .query("orderBy", "email")
                .query("fields", USERS_FIELDS);
            if let Some(token) = &token {
                call = call.query("pageToken", token);
            }
            let page: UserPage = match self.client.fetch(call).await {
                Ok(page) => page,
                Err(failure) => {
                    let failure = sharpen(failure);
                    if ends_the_run(&failure) {
                        return Err(failure);
                    }
                    collector.fail(failure.to_string());
                    break;
                }
            };
            let next = match page.next.filter(|next| !next.is_empty()) {
                Some(next) => Next::Token(next),
                None => Next::End,
            };
            // A fault stays in the collector and comes out at the end.
            let page = Page::new(page.users.unwrap_or_default(), next);
            let _ = collector.feed_into(page, |record| people.take(&record));
            token = collector.next_token().map(str::to_owned);
            let progress = self.client.environment().progress;
            progress.report("target-users", collector.len() as u64, None, "");
        }
        people.shortfall = collector.judge().err().map(|reason| reason.to_string());
        Ok(people)
    }

    pub(super) async fn resolve_users(
        &self,
        users: &[SourceUser],
    ) -> Result<BTreeMap<String, Resolution>, Failure> {
        let people = self.people().await?;
        let mut resolutions = BTreeMap::new();
        let mut unseen = Vec::new();
        for user in users {
            let Some(email) = user.email.as_deref().filter(|email| !email.trim().is_empty()) else {
                resolutions.insert(user.id.clone(), Resolution::NoAddress);
                continue;
            };
            match people.find(&canonical(email)) {
                Some(found) => {
                    resolutions.insert(user.id.clone(), found);
                }
                None if people.shortfall.is_some() => unseen.push((user.id.as_str(), email.trim())),
                None => {
                    let sought = email.to_owned();
                    resolutions.insert(user.id.clone(), Resolution::Unknown { sought });
                }
            }
        }
        // The list is not whole, so that it proves nobody's absence: each is asked for on its own.
        self.ask_for_each(&unseen, &mut resolutions).await?;
        Ok(resolutions)
    }

    /// The same without the list of all users: each is asked for on its own.
    pub(super) async fn resolve_each(
        &self,
        users: &[SourceUser],
    ) -> Result<BTreeMap<String, Resolution>, Failure> {
        let mut resolutions = BTreeMap::new();
        let mut asked = Vec::new();
        for user in users {
            match user
                .email
                .as_deref()
                .map(str::trim)
                .filter(|email| !email.is_empty())
            {
                Some(email) => asked.push((user.id.as_str(), email)),
                None => {
                    resolutions.insert(user.id.clone(), Resolution::NoAddress);
                }
            }
        }
        self.ask_for_each(&asked, &mut resolutions).await?;
        Ok(resolutions)
    }

    async fn ask_for_each(
        &self,
        asked: &[(&str, &str)],
        resolutions: &mut BTreeMap<String, Resolution>,
    ) -> Result<(), Failure> {
        let calls: Vec<Call> = asked.iter().map(|(_, email)| get_user(email)).collect();
        for ((id, email), answer) in asked.iter().zip(batch::send(&self.client, &calls).await) {
            let resolution = match answer {
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => Resolution::Unproven {
                    reason: failure.to_string(),
                },
                Ok(answer) if answer.is_success() => match answer.json::<UserRecord>() {
                    Ok(record) => Resolution::Resolved(principal(&record)),
                    Err(failure) => Resolution::Unproven {
                        reason: failure.to_string(),
                    },
                },
                Ok(answer) if answer.status == 404 => Resolution::Unknown {
                    sought: (*email).to_owned(),
                },
                Ok(answer) => Resolution::Unproven {
                    reason: format!(
                        "Google answered {} {} when asked for {email}",
                        answer.status,
                        errors::said(&answer).message
                    ),
                },
            };
            resolutions.insert((*id).to_owned(), resolution);
        }
        Ok(())
    }
}

/// users.get by any key.
pub(super) fn get_user(key: &str) -> Call {
    Call::get(&path(&["users", key])).query("fields", USER_FIELDS)
}

/// A 403 to something that must be allowed is about the credential.
pub(super) fn sharpen(mut failure: Failure) -> Failure {
    if failure.vendor.as_ref().is_some_and(|vendor| vendor.status == 403)
        && failure.kind == FailureKind::Vendor
    {
        failure.kind = FailureKind::Unauthorized;
        errors::FORBIDDEN.clone_into(&mut failure.message);
    }
    failure
}

/// Whether every further request would fail alike.
pub(super) fn ends_the_run(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Unauthorized | FailureKind::Denied | FailureKind::Configuration | FailureKind::Cancelled
    )
}
