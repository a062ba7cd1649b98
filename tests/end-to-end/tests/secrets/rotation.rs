//! Rotation without downtime: one host, opened once, goes on while its secrets are replaced; and warnings before an end.

use groupcast::secrets::{Owner, Secrets};
use groupcast_guest::engine::Extent;
use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::{BOTH, Lab, Target};
use tokio_util::sync::CancellationToken;

fn write(lab: &Lab, file: &str, text: &str) {
    std::fs::write(lab.folder.path().join(file), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_api_key_is_taken_up_at_the_refusal_in_the_middle_of_a_run() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let groupcast = lab.groupcast().await;
    let none = CancellationToken::new();
    groupcast.plan(&Target::Google.connection(), &none).await.unwrap();
    // The administrator makes a new key, which ends the old one, and puts it where the old one was.
    lab.simulators
        .with_jumpcloud(|jumpcloud| jumpcloud.replace_api_key("the-second-jumpcloud-key"));
    write(&lab, "jumpcloud-key", "the-second-jumpcloud-key");
    for target in BOTH {
        let plan = groupcast.plan(&target.connection(), &none).await;
        plan.unwrap_or_else(|failure| panic!("{target:?}: {failure}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_client_secret_is_taken_up_when_the_token_is_refused() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let groupcast = lab.groupcast().await;
    let none = CancellationToken::new();
    let connection = Target::Entra.connection();
    groupcast.plan(&connection, &none).await.unwrap();
    lab.entra(|entra| {
        entra.set_client_secret("aaaaaaaa-0000-4000-8000-000000000001", "the-second-entra-secret")
    });
    write(&lab, "entra-secret", "the-second-entra-secret");
    // Tokens that were given before still work; then they are refused.
    groupcast.plan(&connection, &none).await.unwrap();
    let exchanges = || {
        let requests = lab.simulators.requests();
        requests
            .iter()
            .filter(|request| request.path.ends_with("/oauth2/v2.0/token"))
            .count()
    };
    assert_eq!(exchanges(), 1);
    lab.simulators.faults(|faults| {
        faults.add(Rule {
            vendor: Vendor::Entra,
            method: None,
            path: None,
            query: None,
            skip: 0,
            times: Some(1),
            fault: Fault::RevokeTokens,
        });
    });
    groupcast
        .sync(&connection, Extent::Whole, &none)
        .await
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(exchanges(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_warns_before_a_stored_secret_expires() {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    let stored: toml::Table = "stored = \"entra\"".parse().unwrap();
    lab.set(Target::Entra, "client_secret", stored);
    let folder = lab.folder.path();
    let secrets = Secrets::new(&folder.join("groupcast.secrets"), &folder.join("groupcast.key"));
    for (days, warns) in [(6, true), (90, false)] {
        let end = chrono::Utc::now() + chrono::Duration::days(days) + chrono::Duration::hours(1);
        secrets
            .set("entra", "generated-entra-secret".into(), Some(end))
            .await
            .unwrap();
        let report = lab
            .groupcast()
            .await
            .check(&Target::Entra.connection(), &CancellationToken::new())
            .await
            .unwrap();
        let warning = report
            .findings
            .iter()
            .find(|finding| finding.code == "secret-expiring");
        assert_eq!(warning.is_some(), warns, "{report:#?}");
        if let Some(warning) = warning {
            assert!(
                warning.message.contains("expires in 6 days"),
                "{}",
                warning.message
            );
        }
    }
    let expiring = secrets.expiring(None, chrono::Duration::days(100)).await.unwrap();
    assert_eq!((expiring.len(), &expiring[0].owner), (1, &Owner::Host));
}
