//! Each route, by each role, of the own and of another tenant: exactly the allowed succeed, and what is another's looks
//! like what does not exist.

use super::operations::{ELSEWHERE, Least, routes};
use super::*;

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Of the tenant that is asked about.
    Own(Role),
    /// Of another tenant.
    Other(Role),
    /// Of the whole host.
    Host(Role),
}

fn may(who: Who, least: Least) -> bool {
    match (who, least) {
        (Who::Host(role), Least::OfTenant(least) | Least::OfHost(least)) => role >= least,
        (Who::Own(role), Least::OfTenant(least)) => role >= least,
        (Who::Own(_), Least::OfHost(_)) | (Who::Other(_), _) => false,
    }
}

#[tokio::test]
async fn exactly_the_allowed_succeed_and_anothers_look_like_none() {
    let rig = Rig::with("requests_per_minute = 100000", None).await;
    rig.tenant("acme").await;
    rig.tenant("other").await;
    let mut everybody = Vec::new();
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        everybody.push((Who::Own(role), rig.token(Some("acme"), role).await));
        everybody.push((Who::Other(role), rig.token(Some("other"), role).await));
        everybody.push((Who::Host(role), rig.token(None, role).await));
    }
    for (name, method, path, body, least) in routes() {
        for (who, token) in &everybody {
            // A version that no object has: whoever may is told that, and nothing is changed or removed.
            let stale = [("if-match", "\"999999\"")];
            let answer = rig.ask(token, method.clone(), &path, body.as_ref(), &stale).await;
            let status = answer.status;
            let told = format!(
                "{name} by {who:?}: {status} {}",
                String::from_utf8_lossy(&answer.body)
            );
            assert!(
                !status.is_server_error() || status == StatusCode::BAD_GATEWAY,
                "{told}"
            );
            if may(*who, least) {
                let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                assert!(!refused.contains(&status), "{told}");
            } else if matches!(who, Who::Other(_)) && matches!(least, Least::OfTenant(_)) {
                assert_eq!(status, StatusCode::NOT_FOUND, "{told}");
                // Another's is told like what does not exist, word for word.
                let missing = path.replace("acme", "nobody");
                let body = body
                    .as_ref()
                    .map(|body| body.to_string().replace("acme", "nobody"));
                let body: Option<Value> = body.map(|body| serde_json::from_str(&body).unwrap());
                let none = rig
                    .ask(token, method.clone(), &missing, body.as_ref(), &stale)
                    .await;
                let strip = |answer: &Answer| {
                    let mut problem = answer.json();
                    problem["instance"] = Value::Null;
                    problem.to_string().replace("nobody", "acme")
                };
                assert_eq!(strip(&answer), strip(&none), "{name} by {who:?}");
            } else {
                assert_eq!(status, StatusCode::FORBIDDEN, "{told}");
            }
        }
        let nobody = rig
            .ask("gc_wrong", method.clone(), &path, body.as_ref(), &[])
            .await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{name}");
        assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    }
}

#[test]
fn no_route_is_forgotten() {
    let document = super::super::openapi::document();
    let known: Vec<&str> = routes().iter().map(|route| route.0).chain(ELSEWHERE).collect();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(known.contains(&name), "{name} is in no matrix");
        }
    }
}

#[tokio::test]
async fn lists_show_ones_own_alone() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    rig.tenant("other").await;
    let own = rig.token(Some("acme"), Role::Viewer).await;
    let host = rig.token(None, Role::Viewer).await;
    let names = |answer: &Answer| {
        let items = answer.json()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&rig.get(&own, "/api/v1/tenants").await), ["acme"]);
    assert_eq!(names(&rig.get(&host, "/api/v1/tenants").await), ["acme", "other"]);
    let first = rig.get(&host, "/api/v1/tenants?limit=1").await;
    assert_eq!(names(&first), ["acme"]);
    let link = first.header("link");
    assert!(link.ends_with(">; rel=\"next\""), "{link}");
    let next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    let second = rig.get(&host, &next).await;
    assert_eq!(
        (names(&second), second.header("link")),
        (vec!["other".to_owned()], "")
    );
    let who = rig.get(&own, "/api/v1/whoami").await.json();
    assert_eq!(who["tenants"], json!([{"tenant": "acme", "role": "viewer"}]));
    assert_eq!(who["host_role"], Value::Null);
}

#[tokio::test]
async fn another_tenants_token_cannot_be_revoked_or_told_from_none() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    rig.tenant("other").await;
    let admin = rig.token(Some("acme"), Role::Admin).await;
    let foreign = rig.token(Some("other"), Role::Viewer).await;
    let id = rig.store.tokens(Some("other")).await.unwrap()[0].id.clone();
    let refused = rig
        .ask(&admin, Method::DELETE, &format!("/api/v1/tokens/{id}"), None, &[])
        .await;
    let none = rig
        .ask(
            &admin,
            Method::DELETE,
            "/api/v1/tokens/0123456789abcdef",
            None,
            &[],
        )
        .await;
    assert_eq!(
        (refused.status, none.status),
        (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
    );
    assert_eq!(rig.get(&foreign, "/api/v1/whoami").await.status, StatusCode::OK);
    let own = rig.store.tokens(Some("acme")).await.unwrap()[0].id.clone();
    let gone = rig
        .ask(
            &admin,
            Method::DELETE,
            &format!("/api/v1/tokens/{own}"),
            None,
            &[],
        )
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(
        rig.get(&admin, "/api/v1/whoami").await.status,
        StatusCode::UNAUTHORIZED
    );
}
