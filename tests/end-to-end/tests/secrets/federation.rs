//! Workload identity federation: another identity provider says who this host is, and no secret of the target is kept.
//! What the vendors refuse is told apart, with what to do.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use groupcast_simulators::entra::FederatedCredential;
use groupcast_simulators::google::tenant::{TokenCreator, WorkloadIdentityProvider};
use groupcast_simulators::organisation::{Organisation, Size, generated};
use groupcast_tests::{Lab, PRIVATE_KEY, PUBLIC_KEY, Target, people};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// The other identity provider.
const ISSUER: &str = "https://oidc.cluster.example";
const WORKLOAD: &str = "system:serviceaccount:groupcast:groupcast";
const PROVIDER: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/cluster/providers/kubernetes";
const ACCOUNT: &str = "groupcast@example.iam.gserviceaccount.com";
/// A key that belongs to nobody here.
const OTHER_KEY: &str = include_str!("../../../../host/src/credentials/testdata/throwaway-private.pem");

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What the other provider says, for a target; changed before it is signed.
fn claims(target: Target) -> Value {
    let audience = match target {
        Target::Google => format!("https:{PROVIDER}"),
        Target::Entra => "api://AzureADTokenExchange".to_owned(),
    };
    json!({"iss": ISSUER, "sub": WORKLOAD, "aud": audience, "iat": now(), "nbf": now(), "exp": now() + 600})
}

fn signed(claims: &Value, key: &str) -> String {
    let key = EncodingKey::from_rsa_pem(key.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key).unwrap()
}

fn put(folder: &Path, token: &str) {
    std::fs::write(folder.join("identity-token"), token).unwrap();
}

fn trust(organisation: &mut Organisation) {
    organisation.google.workload_identity_providers = vec![WorkloadIdentityProvider {
        audience: PROVIDER.to_owned(),
        issuer: ISSUER.to_owned(),
        public_key_pem: PUBLIC_KEY.to_owned(),
        allowed_audiences: Vec::new(),
        subjects: vec![
            WORKLOAD.to_owned(),
            "system:serviceaccount:default:other".to_owned(),
        ],
        token_creators: vec![TokenCreator {
            subject: WORKLOAD.to_owned(),
            service_account: ACCOUNT.to_owned(),
        }],
        disabled: false,
    }];
    organisation.google.service_accounts[0].signing_key_pem = Some(PRIVATE_KEY.to_owned());
    let application = &mut organisation.entra.applications[0];
    application.client_secret = None;
    application.federated_credentials = vec![FederatedCredential {
        issuer: ISSUER.to_owned(),
        subject: WORKLOAD.to_owned(),
        audience: "api://AzureADTokenExchange".to_owned(),
        public_key_pem: PUBLIC_KEY.to_owned(),
    }];
}

/// A lab whose targets trust the other provider, with no secret of theirs anywhere in its folder.
async fn lab() -> Lab {
    let size = Size {
        users: 8,
        groups: 0,
        memberships: 0,
    };
    let mut organisation = generated(size, 1, PUBLIC_KEY);
    trust(&mut organisation);
    let mut lab = Lab::of(organisation).await;
    for secret in ["google-key.json", "entra-secret"] {
        std::fs::remove_file(lab.folder.path().join(secret)).unwrap();
    }
    let google = lab.simulators.addresses().google.clone();
    let section = lab.section("google");
    section.remove("service_account_key");
    let identity: toml::Table = format!(
        "audience = \"{PROVIDER}\"\nservice_account = \"{ACCOUNT}\"\nsubject_token = {{ file = \"identity-token\" }}\n\
         sts_url = \"{google}/v1/token\"\ncredentials_url = \"{google}\"\n"
    )
    .parse()
    .unwrap();
    section.insert("workload_identity".to_owned(), identity.into());
    let section = lab.section("entra");
    section.remove("client_secret");
    let token: toml::Table = "file = \"identity-token\"".parse().unwrap();
    section.insert("federated_token".to_owned(), token.into());
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

/// What `check` and a plan say of a token that the target does not take.
async fn refused(lab: &Lab, target: Target) -> (String, String) {
    let report = lab
        .groupcast()
        .await
        .check(&target.connection(), &CancellationToken::new())
        .await
        .unwrap();
    let found = report
        .findings
        .iter()
        .find(|finding| finding.place == target.name())
        .unwrap_or_else(|| panic!("{report:#?}"));
    let failure = lab
        .try_plan(target)
        .await
        .expect_err("the plan fails")
        .to_string();
    assert_eq!(lab.all_writes(), Vec::<String>::new());
    let told = format!("{} {failure}", found.message);
    assert!(!told.contains("eyJ"), "{told}");
    (found.code.clone(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_sync_works_with_no_long_lived_secret_of_a_target() {
    let lab = lab().await;
    for target in groupcast_tests::BOTH {
        put(lab.folder.path(), &signed(&claims(target), PRIVATE_KEY));
        lab.plan_and_apply(target).await;
        assert_eq!(lab.people(target, "Sales", "sales@example.com"), people(&[0, 1]));
        let writes = lab.writes(target.vendor()).len();
        lab.sync(target).await;
        assert_eq!(lab.writes(target.vendor()).len(), writes, "{target:?}");
    }
    let asked: Vec<String> = lab
        .simulators
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert!(asked.iter().any(|path| path == "/v1/token"));
    assert!(asked.iter().any(|path| path.ends_with(":signJwt")), "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_what_google_refuses_of_a_workload_is_told_apart() {
    let lab = lab().await;
    let folder = lab.folder.path();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims(Target::Google);
        change(&mut claims);
        signed(&claims, PRIVATE_KEY)
    };
    for (what, token, code, words) in [
        (
            "audience",
            with(&|claims| claims["aud"] = "https://elsewhere.example".into()),
            "federation-mismatch",
            "another audience",
        ),
        (
            "issuer",
            with(&|claims| claims["iss"] = "https://evil.example".into()),
            "federation-mismatch",
            "issuer",
        ),
        (
            "condition",
            with(&|claims| claims["sub"] = "system:serviceaccount:x:y".into()),
            "federation-mismatch",
            "attribute condition",
        ),
        (
            "expired",
            with(&|claims| {
                claims["iat"] = (now() - 900).into();
                claims["exp"] = (now() - 300).into();
            }),
            "federated-token-expired",
            "no longer renews",
        ),
        (
            "signature",
            signed(&claims(Target::Google), OTHER_KEY),
            "federation-mismatch",
            "signature",
        ),
        (
            "role",
            with(&|claims| claims["sub"] = "system:serviceaccount:default:other".into()),
            "signing-refused",
            "Service Account Token Creator",
        ),
    ] {
        put(folder, &token);
        let (found, told) = refused(&lab, Target::Google).await;
        assert!(found == code && told.contains(words), "{what}: {found}: {told}");
    }
    put(folder, "not a token");
    let (found, told) = refused(&lab, Target::Google).await;
    assert!(found == "credential-unusable", "{found}: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_what_entra_refuses_of_a_workload_is_told_apart() {
    let lab = lab().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims(Target::Entra);
        change(&mut claims);
        signed(&claims, PRIVATE_KEY)
    };
    for (what, token, code, words) in [
        (
            "audience",
            with(&|claims| claims["aud"] = "api://elsewhere".into()),
            "federation-mismatch",
            "AADSTS700212",
        ),
        (
            "issuer",
            with(&|claims| claims["iss"] = "https://evil.example".into()),
            "federation-mismatch",
            "AADSTS700211",
        ),
        (
            "subject",
            with(&|claims| claims["sub"] = WORKLOAD.to_uppercase().into()),
            "federation-mismatch",
            "AADSTS700213",
        ),
        (
            "expired",
            with(&|claims| claims["exp"] = (now() - 900).into()),
            "federated-token-expired",
            "no longer renews",
        ),
        (
            "signature",
            signed(&claims(Target::Entra), OTHER_KEY),
            "federation-mismatch",
            "signature",
        ),
    ] {
        put(lab.folder.path(), &token);
        let (found, told) = refused(&lab, Target::Entra).await;
        assert!(found == code && told.contains(words), "{what}: {found}: {told}");
    }
    std::fs::remove_file(lab.folder.path().join("identity-token")).unwrap();
    let (found, told) = refused(&lab, Target::Entra).await;
    assert!(
        found == "credential-missing" && told.contains("identity-token"),
        "{found}: {told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_federated_token_that_was_renewed_is_used_for_the_next_exchange() {
    let lab = lab().await;
    put(lab.folder.path(), &signed(&claims(Target::Entra), OTHER_KEY));
    let groupcast = lab.groupcast().await;
    let none = CancellationToken::new();
    let connection = Target::Entra.connection();
    assert!(groupcast.plan(&connection, &none).await.is_err());
    put(lab.folder.path(), &signed(&claims(Target::Entra), PRIVATE_KEY));
    // A refusal is remembered for some seconds, so that a run's many requests do not all ask again.
    tokio::time::sleep(std::time::Duration::from_secs(11)).await;
    groupcast.plan(&connection, &none).await.unwrap();
}
