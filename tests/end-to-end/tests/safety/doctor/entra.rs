//! What can be wrong with Entra ID: tenant, application, secret, certificate, permissions, too few and too many.

use groupcast_simulators::entra;

use super::*;

/// A certificate that is registered nowhere, and its key.
const OTHER_PRIVATE_KEY: &str =
    include_str!("../../../../../host/src/credentials/testdata/throwaway-private.pem");
const OTHER_CERTIFICATE: &str =
    include_str!("../../../../../host/src/credentials/testdata/throwaway-certificate.pem");

const APPLICATION: &str = "aaaaaaaa-0000-4000-8000-000000000001";

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
