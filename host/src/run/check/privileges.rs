//! What a credential allows, held against what Groupcast needs: what is missing, and what is too much. Only what the
//! vendor itself says is told; where it says nothing, so does this, with the place to look.
//!
//! Names as in the Microsoft Graph permissions reference.

use std::collections::BTreeSet;

use groupcast_guest::engine::{Finding, Severity};

use super::finding;
use crate::credentials::google;
use crate::egress::origin::Vendor;

/// The permissions that Groupcast is set up with.
const NEEDED: [&str; 3] = [
    "Group.ReadWrite.All",
    "GroupMember.ReadWrite.All",
    "User.Read.All",
];

/// Sets of permissions, any of which suffices for something: what for, the one to give, the set, and how bad it is
/// without.
const NEEDS: [(&str, &str, &[&str], Severity); 3] = [
    (
        "find people",
        "User.Read.All",
        &[
            "User.Read.All",
            "User.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ],
        Severity::Problem,
    ),
    (
        "add and remove members",
        "GroupMember.ReadWrite.All",
        &[
            "GroupMember.ReadWrite.All",
            "Group.ReadWrite.All",
            "Directory.ReadWrite.All",
        ],
        Severity::Problem,
    ),
    (
        "create groups and change their names",
        "Group.ReadWrite.All",
        &["Group.ReadWrite.All", "Directory.ReadWrite.All"],
        // Enough where every group exists already and is taken over.
        Severity::Warning,
    ),
];

const WHERE: &str = "Entra admin centre, App registrations, this application, API permissions";

/// Judges what a credential allows.
pub(super) fn judge(vendor: Vendor, granted: Option<&BTreeSet<String>>) -> Vec<Finding> {
    match (vendor, granted) {
        (Vendor::Entra, Some(granted)) => entra(granted),
        (Vendor::Entra, None) => vec![unknown(
            "entra",
            "The token does not show which permissions it carries. Look there: Entra admin centre, App registrations, this \
             application, API permissions; Groupcast needs Group.ReadWrite.All, GroupMember.ReadWrite.All and \
             User.Read.All, and nothing else.",
        )],
        (Vendor::Google, granted) => google(granted),
        (Vendor::Jumpcloud, _) => vec![unknown(
            "jumpcloud",
            "JumpCloud does not tell what this credential may do beside reading. Groupcast only reads, whatever it may do; \
             make sure that its role is Read Only: Admin Portal, Settings, Administrators or Service Accounts.",
        )],
    }
}

fn unknown(place: &str, message: &str) -> Finding {
    finding(Severity::Info, "privileges-unknown", place, message)
}

fn entra(granted: &BTreeSet<String>) -> Vec<Finding> {
    if granted.is_empty() {
        return vec![finding(
            Severity::Problem,
            "consent-missing",
            "entra",
            format!(
                "The application has no application permission that an administrator consented to. {WHERE}: add the \
                 Microsoft Graph application permissions Group.ReadWrite.All, GroupMember.ReadWrite.All and User.Read.All \
                 (application, not delegated), then “Grant admin consent”."
            ),
        )];
    }
    let mut findings = Vec::new();
    for (purpose, name, any, severity) in NEEDS {
        if !any.iter().any(|one| granted.contains(*one)) {
            findings.push(finding(
                severity,
                "permission-missing",
                name,
                format!(
                    "The application may not {purpose}: the application permission {name} is missing. {WHERE}: add it \
                     (Microsoft Graph, application permission), then “Grant admin consent”; tokens carry it some minutes \
                     later."
                ),
            ));
        }
    }
    let surplus = granted.iter().filter(|one| !NEEDED.contains(&one.as_str()));
    let (dangerous, idle): (Vec<&String>, Vec<&String>) = surplus.partition(|one| is_dangerous(one));
    for name in dangerous {
        findings.push(finding(
            Severity::Warning,
            "privilege-dangerous",
            name,
            format!(
                "The application holds {name}, which can change or delete people, roles or applications. Groupcast never \
                 uses it and its gate refuses such requests; but whoever gets hold of this credential could take your \
                 accounts away with it. {WHERE}: remove it."
            ),
        ));
    }
    if !idle.is_empty() {
        let names: Vec<&str> = idle.into_iter().map(String::as_str).collect();
        findings.push(finding(
            Severity::Info,
            "privilege-surplus",
            "entra",
            format!(
                "The application holds permissions that Groupcast does not need: {}. {WHERE}: remove them.",
                names.join(", ")
            ),
        ));
    }
    findings
}

/// Whether a permission can do more than read, or make a group. Each that can is warned of: which of them can lock nobody
/// out is not for us to know.
fn is_dangerous(permission: &str) -> bool {
    permission != "Group.Create"
        && !permission
            .split('.')
            .skip(1)
            .any(|word| word.starts_with("Read") && word != "ReadWrite")
}

fn google(granted: Option<&BTreeSet<String>>) -> Vec<Finding> {
    let surplus: Vec<&str> = granted
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|scope| {
            !google::SCOPES
                .split_ascii_whitespace()
                .any(|asked| asked == *scope)
        })
        .collect();
    if surplus.is_empty() {
        return vec![unknown(
            "google",
            "Google tells only of the scopes that were asked for, and those are the two that Groupcast needs. What else the \
             service account may do could only be found by asking for it, which Groupcast never does. Look there: Admin \
             console, Security, Access and data control, API controls, Domain-wide delegation.",
        )];
    }
    vec![finding(
        Severity::Warning,
        "privilege-surplus",
        "google",
        format!(
            "The token allows more than was asked for: {}. Admin console, Security, Access and data control, API controls, \
             Domain-wide delegation: leave the service account only what Groupcast needs.",
            surplus.join(", ")
        ),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(granted: &[&str]) -> Vec<(String, String)> {
        let granted = granted.iter().map(|name| (*name).to_owned()).collect();
        judge(Vendor::Entra, Some(&granted))
            .into_iter()
            .map(|finding| (finding.code, finding.place))
            .collect()
    }

    fn pair(code: &str, place: &str) -> (String, String) {
        (code.to_owned(), place.to_owned())
    }

    #[test]
    fn r7_what_is_missing_is_named_exactly_and_what_is_right_is_silent() {
        assert_eq!(codes(&NEEDED), []);
        assert_eq!(codes(&["Group.ReadWrite.All", "User.Read.All"]), []);
        assert_eq!(
            codes(&["GroupMember.ReadWrite.All", "User.Read.All"]),
            [pair("permission-missing", "Group.ReadWrite.All")]
        );
        assert_eq!(
            codes(&["Group.ReadWrite.All"]),
            [pair("permission-missing", "User.Read.All")]
        );
        assert_eq!(codes(&[]), [pair("consent-missing", "entra")]);
    }

    #[test]
    fn r33_what_could_write_users_is_warned_of_one_by_one_and_what_only_reads_is_listed() {
        let mut held = NEEDED.to_vec();
        held.extend([
            "User.ReadWrite.All",
            "User.EnableDisableAccount.All",
            "Directory.ReadWrite.All",
            "RoleManagement.ReadWrite.Directory",
            "Application.ReadWrite.All",
            "AppRoleAssignment.ReadWrite.All",
            "Directory.Read.All",
            "AuditLog.Read.All",
        ]);
        let found = codes(&held);
        for name in [
            "User.ReadWrite.All",
            "User.EnableDisableAccount.All",
            "Directory.ReadWrite.All",
            "RoleManagement.ReadWrite.Directory",
            "Application.ReadWrite.All",
            "AppRoleAssignment.ReadWrite.All",
        ] {
            assert!(
                found.contains(&pair("privilege-dangerous", name)),
                "{name}: {found:?}"
            );
        }
        assert!(found.contains(&pair("privilege-surplus", "entra")), "{found:?}");
        assert_eq!(found.len(), 7, "{found:?}");
    }

    #[test]
    fn where_a_vendor_says_nothing_nothing_is_guessed() {
        for vendor in [Vendor::Jumpcloud, Vendor::Google, Vendor::Entra] {
            let findings = judge(vendor, None);
            assert_eq!(findings.len(), 1);
            assert_eq!(
                (findings[0].severity, findings[0].code.as_str()),
                (Severity::Info, "privileges-unknown")
            );
        }
    }
}
