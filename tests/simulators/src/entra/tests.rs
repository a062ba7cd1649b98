//! How the simulator behaves, request by request.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::*;
use crate::faults::{Disruption, Rule};

const NOW: u64 = 1_760_000_000_000;

/// A tenant with ten users `user-00@example.com`…, four groups and two applications.
fn tenant() -> Tenant {
    let users: Vec<Value> = (0..250)
        .map(|number| {
            json!({
                "id": user_id(number),
                "user_principal_name": format!("user-{number:02}@example.com"),
                "mail": format!("User-{number:02}@example.com"),
                "display_name": format!("User {number:02}"),
                "proxy_addresses": [format!("smtp:alias-{number:02}@example.com")],
            })
        })
        .collect();
    serde_json::from_value(json!({
        "tenant_id": "11111111-2222-4333-8444-555555555555",
        "domain": "example.com",
        "applications": [
            {"client_id": "app", "client_secret": "right", "permissions": ["Group.ReadWrite.All", "User.Read.All"]},
            {"client_id": "danger", "client_secret": "right", "permissions": ["Group.ReadWrite.All", "User.ReadWrite.All"]},
            {"client_id": "reader", "client_secret": "right", "permissions": ["GroupMember.Read.All"]}
        ],
        "users": users,
        "groups": [
            {"id": "sales", "display_name": "Sales", "mail_nickname": "sales",
             "members": [{"id": user_id(0)}, {"id": "device-1", "type": "device"}, {"id": "inner", "type": "group"}]},
            {"id": "inner", "display_name": "O'Brien", "mail_nickname": "inner", "members": [{"id": user_id(1)}, {"id": "sales", "type": "group"}]},
            {"id": "list", "display_name": "sales", "mail_nickname": "list", "mail": "list@example.com", "mail_enabled": true, "security_enabled": false},
            {"id": "dynamic", "display_name": "Dynamic", "mail_nickname": "dynamic", "group_types": ["DynamicMembership"]},
            {"id": "synced", "display_name": "Synced", "mail_nickname": "synced", "on_premises_sync_enabled": true},
            {"id": "role", "display_name": "Role", "mail_nickname": "role", "is_assignable_to_role": true}
        ]
    }))
    .unwrap()
}

fn user_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

struct Desk {
    simulator: EntraSimulator,
    faults: Faults,
    now_ms: u64,
    token: String,
}

struct Seen {
    status: u16,
    body: Value,
    response: Response<Bytes>,
}

impl Desk {
    fn open(client: &str) -> Self {
        Self::with(tenant(), client)
    }

    fn with(tenant: Tenant, client: &str) -> Self {
        let mut desk = Self {
            simulator: EntraSimulator::new(tenant),
            faults: Faults::none(),
            now_ms: NOW,
            token: String::new(),
        };
        let seen = desk.login(
            "11111111-2222-4333-8444-555555555555",
            &format!("client_id={client}&client_secret=right"),
        );
        assert_eq!(seen.status, 200, "{}", seen.body);
        desk.token = seen.body["access_token"].as_str().unwrap().to_owned();
        desk
    }

    fn login(&mut self, tenant: &str, form: &str) -> Seen {
        let body = format!(
            "grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&{form}"
        );
        self.send(
            Request::post(format!("/{tenant}/oauth2/v2.0/token"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Bytes::from(body))
                .unwrap(),
        )
    }

    fn send(&mut self, request: Request<Bytes>) -> Seen {
        let mut context = Context {
            now_ms: self.now_ms,
            faults: &mut self.faults,
        };
        let response = self.simulator.handle(&request, &mut context);
        Seen {
            status: response.status().as_u16(),
            body: serde_json::from_slice(response.body()).unwrap_or(Value::Null),
            response,
        }
    }

    fn call(&mut self, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Seen {
        let path = path.strip_prefix("https://graph.test").unwrap_or(path);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "graph.test")
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        self.send(request.body(body).unwrap())
    }

    fn get(&mut self, path: &str) -> Seen {
        self.call("GET", path, None, &[])
    }

    fn add(&mut self, group: &str, member: &str) -> Seen {
        self.call(
            "POST",
            &format!("/v1.0/groups/{group}/members/$ref"),
            Some(reference(member)),
            &[],
        )
    }

    fn bulk(&mut self, group: &str, members: &[String]) -> Seen {
        let list: Vec<_> = members.iter().map(|id| address(id)).collect();
        self.call(
            "PATCH",
            &format!("/v1.0/groups/{group}"),
            Some(json!({"members@odata.bind": list})),
            &[],
        )
    }

    /// All items over all pages, following the links verbatim.
    fn all(&mut self, path: &str) -> (Vec<Value>, usize) {
        let (mut items, mut pages, mut next) = (Vec::new(), 0, path.to_owned());
        loop {
            let seen = self.get(&next);
            assert_eq!(seen.status, 200, "{}", seen.body);
            pages += 1;
            assert!(pages < 100, "the pages do not end");
            items.extend(seen.body["value"].as_array().unwrap().iter().cloned());
            match seen.body["@odata.nextLink"].as_str() {
                Some(link) => next = link.to_owned(),
                None => return (items, pages),
            }
        }
    }
}

fn address(id: &str) -> String {
    format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")
}

fn reference(id: &str) -> Value {
    json!({ "@odata.id": address(id) })
}

fn code(seen: &Seen) -> (u16, &str) {
    (seen.status, seen.body["error"]["code"].as_str().unwrap_or("?"))
}

fn security_group(name: &str) -> Value {
    json!({"displayName": name, "mailEnabled": false, "mailNickname": "nick", "securityEnabled": true})
}

#[test]
fn a_wrong_secret_tenant_application_or_scope_is_refused_in_the_login_endpoints_words() {
    let mut desk = Desk::open("app");
    let tenant = "example.com";
    for (tenant, form, status, error, number) in [
        (
            tenant,
            "client_id=app&client_secret=wrong",
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            tenant,
            "client_id=none&client_secret=x",
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            "other",
            "client_id=app&client_secret=right",
            400,
            "invalid_request",
            90_002,
        ),
        (tenant, "client_id=app", 401, "invalid_client", 7_000_216),
    ] {
        let seen = desk.login(tenant, form);
        assert_eq!(seen.status, status, "{form}");
        assert_eq!(seen.body["error"], error);
        assert_eq!(seen.body["error_codes"][0], number);
        assert!(
            seen.body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(&format!("AADSTS{number}: "))
        );
    }
    let request = Request::post("/example.com/oauth2/v2.0/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(
            b"grant_type=client_credentials&scope=User.Read&client_id=app&client_secret=right",
        ))
        .unwrap();
    assert_eq!(desk.send(request).body["error"], "invalid_scope");
}

#[test]
fn a_token_expires_and_can_be_revoked() {
    let mut desk = Desk::open("app");
    assert_eq!(desk.get("/v1.0/groups").status, 200);
    desk.now_ms += 3_599_000;
    assert_eq!(
        code(&desk.get("/v1.0/groups")),
        (401, "InvalidAuthenticationToken")
    );
    let mut desk = Desk::open("app");
    desk.simulator.revoke_tokens();
    assert_eq!(desk.get("/v1.0/groups").status, 401);
}

#[test]
fn r24_a_filter_by_name_finds_what_differs_in_case_and_every_twin() {
    let mut desk = Desk::open("app");
    let seen = desk.get("/v1.0/groups?$filter=displayName%20eq%20'SALES'&$select=id,displayName");
    let names: Vec<_> = seen.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["displayName"].clone())
        .collect();
    assert_eq!(names, ["sales", "Sales"]);
    let seen = desk.get("/v1.0/groups?$filter=displayName%20eq%20'O''Brien'");
    assert_eq!(seen.body["value"][0]["id"], "inner");
}

#[test]
fn advanced_queries_need_the_header_and_the_count() {
    let mut desk = Desk::open("app");
    let path = "/v1.0/groups?$filter=displayName%20ne%20'x'";
    assert_eq!(code(&desk.get(path)), (400, "Request_UnsupportedQuery"));
    let with_count = format!("{path}&$count=true");
    assert_eq!(desk.get(&with_count).status, 400);
    let eventual = [("ConsistencyLevel", "eventual")];
    let seen = desk.call("GET", &with_count, None, &eventual);
    assert_eq!(seen.body["@odata.count"], 6);
    assert_eq!(desk.get("/v1.0/groups/sales/members/$count").status, 400);
    let seen = desk.call("GET", "/v1.0/groups/sales/members/$count", None, &eventual);
    assert_eq!(seen.response.body().as_ref(), b"3");
}

#[test]
fn pages_follow_the_link_and_an_exactly_full_last_page_ends() {
    let mut desk = Desk::open("app");
    let (users, pages) = desk.all("/v1.0/users?$select=id&$top=125");
    assert_eq!((users.len(), pages), (250, 2));
    let (users, pages) = desk.all("/v1.0/users?$select=id");
    assert_eq!((users.len(), pages), (250, 3));
    assert_eq!(desk.get("/v1.0/users?$top=999").status, 200);
    assert_eq!(desk.get("/v1.0/users?$top=1000").status, 400);
    assert_eq!(desk.get("/v1.0/users?$skip=5").status, 400);
}

#[test]
fn a_bulk_add_is_all_or_nothing() {
    let mut desk = Desk::open("app");
    let seen = desk.bulk("sales", &[user_id(5), user_id(0)]);
    assert_eq!(
        seen.body["error"]["message"],
        "One or more added object references already exist for the following modified properties: 'members'."
    );
    assert_eq!(desk.simulator.state.groups["sales"].members.truth().len(), 3);
    assert!(
        desk.bulk("sales", &[user_id(5), user_id(5)]).body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("can only be present once as an add/remove change")
    );
    let twenty_one: Vec<_> = (10..31).map(user_id).collect();
    assert_eq!(desk.bulk("sales", &twenty_one).status, 400);
    assert_eq!(desk.bulk("sales", &twenty_one[..20]).status, 204);
    assert_eq!(desk.bulk("sales", &["nobody".to_owned()]).status, 404);
}

#[test]
fn a_member_is_added_and_removed_by_reference_and_types_show() {
    let mut desk = Desk::open("app");
    assert_eq!(desk.add("sales", &user_id(7)).status, 204);
    assert_eq!(code(&desk.add("sales", &user_id(7))), (400, "Request_BadRequest"));
    assert_eq!(
        code(&desk.add("sales", "nobody")),
        (404, "Request_ResourceNotFound")
    );
    for cast in ["graph.user", "microsoft.graph.user"] {
        let (users, _) = desk.all(&format!("/v1.0/groups/sales/members/{cast}?$select=id"));
        assert_eq!(users.len(), 2);
    }
    let (members, _) = desk.all("/v1.0/groups/sales/members?$select=id");
    assert_eq!(members[0]["@odata.type"], "#microsoft.graph.user");
    let (all, _) = desk.all("/v1.0/groups/sales/transitiveMembers?$select=id");
    assert_eq!(all.len(), 5);
    let path = format!("/v1.0/groups/sales/members/{}/$ref", user_id(7));
    assert_eq!(desk.call("DELETE", &path, None, &[]).status, 204);
    assert_eq!(desk.call("DELETE", &path, None, &[]).status, 404);
    assert_eq!(desk.simulator.user_mutation_attempts(), 0);
}

#[test]
fn r33_a_removal_without_ref_deletes_the_user_where_permitted_and_is_counted_either_way() {
    let path = format!("/v1.0/groups/sales/members/{}", user_id(0));
    let mut desk = Desk::open("app");
    assert_eq!(
        code(&desk.call("DELETE", &path, None, &[])),
        (403, "Authorization_RequestDenied")
    );
    assert_eq!(desk.simulator.user_mutation_attempts(), 1);
    assert_eq!(desk.simulator.tenant().users.len(), 250);
    let mut desk = Desk::open("danger");
    assert_eq!(desk.call("DELETE", &path, None, &[]).status, 204);
    assert_eq!(desk.simulator.tenant().users.len(), 249);
    assert_eq!(desk.simulator.state()["user_mutation_attempts"], 1);
    let seen = desk.call("POST", "/v1.0/groups/sales/members", Some(reference("x")), &[]);
    assert_eq!(
        seen.body["error"]["message"],
        "Write requests are only supported on contained entities"
    );
}

#[test]
fn r27_groups_that_graph_does_not_write_refuse_in_its_words() {
    let mut desk = Desk::open("app");
    for (group, status, words) in [
        (
            "list",
            400,
            "Cannot Update a mail-enabled security groups and or distribution list.",
        ),
        (
            "synced",
            400,
            "Unable to update the specified properties for on-premises mastered Directory Sync objects",
        ),
        ("role", 403, "Insufficient privileges"),
        ("dynamic", 400, "dynamic membership"),
    ] {
        let seen = desk.add(group, &user_id(9));
        assert_eq!(seen.status, status, "{group}");
        assert!(
            seen.body["error"]["message"].as_str().unwrap().contains(words),
            "{group}"
        );
    }
}

#[test]
fn permissions_are_enforced_and_can_be_withdrawn() {
    let mut desk = Desk::open("reader");
    assert_eq!(desk.add("sales", &user_id(9)).status, 403);
    assert_eq!(desk.get("/v1.0/users").status, 403);
    // Without a right to read users, a member shows its ID and type alone.
    let (members, _) = desk.all("/v1.0/groups/sales/members");
    assert_eq!(members[0]["displayName"], Value::Null);
    let mut desk = Desk::open("app");
    assert!(desk.simulator.withdraw_permission("app", "Group.ReadWrite.All"));
    assert_eq!(desk.get("/v1.0/groups").status, 403);
}

#[test]
fn r22_a_security_group_is_created_with_body_and_location() {
    let mut desk = Desk::open("app");
    let seen = desk.call("POST", "/v1.0/groups", Some(security_group("New")), &[]);
    assert_eq!(seen.status, 201);
    let id = seen.body["id"].as_str().unwrap().to_owned();
    assert!(
        seen.response.headers()["location"]
            .to_str()
            .unwrap()
            .ends_with(&id)
    );
    assert_eq!(desk.get(&format!("/v1.0/groups/{id}")).status, 200);
    for (name, value) in [
        ("mailNickname", json!("a b")),
        ("mailNickname", json!("größe")),
        ("mailNickname", json!("n".repeat(65))),
        ("displayName", json!("")),
        ("displayName", json!("n".repeat(257))),
        ("mailEnabled", json!(true)),
        ("colour", json!("red")),
        ("securityEnabled", json!("yes")),
    ] {
        let mut body = security_group("New");
        body[name] = value;
        assert_eq!(
            desk.call("POST", "/v1.0/groups", Some(body), &[]).status,
            400,
            "{name}"
        );
    }
    let mut body = security_group("New");
    body["colour"] = json!("red");
    let seen = desk.call("POST", "/v1.0/groups", Some(body), &[]);
    assert_eq!(seen.body["error"]["code"], "");
}

#[test]
fn r25_an_upsert_creates_once_and_then_updates() {
    let mut desk = Desk::open("app");
    let path = "/v1.0/groups(uniqueName='groupcast%3A1')";
    let prefer = [("Prefer", "create-if-missing")];
    assert_eq!(
        desk.call("PATCH", path, Some(json!({"displayName": "x"})), &[])
            .status,
        404
    );
    let created = desk.call("PATCH", path, Some(security_group("One")), &prefer);
    assert_eq!(
        (created.status, &created.body["uniqueName"]),
        (201, &json!("groupcast:1"))
    );
    assert!(created.response.headers().contains_key("location"));
    assert_eq!(
        desk.call("PATCH", path, Some(security_group("Two")), &prefer)
            .status,
        204
    );
    assert_eq!(
        desk.call("PATCH", path, Some(json!({"displayName": "Three"})), &[])
            .status,
        204
    );
    assert_eq!(desk.get(path).body["displayName"], "Three");
    let mut twin = security_group("Four");
    twin["uniqueName"] = json!("groupcast:1");
    assert_eq!(desk.call("POST", "/v1.0/groups", Some(twin), &[]).status, 400);
}

#[test]
fn a_new_group_is_late_and_so_are_its_members() {
    let mut tenant = tenant();
    tenant.lag = Lag {
        create_ms: 5_000,
        read_ms: 2_000,
    };
    let mut desk = Desk::with(tenant, "app");
    let seen = desk.call(
        "PATCH",
        "/v1.0/groups(uniqueName='k')",
        Some(security_group("Late")),
        &[("Prefer", "create-if-missing")],
    );
    let id = seen.body["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.get(&format!("/v1.0/groups/{id}")).status, 404);
    assert_eq!(desk.add(&id, &user_id(1)).status, 404);
    // The alternate key is known at once, so that a second upsert makes no second group.
    let again = desk.call(
        "PATCH",
        "/v1.0/groups(uniqueName='k')",
        Some(security_group("Late")),
        &[("Prefer", "create-if-missing")],
    );
    assert_eq!(again.status, 204);
    desk.now_ms += 5_000;
    assert_eq!(desk.add(&id, &user_id(1)).status, 204);
    assert!(desk.all(&format!("/v1.0/groups/{id}/members")).0.is_empty());
    desk.now_ms += 2_000;
    assert_eq!(desk.all(&format!("/v1.0/groups/{id}/members")).0.len(), 1);
}

fn batch(requests: Value) -> Option<Value> {
    Some(json!({ "requests": requests }))
}

fn part<'b>(body: &'b Value, id: &str) -> &'b Value {
    body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["id"] == id)
        .unwrap()
}

#[test]
fn a_batch_judges_each_part_alone_and_answers_in_another_order() {
    let mut desk = Desk::open("app");
    let seen = desk.call("POST", "/v1.0/$batch", batch(json!([
        {"id": "a", "method": "POST", "url": "/groups/sales/members/$ref", "headers": {"Content-Type": "application/json"}, "body": reference(&user_id(0))},
        {"id": "b", "method": "GET", "url": "/groups/inner?$select=id", "dependsOn": ["a"]},
        {"id": "c", "method": "POST", "url": "/groups/sales/members/$ref", "headers": {"content-type": "application/json"}, "body": reference(&user_id(3))},
        {"id": "d", "method": "POST", "url": "/groups/sales/members/$ref", "body": reference(&user_id(4))},
    ])), &[]);
    assert_eq!(seen.status, 200);
    let status = |id: &str| part(&seen.body, id)["status"].as_u64().unwrap();
    assert_eq!(
        (status("a"), status("b"), status("c"), status("d")),
        (400, 424, 204, 400)
    );
    assert_ne!(seen.body["responses"][0]["id"], "a");
    assert!(part(&seen.body, "c").get("body").is_none());
}

#[test]
fn a_malformed_batch_is_refused_whole() {
    let mut desk = Desk::open("app");
    let one = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let many: Vec<_> = (0..21)
        .map(|number| one(&number.to_string(), "/groups"))
        .collect();
    for requests in [
        json!([one("1", "/groups"), one("1", "/users")]),
        json!(many),
        json!([]),
        json!([one("1", "https://graph.microsoft.com/v1.0/groups")]),
        json!([{"id": "1", "method": "GET", "url": "/groups", "dependsOn": ["2"]}]),
        json!([{"id": 1, "method": "GET", "url": "/groups"}]),
    ] {
        assert_eq!(
            desk.call("POST", "/v1.0/$batch", batch(requests.clone()), &[])
                .status,
            400,
            "{requests}"
        );
    }
}

#[test]
fn parts_of_a_batch_are_throttled_one_by_one() {
    let mut tenant = tenant();
    tenant.throttle = Throttle {
        writes_per_window: Some(1),
        ..Throttle::default()
    };
    let mut desk = Desk::with(tenant, "app");
    let add = |id: &str, number| {
        json!({"id": id, "method": "POST", "url": "/groups/sales/members/$ref",
        "headers": {"Content-Type": "application/json"}, "body": reference(&user_id(number))})
    };
    let seen = desk.call(
        "POST",
        "/v1.0/$batch",
        batch(json!([add("1", 20), add("2", 21)])),
        &[],
    );
    assert_eq!(seen.status, 200);
    assert_eq!(part(&seen.body, "1")["status"], 204);
    assert_eq!(part(&seen.body, "2")["status"], 429);
    assert_eq!(part(&seen.body, "2")["headers"]["Retry-After"], "10");
}

#[test]
fn parts_of_a_batch_are_struck_by_faults_one_by_one() {
    let mut desk = Desk::open("app");
    desk.faults.add(Rule {
        vendor: Vendor::Entra,
        method: None,
        path: Some("/v1.0/users/*".into()),
        query: None,
        skip: 1,
        times: Some(1),
        fault: Fault::Answer {
            status: 503,
            headers: vec![],
            body: "{}".into(),
            content_type: "application/json".into(),
        },
    });
    let get = |id: &str| json!({"id": id, "method": "GET", "url": format!("/users/{}", user_id(1))});
    let seen = desk.call(
        "POST",
        "/v1.0/$batch",
        batch(json!([get("1"), get("2"), get("3")])),
        &[],
    );
    let statuses: Vec<_> = ["1", "2", "3"]
        .iter()
        .map(|id| part(&seen.body, id)["status"].clone())
        .collect();
    assert_eq!(statuses, [json!(200), json!(503), json!(200)]);
    desk.faults.clear();
    desk.faults.add(Rule {
        vendor: Vendor::Entra,
        method: None,
        path: Some("/v1.0/users/*".into()),
        query: None,
        skip: 0,
        times: None,
        fault: Fault::ResetAfter,
    });
    let seen = desk.call("POST", "/v1.0/$batch", batch(json!([get("1")])), &[]);
    assert_eq!(
        seen.response.extensions().get::<Disruption>(),
        Some(&Disruption::Reset)
    );
}

#[test]
fn lists_carry_out_the_faults_of_lists() {
    let list_fault = |fault| {
        let mut desk = Desk::open("app");
        desk.faults.add(Rule {
            vendor: Vendor::Entra,
            method: None,
            path: Some("/v1.0/users".into()),
            query: None,
            skip: 0,
            times: Some(1),
            fault,
        });
        desk
    };
    let (users, pages) = list_fault(Fault::ShortPage { items: 3 }).all("/v1.0/users");
    assert_eq!((users.len(), pages), (250, 4));
    let (users, _) = list_fault(Fault::DropItems { count: 2 }).all("/v1.0/users?$top=999");
    assert_eq!(users.len(), 248);
    let mut desk = list_fault(Fault::LoopPage);
    let first = desk.get("/v1.0/users?$top=10");
    let second = desk.get(first.body["@odata.nextLink"].as_str().unwrap());
    assert_eq!(first.body["value"], second.body["value"]);
}

#[test]
fn the_change_feed_gives_everything_then_what_changed() {
    let mut desk = Desk::open("app");
    for path in [
        "/v1.0/groups/delta",
        "/v1.0/groups/delta()",
        "/v1.0/groups/microsoft.graph.delta()",
    ] {
        let seen = desk.get(&format!("{path}?$select=displayName,members&$top=2"));
        assert!(seen.body["@odata.nextLink"].is_string(), "{path}");
    }
    let mut link = "/v1.0/groups/delta?$select=displayName,members&$top=2".to_owned();
    let mut groups = Vec::new();
    let delta = loop {
        let seen = desk.get(&link);
        groups.extend(seen.body["value"].as_array().unwrap().clone());
        if let Some(next) = seen.body["@odata.nextLink"].as_str() {
            link = next.to_owned();
        } else {
            break seen.body["@odata.deltaLink"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(groups.len(), 6);
    desk.simulator.remove_member("sales", &user_id(0));
    desk.simulator.add_member("sales", &user_id(30), ObjectType::User);
    desk.simulator.rename_group("inner", "Renamed");
    desk.simulator.delete_group("list");
    let (mut changes, mut link) = (Vec::new(), delta.clone());
    let next = loop {
        let seen = desk.get(&link);
        changes.extend(seen.body["value"].as_array().unwrap().clone());
        match seen.body["@odata.nextLink"].as_str() {
            Some(next) => link = next.to_owned(),
            None => break seen.body["@odata.deltaLink"].as_str().unwrap().to_owned(),
        }
    };
    let told = |id: &str| changes.iter().find(|group| group["id"] == id).unwrap().clone();
    assert_eq!(told("inner")["displayName"], "Renamed");
    assert_eq!(told("list")["@removed"]["reason"], "changed");
    let members = told("sales")["members@delta"].clone();
    assert_eq!(members[0]["@removed"]["reason"], "deleted");
    assert_eq!(members[1]["id"], user_id(30));
    assert_eq!(desk.get(&next).body["value"], json!([]));
    desk.now_ms += 8 * 24 * 3_600_000;
    desk.login_again();
    let seen = desk.get(&delta);
    assert_eq!(code(&seen), (410, "resyncRequired"));
    assert!(
        seen.response.headers()["location"]
            .to_str()
            .unwrap()
            .contains("/v1.0/groups/delta?$select=")
    );
}

impl Desk {
    fn login_again(&mut self) {
        let seen = self.login("example.com", "client_id=app&client_secret=right");
        self.token = seen.body["access_token"].as_str().unwrap().to_owned();
    }
}

#[test]
fn a_large_group_comes_in_portions_of_the_change_feed() {
    let mut tenant = tenant();
    tenant.groups[0].members = (0..250)
        .map(|number| Member {
            id: user_id(number),
            kind: ObjectType::User,
        })
        .collect();
    for number in 0..800 {
        tenant.groups[1].members.push(Member {
            id: format!("device-{number:04}"),
            kind: ObjectType::Device,
        });
    }
    let mut desk = Desk::with(tenant, "app");
    let (groups, pages) = desk.all("/v1.0/groups/delta?$select=members");
    assert!(pages > 1);
    let members: usize = groups
        .iter()
        .map(|group| group["members@delta"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(members, 250 + 802);
    assert!(groups.iter().filter(|group| group["id"] == "inner").count() > 1);
}

#[test]
fn a_deleted_group_is_in_the_recycle_bin_until_it_is_restored_or_purged() {
    let mut desk = Desk::open("app");
    assert_eq!(desk.call("DELETE", "/v1.0/groups/sales", None, &[]).status, 204);
    assert_eq!(
        code(&desk.get("/v1.0/groups/sales/members")),
        (404, "Request_ResourceNotFound")
    );
    let (bin, _) = desk.all("/v1.0/directory/deletedItems/microsoft.graph.group");
    assert!(bin[0]["deletedDateTime"].is_string());
    assert_eq!(
        desk.call(
            "POST",
            "/v1.0/directory/deletedItems/sales/restore",
            Some(json!({})),
            &[]
        )
        .status,
        200
    );
    assert_eq!(desk.get("/v1.0/groups/sales").status, 200);
}

#[test]
fn users_resolve_by_name_mail_and_alias_and_objects_by_id() {
    let mut desk = Desk::open("app");
    for filter in [
        "userPrincipalName%20eq%20'USER-05@example.com'",
        "mail%20eq%20'user-05@example.com'",
        "proxyAddresses/any(x:x%20eq%20'smtp:alias-05@example.com')",
    ] {
        let (users, _) = desk.all(&format!("/v1.0/users?$filter={filter}&$select=id"));
        assert_eq!(users, [json!({"id": user_id(5)})], "{filter}");
    }
    assert_eq!(desk.get("/v1.0/users/user-05@example.com").body["id"], user_id(5));
    let body = json!({"ids": [user_id(5), "sales", "nobody"], "types": ["user"]});
    let seen = desk.call("POST", "/v1.0/directoryObjects/getByIds", Some(body), &[]);
    assert_eq!(seen.body["value"].as_array().unwrap().len(), 1);
}

#[test]
fn request_ids_are_given_and_the_clients_is_echoed() {
    let mut desk = Desk::open("app");
    let seen = desk.call("GET", "/v1.0/groups/none", None, &[("client-request-id", "mine")]);
    assert_eq!(seen.response.headers()["client-request-id"], "mine");
    assert_eq!(seen.body["error"]["innerError"]["client-request-id"], "mine");
    assert_eq!(
        seen.response.headers()["request-id"].to_str().unwrap(),
        seen.body["error"]["innerError"]["request-id"]
    );
    assert_eq!(
        desk.get("/v1.0/groups/sales/members").response.headers()["x-ms-resource-unit"],
        "3"
    );
}

#[test]
fn the_state_is_published_in_the_format_it_was_read_from() {
    let before = tenant();
    let simulator = EntraSimulator::new(before.clone());
    let after = simulator.tenant();
    let sorted = |tenant: &Tenant| {
        let mut value = serde_json::to_value(tenant).unwrap();
        for list in ["users", "groups"] {
            value[list]
                .as_array_mut()
                .unwrap()
                .sort_by_key(|one| one["id"].to_string());
            for one in value[list].as_array_mut().unwrap() {
                if let Some(members) = one.get_mut("members") {
                    members
                        .as_array_mut()
                        .unwrap()
                        .sort_by_key(|one| one["id"].to_string());
                }
            }
        }
        value
    };
    assert_eq!(sorted(&before), sorted(&after));
    assert!(serde_json::from_value::<Tenant>(json!({"tenant_id": "t", "domain": "d", "color": 1})).is_err());
}

/// An RSA key and its self-signed certificate, made for these tests alone.
const KEY: &str = include_str!("test-key.pem");
const CERTIFICATE: &str = include_str!("test-certificate.pem");

#[test]
fn an_assertion_signed_with_the_registered_certificate_is_taken_and_others_are_not() {
    let mut tenant = tenant();
    tenant.applications[0].certificate_pem = Some(CERTIFICATE.to_owned());
    let mut desk = Desk::with(tenant, "app");
    let der = x509_parser::pem::parse_x509_pem(CERTIFICATE.as_bytes())
        .unwrap()
        .1
        .contents;
    let thumbprint = URL_SAFE_NO_PAD.encode(<sha2::Sha256 as sha2::Digest>::digest(&der));
    let sign = |algorithm: &str, thumbprint: &str, change: (&str, Value)| {
        let mut claims = json!({"iss": "app", "sub": "app", "jti": "1", "exp": NOW / 1000 + 600,
            "aud": "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/oauth2/v2.0/token"});
        claims[change.0] = change.1;
        let header = json!({"alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(KEY.as_bytes()).unwrap();
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm.parse().unwrap()).unwrap();
        format!("{message}.{signature}")
    };
    let mut ask = |assertion: String| {
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        desk.login(
            "example.com",
            &format!("client_id=app&client_assertion_type={kind}&client_assertion={assertion}"),
        )
    };
    for algorithm in ["RS256", "PS256"] {
        assert_eq!(
            ask(sign(algorithm, &thumbprint, ("jti", json!("2")))).status,
            200,
            "{algorithm}"
        );
    }
    for (assertion, number) in [
        (sign("RS256", "AAAA", ("jti", json!("2"))), 700_027),
        (
            sign("RS256", &thumbprint, ("aud", json!("https://else.where"))),
            700_023,
        ),
        (sign("RS256", &thumbprint, ("iss", json!("other"))), 700_021),
        (
            sign("RS256", &thumbprint, ("exp", json!(NOW / 1000 - 600))),
            700_024,
        ),
        (
            sign("RS256", &thumbprint, ("jti", json!("2")))
                .rsplit_once('.')
                .map(|(left, _)| format!("{left}.AAAA"))
                .unwrap(),
            700_027,
        ),
    ] {
        let seen = ask(assertion);
        assert_eq!((seen.status, &seen.body["error_codes"][0]), (401, &json!(number)));
    }
}
