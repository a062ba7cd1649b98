//! `check` as a doctor (R7): each fault of a credential, a right or the network is told apart, under a name of its own,
//! with what to change where; what is too much is named too; one fault does not hide another; and nothing is written.

use std::net::TcpListener;

use groupcast_guest::engine::{Finding, Severity};
use groupcast_simulators::faults::Fault;
use groupcast_simulators::google::tenant::User;
use groupcast_simulators::organisation::{Organisation, Size};
use groupcast_simulators::{Vendor, entra};
use groupcast_tests::{BOTH, Lab, Target};
use tokio_util::sync::CancellationToken;

use super::support::{answer, json, rule, strike};

const SIZE: Size = Size {
    users: 4,
    groups: 2,
    memberships: 4,
};

const APPLICATION: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// The public half of another key than the one that the service account signs with.
const OTHER_KEY: &str = include_str!("../../../../host/src/credentials/testdata/throwaway-public.pem");
const OTHER_PRIVATE_KEY: &str =
    include_str!("../../../../host/src/credentials/testdata/throwaway-private.pem");
const OTHER_CERTIFICATE: &str =
    include_str!("../../../../host/src/credentials/testdata/throwaway-certificate.pem");

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
async fn r7_jumpcloud_a_wrong_key_a_wrong_or_missing_organisation_a_blocked_address_and_a_role_are_told_apart()
 {
    let target = Target::Google;
    let lab = lab().await;
    file(&lab, "jumpcloud-key", "not-the-secret-0");
    diagnosed(&lab, target, "wrong-key", &["My API Key", "Read Only"]).await;

    let mut lab = lab_of(|organisation| organisation.jumpcloud.multi_tenant = true).await;
    diagnosed(&lab, target, "organisation-missing", &["org_id"]).await;
    for wrong in ["not-an-id", "e00000000000000000000009"] {
        lab.section("jumpcloud").insert("org_id".to_owned(), wrong.into());
        diagnosed(
            &lab,
            target,
            "wrong-organisation",
            &["org_id", "Organization Profile"],
        )
        .await;
    }

    for (fault, code, words) in [
        (
            answer(
                403,
                &[],
                "text/plain",
                "Forbidden: your IP has been blocked due to suspected abuse",
            ),
            "address-blocked",
            "support",
        ),
        (
            json(
                403,
                r#"{"code":403,"message":"Forbidden","status":"PERMISSION_DENIED"}"#,
            ),
            "role-missing",
            "Read Only",
        ),
    ] {
        let lab = self::lab().await;
        strike(&lab, rule(Vendor::Jumpcloud, "GET", "/api/**", fault));
        diagnosed(&lab, target, code, &[words]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_jumpcloud_a_service_account_with_a_wrong_secret() {
    let mut lab = lab().await;
    file(&lab, "service-secret", "not-the-secret-0");
    let token_url = format!("{}/oauth2/token", lab.simulators.addresses().jumpcloud);
    let section = lab.section("jumpcloud");
    section.remove("api_key");
    section.insert("token_url".to_owned(), token_url.into());
    section.insert(
        "service_account".to_owned(),
        r#"client_id = "someone"
client_secret = { file = "service-secret" }"#
            .parse::<toml::Table>()
            .unwrap()
            .into(),
    );
    diagnosed(
        &lab,
        Target::Entra,
        "wrong-secret",
        &["jumpcloud", "Service Accounts"],
    )
    .await;
}

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

#[tokio::test(flavor = "multi_thread")]
async fn r7_entra_tenant_application_secret_and_certificate_are_told_apart() {
    let target = Target::Entra;
    let mut lab = lab().await;
    lab.set(target, "tenant_id", "aaaaaaaa-0000-4000-8000-00000000000e");
    diagnosed(&lab, target, "wrong-tenant", &["entra.tenant_id", "AADSTS90002"]).await;

    let mut lab = self::lab().await;
    lab.set(target, "client_id", "aaaaaaaa-0000-4000-8000-00000000000f");
    diagnosed(
        &lab,
        target,
        "wrong-client",
        &["App registrations", "AADSTS700016"],
    )
    .await;

    let lab = self::lab().await;
    file(&lab, "entra-secret", "not-the-secret-0");
    diagnosed(
        &lab,
        target,
        "wrong-secret",
        &["Certificates & secrets", "AADSTS7000215"],
    )
    .await;

    let lab = lab_of(|organisation| organisation.entra.applications[0].client_secret_expired = true).await;
    diagnosed(
        &lab,
        target,
        "secret-expired",
        &["make a new secret", "AADSTS7000222"],
    )
    .await;

    let mut lab = self::lab().await;
    file(&lab, "key.pem", OTHER_PRIVATE_KEY);
    file(&lab, "certificate.pem", OTHER_CERTIFICATE);
    let section = lab.section("entra");
    section.remove("client_secret");
    section.insert(
        "certificate".to_owned(),
        r#"certificate = { file = "certificate.pem" }
key = { file = "key.pem" }"#
            .parse::<toml::Table>()
            .unwrap()
            .into(),
    );
    diagnosed(
        &lab,
        target,
        "certificate-not-registered",
        &["upload", "AADSTS700027"],
    )
    .await;
}

async fn with_permissions(permissions: &[&str]) -> Lab {
    let permissions: Vec<String> = permissions.iter().map(|name| (*name).to_owned()).collect();
    lab_of(|organisation| {
        let [application] = organisation.entra.applications.as_mut_slice() else {
            panic!("one application");
        };
        let _: &entra::Application = application;
        application.permissions = permissions;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_entra_a_missing_permission_is_named_exactly() {
    let target = Target::Entra;
    let lab = with_permissions(&[]).await;
    let findings = check(&lab, target).await;
    assert!(problems(&findings).contains(&"consent-missing"), "{findings:#?}");
    assert!(
        of(&findings, "consent-missing")
            .message
            .contains("Grant admin consent")
    );

    let lab = with_permissions(&["Group.ReadWrite.All"]).await;
    let findings = check(&lab, target).await;
    let finding = of(&findings, "permission-missing");
    assert_eq!(
        (finding.severity, finding.place.as_str()),
        (Severity::Problem, "User.Read.All")
    );

    // Enough for groups that are there already; said, and no problem.
    let lab = with_permissions(&["GroupMember.ReadWrite.All", "User.Read.All"]).await;
    let findings = check(&lab, target).await;
    assert_eq!(problems(&findings), Vec::<&str>::new(), "{findings:#?}");
    let finding = of(&findings, "permission-missing");
    assert_eq!(
        (finding.severity, finding.place.as_str()),
        (Severity::Warning, "Group.ReadWrite.All")
    );
    assert!(finding.message.contains("create groups"), "{finding:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r33_entra_permissions_beyond_what_is_needed_are_named_and_those_that_write_people_loudly() {
    let lab = with_permissions(&[
        "Group.ReadWrite.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.ReadWrite.All",
        "RoleManagement.ReadWrite.Directory",
        "AuditLog.Read.All",
    ])
    .await;
    let findings = check(&lab, Target::Entra).await;
    let dangerous: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.code == "privilege-dangerous" && finding.severity == Severity::Warning)
        .map(|finding| finding.place.as_str())
        .collect();
    assert_eq!(
        dangerous,
        [
            "Directory.ReadWrite.All",
            "RoleManagement.ReadWrite.Directory",
            "User.ReadWrite.All"
        ]
    );
    assert!(
        of(&findings, "privilege-surplus")
            .message
            .contains("AuditLog.Read.All")
    );
    assert_eq!(problems(&findings), Vec::<&str>::new(), "{findings:#?}");
    assert!(lab.entra(|entra| entra.tenant().applications[0].client_id == APPLICATION));
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_clock_that_is_wrong_is_found_by_what_the_vendors_say_the_time_is() {
    for ahead in [900, -900] {
        let mut lab = Lab::with_clocks_ahead(ahead).await;
        lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        let side = if ahead > 0 {
            "15 minutes behind"
        } else {
            "15 minutes ahead"
        };
        let side_or_less = if ahead > 0 {
            "14 minutes behind"
        } else {
            "14 minutes ahead"
        };
        for target in BOTH {
            let findings = check(&lab, target).await;
            let told = findings
                .iter()
                .filter(|finding| finding.code == "clock-skew" && finding.severity == Severity::Problem)
                .filter(|finding| finding.message.contains(side) || finding.message.contains(side_or_less))
                .count();
            assert!(told > 0, "{target:?} {ahead}: {findings:#?}");
        }
    }
    // Within what vendors put up with nothing is said.
    let mut lab = Lab::with_clocks_ahead(120).await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    for target in BOTH {
        let findings = check(&lab, target).await;
        assert!(
            findings.iter().all(|finding| finding.code != "clock-skew"),
            "{findings:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_name_a_port_and_a_certificate_that_lead_nowhere_are_told_apart() {
    let mut lab = lab().await;
    lab.section("jumpcloud")
        .insert("base_url".to_owned(), "https://console.jumpcloud.invalid".into());
    diagnosed(
        &lab,
        Target::Google,
        "name-unresolved",
        &["console.jumpcloud.invalid"],
    )
    .await;

    let mut lab = self::lab().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    lab.set(Target::Entra, "graph_url", format!("https://{free}"));
    diagnosed(
        &lab,
        Target::Entra,
        "connection-refused",
        &[&free.to_string(), "firewall"],
    )
    .await;

    let mut lab = self::lab().await;
    lab.section("network").remove("ca_file");
    let findings = check(&lab, Target::Google).await;
    assert_eq!(
        problems(&findings)
            .iter()
            .filter(|code| **code != "certificate-untrusted")
            .count(),
        0,
        "{findings:#?}"
    );
    let finding = of(&findings, "certificate-untrusted");
    for word in ["network.ca_file", "issued by “CN=Groupcast"] {
        assert!(finding.message.contains(word), "{word}: {finding:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_proxy_that_answers_in_the_vendors_place_is_recognised() {
    let page = || {
        answer(
            200,
            &[],
            "text/html; charset=utf-8",
            "<html><body>Please sign in to the network</body></html>",
        )
    };
    let sign_in = || {
        answer(
            407,
            &[("proxy-authenticate", "Basic")],
            "text/plain",
            "Proxy sign-in required",
        )
    };
    let cases: [(Target, Vendor, &str, &str, Fault, &str); 4] = [
        (
            Target::Entra,
            Vendor::Entra,
            "GET",
            "/v1.0/**",
            page(),
            "not-the-vendor",
        ),
        (
            Target::Google,
            Vendor::Google,
            "POST",
            "/token",
            page(),
            "not-the-vendor",
        ),
        (
            Target::Google,
            Vendor::Google,
            "POST",
            "/token",
            sign_in(),
            "proxy-sign-in",
        ),
        (
            Target::Google,
            Vendor::Jumpcloud,
            "GET",
            "/api/**",
            sign_in(),
            "proxy-sign-in",
        ),
    ];
    for (target, vendor, method, path, fault, code) in cases {
        let lab = lab().await;
        strike(&lab, rule(vendor, method, path, fault));
        if vendor == Vendor::Entra {
            // Reads go in batches where they can.
            strike(&lab, rule(vendor, "POST", "/v1.0/$batch", page()));
        }
        diagnosed(&lab, target, code, &["this machine through"]).await;
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
