//! The export `check`: can what is needed be read, and what would go wrong if management were switched on? It never
//! writes and never plans; it reads as if management were on, since that is what it is asked before.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Session;
use crate::engine::answers::{Finding, Severity};
use crate::engine::observe::{Observed, Scope, SourceHalf};
use crate::engine::source::{Directory, SourceDirectory};
use crate::failure::{Failure, FailureKind};
use crate::names::Names;
use crate::plan::eligibility::{self, Standing};
use crate::plan::model::{Resolution, Sight, SourceView, TargetRules};
use crate::settings::Settings;
use crate::target::{TargetDirectory, Wanted};
use crate::words::{count, fitting};

/// Checks the connection.
///
/// # Errors
/// Only where the host ended the run or broke a promise; everything else is a finding.
pub async fn check<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
) -> Result<Vec<Finding>, Failure> {
    let preview = Settings {
        managed: true,
        ..session.settings.clone()
    };
    let session = Session {
        settings: &preview,
        ..*session
    };
    let mut findings = Vec::new();
    if let Some(directory) = check_directory(&session, &mut findings).await? {
        check_groups(&session, directory, &mut findings).await?;
    } else {
        check_target_alone(&session, &mut findings).await?;
    }
    check_domains(&session, &mut findings).await?;
    findings.sort_by(|one, other| {
        (other.severity, &one.code, &one.place).cmp(&(one.severity, &other.code, &other.place))
    });
    Ok(findings)
}

async fn check_directory<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    findings: &mut Vec<Finding>,
) -> Result<Option<Directory>, Failure> {
    let place = format!("directory {}", session.directory);
    let directory = match session.source.directory(session.directory).await {
        Ok(Some(directory)) => directory,
        Ok(None) => {
            findings.push(Finding::new(
                Severity::Problem,
                "directory-not-found",
                &place,
                "JumpCloud knows no directory with this ID. Take the ID from JumpCloud's list of directories.",
            ));
            return Ok(None);
        }
        Err(failure) => {
            findings.push(from_source(session, failure)?);
            return Ok(None);
        }
    };
    if directory.rules != Some(session.rules) {
        findings.push(Finding::new(
            Severity::Problem,
            "directory-kind",
            &place,
            format!(
                "JumpCloud says that “{}” is of the kind `{}`, which is not what this connection exports to. Choose \
                 the target that belongs to the directory.",
                directory.name, directory.kind
            ),
        ));
        return Ok(None);
    }
    if directory.groups_enabled == Some(true) {
        findings.push(Finding::new(
            unless_acknowledged(session.settings),
            "group-management-on",
            &place,
            format!(
                "JumpCloud's own group management is still on for “{}”: two engines would fight over its groups. \
                 Switch it off in JumpCloud, or set `acknowledge`.",
                directory.name
            ),
        ));
    }
    check_shared_domain(session, &directory, findings).await?;
    Ok(Some(directory))
}

/// R35: two directories with one domain would export to the same addresses.
async fn check_shared_domain<S: SourceDirectory, T>(
    session: &Session<'_, S, T>,
    directory: &Directory,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let Some(domain) = &directory.default_domain else {
        return Ok(());
    };
    match session.source.directories().await {
        Ok(all) => {
            for other in all.seen().iter().filter(|other| other.id != directory.id) {
                if other
                    .default_domain
                    .as_ref()
                    .is_some_and(|other| other.eq_ignore_ascii_case(domain))
                {
                    findings.push(Finding::new(
                        Severity::Warning,
                        "shared-domain",
                        domain,
                        format!(
                            "“{}” and “{}” share this domain. Bind each group to one of them alone.",
                            directory.name, other.name
                        ),
                    ));
                }
            }
        }
        Err(failure) => findings.push(from_source(session, failure)?),
    }
    Ok(())
}

async fn check_groups<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    directory: Directory,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let half = match session
        .observe_source(directory, &Scope::Everything, Names::new())
        .await
    {
        Ok(half) => half,
        Err(failure) => {
            findings.push(from_source(session, failure)?);
            return check_target_alone(session, findings).await;
        }
    };
    judge_source(session, &half, findings);
    if let Err(failure) = judge_risk(session, &half, findings).await {
        findings.push(from_source(session, failure)?);
    }
    if half.lookups.is_empty() {
        return check_target_alone(session, findings).await;
    }
    let asked: BTreeSet<String> = half.lookups.keys().cloned().collect();
    match session.observe_target(half, false).await {
        Ok(observed) => judge_target(&asked, &observed, findings),
        Err(failure) => findings.push(from_target(session, failure)?),
    }
    Ok(())
}

/// R18: the domains of the settings, each asked for. Where the target refuses everything, that has been said already.
async fn check_domains<S, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    if findings
        .iter()
        .any(|finding| finding.severity == Severity::Problem && finding.vendor.is_some())
        || findings.iter().any(|finding| finding.code == "request-refused")
    {
        return Ok(());
    }
    for domain in &session.settings.domains {
        match session.target.has_domain(domain.trim()).await {
            Ok(Some(false)) => findings.push(Finding::new(
                Severity::Problem,
                "foreign-domain",
                domain,
                "The setting `domains` names it, and the target does not have it, or nobody who may manage its groups was \
                 named. Correct `domains`, or verify the domain in the target (Google: Admin console, Account, Domains, \
                 Manage domains).",
            )),
            Ok(_) => {}
            Err(failure) => {
                findings.push(from_target(session, failure)?);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// With no group to look for, one read tells whether the target answers at all.
async fn check_target_alone<S, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let name = "groupcast-reachability-check";
    let domain = session
        .settings
        .domains
        .first()
        .map_or("example.com", String::as_str);
    let wanted = Wanted {
        group: name.to_owned(),
        name: name.to_owned(),
        key: match session.rules {
            TargetRules::Addressed => format!("{name}@{domain}"),
            TargetRules::Named => name.to_owned(),
        },
        bound: None,
    };
    if let Err(failure) = session.target.look_up(&[wanted], &BTreeSet::new()).await {
        findings.push(from_target(session, failure)?);
    }
    Ok(())
}

fn judge_source<S, T>(session: &Session<'_, S, T>, half: &SourceHalf, findings: &mut Vec<Finding>) {
    if let Some(reason) = &half.side.bound_gap {
        findings.push(Finding::new(
            Severity::Warning,
            "read-incomplete",
            "groups bound to the directory",
            format!("The list is not whole: {reason}. Removals freeze for the groups that it lacks."),
        ));
    }
    if half.side.bound.is_empty() {
        findings.push(Finding::new(
            Severity::Info,
            "no-group-bound",
            &format!("directory {}", session.directory),
            "No group is bound to the directory, so there is nothing to export. Bind groups in JumpCloud.",
        ));
    }
    for id in half.lookups.keys() {
        let source = half.source(id);
        let (Some(group), Some(reason)) = (&source.group, source.users.shortfall()) else {
            continue;
        };
        findings.push(Finding::new(
            Severity::Warning,
            "read-incomplete",
            &group.name,
            format!("Its members could not be read whole: {reason}. Its removals freeze until they can."),
        ));
    }
    judge_addresses(session, half, findings);
}

/// R18: groups whose own address keeps them from being exported.
fn judge_addresses<S, T>(session: &Session<'_, S, T>, half: &SourceHalf, findings: &mut Vec<Finding>) {
    for id in half.ids() {
        let source = half.source(id);
        let binding = half.side.bindings.get(id);
        let Standing::Stopped(stopped) =
            eligibility::assess(&source, binding, session.rules, session.settings)
        else {
            continue;
        };
        let name = source.group.as_ref().map_or(id, |group| group.name.as_str());
        findings.extend(
            stopped
                .reasons
                .iter()
                .filter(|reason| matches!(reason.code.as_str(), "bad-address" | "domain-not-allowed"))
                .map(|reason| Finding::new(Severity::Warning, &reason.code, name, &reason.message)),
        );
    }
}

/// R33, R34: bound groups without an email, each with the number of people in it.
async fn judge_risk<S: SourceDirectory, T>(
    session: &Session<'_, S, T>,
    half: &SourceHalf,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let at_risk: Vec<(&str, SourceView)> = half
        .ids()
        .map(|id| (id, half.source(id)))
        .filter(|(_, source)| {
            source.group.as_ref().is_some_and(|group| {
                eligibility::is_bound(session.settings, source, group)
                    && eligibility::email(session.settings, session.rules, group).is_none()
            })
        })
        .collect();
    // Those that are not exported were not read for the plan's sake: a Microsoft 365 group that is not selected.
    let unread: Vec<String> = at_risk
        .iter()
        .filter(|(_, source)| source.users.complete().is_none() && source.users.seen().is_empty())
        .map(|(id, _)| (*id).to_owned())
        .collect();
    let read = if unread.is_empty() {
        BTreeMap::new()
    } else {
        session.source.few_members(&unread).await?
    };
    for (id, source) in &at_risk {
        let users = read.get(*id).unwrap_or(&source.users);
        let about = if users.complete().is_some() {
            ""
        } else {
            "at least "
        };
        let name = source.group.as_ref().map_or(*id, |group| group.name.as_str());
        findings.push(Finding::new(
            unless_acknowledged(session.settings),
            "group-at-risk",
            name,
            format!(
                "The group is bound to the directory and has no email. JumpCloud warns that its users ({about}{}) can \
                 be suspended when management is enabled. Give the group an email or unbind it; `acknowledge` goes on \
                 all the same.",
                users.seen().len()
            ),
        ));
    }
    Ok(())
}

fn judge_target(asked: &BTreeSet<String>, observed: &Observed, findings: &mut Vec<Finding>) {
    let mut unknown = 0;
    let mut without_address = 0;
    for (user, resolution) in observed.everybody() {
        match resolution {
            None | Some(Resolution::Resolved(_)) => {}
            Some(Resolution::Unknown { .. }) => unknown += 1,
            Some(Resolution::NoAddress) => without_address += 1,
            Some(Resolution::Ambiguous { candidates }) => {
                let list: Vec<&str> = candidates.iter().map(|one| one.address.as_str()).collect();
                findings.push(Finding::new(
                    Severity::Warning,
                    "user-ambiguous",
                    &user.username,
                    format!(
                        "Several people of the target could be meant: {}. Nobody is added.",
                        list.join(", ")
                    ),
                ));
            }
            Some(Resolution::Unproven { reason }) => findings.push(Finding::new(
                Severity::Warning,
                "user-unproven",
                &user.username,
                format!("Whether the target has this person is not known: {reason}"),
            )),
        }
    }
    if unknown > 0 {
        findings.push(Finding::new(
            Severity::Warning,
            "users-unresolved",
            "people",
            format!(
                "{} of the source {} not in the target; they wait until they are there.",
                count(unknown, "person", "people"),
                fitting(unknown, "is", "are")
            ),
        ));
    }
    if without_address > 0 {
        findings.push(Finding::new(
            Severity::Warning,
            "users-without-address",
            "people",
            format!(
                "{} of the source {} no email to look for; give them one.",
                count(without_address, "person", "people"),
                fitting(without_address, "has", "have")
            ),
        ));
    }
    for id in observed.ids() {
        let place = observed.name(id);
        match &observed.sight(id) {
            Sight::Nothing { warnings } => findings.extend(
                warnings
                    .iter()
                    .map(|reason| Finding::new(Severity::Warning, &reason.code, place, &reason.message)),
            ),
            Sight::Blocked { reason, .. } => {
                findings.push(Finding::new(
                    Severity::Warning,
                    &reason.code,
                    place,
                    &reason.message,
                ));
            }
            Sight::BoundMissing => findings.push(Finding::new(
                Severity::Warning,
                "target-missing",
                place,
                "The target does not show the group that it is bound to: created lately, or deleted by somebody.",
            )),
            Sight::Unknown { reason } if asked.contains(id) => findings.push(Finding::new(
                Severity::Warning,
                "target-unread",
                place,
                format!("The group's target could not be looked up: {reason}"),
            )),
            Sight::Bound(_) | Sight::Takeover(_) | Sight::Unknown { .. } => {}
        }
    }
}

fn unless_acknowledged(settings: &Settings) -> Severity {
    if settings.acknowledge {
        Severity::Warning
    } else {
        Severity::Problem
    }
}

/// A failure of the source as a finding.
fn from_source<S: SourceDirectory, T>(
    session: &Session<'_, S, T>,
    failure: Failure,
) -> Result<Finding, Failure> {
    let diagnosis = session.source.diagnose(&failure);
    from_failure(diagnosis, "source-unreachable", failure)
}

/// A failure of the target as a finding.
fn from_target<S, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    failure: Failure,
) -> Result<Finding, Failure> {
    let diagnosis = session.target.diagnose(&failure);
    from_failure(diagnosis, "target-unreachable", failure)
}

/// A failure as a finding, except where the host ended the run.
fn from_failure(diagnosis: Option<&str>, code: &str, failure: Failure) -> Result<Finding, Failure> {
    let code = match failure.kind {
        FailureKind::Cancelled | FailureKind::Host => return Err(failure),
        FailureKind::Denied => "request-refused",
        FailureKind::Unauthorized => diagnosis.unwrap_or("credential-refused"),
        FailureKind::Transient
        | FailureKind::Throttled(_)
        | FailureKind::Configuration
        | FailureKind::Vendor => diagnosis.unwrap_or(code),
    };
    Ok(Finding {
        severity: Severity::Problem,
        code: code.to_owned(),
        place: failure.place,
        message: failure.message,
        vendor: failure.vendor,
    })
}
