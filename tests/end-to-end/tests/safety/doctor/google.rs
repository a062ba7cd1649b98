//! What can be wrong with Google Workspace: the API, the delegation, the administrator, the key, the domains.

use groupcast_simulators::google::tenant::User;

use super::*;

/// The public half of another key than the one that the service account signs with.
const OTHER_KEY: &str = include_str!("../../../../../host/src/credentials/testdata/throwaway-public.pem");

#[tokio::test(flavor = "multi_thread")]
async fn r7_google_the_api_the_delegation_the_subject_its_role_and_the_key_are_told_apart() {
    let target = Target::Google;
    let lab = lab().await;
    lab.google(|google| google.api_enabled = false);
    diagnosed(
        &lab,
        target,
        "api-disabled",
        &["Admin SDK API", "Library", "project=123456789012"],
    )
    .await;

    let lab = self::lab().await;
    let scope = "https://www.googleapis.com/auth/admin.directory.user.readonly";
    lab.google(|google| google.withdraw_scope(None, scope));
    diagnosed(
        &lab,
        target,
        "delegation-missing",
        &["Domain-wide delegation", scope],
    )
    .await;

    let mut lab = self::lab().await;
    lab.set(target, "admin", "nobody@example.com");
    diagnosed(
        &lab,
        target,
        "wrong-subject",
        &["google.admin", "nobody@example.com"],
    )
    .await;

    let user = |suspended| User {
        id: "199999999999999999999".to_owned(),
        primary_email: "nobody@example.com".to_owned(),
        aliases: Vec::new(),
        suspended,
        name: "No Admin".to_owned(),
    };
    lab.google(|google| google.create_user(user(false)));
    diagnosed(&lab, target, "admin-role-missing", &["Groups Admin", "Assign"]).await;
    lab.google(|google| google.set_suspended("nobody@example.com", true));
    diagnosed(&lab, target, "account-gone", &["nobody@example.com"]).await;

    let lab = lab_of(|organisation| {
        organisation.google.service_accounts[0].public_key_pem = OTHER_KEY.to_owned();
    })
    .await;
    diagnosed(&lab, target, "key-revoked", &["Service Accounts", "new key"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_google_a_domain_of_the_settings_that_is_not_the_customers_is_found_and_so_is_a_group_outside_them()
 {
    let mut lab = lab().await;
    lab.group("Elsewhere", Some("elsewhere@other.example"), &[2]);
    lab.set(
        Target::Google,
        "domains",
        vec!["example.com".to_owned(), "foreign.example".to_owned()],
    );
    let findings = check(&lab, Target::Google).await;
    assert_eq!(problems(&findings), ["foreign-domain"], "{findings:#?}");
    let finding = of(&findings, "foreign-domain");
    assert_eq!(finding.place, "foreign.example");
    assert!(finding.message.contains("domains"), "{finding:#?}");
    assert_eq!(of(&findings, "domain-not-allowed").place, "Elsewhere");
}
