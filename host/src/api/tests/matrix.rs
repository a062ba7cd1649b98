//! Each route, by each role, of the own and of another tenant: exactly the allowed succeed, and what is another's looks
//! like what does not exist.

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

/// What the least role is that may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Least {
    /// This one, of the tenant or the host.
    OfTenant(Role),
    /// This one, of the whole host.
    OfHost(Role),
}

const D: &str = "/api/v1/tenants/acme/directories/google";

/// Every operation of the document, with a request that is right as far as the role goes.
fn routes() -> Vec<(&'static str, Method, String, Option<Value>, Least)> {
    use Least::{OfHost, OfTenant};
    use Role::{Admin, Operator, Viewer};
    let d = |rest: &str| format!("{D}{rest}");
    let plan = "0".repeat(64);
    vec![
        (
            "get-tenants-tenant",
            Method::GET,
            "/api/v1/tenants/acme".into(),
            None,
            OfTenant(Viewer),
        ),
        (
            "patch-tenants-tenant",
            Method::PATCH,
            "/api/v1/tenants/acme".into(),
            Some(json!({"title": "Acme"})),
            OfTenant(Admin),
        ),
        (
            "post-tenants",
            Method::POST,
            "/api/v1/tenants".into(),
            Some(json!({"name": "acme", "jumpcloud": {}})),
            OfHost(Admin),
        ),
        (
            "delete-tenants-tenant",
            Method::DELETE,
            "/api/v1/tenants/acme".into(),
            None,
            OfHost(Admin),
        ),
        (
            "get-tenants-tenant-secrets",
            Method::GET,
            "/api/v1/tenants/acme/secrets".into(),
            None,
            OfTenant(Admin),
        ),
        (
            "put-tenants-tenant-secrets-secret",
            Method::PUT,
            "/api/v1/tenants/acme/secrets/spare".into(),
            Some(json!({"value": "no-secret-of-anybodys"})),
            OfTenant(Admin),
        ),
        (
            "delete-tenants-tenant-secrets-secret",
            Method::DELETE,
            "/api/v1/tenants/acme/secrets/none".into(),
            None,
            OfTenant(Admin),
        ),
        (
            "get-tokens",
            Method::GET,
            "/api/v1/tokens?tenant=acme".into(),
            None,
            OfTenant(Admin),
        ),
        (
            "post-tokens",
            Method::POST,
            "/api/v1/tokens".into(),
            Some(json!({"name": "t", "tenant": "acme", "role": "viewer"})),
            OfTenant(Admin),
        ),
        (
            "get-grants",
            Method::GET,
            "/api/v1/grants?tenant=acme".into(),
            None,
            OfTenant(Admin),
        ),
        (
            "put-grants",
            Method::PUT,
            "/api/v1/grants".into(),
            Some(json!({"subject": "email:a@b.c", "tenant": "acme", "role": "viewer"})),
            OfTenant(Admin),
        ),
        (
            "delete-grants",
            Method::DELETE,
            "/api/v1/grants?subject=email:x@y.z&tenant=acme".into(),
            None,
            OfTenant(Admin),
        ),
        (
            "get-tenants-tenant-directories",
            Method::GET,
            "/api/v1/tenants/acme/directories".into(),
            None,
            OfTenant(Viewer),
        ),
        (
            "post-tenants-tenant-directories",
            Method::POST,
            "/api/v1/tenants/acme/directories".into(),
            Some(json!({"name": "google", "vendor": "google", "section": {}})),
            OfTenant(Admin),
        ),
        (
            "get-tenants-tenant-directories-directory",
            Method::GET,
            d(""),
            None,
            OfTenant(Viewer),
        ),
        (
            "patch-tenants-tenant-directories-directory",
            Method::PATCH,
            d(""),
            Some(json!({})),
            OfTenant(Admin),
        ),
        (
            "delete-tenants-tenant-directories-directory",
            Method::DELETE,
            d(""),
            None,
            OfTenant(Admin),
        ),
        (
            "post-tenants-tenant-directories-directory-preflight",
            Method::POST,
            d("/preflight"),
            None,
            OfTenant(Operator),
        ),
        (
            "put-tenants-tenant-directories-directory-management",
            Method::PUT,
            d("/management"),
            Some(json!({"managed": false})),
            OfTenant(Operator),
        ),
        (
            "post-tenants-tenant-directories-directory-pause",
            Method::POST,
            d("/pause"),
            Some(json!({})),
            OfTenant(Operator),
        ),
        (
            "post-tenants-tenant-directories-directory-resume",
            Method::POST,
            d("/resume"),
            None,
            OfTenant(Operator),
        ),
        (
            "post-tenants-tenant-directories-directory-release",
            Method::POST,
            d("/release"),
            None,
            OfTenant(Operator),
        ),
        (
            "get-tenants-tenant-directories-directory-groups",
            Method::GET,
            d("/groups"),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-tenants-tenant-directories-directory-groups-group",
            Method::GET,
            d("/groups/g1"),
            None,
            OfTenant(Viewer),
        ),
        (
            "patch-tenants-tenant-directories-directory-groups-group",
            Method::PATCH,
            d("/groups/g1"),
            Some(json!({"selected": true})),
            OfTenant(Operator),
        ),
        (
            "get-tenants-tenant-directories-directory-why",
            Method::GET,
            d("/why?group=Sales"),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-tenants-tenant-directories-directory-jobs",
            Method::GET,
            d("/jobs"),
            None,
            OfTenant(Viewer),
        ),
        (
            "post-tenants-tenant-directories-directory-jobs",
            Method::POST,
            d("/jobs"),
            Some(json!({"work": "check"})),
            OfTenant(Operator),
        ),
        (
            "get-tenants-tenant-directories-directory-plans",
            Method::GET,
            d("/plans"),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-tenants-tenant-directories-directory-plans-plan",
            Method::GET,
            d(&format!("/plans/{plan}")),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-tenants-tenant-directories-directory-plans-plan-parts",
            Method::GET,
            d(&format!("/plans/{plan}/parts")),
            None,
            OfTenant(Viewer),
        ),
        (
            "post-tenants-tenant-directories-directory-plans-plan-approvals",
            Method::POST,
            d(&format!("/plans/{plan}/approvals")),
            Some(json!({})),
            OfTenant(Operator),
        ),
        (
            "get-tenants-tenant-directories-directory-bindings",
            Method::GET,
            d("/bindings"),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-tenants-tenant-directories-directory-bindings-group-memberships",
            Method::GET,
            d("/bindings/g1/memberships"),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-tenants-tenant-directories-directory-samples",
            Method::GET,
            d("/samples"),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-tenants-tenant-directories-directory-changes",
            Method::GET,
            d("/changes"),
            None,
            OfTenant(Viewer),
        ),
        (
            "get-audit",
            Method::GET,
            "/api/v1/audit?tenant=acme".into(),
            None,
            OfTenant(Admin),
        ),
        (
            "get-audit-export",
            Method::GET,
            "/api/v1/audit/export?tenant=acme".into(),
            None,
            OfTenant(Admin),
        ),
        (
            "get-runs",
            Method::GET,
            "/api/v1/runs?tenant=acme".into(),
            None,
            OfTenant(Viewer),
        ),
    ]
}

/// Operations that are asked about otherwise: for everybody's own, or by an ID that only one's own tenants have.
const ELSEWHERE: [&str; 9] = [
    "get-whoami",
    "get-tenants",
    "delete-tokens-token",
    "get-jobs-job",
    "post-jobs-job-cancel",
    "get-jobs-job-events",
    "get-runs-run",
    "get-runs-run-outcomes",
    "get-events",
];

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
