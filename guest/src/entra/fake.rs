//! A Graph in memory for this room's tests: it takes batches apart, honours `dependsOn`, and hands each part
//! to a closure. Its answers come in reverse order, so that only IDs can match them to requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::environment::{Environment, TransportError};
use crate::http::testing::{Scripted, TestWorld, json as answer};

/// The base URL of the fake.
pub const BASE: &str = "https://graph.test";

/// One request, in a batch or by itself.
#[derive(Debug, Clone)]
pub struct Part {
    pub method: String,
    /// Path and query below `/v1.0`, percent-decoded.
    pub url: String,
    pub headers: Value,
    pub body: Value,
}

impl Part {
    pub fn line(&self) -> String {
        let path = self.url.split('?').next().unwrap_or_default();
        let members: Vec<String> = self.members();
        let members = if members.is_empty() {
            String::new()
        } else {
            format!(" +{}", members.join(","))
        };
        format!("{} {path}{members}", self.method)
    }

    /// IDs of the members that an addition binds.
    pub fn members(&self) -> Vec<String> {
        self.body["members@odata.bind"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|url| {
                let url = url.as_str().unwrap();
                url.strip_prefix(&format!("{BASE}/v1.0/directoryObjects/"))
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }
}

/// What is said to a part.
#[derive(Debug, Clone)]
pub struct Said {
    pub status: u16,
    pub headers: Value,
    pub body: Value,
}

pub fn say(status: u16, body: Value) -> Said {
    Said {
        status,
        headers: json!({"request-id": format!("request-{status}")}),
        body,
    }
}

pub fn error(status: u16, code: &str, message: &str) -> Said {
    say(status, json!({"error": {"code": code, "message": message}}))
}

pub fn missing() -> Said {
    error(
        404,
        "Request_ResourceNotFound",
        "Resource does not exist or one of its queried reference-property objects are not present.",
    )
}

pub fn already() -> Said {
    error(
        400,
        "Request_BadRequest",
        "One or more added object references already exist for the following modified properties: 'members'.",
    )
}

pub fn page(items: &[Value]) -> Said {
    say(200, json!({"value": items}))
}

fn decoded(url: &str) -> String {
    percent_encoding::percent_decode_str(url)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

/// A world whose vendor is Graph; `log` gets every part.
pub fn world<'a>(
    log: &Rc<RefCell<Vec<Part>>>,
    mut handle: impl FnMut(&Part) -> Option<Said> + 'a,
) -> TestWorld<'a> {
    let log = Rc::clone(log);
    TestWorld::new(move |request| -> Scripted {
        let url = request.uri().to_string();
        let url = url.strip_prefix(&format!("{BASE}/v1.0")).unwrap().to_owned();
        if url != "/$batch" {
            let part = Part {
                method: request.method().to_string(),
                url: decoded(&url),
                headers: Value::Null,
                body: Value::Null,
            };
            log.borrow_mut().push(part.clone());
            return match handle(&part) {
                Some(said) => answer(said.status, &said.body),
                None => Err(TransportError::AnswerLost("reset".into())),
            };
        }
        let batch: Value = serde_json::from_slice(request.body()).unwrap();
        let requests = batch["requests"].as_array().unwrap();
        assert!((1..=20).contains(&requests.len()), "{} parts", requests.len());
        let mut status: BTreeMap<String, u16> = BTreeMap::new();
        let mut responses = Vec::new();
        let mut lost = false;
        for request in requests {
            let id = request["id"].as_str().unwrap().to_owned();
            assert!(!status.contains_key(&id), "an ID came twice");
            let waits = request["dependsOn"].as_array();
            let failed = waits
                .into_iter()
                .flatten()
                .any(|id| status[id.as_str().unwrap()] >= 300);
            let said = if failed {
                error(424, "", "Failed Dependency")
            } else {
                let part = Part {
                    method: request["method"].as_str().unwrap().to_owned(),
                    url: decoded(request["url"].as_str().unwrap()),
                    headers: request["headers"].clone(),
                    body: request["body"].clone(),
                };
                log.borrow_mut().push(part.clone());
                match handle(&part) {
                    Some(said) => said,
                    None => {
                        lost = true;
                        say(200, Value::Null)
                    }
                }
            };
            status.insert(id.clone(), said.status);
            responses
                .push(json!({"id": id, "status": said.status, "headers": said.headers, "body": said.body}));
        }
        if lost {
            return Err(TransportError::AnswerLost("reset".into()));
        }
        responses.reverse();
        answer(200, &json!({"responses": responses}))
    })
}

/// A tenant that remembers.
#[derive(Debug, Default)]
pub struct Tenant {
    /// Object ID -> `uniqueName`, members.
    pub groups: BTreeMap<String, (String, Vec<String>)>,
    /// People who can be added.
    pub people: Vec<String>,
    /// Reads of a member list that still show what was before.
    pub stale_lists: u32,
    /// Requests on a group, by ID, that are answered with 404 before it shows.
    pub hidden: BTreeMap<String, u32>,
}

impl Tenant {
    pub fn with(group: &str, members: &[&str], people: &[&str]) -> Self {
        let owned = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        Self {
            groups: BTreeMap::from([(group.to_owned(), (String::new(), owned(members)))]),
            people: owned(people),
            ..Self::default()
        }
    }

    /// Answers a part as Graph does.
    pub fn handle(&mut self, part: &Part) -> Said {
        let path = part.url.split('?').next().unwrap_or_default().to_owned();
        if let Some(key) = path
            .strip_prefix("/groups(uniqueName='")
            .and_then(|rest| rest.strip_suffix("')"))
        {
            return self.by_key(part, key);
        }
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let id = segments.get(1).copied().unwrap_or_default();
        if let Some(left) = self.hidden.get_mut(id)
            && *left > 0
        {
            *left -= 1;
            return missing();
        }
        let people = self.people.clone();
        let Some((_, members)) = self.groups.get_mut(id) else {
            return missing();
        };
        match (part.method.as_str(), segments.as_slice()) {
            ("GET", ["groups", _]) => say(200, json!({"id": id, "displayName": "x"})),
            ("GET", ["groups", _, "members"]) => {
                if self.stale_lists > 0 {
                    self.stale_lists -= 1;
                    return page(&[]);
                }
                let items: Vec<Value> = members
                    .iter()
                    .map(|id| json!({"@odata.type": "#microsoft.graph.user", "id": id}))
                    .collect();
                page(&items)
            }
            ("PATCH", ["groups", _]) => {
                let added = part.members();
                if added.iter().any(|id| members.contains(id)) {
                    return already();
                }
                if added.iter().any(|id| !people.contains(id)) {
                    return missing();
                }
                members.extend(added);
                say(204, Value::Null)
            }
            ("DELETE", ["groups", _, "members", member, "$ref"]) => {
                let before = members.len();
                members.retain(|id| id != member);
                if members.len() == before {
                    missing()
                } else {
                    say(204, Value::Null)
                }
            }
            _ => panic!("unexpected {}", part.line()),
        }
    }

    fn by_key(&mut self, part: &Part, key: &str) -> Said {
        let found = self
            .groups
            .iter()
            .find(|(_, (own, _))| own == key)
            .map(|(id, _)| id.clone());
        match (part.method.as_str(), found) {
            ("GET", Some(id)) => say(200, json!({"id": id, "displayName": "x", "uniqueName": key})),
            ("GET", None) => missing(),
            ("PATCH", Some(_)) => say(204, Value::Null),
            ("PATCH", None) => {
                assert_eq!(part.headers["Prefer"], "create-if-missing");
                let id = format!("new-{}", self.groups.len());
                self.groups.insert(id.clone(), (key.to_owned(), Vec::new()));
                say(
                    201,
                    json!({"id": id, "displayName": part.body["displayName"], "uniqueName": key}),
                )
            }
            _ => panic!("unexpected {}", part.line()),
        }
    }
}

/// The environment of a world, for constructors.
pub fn environment<'a>(world: &'a TestWorld<'_>) -> Environment<'a> {
    world.environment()
}
