//! Who and what a question is about: people and groups by any name, address or ID that either side knows them by.

use std::collections::BTreeSet;

use crate::engine::Session;
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::ledger::Binding;
use crate::plan::address;
use crate::plan::eligibility;
use crate::plan::model::{GroupView, SourceGroup, SourceUser, TargetRules};
use crate::target::TargetDirectory;

/// Somebody who was asked about.
pub(super) struct Person {
    /// As asked.
    pub asked: String,
    /// The source's record.
    pub user: Option<SourceUser>,
    /// The target's ID, where the ledger or the members show it and the source does not.
    pub principal: Option<String>,
    /// The source user that the ledger recorded the membership for.
    pub recorded_for: Option<String>,
}

impl Person {
    pub fn label(&self) -> &str {
        self.user.as_ref().map_or(&self.asked, |user| &user.username)
    }
}

/// The group that is meant, and those that could stand in its way: of the same address, the same name, or tied to the
/// same target. Without them a conflict could not be seen.
pub(super) struct Found {
    pub group: String,
    pub rivals: BTreeSet<String>,
}

pub(super) async fn find_group<S: SourceDirectory, T>(
    session: &Session<'_, S, T>,
    asked: &str,
) -> Result<Option<Found>, Failure> {
    let bindings = session.environment.ledger.bindings()?;
    let listed = session.source.groups().await?;
    let groups = listed.seen();
    let Some(group) = meant(session, &bindings, groups, asked) else {
        return Ok(None);
    };
    let address_of = |group: &SourceGroup| {
        eligibility::email(session.settings, session.rules, group)
            .and_then(|email| address::canonical(&email.text).ok())
    };
    let record = groups.iter().find(|record| record.id == group);
    let own = bindings.iter().find(|binding| binding.group == group);
    let address = record.and_then(&address_of);
    let mut rivals: BTreeSet<String> = groups
        .iter()
        .filter(|other| match session.rules {
            TargetRules::Addressed => address.is_some() && address_of(other) == address,
            TargetRules::Named => record.is_some_and(|record| record.name == other.name),
        })
        .map(|other| other.id.clone())
        .collect();
    rivals.extend(
        bindings
            .iter()
            .filter(|other| {
                Some(&other.key) == address.as_ref()
                    || own.is_some_and(|own| {
                        own.key == other.key || own.target.is_some() && own.target == other.target
                    })
            })
            .map(|other| other.group.clone()),
    );
    rivals.remove(&group);
    Ok(Some(Found { group, rivals }))
}

/// The source group that a text means: what the ledger ties first, then the source's list.
fn meant<S, T>(
    session: &Session<'_, S, T>,
    bindings: &[Binding],
    groups: &[SourceGroup],
    asked: &str,
) -> Option<String> {
    let by_binding = |matches: &dyn Fn(&Binding) -> bool| {
        bindings
            .iter()
            .find(|binding| matches(binding))
            .map(|binding| binding.group.clone())
    };
    if groups.iter().any(|group| group.id == asked) {
        return Some(asked.to_owned());
    }
    let canonical = address::canonical(asked).ok();
    if let Some(id) = by_binding(&|binding| {
        binding.group == asked
            || binding.target.as_deref() == Some(asked)
            || binding.key == asked
            || canonical.as_ref() == Some(&binding.key)
    }) {
        return Some(id);
    }
    let matches = |group: &&SourceGroup| {
        group.name == asked
            || canonical.is_some()
                && eligibility::email(session.settings, session.rules, group)
                    .and_then(|email| address::canonical(&email.text).ok())
                    == canonical
    };
    // Of several groups of one name, the one that is exported is meant.
    groups
        .iter()
        .filter(matches)
        .min_by_key(|group| {
            (
                !bindings.iter().any(|binding| binding.group == group.id),
                group.id.clone(),
            )
        })
        .map(|group| group.id.clone())
        .or_else(|| by_binding(&|binding| binding.details.name == asked))
}

pub(super) async fn find_person<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    view: &GroupView,
    asked: &str,
) -> Result<Person, Failure> {
    let directory = session.read_directory().await?;
    let list = session.source.users(&directory).await?;
    let same = |one: &str| one.eq_ignore_ascii_case(asked);
    let member = view
        .target
        .members
        .seen()
        .iter()
        .find(|member| member.principal.id == asked || same(&member.principal.address));
    let row = view
        .memberships
        .iter()
        .find(|row| row.principal == asked || same(&row.address) || row.user.as_deref() == Some(asked));
    let principal = member
        .map(|member| member.principal.id.clone())
        .or_else(|| row.map(|row| row.principal.clone()));
    let recorded_for = row.and_then(|row| row.user.clone());
    let users = list.seen();
    let user = users
        .iter()
        .find(|user| user.id == asked || same(&user.username) || user.email.as_deref().is_some_and(same))
        .or_else(|| {
            users.iter().find(|user| {
                Some(&user.id) == recorded_for.as_ref()
                    || (user.target_id.is_some()
                        && (user.target_id == principal || user.target_id.as_deref() == Some(asked)))
            })
        })
        .cloned();
    Ok(Person {
        asked: asked.to_owned(),
        user,
        principal,
        recorded_for,
    })
}
