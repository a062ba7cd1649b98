//! Keys, tokens and the organisation that a request names.

use base64::Engine as _;
use serde_json::json;

use super::*;

#[test]
fn the_organisation_header_is_checked() {
    let mut simulator = simulator(1);
    simulator.organisation.multi_tenant = true;
    for (org, status) in [
        (None, 401),
        (Some("x"), 400),
        (Some("00000000000000000000f002"), 404),
        (Some("00000000000000000000f001"), 200),
    ] {
        let mut headers = vec![("x-api-key", "key-1")];
        headers.extend(org.map(|org| ("x-org-id", org)));
        let response = send(
            &mut simulator,
            &mut Faults::none(),
            "GET",
            "/api/systemusers",
            &headers,
            "",
        );
        assert_eq!(response.status(), status, "{org:?}");
    }
}

fn token(simulator: &mut JumpcloudSimulator) -> String {
    let basic = base64::engine::general_purpose::STANDARD.encode("client:secret");
    let authorization = format!("Basic {basic}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let form = "grant_type=client_credentials&scope=api";
    let response = send(
        simulator,
        &mut Faults::none(),
        "POST",
        "/oauth2/token",
        &headers,
        form,
    );
    assert_eq!(response.status(), 200);
    assert_eq!(body(&response)["expires_in"], 3600);
    body(&response)["access_token"].as_str().unwrap().to_owned()
}

fn status_with(simulator: &mut JumpcloudSimulator, token: &str) -> u16 {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let response = send(
        simulator,
        &mut Faults::none(),
        "GET",
        "/api/v2/directories",
        &headers,
        "",
    );
    response.status().as_u16()
}

#[test]
fn a_service_accounts_token_ends_by_time_or_revocation() {
    let mut simulator = simulator(1);
    let first = token(&mut simulator);
    assert_eq!(status_with(&mut simulator, &first), 200);
    simulator.advance_to(NOW + 3_600_000);
    assert_eq!(status_with(&mut simulator, &first), 401);
    let second = token(&mut simulator);
    assert_ne!(first, second);
    simulator.revoke_tokens();
    assert_eq!(status_with(&mut simulator, &second), 401);
    simulator.behaviour_mut().token_revoked_after_seconds = Some(10);
    let third = token(&mut simulator);
    simulator.advance_to(NOW + 3_600_000 + 9_999);
    assert_eq!(status_with(&mut simulator, &third), 200);
    simulator.advance_to(NOW + 3_600_000 + 10_000);
    assert_eq!(status_with(&mut simulator, &third), 401);
}

#[test]
fn a_wrong_secret_or_key_is_refused_in_the_words_of_its_api() {
    let mut simulator = simulator(1);
    let headers = [("authorization", "Basic Y2xpZW50Ondyb25n")];
    let refused = send(
        &mut simulator,
        &mut Faults::none(),
        "POST",
        "/oauth2/token",
        &headers,
        "",
    );
    assert_eq!(
        (refused.status().as_u16(), body(&refused)["error"].clone()),
        (401, json!("invalid_client"))
    );
    for (uri, expected) in [
        ("/api/systemusers", json!({"message": "Unauthorized"})),
        (
            "/api/v2/usergroups",
            json!({"code": 401, "message": "Unauthorized", "status": "Unauthorized"}),
        ),
    ] {
        let headers = [("x-api-key", "key-2")];
        let refused = send(&mut simulator, &mut Faults::none(), "GET", uri, &headers, "");
        assert_eq!((refused.status().as_u16(), body(&refused)), (401, expected));
    }
}
