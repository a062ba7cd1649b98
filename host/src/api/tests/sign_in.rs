//! Signing in and out of the console, and what another site cannot do.

use axum::routing::{get, post};

use super::provider::{CLIENT, SECRET, Simulated, Wrong};
use super::*;
use crate::api::{Caller, SignedIn};

const HOST: &str = "127.0.0.1:8420";
const ORIGIN: &str = "http://127.0.0.1:8420";

/// A page and a form, as the console has them.
fn console() -> Router<Web> {
    async fn page(signed: SignedIn) -> String {
        format!("{} {}", signed.principal.actor.subject, signed.session.csrf)
    }
    async fn form(_: SignedIn) -> &'static str {
        "done"
    }
    async fn open(caller: Option<Caller>) -> String {
        caller.map_or_else(|| "nobody".to_owned(), |caller| caller.principal.actor.name)
    }
    Router::new()
        .route("/page", get(page))
        .route("/form", post(form))
        .route("/sign-in", get(open))
}

async fn rig(service: &str, provider: Option<Provider>) -> Rig {
    let mut rig = Rig::with(service, provider).await;
    rig.router = application(&rig.web, console());
    rig
}

fn form(path: &str, cookie: &str, body: String) -> http::request::Builder {
    let _ = body;
    Request::post(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, ORIGIN)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

impl Rig {
    async fn sign_in(&self, token: &str, cookie: &str) -> Answer {
        let body = format!("token={token}&next=%2Fpage");
        let request = form("/sign-in", cookie, body.clone());
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn page(&self, cookie: &str) -> Answer {
        let request = Request::get("/page")
            .header(header::HOST, HOST)
            .header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

fn csrf(page: &Answer) -> String {
    let text = String::from_utf8(page.body.clone()).unwrap();
    text.split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("{text}"))
        .to_owned()
}

#[tokio::test]
async fn whoever_has_a_token_signs_in_and_out() {
    let rig = rig("", None).await;
    let nobody = rig.page("").await;
    assert_eq!(nobody.status, StatusCode::SEE_OTHER);
    assert_eq!(nobody.header("location"), "/sign-in?next=%2Fpage");
    let token = rig.token(None, Role::Operator).await;
    let wrong = rig.sign_in("gc_wrong", "").await;
    assert_eq!(wrong.header("location"), "/sign-in?next=%2Fpage&error=token");
    assert_eq!(wrong.cookie("groupcast"), None);
    let signed = rig.sign_in(&token, "groupcast=planted-by-somebody-else").await;
    assert_eq!(
        (signed.status, signed.header("location")),
        (StatusCode::SEE_OTHER, "/page")
    );
    let set = signed.header("set-cookie").to_owned();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Lax") && set.contains("Path=/"),
        "{set}"
    );
    let cookie = signed.cookie("groupcast").unwrap();
    assert!(!cookie.contains("planted"), "{cookie}");
    let page = rig.page(&cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    // Signing in again ends the session before.
    let again = rig.sign_in(&token, &cookie).await.cookie("groupcast").unwrap();
    assert_eq!(rig.page(&cookie).await.status, StatusCode::SEE_OTHER);
    let page = rig.page(&again).await;
    let body = format!("csrf={}", csrf(&page));
    let out = form("/sign-out", &again, body.clone())
        .body(Body::from(body))
        .unwrap();
    let out = rig.send(out).await;
    assert_eq!(
        (out.status, out.header("location")),
        (StatusCode::SEE_OTHER, "/sign-in")
    );
    assert!(out.header("clear-site-data").contains("storage"));
    assert_eq!(
        rig.page(&again).await.status,
        StatusCode::SEE_OTHER,
        "the session has ended on this side too"
    );
}

#[tokio::test]
async fn behind_tls_the_cookie_is_of_this_host_alone() {
    let rig = rig("public_url = 'https://g.example.com'", None).await;
    let token = rig.token(None, Role::Viewer).await;
    let request = Request::post("/sign-in")
        .header(header::HOST, "g.example.com")
        .header(header::ORIGIN, "https://g.example.com")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let signed = rig
        .send(request.body(Body::from(format!("token={token}"))).unwrap())
        .await;
    let set = signed.header("set-cookie");
    assert!(
        set.starts_with("__Host-groupcast=") && set.contains("Secure"),
        "{set}"
    );
}

#[tokio::test]
async fn another_site_can_send_nothing() {
    let rig = rig("", None).await;
    let token = rig.token(None, Role::Admin).await;
    let cookie = rig.sign_in(&token, "").await.cookie("groupcast").unwrap();
    let csrf = csrf(&rig.page(&cookie).await);
    let right = format!("a=b&csrf={csrf}");
    for (what, origin, site, body, status) in [
        (
            "the form itself",
            Some(ORIGIN),
            Some("same-origin"),
            right.as_str(),
            200,
        ),
        ("an older browser", Some(ORIGIN), None, right.as_str(), 200),
        ("without a token", Some(ORIGIN), Some("same-origin"), "a=b", 403),
        (
            "with a wrong token",
            Some(ORIGIN),
            Some("same-origin"),
            "csrf=wrong",
            403,
        ),
        (
            "from another site",
            Some("https://evil.example"),
            Some("cross-site"),
            right.as_str(),
            403,
        ),
        (
            "from a neighbour",
            Some(ORIGIN),
            Some("same-site"),
            right.as_str(),
            403,
        ),
        ("from nowhere", None, None, right.as_str(), 403),
        (
            "from a sandboxed frame",
            Some("null"),
            Some("cross-site"),
            right.as_str(),
            403,
        ),
    ] {
        let mut request = Request::post("/form")
            .header(header::HOST, HOST)
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        let answer = rig.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {answer:?}");
    }
    // A script sends it in a header; the API by session takes it so.
    for (token, status) in [
        (csrf.as_str(), StatusCode::CREATED),
        ("wrong", StatusCode::FORBIDDEN),
    ] {
        let request = Request::post("/api/v1/tokens")
            .header(header::HOST, HOST)
            .header(header::ORIGIN, ORIGIN)
            .header(header::COOKIE, &cookie)
            .header("x-csrf-token", token)
            .header(header::CONTENT_TYPE, "application/json");
        let body = json!({ "name": "x", "role": "viewer" }).to_string();
        assert_eq!(
            rig.send(request.body(Body::from(body)).unwrap()).await.status,
            status
        );
    }
    // Nobody can be signed in as somebody else by a form elsewhere.
    let planted = Request::post("/sign-in")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, "https://evil.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let planted = rig
        .send(planted.body(Body::from(format!("token={token}"))).unwrap())
        .await;
    assert_eq!(
        (planted.status, planted.cookie("groupcast")),
        (StatusCode::FORBIDDEN, None)
    );
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_with_time() {
    let rig = rig("idle_minutes = 30", None).await;
    let token = rig.token(None, Role::Viewer).await;
    let cookie = rig.sign_in(&token, "").await.cookie("groupcast").unwrap();
    let value = cookie.split('=').nth(1).unwrap();
    let hash = crate::service::identity::token::hash(value);
    let session = rig.store.session(&hash).await.unwrap().unwrap();
    assert!(!format!("{session:?}").contains(value), "only the hash is kept");
    let mut idle = session.clone();
    idle.seen_at -= chrono::Duration::minutes(29);
    rig.store.put_session(&idle).await.unwrap();
    assert_eq!(rig.page(&cookie).await.status, StatusCode::OK);
    idle.seen_at = session.seen_at - chrono::Duration::minutes(31);
    rig.store.put_session(&idle).await.unwrap();
    assert_eq!(rig.page(&cookie).await.status, StatusCode::SEE_OTHER);
    let cookie = rig.sign_in(&token, "").await.cookie("groupcast").unwrap();
    let id = rig.store.tokens(None).await.unwrap()[0].id.clone();
    rig.tokens
        .revoke(&Principal::command_line("root"), &id)
        .await
        .unwrap();
    assert_eq!(rig.page(&cookie).await.status, StatusCode::SEE_OTHER);
}

async fn with_provider(admins: &str) -> (Rig, Simulated) {
    let simulated = Simulated::start().await;
    let oidc = format!(
        "[service.oidc]\nissuer = '{}'\nclient_id = '{CLIENT}'\nadmins = [{admins}]",
        simulated.issuer()
    );
    let section: crate::config::ServiceSection =
        toml::from_str(&oidc.replace("[service.oidc]", "[oidc]")).unwrap();
    let provider = Provider::new(section.oidc.unwrap(), Some(SECRET.into()), ORIGIN, None).unwrap();
    (rig(&oidc, Some(provider)).await, simulated)
}

/// Goes to the provider and back, as a browser does: the callback's path, and the cookie that waits for it.
async fn to_provider(rig: &Rig) -> (String, String) {
    let request = Request::get("/sign-in/oidc?next=%2Fpage").header(header::HOST, HOST);
    let begun = rig.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{begun:?}");
    let waiting = begun
        .cookie("groupcast-sign-in")
        .unwrap_or_else(|| panic!("{begun:?}"));
    let browser = reqwest::Client::builder()
        .tls_backend_preconfigured(crate::egress::tls::client(None).unwrap())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let there = browser.get(begun.header("location")).send().await.unwrap();
    let back = there.headers()["location"].to_str().unwrap().to_owned();
    (back.strip_prefix(ORIGIN).unwrap().to_owned(), waiting)
}

async fn back(rig: &Rig, path: &str, cookie: &str) -> Answer {
    let request = Request::get(path)
        .header(header::HOST, HOST)
        .header(header::COOKIE, cookie);
    rig.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn people_sign_in_by_their_identity_provider_and_by_their_grants() {
    let (rig, provider) = with_provider("'email:Alice@Example.com', 'group:platform'").await;
    provider.next("alice@example.com", &[], Wrong::Nothing);
    let (path, waiting) = to_provider(&rig).await;
    let signed = back(&rig, &path, &waiting).await;
    assert_eq!(
        (signed.status, signed.header("location")),
        (StatusCode::SEE_OTHER, "/page"),
        "{signed:?}"
    );
    let cookie = signed.cookie("groupcast").unwrap();
    let page = rig.page(&cookie).await;
    assert!(
        String::from_utf8(page.body.clone())
            .unwrap()
            .starts_with("email:alice@example.com ")
    );
    // Whoever signs out here is led to sign out there.
    let body = format!("csrf={}", csrf(&page));
    let out = rig
        .send(
            form("/sign-out", &cookie, body.clone())
                .body(Body::from(body))
                .unwrap(),
        )
        .await;
    assert!(
        out.header("location")
            .starts_with(&format!("{}/end?", provider.issuer())),
        "{out:?}"
    );
    assert!(out.header("content-security-policy").contains(provider.issuer()));
    // By a group, and by a grant.
    provider.next("bob@example.com", &["platform"], Wrong::Nothing);
    let (path, waiting) = to_provider(&rig).await;
    assert!(back(&rig, &path, &waiting).await.cookie("groupcast").is_some());
    provider.next("carol@example.com", &["others"], Wrong::Nothing);
    let (path, waiting) = to_provider(&rig).await;
    let nothing = back(&rig, &path, &waiting).await;
    assert_eq!(nothing.header("location"), "/sign-in?error=grant");
    rig.tenant("acme").await;
    let admin = rig.token(None, Role::Admin).await;
    let grant = json!({ "subject": "email:carol@example.com", "tenant": "acme", "role": "viewer" });
    let granted = rig
        .ask(&admin, Method::PUT, "/api/v1/grants", Some(&grant), &[])
        .await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    let (path, waiting) = to_provider(&rig).await;
    assert!(back(&rig, &path, &waiting).await.cookie("groupcast").is_some());
}

#[tokio::test]
async fn what_the_provider_does_wrong_is_refused() {
    let (rig, provider) = with_provider("'email:alice@example.com'").await;
    for wrong in [
        Wrong::Nonce,
        Wrong::Audience,
        Wrong::Issuer,
        Wrong::Expired,
        Wrong::Signature,
        Wrong::Unsigned,
        Wrong::Unverified,
        Wrong::NoEmail,
    ] {
        provider.next("alice@example.com", &[], wrong);
        let (path, waiting) = to_provider(&rig).await;
        let answer = back(&rig, &path, &waiting).await;
        assert_eq!(
            answer.header("location"),
            "/sign-in?error=provider",
            "{wrong:?} {answer:?}"
        );
        assert_eq!(answer.cookie("groupcast"), None, "{wrong:?}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_belong_to_a_sign_in_is_refused() {
    let (rig, provider) = with_provider("'email:alice@example.com'").await;
    provider.next("alice@example.com", &[], Wrong::Nothing);
    let (path, waiting) = to_provider(&rig).await;
    let (_, of_another) = to_provider(&rig).await;
    // Somebody else's link, a browser that never began, an old cookie: the provider is not even asked.
    for cookie in ["", of_another.as_str(), "groupcast-sign-in=a.b.c.d.0"] {
        let answer = back(&rig, &path, cookie).await;
        assert_eq!(answer.header("location"), "/sign-in?error=expired", "{cookie}");
    }
    assert_eq!(provider.tokens(), 0);
    // The right state with another verifier: the provider refuses.
    let mut parts: Vec<String> = waiting.split('.').map(str::to_owned).collect();
    parts[2] = "x".repeat(43);
    let answer = back(&rig, &path, &parts.join(".")).await;
    assert_eq!(answer.header("location"), "/sign-in?error=provider");
    assert_eq!(provider.tokens(), 0);
}
