//! Every page of the console that a link leads to, each of its kind a few times; and forms that bring a secret and are
//! refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::client::{Answer, Client};

/// So many pages of one kind are looked at; each more is like them.
const MOST: usize = 6;
/// What must have been among them, so that the walk cannot end early unnoticed.
const NEEDED: [&str; 24] = [
    "/tenants",
    "/tenants/new",
    "/tokens",
    "/access",
    "/audit",
    "/plugins",
    "/tenants/*",
    "/tenants/*/runs",
    "/tenants/*/settings",
    "/tenants/*/secrets",
    "/tenants/*/tokens",
    "/tenants/*/access",
    "/tenants/*/audit",
    "/tenants/*/plugins",
    "/tenants/*/directories/new",
    "/tenants/*/directories/*",
    "/tenants/*/directories/*/schedule",
    "/tenants/*/directories/*/limits",
    "/tenants/*/directories/*/groups",
    "/tenants/*/directories/*/plans/*",
    "/tenants/*/directories/*/runs/*",
    "/tenants/*/directories/*/why",
    "/tenants/*/directories/*/history",
    "/tenants/*/directories/*/charts",
];

/// A path without what it is about.
fn kind(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut kind = String::new();
    let mut before = "";
    for piece in path.split('/').skip(1) {
        let named = matches!(
            before,
            "tenants" | "directories" | "groups" | "plans" | "runs" | "jobs" | "assets"
        );
        kind.push('/');
        kind.push_str(if named && piece != "new" { "*" } else { piece });
        before = piece;
    }
    kind
}

/// Walks through the console, and answers what it saw.
pub fn walk(client: &Client) -> BTreeSet<String> {
    let mut waiting = VecDeque::from(["/tenants".to_owned()]);
    let mut known = BTreeSet::from(["/tenants".to_owned()]);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(path) = waiting.pop_front() {
        let count = seen.entry(kind(&path)).or_default();
        *count += 1;
        if *count > MOST {
            continue;
        }
        let page = client.get(&path);
        assert!(page.status < 400, "{path}: {page:?}");
        for link in links(&page) {
            if known.insert(link.clone()) {
                waiting.push_back(link);
            }
        }
    }
    let seen: BTreeSet<String> = seen.into_keys().collect();
    for needed in NEEDED {
        assert!(seen.contains(needed), "no link leads to {needed}: {seen:#?}");
    }
    seen
}

/// Where a page leads, and what it loads by itself; streams of events are the API's as well, and go on.
fn links(page: &Answer) -> Vec<String> {
    ["href=\"", "hx-get=\"", "src=\""]
        .iter()
        .flat_map(|begin| page.body.split(begin).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .filter(|link| link.starts_with('/') && !link.contains("/sign-"))
        .map(|link| link.replace("&amp;", "&").replace("&#38;", "&"))
        .collect()
}

/// Sends forms with a secret in them that are refused: what was entered besides comes back, and the secret does not.
pub fn refused_forms(client: &Client, csrf: &str, secret: &str) {
    let own = client.address;
    let same_site = vec![client.headers[0].clone(), ("origin", format!("http://{own}"))];
    let client = client.with(same_site);
    let json_key = serde_json::json!({ "private_key": secret, "client_email": "x" }).to_string();
    for (path, fields) in [
        (
            "/tenants/new",
            vec![
                ("name", "NOT A NAME"),
                ("title", "x"),
                ("credential", "api-key"),
                ("secret", secret),
            ],
        ),
        (
            "/tenants/new",
            vec![("name", "beta"), ("credential", "api-key"), ("secret", secret)],
        ),
        (
            "/tenants/beta/secrets",
            vec![("name", "NOT A NAME"), ("value", secret)],
        ),
        (
            "/tenants/beta/secrets",
            vec![("name", "good"), ("value", secret), ("expires", "no day")],
        ),
        ("/tenants/acme/secrets", vec![("name", "good"), ("value", secret)]),
        (
            "/tenants/beta/settings/jumpcloud",
            vec![
                ("credential", "service-account"),
                ("client_id", ""),
                ("secret", secret),
                ("base_url", "no URL"),
            ],
        ),
        (
            "/tenants/beta/directories/new",
            vec![
                ("vendor", "entra"),
                ("name", "NOT A NAME"),
                ("secret", secret),
                ("client_id", "x"),
            ],
        ),
        (
            "/tenants/beta/directories/new",
            vec![("vendor", "google"), ("name", "other"), ("secret", secret)],
        ),
        (
            "/tenants/beta/directories/new",
            vec![
                ("vendor", "google"),
                ("name", "other"),
                ("secret", &json_key),
                ("directory", "x"),
            ],
        ),
    ] {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", csrf).extend_pairs(&fields);
        let answer = client.ask("POST", path, "application/x-www-form-urlencoded", &form.finish());
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
    }
}

/// The token of a session, as its pages have it.
pub fn csrf(page: &Answer) -> String {
    let (_, rest) = page
        .body
        .split_once("name=\"csrf\" value=\"")
        .unwrap_or_else(|| panic!("{page:?}"));
    rest.split('"').next().unwrap().to_owned()
}
