//! What can be wrong with JumpCloud: the key or service account, the organisation, the role.

use super::*;

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
