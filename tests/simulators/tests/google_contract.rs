//! The simulated Google against Google's published contract, both ways: every operation of the contract
//! is driven and its answers fit the published schemas; and the discovery document that the simulator
//! publishes holds exactly the contract's operations, parameters and fields.
//!
//! The contract is not part of this repository. It is looked for in `GROUPCAST_CONTRACTS`, else in
//! `../shared/contracts` beside the workspace.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod google_support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use google_support::*;
use groupcast_simulators::contract::violations;
use serde_json::{Value, json};

fn contract() -> Option<Value> {
    let folder = std::env::var_os("GROUPCAST_CONTRACTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contracts"),
        PathBuf::from,
    );
    let file = folder.join("google/directory-groups-members.openapi.json");
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            println!(
                "SKIPPED: no Google contract at {}; set GROUPCAST_CONTRACTS",
                file.display()
            );
            None
        }
    }
}

/// Each operation of the contract: its ID, method, path template and itself.
fn operations(contract: &Value) -> Vec<(String, String, String, &Value)> {
    contract["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| {
                    let id = operation["operationId"].as_str().unwrap().to_owned();
                    (id, method.to_uppercase(), path.clone(), operation)
                })
        })
        .collect()
}

/// A schema in which no object may hold more than it names: the contract itself leaves that open, but a
/// simulator that answers with fields of its own invention is wrong.
fn closed(contract: &Value) -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.values_mut().for_each(close);
                if object.get("properties").is_some_and(Value::is_object)
                    && !object.contains_key("additionalProperties")
                {
                    object.insert("additionalProperties".to_owned(), json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let mut contract = contract.clone();
    close(&mut contract["components"]);
    contract
}

/// Calls that drive each operation with success, in an order in which they can follow one another.
const CALLS: &[(&str, &str, Option<&str>)] = &[
    (
        "directory.groups.list",
        "?customer=my_customer&maxResults=200&orderBy=email&sortOrder=ASCENDING",
        None,
    ),
    (
        "directory.groups.list",
        "?domain=example.com&query=email:sales*",
        None,
    ),
    (
        "directory.groups.list",
        "?userKey=anna@example.com&maxResults=1",
        None,
    ),
    ("directory.groups.get", "g1", None),
    (
        "directory.groups.insert",
        "",
        Some(
            r#"{"email":"new@example.com","name":"New","description":"d","externalIds":[{"namespace":"n","id":"1"}]}"#,
        ),
    ),
    ("directory.groups.get", "new@example.com", None),
    (
        "directory.groups.patch",
        "new@example.com",
        Some(r#"{"name":"Newer"}"#),
    ),
    (
        "directory.groups.update",
        "new@example.com",
        Some(r#"{"email":"newest@example.com","description":""}"#),
    ),
    (
        "directory.groups.aliases.insert",
        "new@example.com",
        Some(r#"{"alias":"other@eu.example.com"}"#),
    ),
    ("directory.groups.aliases.list", "new@example.com", None),
    (
        "directory.groups.aliases.delete",
        "new@example.com other@eu.example.com",
        None,
    ),
    (
        "directory.members.insert",
        "new@example.com",
        Some(r#"{"email":"carl@eu.example.com","role":"MANAGER","delivery_settings":"DIGEST"}"#),
    ),
    (
        "directory.members.insert",
        "new@example.com",
        Some(r#"{"email":"some.one@gmail.com"}"#),
    ),
    ("directory.members.get", "new@example.com u3", None),
    ("directory.members.get", "new@example.com someone@gmail.com", None),
    (
        "directory.members.list",
        "new@example.com?roles=MANAGER,MEMBER&maxResults=1",
        None,
    ),
    ("directory.members.list", "g3?includeDerivedMembership=true", None),
    ("directory.members.list", "g4", None),
    (
        "directory.members.patch",
        "new@example.com u3",
        Some(r#"{"role":"MEMBER"}"#),
    ),
    (
        "directory.members.update",
        "new@example.com u3",
        Some(r#"{"role":"OWNER","email":"carl@eu.example.com"}"#),
    ),
    ("directory.members.hasMember", "g3 anna@example.com", None),
    ("directory.members.delete", "new@example.com u3", None),
    ("directory.groups.delete", "new@example.com", None),
    (
        "directory.users.list",
        "?customer=my_customer&maxResults=2&projection=full&showDeleted=false",
        None,
    ),
    (
        "directory.users.list",
        "?domain=example.com&query=email:anna*&orderBy=familyName",
        None,
    ),
    (
        "directory.users.get",
        "bert@example.com?viewType=admin_view",
        None,
    ),
];

fn target(template: &str, keys: &str) -> String {
    let (keys, query) = keys
        .split_once('?')
        .map_or((keys, String::new()), |(keys, query)| (keys, format!("?{query}")));
    let mut keys = keys.split(' ');
    let path: Vec<&str> = template
        .strip_prefix(BASE)
        .unwrap()
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') {
                keys.next().unwrap()
            } else {
                segment
            }
        })
        .collect();
    format!("{}{query}", path.join("/"))
}

#[test]
fn every_operation_of_the_contract_answers_as_the_contract_says() {
    let Some(contract) = contract() else { return };
    let closed = closed(&contract);
    let operations = operations(&contract);
    let mut world = World::new(|_| {});
    let mut driven = BTreeSet::new();
    for (id, keys, body) in CALLS {
        let (_, method, path, operation) = operations.iter().find(|(known, ..)| known == id).unwrap();
        let target = target(path, keys);
        let body: Option<Value> = body.map(|body| serde_json::from_str(body).unwrap());
        if let Some(body) = &body {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            assert_eq!(
                violations(&contract, schema, body),
                Vec::<String>::new(),
                "{id}: the test's own body"
            );
        }
        let answer = world.call(method, &target, body.as_ref());
        assert!(answer.status.is_success(), "{id} {target}: {}", answer.text);
        if let Some(answers) = operation["responses"].get("200") {
            assert_eq!(answer.status, 200, "{id}");
            assert_eq!(answer.headers["content-type"], "application/json; charset=UTF-8");
            assert!(answer.headers.contains_key("etag"), "{id}");
            let reference = answers["content"]["application/json"]["schema"]["$ref"]
                .as_str()
                .unwrap();
            let name = reference.rsplit('/').next().unwrap();
            let schema = &closed["components"]["schemas"][name];
            assert_eq!(
                violations(&closed, schema, &answer.json),
                Vec::<String>::new(),
                "{id} {target}"
            );
            if let Some(kind) = contract["components"]["schemas"][name]["properties"]["kind"].get("default") {
                assert_eq!(&answer.json["kind"], kind, "{id}");
            }
        } else {
            assert_eq!(answer.text, "", "{id} answers without a body");
        }
        driven.insert((*id).to_owned());
    }
    let published: BTreeSet<String> = operations.into_iter().map(|(id, ..)| id).collect();
    assert_eq!(driven, published, "each operation is driven");
}

#[test]
fn errors_keep_the_contracts_shape() {
    let Some(contract) = contract() else { return };
    let closed = closed(&contract);
    let schema = &closed["components"]["schemas"]["GoogleError"];
    let mut world = World::new(|_| {});
    let mut answers = vec![
        world.get("groups/nope"),
        world.get("groups/a@foreign.org"),
        world.get("groups"),
        world.get("groups?customer=my_customer&maxResults=999"),
        world.post("groups", &json!({"unknown": 1})),
        world.post("groups/g1/members", &json!({"id": "u1"})),
        world.call("DELETE", "users/u1", None),
    ];
    world.token = None;
    answers.push(world.get("groups/g1"));
    for answer in answers {
        assert!(answer.status.is_client_error());
        assert_eq!(
            violations(&closed, schema, &answer.json),
            Vec::<String>::new(),
            "{}",
            answer.text
        );
    }
}

/// Everything that is in the contract and nothing else: operations, parameters, scopes, fields.
#[test]
fn the_discovery_document_says_what_the_contract_says() {
    let Some(contract) = contract() else { return };
    let mut world = World::new(|_| {});
    let request = http::Request::get("/discovery/v1/apis/admin/directory_v1/rest")
        .header("host", "127.0.0.1:8443")
        .body(bytes::Bytes::new())
        .unwrap();
    let document = world.handle(&request).json;
    assert_eq!(document["rootUrl"], "http://127.0.0.1:8443/");
    assert_eq!(document["batchPath"], "batch");
    let mut published = BTreeMap::new();
    methods(&document, &mut published);
    let operations = operations(&contract);
    assert_eq!(published.len(), operations.len());
    let names = |parameters: Vec<&str>| parameters.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let common = document["parameters"].as_object().unwrap();
    for (id, method, path, operation) in &operations {
        let ours = &published[id];
        assert_eq!(ours["httpMethod"], json!(method));
        assert_eq!(format!("/{}", ours["path"].as_str().unwrap()), *path);
        let theirs = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["name"].as_str().unwrap());
        let mine = ours["parameters"]
            .as_object()
            .unwrap()
            .keys()
            .chain(common.keys())
            .map(String::as_str);
        assert_eq!(names(mine.collect()), names(theirs.collect()), "{id}");
        let list = |value: &Value| {
            value
                .as_array()
                .unwrap()
                .iter()
                .map(|each| each.as_str().unwrap().to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(list(&ours["scopes"]), list(&operation["x-google-scopes"]), "{id}");
        for parameter in operation["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let own = ours["parameters"].get(name).unwrap_or_else(|| &common[name]);
            assert_eq!(own.get("enum"), parameter["schema"].get("enum"), "{id} {name}");
            let kind = if own["type"] == "integer" {
                "integer"
            } else {
                own["type"].as_str().unwrap()
            };
            assert_eq!(kind, parameter["schema"]["type"], "{id} {name}");
        }
        let body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
        let own_body = ours["request"]["$ref"].as_str();
        assert_eq!(own_body, body.and_then(|body| body.rsplit('/').next()), "{id}");
    }
    for (name, schema) in document["schemas"].as_object().unwrap() {
        let theirs = contract["components"]["schemas"][name]["properties"]
            .as_object()
            .unwrap();
        let ours = schema["properties"].as_object().unwrap();
        assert_eq!(
            names(ours.keys().map(String::as_str).collect()),
            names(theirs.keys().map(String::as_str).collect()),
            "{name}"
        );
    }
}

fn methods(resource: &Value, found: &mut BTreeMap<String, Value>) {
    for method in resource["methods"]
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::values)
    {
        found.insert(method["id"].as_str().unwrap().to_owned(), method.clone());
    }
    for inner in resource["resources"]
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::values)
    {
        methods(inner, found);
    }
}

/// Whatever the contract does not take is refused: the other direction of strictness.
#[test]
fn what_the_contract_does_not_have_is_refused() {
    let Some(contract) = contract() else { return };
    let mut world = World::new(|_| {});
    for (id, method, path, operation) in operations(&contract) {
        let keys = if path.ends_with("/groups") || path.ends_with("/users") {
            ""
        } else {
            "g1 u0"
        };
        let body = operation
            .get("requestBody")
            .map(|_| json!({"email": "x@example.com", "inventedField": 1}));
        let target = target(&path, keys);
        if body.is_some() {
            let answer = world.call(&method, &target, body.as_ref());
            assert_eq!(answer.status, 400, "{id}: {}", answer.text);
        }
        let answer = world.call(&method, &format!("{target}?inventedParameter=1"), None);
        assert_eq!(answer.status, 400, "{id}: {}", answer.text);
    }
    for (method, target) in [
        ("PUT", "groups"),
        ("PATCH", "groups/g1/members"),
        ("GET", "groups/g1/owners"),
        ("DELETE", "groups/g1/members"),
    ] {
        assert_eq!(world.call(method, target, None).status, 404, "{method} {target}");
    }
}
