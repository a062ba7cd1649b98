//! R7: credentials that are missing or refused. Every message names the credential, what it lacks and the fix; nothing
//! is written; and `check` says the same before anybody runs anything.

use groupcast::run::RunFailure;
use groupcast_guest::engine::Severity;
use groupcast_simulators::google::tenant::User;
use groupcast_simulators::organisation::Size;
use groupcast_tests::{BOTH, Lab, Target};
use tokio_util::sync::CancellationToken;

/// Two groups with people in them.
const SIZE: Size = Size {
    users: 4,
    groups: 2,
    memberships: 4,
};

/// The public half of another key than the one that the service account signs with.
const OTHER_KEY: &str = include_str!("../../../../host/src/credentials/testdata/throwaway-public.pem");

/// A lab with work to do.
async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

fn secret(lab: &Lab, file: &str, text: &str) {
    std::fs::write(lab.folder.path().join(file), text).unwrap();
}

/// What `check` finds to be a problem, in one text.
async fn problems(lab: &Lab, target: Target) -> String {
    let report = lab
        .groupcast()
        .await
        .check(&target.connection(), &CancellationToken::new())
        .await
        .unwrap_or_else(|failure| panic!("check answers with findings: {failure}"));
    let problems: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Problem)
        .map(|finding| {
            format!(
                "{} {}: {} {:?}",
                finding.code, finding.place, finding.message, finding.vendor
            )
        })
        .collect();
    assert!(!problems.is_empty(), "{target:?}: {report:#?}");
    problems.join("\n")
}

/// Holds that plan and check both fail in words that hold all of `words`, and that nothing was written.
async fn refused(lab: &Lab, target: Target, words: &[&str]) {
    let failure: RunFailure = lab.try_plan(target).await.expect_err("the plan fails");
    let (plan, check) = (failure.to_string(), problems(lab, target).await);
    for word in words {
        assert!(
            plan.contains(word),
            "{target:?}: plan does not say {word:?}: {plan}"
        );
        assert!(
            check.contains(word),
            "{target:?}: check does not say {word:?}: {check}"
        );
    }
    for secret in [
        "generated-jumpcloud-key",
        "generated-entra-secret",
        "not-the-secret-0",
        "PRIVATE KEY",
    ] {
        assert!(
            !plan.contains(secret) && !check.contains(secret),
            "{plan} {check}"
        );
    }
    assert_eq!(lab.all_writes(), Vec::<String>::new(), "{target:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_wrong_jumpcloud_key() {
    for target in BOTH {
        let lab = lab().await;
        secret(&lab, "jumpcloud-key", "not-the-secret-0");
        refused(&lab, target, &["jumpcloud", "401"]).await;
        let failure = lab.try_plan(target).await.unwrap_err().to_string();
        assert!(failure.contains("Store a working one"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_wrong_jumpcloud_organisation() {
    for target in BOTH {
        let mut lab = Lab::with(SIZE, |organisation| organisation.jumpcloud.multi_tenant = true).await;
        // None at all, then another's.
        refused(&lab, target, &["jumpcloud", "x-org-id"]).await;
        lab.section("jumpcloud")
            .insert("org_id".to_owned(), "e00000000000000000000009".into());
        refused(&lab, target, &["jumpcloud"]).await;
        lab.section("jumpcloud")
            .insert("org_id".to_owned(), "e00000000000000000000001".into());
        lab.plan(target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_google_a_key_that_is_not_registered() {
    // As after somebody replaced the key in the Cloud console.
    let lab = Lab::with(SIZE, |organisation| {
        organisation.google.service_accounts[0].public_key_pem = OTHER_KEY.to_owned();
    })
    .await;
    refused(
        &lab,
        Target::Google,
        &["google", "groupcast@example.iam.gserviceaccount.com", "new key"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_google_a_subject_that_is_nobody_or_no_administrator() {
    let mut lab = lab().await;
    lab.set(Target::Google, "admin", "nobody@example.com");
    // The message must name the key that the configuration has.
    refused(&lab, Target::Google, &["google.admin", "nobody@example.com"]).await;

    lab.google(|google| {
        google.create_user(User {
            id: "199999999999999999999".to_owned(),
            primary_email: "nobody@example.com".to_owned(),
            aliases: Vec::new(),
            suspended: false,
            name: "No Admin".to_owned(),
        });
    });
    refused(&lab, Target::Google, &["google", "Groups Admin"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_google_a_scope_that_is_not_granted() {
    for scope in [
        "https://www.googleapis.com/auth/admin.directory.group",
        "https://www.googleapis.com/auth/admin.directory.user.readonly",
    ] {
        let lab = lab().await;
        lab.google(|google| google.withdraw_scope(None, scope));
        refused(&lab, Target::Google, &["google", scope, "delegation"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_entra_a_wrong_secret() {
    let lab = lab().await;
    secret(&lab, "entra-secret", "not-the-secret-0");
    refused(
        &lab,
        Target::Entra,
        &[
            "entra",
            "aaaaaaaa-0000-4000-8000-000000000001",
            "client secret is wrong",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_entra_an_unknown_application() {
    let mut lab = lab().await;
    lab.set(Target::Entra, "client_id", "aaaaaaaa-0000-4000-8000-00000000000f");
    refused(&lab, Target::Entra, &["entra", "not in this tenant", "client ID"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_entra_a_permission_that_is_missing_for_reading() {
    let lab = lab().await;
    lab.entra(|entra| {
        for permission in [
            "Group.ReadWrite.All",
            "GroupMember.ReadWrite.All",
            "User.Read.All",
        ] {
            entra.withdraw_permission("aaaaaaaa-0000-4000-8000-000000000001", permission);
        }
    });
    refused(&lab, Target::Entra, &["entra", "User.Read.All", "consent"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_entra_a_permission_that_is_missing_for_writing_alone() {
    let lab = Lab::with(SIZE, |organisation| {
        organisation.entra.applications[0].permissions =
            vec!["Group.Read.All".to_owned(), "User.Read.All".to_owned()];
    })
    .await;
    // Reading goes; writes are refused, each with that reason.
    let plan = lab.plan(Target::Entra).await;
    let outcome = lab
        .apply(
            Target::Entra,
            &plan.plan.hash,
            groupcast::run::Selection::default(),
        )
        .await;
    let text = match &outcome {
        Ok(outcome) => format!("{:?} {:?}", outcome.report, outcome.outcomes),
        Err(failure) => failure.to_string(),
    };
    assert!(
        text.contains("Group.ReadWrite.All") && text.contains("consent"),
        "the permission and the fix are named: {text}"
    );
    assert!(
        outcome.is_err() || outcome.is_ok_and(|outcome| outcome.report.applied == 0),
        "{text}"
    );
    assert_eq!(lab.entra(|entra| entra.tenant().groups.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_google_a_right_that_is_taken_away_before_the_writes() {
    let lab = lab().await;
    let plan = lab.plan(Target::Google).await;
    lab.google(|google| google.withdraw_admin("admin@example.com"));
    let failure = lab
        .apply(
            Target::Google,
            &plan.plan.hash,
            groupcast::run::Selection::default(),
        )
        .await
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("google") && failure.contains("administrator"),
        "{failure}"
    );
    assert_eq!(lab.google(|google| google.tenant().groups.len()), 0);
}
