//! Who may call the simulated Google, and what those hear who may not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod google_support;

use google_support::*;
use groupcast_simulators::google::GOOGLE_API_AUDIENCE;
use serde_json::{Value, json};

/// What the token endpoint says to a sound assertion after `change`.
fn refusal(change: impl FnOnce(&mut Value)) -> (u16, String, String) {
    let mut world = World::new(|_| {});
    let mut claims = claims(world.now_ms, &[GROUP]);
    change(&mut claims);
    let answer = world.ask_for_token(&sign(&claims));
    (
        answer.status.as_u16(),
        answer.json["error"].as_str().unwrap_or("none").to_owned(),
        answer.json["error_description"]
            .as_str()
            .unwrap_or("none")
            .to_owned(),
    )
}

#[test]
fn r07_each_flaw_of_an_assertion_has_googles_own_error() {
    let now = START_MS / 1000;
    type Change = Box<dyn FnOnce(&mut Value)>;
    let cases: Vec<(Change, (u16, &str, &str))> = vec![
        (
            Box::new(|c| c["iss"] = json!("ghost@x.iam")),
            (400, "invalid_grant", "No valid verifier found for issuer"),
        ),
        (
            Box::new(|c| c["sub"] = json!("ghost@example.com")),
            (400, "invalid_grant", "Invalid email or User ID"),
        ),
        (
            Box::new(|c| c["sub"] = json!("bert@example.com")),
            (400, "invalid_grant", "disabled"),
        ),
        (
            Box::new(|c| c["sub"] = json!("nobody")),
            (400, "invalid_request", "Invalid impersonation prn email address"),
        ),
        (
            Box::new(|c| c["aud"] = json!("https://example.com/token")),
            (400, "invalid_grant", "Failed audience check"),
        ),
        (
            Box::new(move |c| c["exp"] = json!(now + 3601)),
            (400, "invalid_grant", "short-lived token"),
        ),
        (
            Box::new(move |c| {
                c["iat"] = json!(now - 7200);
                c["exp"] = json!(now - 3600);
            }),
            (400, "invalid_grant", "short-lived token"),
        ),
        (
            Box::new(move |c| {
                c["iat"] = json!(now + 900);
                c["exp"] = json!(now + 1800);
            }),
            (400, "invalid_grant", "short-lived token"),
        ),
        (
            Box::new(|c| c["scope"] = json!("https://www.googleapis.com/auth/admin.directory.user")),
            (
                401,
                "unauthorized_client",
                "not authorized for any of the scopes requested",
            ),
        ),
        (
            Box::new(|c| c["scope"] = json!("")),
            (400, "invalid_scope", "Empty or missing scope"),
        ),
    ];
    for (change, (status, error, description)) in cases {
        let (got_status, got_error, got_description) = refusal(change);
        assert_eq!(
            (got_status, got_error.as_str()),
            (status, error),
            "{got_description}"
        );
        assert!(got_description.contains(description), "{got_description}");
    }
}

#[test]
fn a_changed_or_unsigned_assertion_is_refused() {
    let mut world = World::new(|_| {});
    let assertion = sign(&claims(world.now_ms, &[GROUP]));
    let other = sign(&claims(world.now_ms, &[MEMBER]));
    let (head, signature) = assertion.rsplit_once('.').unwrap();
    let forged = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    assert_eq!(
        world.ask_for_token(&forged).json["error_description"],
        "Invalid JWT Signature."
    );
    assert_eq!(
        world.ask_for_token(&format!("{head}.")).json["error"],
        "invalid_grant"
    );
    assert_eq!(world.ask_for_token("nonsense").json["error"], "invalid_request");
}

#[test]
fn tokens_end_by_the_simulators_clock_and_by_revocation() {
    let mut world = World::new(|_| {});
    world.now_ms += 3598 * 1000;
    assert_eq!(world.get("groups/g1").status, 200);
    world.now_ms += 1000;
    let answer = world.get("groups/g1");
    assert_eq!((answer.error().0, answer.error().1), (401, "authError"));
    assert_eq!(answer.json["error"]["status"], "UNAUTHENTICATED");
    world.sign_in(&[GROUP]);
    assert_eq!(world.get("groups/g1").status, 200);
    world.simulator.revoke_tokens();
    assert_eq!(world.get("groups/g1").error().0, 401);
    world.token = None;
    assert_eq!(world.get("groups/g1").error().1, "required");
}

#[test]
fn scopes_are_enforced_for_each_call() {
    let member = json!({"id": "u3"});
    type Case<'a> = (&'a [&'a str], &'a str, &'a str, Option<&'a Value>, u16);
    let cases: [Case<'_>; 10] = [
        (&[GROUP_READ], "GET", "groups/g1", None, 200),
        (&[GROUP_READ], "GET", "groups/g1/members", None, 200),
        (&[GROUP_READ], "POST", "groups/g1/members", Some(&member), 403),
        (&[GROUP_READ], "GET", "users/u1", None, 403),
        (&[MEMBER_READ], "GET", "groups/g1", None, 403),
        (&[MEMBER_READ], "GET", "groups/g1/members", None, 200),
        (&[MEMBER], "POST", "groups/g1/members", Some(&member), 200),
        (&[MEMBER], "DELETE", "groups/g1", None, 403),
        (&[GROUP], "DELETE", "groups/g1", None, 204),
        (&[USER_READ], "GET", "users/u1", None, 200),
    ];
    for (scopes, method, target, body, status) in cases {
        let mut world = World::with_scopes(scopes, |_| {});
        let answer = world.call(method, target, body);
        assert_eq!(
            answer.status, status,
            "{scopes:?} {method} {target}: {}",
            answer.text
        );
        if status == 403 {
            let message = "Request had insufficient authentication scopes.";
            assert_eq!(answer.error(), (403, "insufficientPermissions", message));
        }
    }
}

#[test]
fn a_scope_withdrawn_in_mid_run_is_missed_at_the_next_call() {
    let mut world = World::new(|_| {});
    assert_eq!(world.get("groups/g1").status, 200);
    world.simulator.withdraw_scope(None, GROUP);
    assert_eq!(world.get("groups/g1").error().1, "insufficientPermissions");
    let again = world.ask_for_token(&sign(&claims(START_MS, &[GROUP])));
    assert_eq!(
        (again.status.as_u16(), &again.json["error"]),
        (401, &json!("unauthorized_client"))
    );
}

#[test]
fn somebody_without_an_admin_role_gets_a_token_and_nothing_with_it() {
    let mut world = World::new(|_| {});
    let mut claims = claims(world.now_ms, &[GROUP]);
    claims["sub"] = json!("anna@example.com");
    world.token = Some(
        world.ask_for_token(&sign(&claims)).json["access_token"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    assert_eq!(
        world.get("groups/g1").error(),
        (403, "forbidden", "Not Authorized to access this resource/api")
    );
}

#[test]
fn a_self_signed_token_acts_for_the_account_that_has_the_role() {
    let now = START_MS / 1000;
    let claims =
        json!({"iss": ACCOUNT, "sub": ACCOUNT, "aud": GOOGLE_API_AUDIENCE, "iat": now, "exp": now + 3600});
    let mut world = World::new(|tenant| tenant["admins"] = json!([ADMIN, ACCOUNT]));
    world.token = Some(sign(&claims));
    assert_eq!(world.get("groups/g1").status, 200);
    world.now_ms += 3_600_000;
    assert_eq!(world.get("groups/g1").error().0, 401);
    let mut world = World::new(|_| {});
    world.token = Some(sign(&claims));
    assert_eq!(world.get("groups/g1").error().1, "forbidden");
    let mut elsewhere = claims;
    elsewhere["aud"] = json!("https://other.example/");
    world.token = Some(sign(&elsewhere));
    assert_eq!(world.get("groups/g1").error().0, 401);
}
