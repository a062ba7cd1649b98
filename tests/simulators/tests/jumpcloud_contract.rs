//! The simulated JumpCloud against the vendor's published Swagger documents, in both directions: what it
//! serves is in the contract and looks as the contract says, and every parameter of the contract is
//! accepted while an invented one is refused.
//!
//! The documents are not part of the project: their folder is in `GROUPCAST_CONTRACTS`, or
//! `../shared/contracts` beside the workspace. Where there is none, the tests say that they are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use groupcast_simulators::contract::{resolve, violations};
use groupcast_simulators::faults::Faults;
use groupcast_simulators::jumpcloud::{Endpoint, JumpcloudSimulator, endpoints};
use groupcast_simulators::{Context, VendorSimulator};
use http::Request;
use serde_json::{Value, json};

const NOW: u64 = 1_795_378_440_000;
const USER: &str = "000000000000000000000001";
const GROUP: &str = "00000000000000000000a001";
const GOOGLE: &str = "00000000000000000000d001";
const OFFICE: &str = "00000000000000000000d002";

/// What the contract has and the simulator leaves out, on purpose: groups of other kinds, and writes
/// that no test tool needs (a sync never writes to JumpCloud, R8).
const NOT_SERVED: &[&str] = &[
    "DELETE /api/systemusers/{id}",
    "DELETE /api/v2/usergroups/{id}",
    "GET /api/organizations/{id}",
    "GET /api/v2/groups",
    "PATCH /api/v2/gsuites/{id}",
    "PATCH /api/v2/office365s/{id}",
    "POST /api/systemusers",
    "POST /api/v2/gsuites/{id}/associations",
    "POST /api/v2/office365s/{id}/associations",
    "POST /api/v2/usergroups",
    "POST /api/v2/usergroups/{id}/associations",
    "POST /api/v2/users/{id}/associations",
    "PUT /api/organizations/{id}",
    "PUT /api/systemusers/{id}",
    "PUT /api/v2/usergroups/{id}",
];

/// One operation of a contract.
struct Operation {
    document: usize,
    name: String,
    description: Value,
}

struct Contract {
    documents: Vec<Value>,
    operations: Vec<Operation>,
}

impl Contract {
    fn load() -> Option<Self> {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/contracts");
        let folder = std::env::var_os("GROUPCAST_CONTRACTS").map_or_else(beside, PathBuf::from);
        let folder = folder.join("jumpcloud");
        if !folder.is_dir() {
            eprintln!(
                "SKIPPED: no contracts in {}; set GROUPCAST_CONTRACTS to their folder",
                folder.display()
            );
            return None;
        }
        let mut contract = Self {
            documents: Vec::new(),
            operations: Vec::new(),
        };
        for name in ["v1-slice", "v2-slice", "directory-insights-slice"] {
            let text = std::fs::read(folder.join(format!("{name}.swagger.json"))).unwrap();
            contract.add(serde_json::from_slice(&text).unwrap());
        }
        Some(contract)
    }

    fn add(&mut self, document: Value) {
        let base = document["basePath"]
            .as_str()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, description) in methods.as_object().unwrap() {
                if method != "parameters" {
                    self.operations.push(Operation {
                        document: self.documents.len(),
                        name: format!("{} {base}{}", method.to_uppercase(), anonymous(path)),
                        description: description.clone(),
                    });
                }
            }
        }
        self.documents.push(document);
    }

    fn operation(&self, endpoint: &Endpoint) -> Option<&Operation> {
        let name = format!("{} {}", endpoint.method, endpoint.template);
        self.operations.iter().find(|operation| operation.name == name)
    }

    fn parameters(&self, operation: &Operation) -> Vec<Value> {
        let list = operation.description["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let resolved = list
            .into_iter()
            .map(|parameter| match parameter["$ref"].as_str() {
                Some(reference) => resolve(&self.documents[operation.document], reference)
                    .unwrap()
                    .clone(),
                None => parameter,
            });
        resolved.collect()
    }

    /// The answer to a status: none where the contract has no such status.
    fn answer(&self, operation: &Operation, status: u16) -> Option<Value> {
        let found = operation.description["responses"].get(status.to_string())?;
        match found["$ref"].as_str() {
            Some(reference) => resolve(&self.documents[operation.document], reference).cloned(),
            None => Some(found.clone()),
        }
    }
}

/// A path whose parameters are all called `{id}`.
fn anonymous(path: &str) -> String {
    let segments = path
        .split('/')
        .map(|segment| if segment.starts_with('{') { "{id}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// The document with every object closed, so that a property which the vendor does not publish is found.
fn closed(mut document: Value) -> Value {
    // Live answers carry `id` beside the published `_id`.
    for name in ["systemuserreturn", "systemuserSearchReturn"] {
        if let Some(user) = document.pointer_mut(&format!("/definitions/{name}/properties")) {
            user["id"] = json!({"type": "string"});
        }
    }
    fn close(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.values_mut().for_each(close);
                if object.get("properties").is_some_and(Value::is_object) {
                    object.entry("additionalProperties").or_insert(json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut document);
    document
}

fn simulator() -> JumpcloudSimulator {
    let organisation = json!({
        "api_key": "key-1",
        "organisation_id": "00000000000000000000f001",
        "directories": [
            {"id": GOOGLE, "name": "Google", "type": "g_suite", "default_domain": "example.com",
             "groups_enabled": true},
            {"id": OFFICE, "name": "Office", "type": "office_365", "default_domain": "example.com"}
        ],
        "users": [
            {"id": USER, "username": "alice", "email": "alice@example.com", "department": "IT",
             "external_ids": {OFFICE: "entra-1"}, "directories": [GOOGLE, OFFICE]},
            {"id": "000000000000000000000002", "username": "bob", "suspended": true}
        ],
        "groups": [
            {"id": GROUP, "name": "Sales", "email": "sales@example.com", "description": "All of sales",
             "users": [USER, "000000000000000000000002"], "groups": ["00000000000000000000a002"],
             "directories": [GOOGLE, OFFICE]},
            {"id": "00000000000000000000a002", "name": "North", "groups": [GROUP]}
        ]
    });
    let mut simulator = JumpcloudSimulator::new(serde_json::from_value(organisation).unwrap());
    simulator.advance_to(NOW);
    simulator
        .set_group_description(GROUP, Some("Sales, all of it"))
        .unwrap();
    simulator
}

fn send(endpoint: &Endpoint, query: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
    let id = match endpoint.template {
        template if template.contains("/gsuites/{id}") => GOOGLE,
        template if template.contains("/office365s/{id}") => OFFICE,
        template if template.contains("/usergroups/{id}") => GROUP,
        _ => USER,
    };
    let uri = format!("{}?{query}", endpoint.template.replace("{id}", id));
    let mut request = Request::builder().method(endpoint.method).uri(uri);
    request = request.header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let request = request.body(Bytes::from(body.to_string())).unwrap();
    let faults = &mut Faults::none();
    let response = simulator().handle(&request, &mut Context { now_ms: NOW, faults });
    let body = match response.body() {
        empty if empty.is_empty() => Value::Null,
        body => serde_json::from_slice(body).unwrap(),
    };
    (response.status().as_u16(), body)
}

/// A body that the endpoint takes; null where it takes none.
fn sample_body(template: &str) -> Value {
    match template {
        "/api/search/systemusers" => {
            json!({"filter": {"and": [{"username": "alice"}]}, "limit": 5, "skip": 0,
            "fields": "username email", "searchFilter": {"searchTerm": "ali", "fields": ["username"]}})
        }
        "/api/v2/usergroups/{id}/members" => json!({"op": "remove", "type": "user", "id": USER}),
        template if template.starts_with("/insights/") => json!({"service": ["directory"], "limit": 5,
            "start_time": "2026-11-01T00:00:00Z", "end_time": "2026-12-01T00:00:00Z", "sort": "ASC",
            "search_term": {"and": {"event_type": "group_update"}}}),
        _ => Value::Null,
    }
}

/// A value that a parameter of the contract takes on this endpoint.
fn sample_value(template: &str, parameter: &Value) -> String {
    let version2 = template.starts_with("/api/v2/");
    let name = parameter["name"].as_str().unwrap();
    let value = match name {
        "limit" => "5",
        "skip" => "0",
        "sort" | "sortIgnoreCase" if !version2 => "-_id",
        "sort" => "-id",
        "fields" if template == "/api/organizations" => "_id displayName",
        "fields" if version2 => "id,name",
        "fields" => "_id email",
        "filter" if template == "/api/v2/usergroups" => "name:eq:Sales",
        "filter" if version2 => "type:ne:nothing",
        "filter" => "username:$eq:alice",
        "search" => r#"{"searchTerm":"ali","fields":["username"]}"#,
        "syncStatus" => "true",
        "targets" => parameter["enum"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .as_str()
            .unwrap(),
        other => panic!("{template} has a parameter that this test does not know: {other}"),
    };
    form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish()
}

fn in_query(parameter: &&Value) -> bool {
    parameter["in"] == "query"
}

fn required_query(endpoint: &Endpoint, parameters: &[Value], except: &str) -> Vec<String> {
    let needed = parameters.iter().filter(in_query);
    let needed = needed.filter(|parameter| parameter["required"] == true && parameter["name"] != except);
    needed
        .map(|parameter| sample_value(endpoint.template, parameter))
        .collect()
}

#[test]
fn what_is_served_is_in_the_contract_and_what_is_left_out_is_known() {
    let Some(contract) = Contract::load() else { return };
    let served: BTreeSet<String> = endpoints()
        .iter()
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.template))
        .filter(|name| name != "POST /oauth2/token") // no contract of it is published
        .collect();
    let published: BTreeSet<String> = contract
        .operations
        .iter()
        .map(|operation| operation.name.clone())
        .collect();
    assert_eq!(
        served.difference(&published).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    let left_out: Vec<&String> = published.difference(&served).collect();
    assert_eq!(left_out, NOT_SERVED);
}

#[test]
fn every_answer_is_as_the_contract_says() {
    let Some(contract) = Contract::load() else { return };
    let documents: Vec<Value> = contract.documents.iter().cloned().map(closed).collect();
    let mut checked = 0;
    for endpoint in endpoints() {
        let Some(operation) = contract.operation(endpoint) else {
            continue;
        };
        let parameters = contract.parameters(operation);
        let body = sample_body(endpoint.template);
        for parameter in parameters.iter().filter(|parameter| parameter["in"] == "body") {
            let found = violations(
                &contract.documents[operation.document],
                &parameter["schema"],
                &body,
            );
            assert_eq!(found, Vec::<String>::new(), "the body of {}", operation.name);
        }
        let mut query = required_query(endpoint, &parameters, "targets");
        for parameter in parameters
            .iter()
            .filter(|parameter| parameter["name"] == "targets")
        {
            let all = parameter["enum"]
                .as_array()
                .unwrap()
                .iter()
                .map(|target| target.as_str().unwrap());
            let target = all
                .into_iter()
                .find(|target| ["g_suite", "user_group"].contains(target))
                .unwrap();
            query.push(format!("targets={target}"));
        }
        let mut queries = vec![query.join("&")];
        if endpoint.parameters.contains(&"syncStatus") {
            queries.push("syncStatus=true".to_owned());
        }
        for query in queries {
            let (status, answer) = send(endpoint, &query, Some("key-1"), &body);
            let name = format!("{} -> {status}", operation.name);
            assert!((200..300).contains(&status), "{name}: {answer}");
            let expected = contract.answer(operation, status).expect(&name);
            if expected["schema"].is_null() {
                assert!(answer.is_null(), "{name}: {answer}");
                continue;
            }
            // The schema is looked up in the closed document, so that it is closed as well.
            let closed_schema = closed(expected["schema"].clone());
            let found = violations(&documents[operation.document], &closed_schema, &answer);
            assert_eq!(found, Vec::<String>::new(), "{name}: {answer}");
            let items = answer.as_array().or_else(|| answer["results"].as_array());
            assert!(
                items.is_none_or(|items| !items.is_empty()),
                "{name}: an empty list proves nothing"
            );
            checked += 1;
        }
    }
    assert!(checked > 25, "only {checked} answers were checked");
}

#[test]
fn refusals_are_as_the_contract_says() {
    let Some(contract) = Contract::load() else { return };
    for endpoint in endpoints() {
        let Some(operation) = contract.operation(endpoint) else {
            continue;
        };
        let body = sample_body(endpoint.template);
        for (expected, query, key) in [
            (401, "", None),
            (401, "", Some("wrong")),
            (400, "invented=1", Some("key-1")),
        ] {
            let (status, answer) = send(endpoint, query, key, &body);
            assert_eq!(status, expected, "{} {query}", operation.name);
            assert!(answer["message"].is_string(), "{}: {answer}", operation.name);
            // Insights publishes no refusals; its simulator uses those of version 2.
            if let Some(described) = contract.answer(operation, status) {
                let document = &contract.documents[operation.document];
                let found = violations(document, &described["schema"], &answer);
                assert_eq!(found, Vec::<String>::new(), "{}: {answer}", operation.name);
            }
        }
    }
}

#[test]
fn every_parameter_of_the_contract_is_accepted_and_no_other() {
    let Some(contract) = Contract::load() else { return };
    for endpoint in endpoints() {
        let Some(operation) = contract.operation(endpoint) else {
            continue;
        };
        let parameters = contract.parameters(operation);
        let name = |parameter: &Value| parameter["name"].as_str().unwrap().to_owned();
        let published: BTreeSet<String> = parameters.iter().filter(in_query).map(name).collect();
        let known: BTreeSet<String> = endpoint
            .parameters
            .iter()
            .map(|&known| known.to_owned())
            .collect();
        assert_eq!(known, published, "{}", operation.name);
        for parameter in parameters.iter().filter(in_query) {
            let mut query = required_query(endpoint, &parameters, parameter["name"].as_str().unwrap());
            query.push(sample_value(endpoint.template, parameter));
            let query = query.join("&");
            let (status, answer) = send(endpoint, &query, Some("key-1"), &sample_body(endpoint.template));
            assert_eq!(status, 200, "{} {query}: {answer}", operation.name);
        }
        for parameter in parameters
            .iter()
            .filter(in_query)
            .filter(|one| one["required"] == true)
        {
            let query = required_query(endpoint, &parameters, parameter["name"].as_str().unwrap()).join("&");
            let (status, _) = send(endpoint, &query, Some("key-1"), &Value::Null);
            assert_eq!(status, 400, "{} without {parameter}", operation.name);
        }
    }
}
