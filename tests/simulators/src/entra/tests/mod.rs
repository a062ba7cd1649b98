//! How the simulator behaves, request by request. Here: a tenant and a client for it.

mod batches_and_feeds;
mod groups;
mod login;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_760_000_000_000;

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

impl Desk {
    fn login_again(&mut self) {
        let seen = self.login("example.com", "client_id=app&client_secret=right");
        self.token = seen.body["access_token"].as_str().unwrap().to_owned();
    }
}
