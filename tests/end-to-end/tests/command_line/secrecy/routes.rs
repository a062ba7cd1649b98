//! Every route of the API, as its own document lists them: a route that is new is asked without anybody remembering it, and
//! one that cannot be asked fails the test.

use serde_json::{Value, json};

use super::client::Client;

const BASE: &str = "/api/v1";
/// So many things of one kind are looked at; each more is like them.
const MOST: usize = 4;

/// The document that the host serves.
pub struct Routes<'a> {
    pub client: &'a Client,
    document: Value,
}

impl<'a> Routes<'a> {
    pub fn of(client: &'a Client) -> Self {
        let document = client.get(&format!("{BASE}/openapi.json")).is(200).json();
        Self { client, document }
    }

    /// The operations of a method: path, and what the document says.
    fn operations(&self, method: &str) -> Vec<(&str, &Value)> {
        let paths = self.document["paths"].as_object().unwrap();
        let found: Vec<_> = paths
            .iter()
            .filter_map(|(path, at)| Some((path.as_str(), at.get(method)?)))
            .collect();
        assert!(!found.is_empty(), "{method}");
        found
    }

    /// Asks each route that reads, of everything that there is and in each of its forms.
    pub fn read_all(&self) {
        for (route, operation) in self.operations("get") {
            let streams = operation["responses"]["200"]["content"]
                .get("text/event-stream")
                .is_some();
            let mut answered = 0;
            for path in self.filled(route) {
                for query in self.queries(operation, &path) {
                    let path = format!("{BASE}{path}{query}");
                    // Streams of what is over end by themselves; the others end with the host.
                    if streams {
                        let listening = self.client.listen(&path);
                        if route.contains("{job}") {
                            listening.join().unwrap();
                        }
                        answered += 1;
                    } else {
                        let answer = self.client.get(&path);
                        assert!(answer.status < 500, "{path}: {answer:?}");
                        answered += usize::from(answer.status == 200);
                    }
                }
            }
            assert!(answered > 0, "nothing answers at {route}");
        }
    }

    /// Every path that a route has here.
    fn filled(&self, route: &str) -> Vec<String> {
        let mut paths = vec![String::new()];
        for piece in route.split('/').skip(1) {
            let parameter = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
            paths = paths
                .into_iter()
                .flat_map(|before| match parameter {
                    None => vec![format!("{before}/{piece}")],
                    Some(parameter) => self
                        .values(parameter, &before)
                        .into_iter()
                        .map(|value| format!("{before}/{value}"))
                        .collect(),
                })
                .collect();
        }
        assert!(!paths.is_empty(), "nothing is there to fill {route} with");
        paths
    }

    /// What a parameter of a path can be, after what stands before it. Whoever adds one says here where it is listed.
    fn values(&self, parameter: &str, before: &str) -> Vec<String> {
        match parameter {
            "tenant" | "directory" | "secret" => self.listed(before, "name"),
            "group" if before.ends_with("/bindings") => self.listed(before, "group"),
            "group" | "run" | "token" => self.listed(before, "id"),
            "plan" => self.listed(before, "hash"),
            "digest" => self.listed(before, "digest"),
            "job" => self
                .filled("/tenants/{tenant}/directories/{directory}/jobs")
                .iter()
                .flat_map(|list| self.listed(list, "id"))
                .collect(),
            other => panic!("where is {{{other}}} listed, that comes after {before}?"),
        }
    }

    fn listed(&self, list: &str, field: &str) -> Vec<String> {
        let answer = self.client.get(&format!("{BASE}{list}"));
        let answer = answer.is(200).json();
        let items = answer["items"].as_array().unwrap();
        items
            .iter()
            .take(MOST)
            .map(|item| {
                item[field]
                    .as_str()
                    .unwrap_or_else(|| panic!("{list}: {item}"))
                    .to_owned()
            })
            .collect()
    }

    /// The queries of a route: what it needs, and each of its forms.
    fn queries(&self, operation: &Value, path: &str) -> Vec<String> {
        let mut needed = Vec::new();
        let mut forms = vec![None];
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] != "query" {
                continue;
            }
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            if parameter["required"] == true {
                let value = match (name, path.rsplit('/').next()) {
                    ("group", Some("why")) => "Sales",
                    other => panic!("what is {other:?} to be, of {path}?"),
                };
                needed.push(format!("{name}={value}"));
            }
            for value in schema["enum"].as_array().into_iter().flatten() {
                forms.push(Some(format!("{name}={}", value.as_str().unwrap())));
            }
            if schema["type"] == "boolean" {
                forms.push(Some(format!("{name}=true")));
            }
            if name == "person" {
                forms.push(Some(format!("{name}=user-000000@example.com")));
            }
        }
        forms
            .into_iter()
            .map(
                |form| match needed.iter().cloned().chain(form).collect::<Vec<_>>().join("&") {
                    none if none.is_empty() => none,
                    query => format!("?{query}"),
                },
            )
            .collect()
    }

    /// Sends a secret to each route that changes something, in every shape that it does not take.
    pub fn provoke(&self, secret: &str) {
        for method in ["post", "put", "patch"] {
            for (route, operation) in self.operations(method) {
                let path = format!("{BASE}{}", self.filled(route).remove(0));
                let capitals = method.to_uppercase();
                let content = operation["requestBody"]["content"].as_object();
                if content.is_none_or(|content| content.keys().all(|kind| !kind.contains("json"))) {
                    continue;
                }
                let kind = if method == "patch" {
                    "application/merge-patch+json"
                } else {
                    "application/json"
                };
                let schema = self.resolved(&content.unwrap().values().next().unwrap()["schema"]);
                for body in wrong(secret, &self.fields(&schema)) {
                    let answer = self.client.ask(&capitals, &path, kind, &body);
                    assert!(
                        (400..500).contains(&answer.status),
                        "{capitals} {path} {body}: {answer:?}"
                    );
                }
                self.client.ask(&capitals, &path, "text/plain", secret);
            }
        }
    }

    fn resolved(&self, schema: &Value) -> Value {
        match schema["$ref"].as_str() {
            Some(reference) => self
                .document
                .pointer(reference.trim_start_matches('#'))
                .unwrap()
                .clone(),
            None => schema.clone(),
        }
    }

    /// The names of a schema's fields, and the type of each.
    fn fields(&self, schema: &Value) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for one in std::iter::once(schema).chain(schema["oneOf"].as_array().into_iter().flatten()) {
            let properties = one["properties"].as_object();
            names.extend(
                properties
                    .into_iter()
                    .flat_map(|properties| properties.keys().cloned()),
            );
        }
        names
    }
}

/// Bodies that nothing takes.
fn wrong(secret: &str, fields: &[String]) -> Vec<String> {
    let quoted = Value::from(secret).to_string();
    let mut bodies = vec![
        quoted.clone(),
        format!("[{quoted}]"),
        format!("{{\"value\": {quoted}"),
        format!("{{\"value\": {quoted}, \"value\": {quoted}}}"),
        format!("{{\"value\": {quoted}}} {quoted}"),
    ];
    for field in fields {
        bodies.push(json!({ field: { "of nothing": secret } }).to_string());
        bodies.push(json!({ field: [[secret]] }).to_string());
        bodies.push(json!({ field: 1, "of nothing": secret }).to_string());
        bodies.push(json!({ field: secret, "of nothing": secret }).to_string());
    }
    bodies
}
