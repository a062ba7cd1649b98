//! Whether a group may be exported at all, and if not, what is missing and what that means for a group that was
//! exported before (R1 to R5, R12, R13, R29, R32, R34). Looks at the source, the settings and the binding; never at
//! the target.

use crate::ledger::{Binding, BindingState};
use crate::settings::{DriftPolicy, Settings};

use super::address;
use super::model::{SourceGroup, SourceView, TargetRules};
use super::part::{GroupState, Reason};

/// What a source group is in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is exported.
    Export(Export),
    /// It is not.
    Stopped(Stopped),
}

/// A group that is exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The source group.
    pub group: SourceGroup,
    /// The target's key: the canonical address, or the name that we create under in a directory without addresses.
    pub key: String,
    /// Whether the source group has an email, overrides included.
    pub has_email: bool,
    /// Things to know.
    pub warnings: Vec<Reason>,
}

/// A group that is not exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The state it is in.
    pub state: GroupState,
    /// What is missing; never empty.
    pub reasons: Vec<Reason>,
    /// The state that its binding must change to.
    pub binding: Option<BindingState>,
    /// Things to know.
    pub warnings: Vec<Reason>,
}

/// The group's address as far as it has one: not judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// As it is written, never blank.
    pub text: String,
    /// Whether it comes from the settings.
    pub is_override: bool,
}

/// The group's address: the settings' own, else the group's email (blanks are none).
pub fn email(settings: &Settings, rules: TargetRules, group: &SourceGroup) -> Option<Email> {
    let named = |text: &String, is_override| {
        (!text.trim().is_empty()).then(|| Email {
            text: text.clone(),
            is_override,
        })
    };
    let over = (rules == TargetRules::Addressed)
        .then(|| {
            settings
                .addresses
                .get(&group.id)
                .or_else(|| settings.addresses.get(&group.name))
        })
        .flatten();
    over.and_then(|text| named(text, true))
        .or_else(|| group.email.as_ref().and_then(|text| named(text, false)))
}

/// Whether the group is bound: the operator's list, else the source's own association.
pub fn is_bound(settings: &Settings, source: &SourceView, group: &SourceGroup) -> bool {
    match &settings.bound {
        Some(list) => lists(list, group),
        None => source.bound,
    }
}

/// Whether the group is selected for export (R2, R29). Directories keyed by address do not ask.
pub fn is_selected(settings: &Settings, rules: TargetRules, group: &SourceGroup) -> bool {
    match rules {
        TargetRules::Addressed => true,
        TargetRules::Named => {
            settings.selected.iter().any(|entry| entry == "*") || lists(&settings.selected, group)
        }
    }
}

/// What happens to this group's members that the source does not want (R10).
pub fn policy(settings: &Settings, group: &SourceGroup) -> DriftPolicy {
    settings
        .policies
        .get(&group.id)
        .or_else(|| settings.policies.get(&group.name))
        .copied()
        .unwrap_or(settings.policy)
}

fn lists(list: &[String], group: &SourceGroup) -> bool {
    list.iter()
        .any(|entry| *entry == group.id || *entry == group.name)
}

/// Judges one group.
pub fn assess(
    source: &SourceView,
    binding: Option<&Binding>,
    rules: TargetRules,
    settings: &Settings,
) -> Standing {
    let Some(group) = &source.group else {
        return gone(binding, settings);
    };
    let email = email(settings, rules, group);
    let bound = is_bound(settings, source, group);
    let judged = email.as_ref().map(|email| judge_address(settings, rules, email));
    let unaddressed = rules == TargetRules::Addressed && !matches!(judged, Some(Ok(_)));
    // On the move with the new target still to be created is exported too.
    let exported =
        binding.is_some_and(|binding| binding.target.is_some() || !binding.details.moving_from.is_empty());
    let mut reasons = Vec::new();
    let mut state = None;
    let mut release = false;
    let mut miss = |reason: Reason, as_state: GroupState| {
        reasons.push(reason);
        state.get_or_insert(as_state);
    };
    if !settings.managed {
        miss(
            Reason::new(
                "not-managed",
                "Group management is switched off for this directory; switch it on to export.",
            ),
            GroupState::NotExportable,
        );
    }
    let stopped = if binding.is_some() {
        GroupState::Released
    } else {
        GroupState::NotExportable
    };
    if !bound {
        release = true;
        miss(
            Reason::new(
                "not-bound",
                "The group is not associated with this directory; associate it there, or list it under `bound`.",
            ),
            stopped,
        );
    }
    let selected = is_selected(settings, rules, group);
    if !selected {
        release = true;
        miss(
            Reason::new(
                "not-selected",
                "The group is not selected for export to this directory; add it to `selected`.",
            ),
            stopped,
        );
    }
    match (&judged, rules) {
        (Some(Err(reason)), TargetRules::Addressed) => miss(reason.clone(), GroupState::NotExportable),
        (None, TargetRules::Addressed) if binding.is_some() => {
            release = true;
            miss(
                Reason::new(
                    "email-removed",
                    "The group's email was taken away: it is no longer synced and its target stays as it is; \
                     give the same email back to resume.",
                ),
                GroupState::Released,
            );
        }
        (None, TargetRules::Addressed) => miss(
            Reason::new("no-email", "The group has no email; give it one to export it."),
            if bound && settings.managed {
                GroupState::AtRisk
            } else {
                GroupState::NotExportable
            },
        ),
        (None, TargetRules::Named)
            if settings.release_on_email_removal
                && binding.is_some_and(|binding| binding.details.had_email) =>
        {
            release = true;
            miss(
                Reason::new(
                    "email-removed",
                    "The group's email was taken away: it is no longer synced and its target stays as it is; give \
                     an email back to resume, or set `release_on_email_removal` to false.",
                ),
                GroupState::Released,
            );
        }
        _ => {}
    }
    let key = match (&judged, rules) {
        (Some(Ok(address)), TargetRules::Addressed) => address.clone(),
        _ => named_key(&group.id),
    };
    // A different address after a release is a new binding (R12), hence a first export (R4).
    let resumes = binding.is_none_or(|binding| {
        binding.state == BindingState::Managed || rules == TargetRules::Named || binding.key == key
    });
    let stopped_already = !settings.managed || release || !bound || !selected || unaddressed;
    if source.users.seen().is_empty() && !(exported && resumes) {
        match source.users.shortfall() {
            None => miss(
                Reason::new(
                    "no-users",
                    "The group has no user and was never exported; an empty group is not created.",
                ),
                GroupState::NotExportable,
            ),
            // What is stopped already is not read at all: that its users were not seen says nothing.
            Some(_) if stopped_already => {}
            Some(why) => miss(
                Reason::new(
                    "read-incomplete",
                    format!("No user of the group was seen, but the read is not complete: {why}"),
                ),
                GroupState::Frozen,
            ),
        }
    }
    let warnings = at_risk(source, rules, settings, bound, email.is_some());
    match state {
        None => Standing::Export(Export {
            group: group.clone(),
            key,
            has_email: email.is_some(),
            warnings,
        }),
        Some(state) => Standing::Stopped(Stopped {
            state,
            reasons,
            binding: (release && settings.managed)
                .then_some(binding)
                .flatten()
                .filter(|binding| binding.state != BindingState::Released)
                .map(|_| BindingState::Released),
            warnings,
        }),
    }
}

/// The key of a group in a directory without addresses: by it a creation is found again (R25).
pub fn named_key(group: &str) -> String {
    format!("groupcast-{group}")
}

fn gone(binding: Option<&Binding>, settings: &Settings) -> Standing {
    let (state, message) = match binding {
        Some(_) => (
            GroupState::Orphaned,
            "The group was deleted in the source; its target stays as it is until somebody decides.",
        ),
        None => (
            GroupState::NotExportable,
            "The group does not exist in the source.",
        ),
    };
    Standing::Stopped(Stopped {
        state,
        reasons: vec![Reason::new("group-gone", message)],
        // R37: while management is off the ledger stays as it is.
        binding: binding
            .filter(|binding| settings.managed && binding.state != BindingState::Orphaned)
            .map(|_| BindingState::Orphaned),
        warnings: Vec::new(),
    })
}

fn judge_address(settings: &Settings, rules: TargetRules, email: &Email) -> Result<String, Reason> {
    let from = if email.is_override { "settings" } else { "source" };
    let address = address::canonical(&email.text).map_err(|error| {
        Reason::new(
            "bad-address",
            format!("The group's address in the {from}: {error}."),
        )
    })?;
    let allowed = settings.domains.is_empty()
        || settings
            .domains
            .iter()
            .any(|domain| domain.trim().eq_ignore_ascii_case(address::domain(&address)));
    if allowed || rules == TargetRules::Named {
        Ok(address)
    } else {
        Err(Reason::new(
            "domain-not-allowed",
            format!(
                "`{address}` is outside the domains that group addresses may use ({}).",
                settings.domains.join(", ")
            ),
        ))
    }
}

/// The vendor's own warning (R33, R34): users of bound groups without an email can be suspended by the source's
/// group management. Where groups need no email, the operator can say that it is known.
fn at_risk(
    source: &SourceView,
    rules: TargetRules,
    settings: &Settings,
    bound: bool,
    has_email: bool,
) -> Vec<Reason> {
    let known = rules == TargetRules::Named && settings.acknowledge;
    if !settings.managed || !bound || has_email || known {
        return Vec::new();
    }
    vec![Reason::new(
        "at-risk",
        format!(
            "The group is bound and has no email while management is on: its {} could be suspended by the \
             source's own group management; give it an email or unbind it.",
            crate::words::count(source.users.seen().len() as u64, "user", "users")
        ),
    )]
}
