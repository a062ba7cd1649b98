//! The Entra simulator against the published contract, in both directions: every request made here is
//! one that the contract lists, every answer has the shape that the contract gives, bodies that the
//! request schemas allow are taken, and bodies that they forbid are refused.
//!
//! The contract is looked for in `GROUPCAST_CONTRACTS`, else in `../shared/contracts` beside the
//! workspace; where neither is there, the tests say that they were skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use groupcast_simulators::contract::violations;
use groupcast_simulators::entra::{EntraSimulator, Tenant};
use groupcast_simulators::faults::Faults;
use groupcast_simulators::{Context, VendorSimulator};
use serde_json::{Value, json};

const NOW: u64 = 1_760_000_000_000;

fn contracts() -> Option<PathBuf> {
    let folder = std::env::var_os("GROUPCAST_CONTRACTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contracts"),
        PathBuf::from,
    );
    if folder.join("graph").is_dir() {
        return Some(folder.join("graph"));
    }
    println!(
        "SKIPPED: no contracts in {}; set GROUPCAST_CONTRACTS",
        folder.display()
    );
    None
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

struct Desk {
    simulator: EntraSimulator,
    token: String,
    contract: Value,
    /// Operations whose answers were checked.
    checked: std::collections::BTreeSet<String>,
}

impl Desk {
    fn open(contract: Value) -> Self {
        let users: Vec<Value> = (0..150)
            .map(|number| {
                json!({"id": format!("u{number:03}"), "user_principal_name": format!("u{number}@example.com"),
                    "mail": format!("u{number}@example.com"), "display_name": format!("U {number}")})
            })
            .collect();
        let members: Vec<Value> = (0..120)
            .map(|number| json!({"id": format!("u{number:03}")}))
            .collect();
        let tenant: Tenant = serde_json::from_value(json!({
            "tenant_id": "t", "domain": "example.com",
            "applications": [{"client_id": "app", "client_secret": "s", "permissions": ["Group.ReadWrite.All", "User.Read.All"]}],
            "users": users,
            "groups": [
                {"id": "g1", "display_name": "One", "mail_nickname": "one", "unique_name": "key", "members": members, "owners": ["u001", "u002"]},
                {"id": "g2", "display_name": "Two", "mail_nickname": "two", "members": [{"id": "g1", "type": "group"}, {"id": "d", "type": "device"}]}
            ]
        }))
        .unwrap();
        let mut desk = Self {
            simulator: EntraSimulator::new(tenant),
            token: String::new(),
            contract,
            checked: std::collections::BTreeSet::new(),
        };
        let (_, body) = desk.send(
            http::Request::post("/t/oauth2/v2.0/token")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Bytes::from_static(
                    b"grant_type=client_credentials&client_id=app&client_secret=s&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default",
                ))
                .unwrap(),
        );
        desk.token = body["access_token"].as_str().unwrap().to_owned();
        desk
    }

    fn send(&mut self, request: http::Request<Bytes>) -> (u16, Value) {
        let mut faults = Faults::none();
        let mut context = Context {
            now_ms: NOW,
            faults: &mut faults,
        };
        let response = self.simulator.handle(&request, &mut context);
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status().as_u16(), body)
    }

    /// Sends a request and checks request and answer against the operation of the contract.
    fn call(&mut self, method: &str, template: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("/v1.0{path}"))
            .header("host", "graph.microsoft.com")
            .header("consistencylevel", "eventual")
            .header("authorization", format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let (status, answer) = self.send(request.body(bytes).unwrap());
        let operation = self.contract["paths"][template][method.to_lowercase()].clone();
        assert!(operation.is_object(), "the contract has no {method} {template}");
        let known: Vec<String> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| {
                let parameter = parameter["$ref"]
                    .as_str()
                    .map_or(parameter, |place| self.contract.pointer(&place[1..]).unwrap());
                parameter["name"].as_str().unwrap().to_owned()
            })
            .collect();
        let query = path.split_once('?').map_or("", |(_, query)| query);
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            assert!(
                known.contains(&name.to_string()),
                "{method} {template} has no parameter {name}"
            );
        }
        let responses = &operation["responses"];
        let response = if status >= 400 {
            &responses["default"]
        } else {
            [status.to_string().as_str(), "2XX"]
                .iter()
                .map(|name| &responses[*name])
                .find(|response| response.is_object())
                .unwrap_or_else(|| panic!("{method} {template}: {status} is not in the contract"))
        };
        let response = response["$ref"]
            .as_str()
            .map_or(response, |place| self.contract.pointer(&place[1..]).unwrap());
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_object() && status != 204 {
            let found = violations(&self.contract, schema, &answer);
            assert!(found.is_empty(), "{method} {path}: {found:#?}\n{answer:#}");
        }
        self.checked.insert(format!("{method} {template}"));
        (status, answer)
    }
}

fn reference(id: &str) -> Value {
    json!(format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}"))
}

#[test]
fn every_answer_has_the_shape_that_the_contract_gives() {
    let Some(folder) = contracts() else { return };
    let mut desk = Desk::open(read(&folder, "graph-groups-users.openapi.json"));
    let group =
        json!({"displayName": "New", "mailEnabled": false, "mailNickname": "new", "securityEnabled": true});
    for (status, method, template, path, body) in [
        (200, "GET", "/groups", "/groups?$top=1", None),
        (
            200,
            "GET",
            "/groups",
            "/groups?$filter=displayName%20eq%20'one'&$select=id,displayName,groupTypes",
            None,
        ),
        (400, "GET", "/groups", "/groups?$filter=nonsense", None),
        (200, "GET", "/groups/$count", "/groups/$count", None),
        (200, "GET", "/groups/{group-id}", "/groups/g1", None),
        (404, "GET", "/groups/{group-id}", "/groups/none", None),
        (
            200,
            "GET",
            "/groups/{group-id}/members",
            "/groups/g1/members?$top=50",
            None,
        ),
        (
            200,
            "GET",
            "/groups/{group-id}/members",
            "/groups/g2/members",
            None,
        ),
        (
            200,
            "GET",
            "/groups/{group-id}/members/$ref",
            "/groups/g2/members/$ref",
            None,
        ),
        (
            200,
            "GET",
            "/groups/{group-id}/members/$count",
            "/groups/g2/members/$count",
            None,
        ),
        (
            200,
            "GET",
            "/groups/{group-id}/members/graph.user",
            "/groups/g1/members/graph.user?$select=id,mail",
            None,
        ),
        (
            200,
            "GET",
            "/groups/{group-id}/members/microsoft.graph.user",
            "/groups/g1/members/microsoft.graph.user",
            None,
        ),
        (
            200,
            "GET",
            "/groups/{group-id}/transitiveMembers",
            "/groups/g2/transitiveMembers",
            None,
        ),
        (200, "GET", "/groups/{group-id}/owners", "/groups/g1/owners", None),
        (
            200,
            "GET",
            "/groups/{group-id}/memberOf",
            "/groups/g1/memberOf",
            None,
        ),
        (
            200,
            "GET",
            "/groups(uniqueName='{uniqueName}')",
            "/groups(uniqueName='key')",
            None,
        ),
        (
            204,
            "PATCH",
            "/groups(uniqueName='{uniqueName}')",
            "/groups(uniqueName='key')",
            Some(json!({"displayName": "x"})),
        ),
        (
            200,
            "GET",
            "/groups/delta",
            "/groups/delta?$select=displayName,members",
            None,
        ),
        (
            200,
            "GET",
            "/groups/delta()",
            "/groups/delta()?$select=members",
            None,
        ),
        (
            200,
            "GET",
            "/groups/microsoft.graph.delta()",
            "/groups/microsoft.graph.delta()",
            None,
        ),
        (
            200,
            "GET",
            "/users",
            "/users?$top=5&$select=id,userPrincipalName,mail",
            None,
        ),
        (200, "GET", "/users/{user-id}", "/users/u001", None),
        (
            200,
            "GET",
            "/users/{user-id}/memberOf",
            "/users/u001/memberOf",
            None,
        ),
        (200, "GET", "/users/$count", "/users/$count", None),
        (
            200,
            "GET",
            "/directoryObjects/{directoryObject-id}",
            "/directoryObjects/u001",
            None,
        ),
        (
            200,
            "POST",
            "/directoryObjects/getByIds",
            "/directoryObjects/getByIds",
            Some(json!({"ids": ["u001", "g1"]})),
        ),
        (
            200,
            "POST",
            "/directoryObjects/microsoft.graph.getByIds",
            "/directoryObjects/microsoft.graph.getByIds",
            Some(json!({"ids": ["u001"]})),
        ),
        (201, "POST", "/groups", "/groups", Some(group)),
        (
            400,
            "POST",
            "/groups",
            "/groups",
            Some(json!({"displayName": "x"})),
        ),
        (
            204,
            "PATCH",
            "/groups/{group-id}",
            "/groups/g2",
            Some(json!({"displayName": "y"})),
        ),
        (
            204,
            "POST",
            "/groups/{group-id}/members/$ref",
            "/groups/g2/members/$ref",
            Some(json!({"@odata.id": reference("u149")})),
        ),
        (
            204,
            "DELETE",
            "/groups/{group-id}/members/{directoryObject-id}/$ref",
            "/groups/g2/members/u149/$ref",
            None,
        ),
        (
            204,
            "POST",
            "/groups/{group-id}/owners/$ref",
            "/groups/g2/owners/$ref",
            Some(json!({"@odata.id": reference("u149")})),
        ),
        (
            200,
            "POST",
            "/$batch",
            "/$batch",
            Some(json!({"requests": [{"id": "1", "method": "GET", "url": "/groups/g1"}]})),
        ),
        (400, "POST", "/$batch", "/$batch", Some(json!({"requests": []}))),
        (204, "DELETE", "/groups/{group-id}", "/groups/g2", None),
        (
            200,
            "GET",
            "/directory/deletedItems/microsoft.graph.group",
            "/directory/deletedItems/microsoft.graph.group",
            None,
        ),
        (
            200,
            "GET",
            "/directory/deletedItems/{directoryObject-id}",
            "/directory/deletedItems/g2",
            None,
        ),
        (
            200,
            "POST",
            "/directory/deletedItems/{directoryObject-id}/restore",
            "/directory/deletedItems/g2/restore",
            Some(json!({})),
        ),
    ] {
        let (given, answer) = desk.call(method, template, path, body);
        assert_eq!(given, status, "{method} {path}: {answer}");
    }
    assert!(desk.checked.len() >= 30);
}

#[test]
fn bodies_that_the_request_schemas_allow_are_taken_and_others_are_refused() {
    let Some(folder) = contracts() else { return };
    let schemas = read(&folder, "request-schemas.json");
    let mut desk = Desk::open(read(&folder, "graph-groups-users.openapi.json"));
    let many: Vec<Value> = (120..141)
        .map(|number| reference(&format!("u{number}")))
        .collect();
    let full =
        json!({"displayName": "New", "mailEnabled": false, "mailNickname": "new", "securityEnabled": true});
    let with = |name: &str, value: Value| {
        let mut body = full.clone();
        body[name] = value;
        body
    };
    let cases = [
        (
            "createSecurityGroup",
            "POST",
            "/groups",
            vec![
                full.clone(),
                with("description", json!(null)),
                with("groupTypes", json!([])),
                with("uniqueName", json!("u1")),
                with("members@odata.bind", json!([reference("u001")])),
                with("visibility", json!("Private")),
                json!({}),
                with("mailEnabled", json!(true)),
                with("securityEnabled", json!(false)),
                with("displayName", json!("")),
                with("displayName", json!("x".repeat(257))),
                with("mailNickname", json!("x".repeat(65))),
                with("groupTypes", json!(["Unified"])),
                with("colour", json!("red")),
                with("description", json!(5)),
                with("visibility", json!("Open")),
                with("members@odata.bind", json!(many)),
                with(
                    "members@odata.bind",
                    json!([reference("u001"), reference("u001")]),
                ),
            ],
        ),
        (
            "updateGroup",
            "PATCH",
            "/groups/g2",
            vec![
                json!({"displayName": "z"}),
                json!({"description": null}),
                json!({"description": "d"}),
                json!({"mailNickname": "q"}),
                json!({"displayName": ""}),
                json!({"displayName": null}),
                json!({"id": "x"}),
                json!({"mail": "x@y"}),
                json!({"securityEnabled": "x"}),
                json!({"owners@odata.bind": [reference("u001")]}),
            ],
        ),
        (
            "bindMembers",
            "PATCH",
            "/groups/g2",
            vec![
                json!({"members@odata.bind": [reference("u121"), reference("u122")]}),
                json!({"members@odata.bind": []}),
                json!({"members@odata.bind": many}),
                json!({"members@odata.bind": "u"}),
                json!({"members@odata.bind": [reference("u130"), reference("u130")]}),
                json!({"members@odata.bind": [reference("u130")], "displayName": "both"}),
            ],
        ),
        (
            "addMemberRef",
            "POST",
            "/groups/g2/members/$ref",
            vec![
                json!({"@odata.id": reference("u140")}),
                json!({}),
                json!({"@odata.id": 5}),
                json!({"@odata.id": reference("u141"), "more": 1}),
            ],
        ),
        (
            "batchRequest",
            "POST",
            "/$batch",
            vec![
                json!({"requests": [{"id": "1", "method": "GET", "url": "/groups"}]}),
                json!({}),
                json!({"requests": []}),
                json!({"requests": [{"id": "1", "method": "GET"}]}),
                json!({"requests": [{"id": "1", "method": "HEAD", "url": "/groups"}]}),
                json!({"requests": [{"id": 1, "method": "GET", "url": "/groups"}]}),
                json!({"requests": [{"id": "1", "method": "GET", "url": "/groups", "headers": {"a": 1}}]}),
            ],
        ),
    ];
    for (name, method, path, bodies) in cases {
        let (mut taken, mut refused) = (0, 0);
        for body in bodies {
            let found = violations(&schemas, &schemas["$defs"][name], &body);
            let template = path.replace("/g2", "/{group-id}");
            let (status, answer) = desk.call(method, &template, path, Some(body.clone()));
            if found.is_empty() {
                taken += 1;
                assert!(status < 300, "{name} allows {body}, yet: {answer}");
            } else {
                refused += 1;
                assert_eq!(status, 400, "{name} forbids {body} ({found:?}), yet: {answer}");
            }
        }
        assert!(taken > 0 && refused > 0, "{name} was not tried both ways");
    }
    // Patterns and `minProperties` are checked by hand, since the contract's reader does not read them.
    let (status, _) = desk.call("PATCH", "/groups/{group-id}", "/groups/g2", Some(json!({})));
    assert_eq!(status, 400);
    for (path, body) in [
        (
            "/groups/g2/members/$ref",
            json!({"@odata.id": "https://evil.example/v1.0/directoryObjects/u001"}),
        ),
        ("/groups/g2/members/$ref", json!({"@odata.id": "u001"})),
        (
            "/groups/g2/members/$ref",
            json!({"@odata.id": "https://graph.microsoft.com/v1.0/devices/u001"}),
        ),
        ("/groups", with("mailNickname", json!("a@b"))),
    ] {
        let template = path.replace("/g2", "/{group-id}");
        assert_eq!(
            desk.call("POST", &template, path, Some(body.clone())).0,
            400,
            "{body}"
        );
    }
}
