//! Every fault of the catalogue, alone, changes what a client sees: a fault that does nothing proves nothing. Each
//! vendor is asked the same things twice, without faults and with the one, and the two transcripts are held against
//! each other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use bytes::Bytes;
use groupcast_simulators::catalogue::{self, Named};
use groupcast_simulators::entra::EntraSimulator;
use groupcast_simulators::faults::{Disruption, Faults};
use groupcast_simulators::google::GoogleSimulator;
use groupcast_simulators::jumpcloud::JumpcloudSimulator;
use groupcast_simulators::organisation::{
    Organisation, SAMPLE_GOOGLE_PRIVATE_KEY, SAMPLE_GOOGLE_PUBLIC_KEY, Size, generated,
};
use groupcast_simulators::{Context, Vendor, VendorSimulator};
use http::Request;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

const START_MS: u64 = 1_790_000_000_000;
/// So often everything is asked, since faults let some requests pass first.
const ROUNDS: usize = 12;
/// Draws of a fault's details, one of which must show.
const DRAWS: u64 = 12;
const GOOGLE_DIRECTORY: &str = "d00000000000000000000001";
const ENTRA_DIRECTORY: &str = "d00000000000000000000002";

fn organisation() -> Organisation {
    let size = Size {
        users: 9,
        groups: 3,
        memberships: 18,
    };
    let mut organisation = generated(size, 3, SAMPLE_GOOGLE_PUBLIC_KEY);
    for group in &mut organisation.jumpcloud.groups {
        group.name = format!("Z\u{fc}rich {}", group.name);
    }
    organisation
}

/// A client that writes down all it sees.
struct Client<'a> {
    simulator: &'a mut dyn VendorSimulator,
    faults: Faults,
    now_ms: u64,
    token: Option<String>,
    seen: Vec<String>,
}

impl Client<'_> {
    /// Asks, and gives the body.
    fn ask(&mut self, method: &str, path: &str, kind: &str, body: &str) -> Value {
        // Some requests arrive at the same moment.
        self.now_ms += if self.seen.len().is_multiple_of(3) { 200 } else { 0 };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "vendor.test")
            .header("x-api-key", "generated-jumpcloud-key");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let response = self.simulator.handle(
            &request,
            &mut Context {
                now_ms: self.now_ms,
                faults: &mut self.faults,
            },
        );
        self.seen.push(format!(
            "{method} {path}: {} {:?} {:?} {}",
            response.status(),
            response.headers(),
            response.extensions().get::<Disruption>(),
            String::from_utf8_lossy(response.body())
        ));
        serde_json::from_slice(response.body()).unwrap_or_default()
    }

    fn get(&mut self, path: &str) -> Value {
        self.ask("GET", path, "", "")
    }

    fn send(&mut self, method: &str, path: &str, body: &Value) -> Value {
        self.ask(method, path, "application/json", &body.to_string())
    }

    fn form(&mut self, path: &str, fields: &[(&str, &str)]) {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.token = None;
        let answer = self.ask("POST", path, "application/x-www-form-urlencoded", &body);
        self.token = answer["access_token"].as_str().map(str::to_owned);
    }
}

fn jumpcloud(client: &mut Client<'_>) {
    for (collection, directory) in [("gsuites", GOOGLE_DIRECTORY), ("office365s", ENTRA_DIRECTORY)] {
        client.get(&format!("/api/v2/{collection}/{directory}"));
        client.get(&format!(
            "/api/v2/{collection}/{directory}/associations?targets=user_group&limit=100&skip=0"
        ));
    }
    client.get("/api/v2/directories?sort=id&limit=100&skip=0");
    client.get(&format!(
        "/api/v2/office365s/{ENTRA_DIRECTORY}/users?limit=100&skip=0"
    ));
    client.get("/api/v2/usergroups?sort=id&limit=100&skip=0");
    client.get("/api/systemusers?sort=_id&limit=100&skip=0");
    client.get("/api/systemusers/a00000000000000000000001");
    client.get("/api/v2/usergroups/b00000000000000000000001");
    for skip in 0..3 {
        client.get(&format!(
            "/api/v2/usergroups/b00000000000000000000001/membership?sort=id&skip={skip}&limit=100"
        ));
    }
    let mut query = json!({
        "service": ["directory"], "start_time": "2020-01-01T00:00:00Z", "sort": "ASC", "limit": 3,
    });
    let page = client.send("POST", "/insights/directory/v1/events", &query);
    if let Some(last) = page.as_array().and_then(|events| events.last()) {
        // What `x-search_after` holds: the last event's time in milliseconds and its ID.
        query["search_after"] = json!([(START_MS - 1_000).to_string(), last["id"]]);
    }
    client.send("POST", "/insights/directory/v1/events", &query);
}

fn google(client: &mut Client<'_>, round: usize) {
    let now = client.now_ms / 1_000;
    let claims = json!({
        "iss": "groupcast@example.iam.gserviceaccount.com",
        "sub": "admin@example.com",
        "scope": "https://www.googleapis.com/auth/admin.directory.group \
                  https://www.googleapis.com/auth/admin.directory.user.readonly",
        "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 3_600,
    });
    if client.token.is_none() || round == 3 {
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(SAMPLE_GOOGLE_PRIVATE_KEY.as_bytes()).unwrap();
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
        let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        client.form(
            "/token",
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &assertion),
            ],
        );
    }
    let base = "/admin/directory/v1";
    let email = format!("z-{round}@example.com");
    let group =
        json!({"email": email, "name": "Z\u{fc}rich", "externalIds": [{"namespace": "n", "id": "1"}]});
    client.send("POST", &format!("{base}/groups"), &group);
    client.get(&format!("{base}/users?customer=my_customer"));
    client.get(&format!("{base}/users/user-000001@example.com"));
    client.get(&format!("{base}/groups/{email}"));
    client.get(&format!("{base}/groups?customer=my_customer"));
    let members = format!("{base}/groups/{email}/members");
    for number in 0..4 {
        client.send(
            "POST",
            &members,
            &json!({"id": format!("1{number:020}"), "role": "MEMBER"}),
        );
    }
    let page = client.get(&members);
    let mark = page["nextPageToken"].as_str().map(str::to_owned);
    client.get(&format!("{members}?pageToken={}", mark.unwrap_or_default()));
    client.get(&format!("{members}/100000000000000000001"));
    let parts = [
        ("GET", members.clone(), String::new()),
        (
            "POST",
            members.clone(),
            json!({"id": format!("1{:020}", 5)}).to_string(),
        ),
        (
            "PATCH",
            format!("{base}/groups/{email}"),
            json!({"name": "New"}).to_string(),
        ),
        ("DELETE", format!("{members}/1{:020}", 5), String::new()),
        ("GET", format!("{base}/groups/nobody@example.com"), String::new()),
    ];
    let mut body = String::new();
    for (number, (method, path, content)) in parts.iter().enumerate() {
        body.push_str(&format!(
            "--b\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n{method} {path} HTTP/1.1\r\n\
             Content-Type: application/json\r\n\r\n{content}\r\n"
        ));
    }
    body.push_str("--b--\r\n");
    client.ask("POST", "/batch", "multipart/mixed; boundary=b", &body);
}

fn entra(client: &mut Client<'_>, round: usize) {
    if client.token.is_none() || round == 3 {
        client.form(
            "/aaaaaaaa-0000-4000-8000-000000000000/oauth2/v2.0/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "aaaaaaaa-0000-4000-8000-000000000001"),
                ("client_secret", "generated-entra-secret"),
                ("scope", "https://graph.microsoft.com/.default"),
            ],
        );
    }
    let made = client.send(
        "POST",
        "/v1.0/groups",
        &json!({
            "displayName": "Z\u{fc}rich", "mailEnabled": false, "mailNickname": format!("z{round}"),
            "securityEnabled": true, "groupTypes": [], "uniqueName": format!("z{round}"),
        }),
    );
    let id = made["id"].as_str().unwrap_or("nobody").to_owned();
    let one = |number: usize| {
        format!("https://graph.microsoft.com/v1.0/directoryObjects/00000000-0000-4000-8000-{number:012}")
    };
    client.send(
        "PATCH",
        &format!("/v1.0/groups/{id}"),
        &json!({"members@odata.bind": (0..4).map(one).collect::<Vec<_>>()}),
    );
    client.get("/v1.0/users?$top=999");
    client.get("/v1.0/users/00000000-0000-4000-8000-000000000001");
    client.get("/v1.0/groups?$top=999");
    client.get(&format!("/v1.0/groups/{id}"));
    let page = client.get(&format!("/v1.0/groups/{id}/members"));
    if let Some(link) = page["@odata.nextLink"].as_str() {
        let link = link
            .strip_prefix("https://vendor.test")
            .unwrap_or(link)
            .to_owned();
        client.get(&link);
    }
    client.send(
        "POST",
        "/v1.0/$batch",
        &json!({"requests": [
            {"id": "1", "method": "GET", "url": format!("/groups/{id}/members")},
            {"id": "2", "method": "POST", "url": format!("/groups/{id}/members/$ref"),
             "headers": {"Content-Type": "application/json"}, "body": {"@odata.id": one(5)}},
            {"id": "3", "method": "PATCH", "url": format!("/groups/{id}"),
             "headers": {"Content-Type": "application/json"}, "body": {"displayName": "New"}},
            {"id": "4", "method": "DELETE",
             "url": format!("/groups/{id}/members/00000000-0000-4000-8000-000000000005/$ref")},
        ]}),
    );
    client.get(&format!("/v1.0/groups/{id}"));
    let delta = client.get("/v1.0/groups/delta?$select=displayName,members");
    if let Some(link) = delta["@odata.deltaLink"].as_str() {
        let link = link
            .strip_prefix("https://vendor.test")
            .unwrap_or(link)
            .to_owned();
        client.send(
            "PATCH",
            &format!("/v1.0/groups/{id}"),
            &json!({"displayName": "Newer"}),
        );
        let other = json!({
            "displayName": "Other", "mailEnabled": false, "mailNickname": "other",
            "securityEnabled": true, "groupTypes": [],
        });
        client.send("POST", "/v1.0/groups", &other);
        client.get(&link);
    }
}

/// What a client of a vendor sees, and how often the fault struck.
fn transcript(vendor: Vendor, named: Option<(&'static Named, u64)>) -> (Vec<String>, u64) {
    let mut organisation = organisation();
    let mut faults = Faults::none();
    if let Some((named, seed)) = named {
        let mut dice = StdRng::seed_from_u64(seed);
        named.arrange(vendor, &mut organisation, &mut dice);
        faults.add_named(named.rules(vendor, &mut dice));
        if let Some(ahead_ms) = named.clock(&mut dice) {
            faults.set_clock(vendor, ahead_ms);
        }
    }
    let mut cloud = JumpcloudSimulator::new(organisation.jumpcloud);
    cloud.advance_to(faults.clock(vendor, START_MS - 1_000));
    for number in 0..8 {
        let user = format!("a{:023x}", number % 4);
        let group = "b00000000000000000000001";
        let done = cloud.add_user_to_group(group, &user);
        if done.is_err() {
            cloud.remove_user_from_group(group, &user).unwrap();
        }
    }
    let mut workspace = GoogleSimulator::new(organisation.google);
    let mut graph = EntraSimulator::new(organisation.entra);
    let mut client = Client {
        simulator: match vendor {
            Vendor::Jumpcloud => &mut cloud,
            Vendor::Google => &mut workspace,
            Vendor::Entra => &mut graph,
        },
        faults,
        now_ms: START_MS,
        token: None,
        seen: Vec::new(),
    };
    for round in 0..ROUNDS {
        match vendor {
            Vendor::Jumpcloud => jumpcloud(&mut client),
            Vendor::Google => google(&mut client, round),
            Vendor::Entra => entra(&mut client, round),
        }
    }
    let struck = client.faults.struck().values().sum();
    (client.seen, struck)
}

#[test]
fn each_fault_of_the_catalogue_alone_changes_what_a_client_sees() {
    let mut silent = Vec::new();
    for vendor in [Vendor::Jumpcloud, Vendor::Google, Vendor::Entra] {
        let (honest, _) = transcript(vendor, None);
        assert_eq!(
            honest,
            transcript(vendor, None).0,
            "{vendor:?} tells the same twice"
        );
        for named in catalogue::all().filter(|named| named.vendors.contains(&vendor)) {
            let shows = (0..DRAWS).any(|seed| {
                let (seen, struck) = transcript(vendor, Some((named, seed)));
                seen != honest && (struck > 0 || !named.is_passing())
            });
            if !shows {
                silent.push(format!("{} at {vendor:?}", named.name));
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

/// A strike counts where it made a difference, and only there.
#[test]
fn a_strike_that_changes_nothing_is_not_counted() {
    let named = catalogue::find("decomposed").unwrap();
    let plain = (0..DRAWS).map(|seed| transcript(Vendor::Jumpcloud, Some((named, seed))));
    for (seen, struck) in plain {
        let changed = seen.iter().any(|line| line.contains('\u{308}'));
        assert_eq!(changed, struck > 0);
    }
}
