//! `check` as a doctor (R7): each fault of a credential, a right or the network is told apart, under a name of its own,
//! with what to change where; what is too much is named too; one fault does not hide another; and nothing is written.

mod entra;
mod google;
mod jumpcloud;
mod network;

use groupcast_guest::engine::{Finding, Severity};
use groupcast_simulators::Vendor;
use groupcast_simulators::organisation::{Organisation, Size};
use groupcast_tests::{BOTH, Lab, Target};
use tokio_util::sync::CancellationToken;

use super::support::{answer, json, rule, strike};

const SIZE: Size = Size {
    users: 4,
    groups: 2,
    memberships: 4,
};

async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

async fn lab_of(change: impl FnOnce(&mut Organisation)) -> Lab {
    let mut lab = Lab::with(SIZE, change).await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

fn file(lab: &Lab, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = lab.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

async fn check(lab: &Lab, target: Target) -> Vec<Finding> {
    let report = lab
        .groupcast()
        .await
        .check(&target.connection(), &CancellationToken::new())
        .await
        .unwrap_or_else(|failure| panic!("check answers with findings: {failure}"));
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "check never writes");
    for finding in &report.findings {
        let text = format!("{} {}", finding.place, finding.message);
        for secret in [
            "generated-jumpcloud-key",
            "generated-entra-secret",
            "not-the-secret-0",
            "PRIVATE KEY",
        ] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    report.findings
}

fn problems(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Problem)
        .map(|finding| finding.code.as_str())
        .collect()
}

fn of<'a>(findings: &'a [Finding], code: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.code == code)
        .unwrap_or_else(|| panic!("no {code} in {findings:#?}"))
}

/// Holds that this is the one problem, and that its words hold all of `words`.
async fn diagnosed(lab: &Lab, target: Target, code: &str, words: &[&str]) {
    let findings = check(lab, target).await;
    assert_eq!(problems(&findings), [code], "{target:?}: {findings:#?}");
    let finding = of(&findings, code);
    for word in words {
        assert!(finding.message.contains(word), "{word:?} in {finding:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_check_finds_no_problem_where_there_is_none_and_says_what_cannot_be_known() {
    for target in BOTH {
        let lab = lab().await;
        let findings = check(&lab, target).await;
        assert_eq!(problems(&findings), Vec::<&str>::new(), "{findings:#?}");
        let finding = of(&findings, "privileges-unknown");
        assert_eq!(finding.severity, Severity::Info);
        assert!(
            of(&findings, "last-success").message.contains("never in step"),
            "{findings:#?}"
        );
        // Neither of the two can say what a credential could do beside.
        assert!(finding.message.contains("Admin"), "{finding:#?}");
        // Done once, it is said how long ago; and a run that changes nothing is a run.
        lab.plan_and_apply(target).await;
        lab.simulators.clear_requests();
        let findings = check(&lab, target).await;
        assert!(
            of(&findings, "last-success").message.contains("(0 minutes ago)"),
            "{findings:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_r34_one_fault_does_not_hide_another_and_groups_at_risk_are_listed_whatever_is_wrong() {
    // Both credentials wrong: one at the token endpoint, one only at the first read.
    let mut lab = lab().await;
    file(&lab, "jumpcloud-key", "not-the-secret-0");
    lab.set(Target::Google, "admin", "nobody@example.com");
    let findings = check(&lab, Target::Google).await;
    let mut both = problems(&findings);
    both.sort_unstable();
    assert_eq!(both, ["wrong-key", "wrong-subject"], "{findings:#?}");

    // The target's credential is wrong, management is off, and the people at risk are counted all the same.
    let mut lab = self::lab().await;
    lab.group("Bare", None, &[2, 3, 4]);
    lab.set(Target::Entra, "managed", false);
    file(&lab, "entra-secret", "not-the-secret-0");
    let findings = check(&lab, Target::Entra).await;
    let mut both = problems(&findings);
    both.sort_unstable();
    assert_eq!(both, ["group-at-risk", "wrong-secret"], "{findings:#?}");
    let finding = of(&findings, "group-at-risk");
    assert_eq!(finding.place, "Bare");
    assert!(finding.message.contains('3'), "{finding:#?}");

    // Both places out of reach.
    let mut lab = self::lab().await;
    lab.section("jumpcloud")
        .insert("base_url".to_owned(), "https://console.jumpcloud.invalid".into());
    lab.set(Target::Google, "base_url", "https://admin.googleapis.invalid");
    let findings = check(&lab, Target::Google).await;
    assert_eq!(
        problems(&findings),
        ["name-unresolved", "name-unresolved"],
        "{findings:#?}"
    );
}
