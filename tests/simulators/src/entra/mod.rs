//! Entra ID, simulated: the login endpoint and the part of Microsoft Graph v1.0 that deals with groups,
//! their members and users.
//!
//! What may not enter: leniency. What Graph refuses is refused here, with the status, code and message
//! that Graph is known to give, since clients are judged by how they take refusals.

mod assertion;
mod batch;
mod delta;
mod federated;
mod filter;
mod format;
mod group_reads;
mod group_writes;
mod links;
mod login;
mod objects;
mod query;
mod reply;
mod routes;
mod state;
#[cfg(test)]
mod tests;
mod throttle;
mod token;
mod views;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};

pub use format::{Application, FederatedCredential, Group, Lag, Member, ObjectType, Tenant, Throttle, User};
pub(crate) use reply::moment;

use crate::faults::{Fault, Faults};
use crate::{Context, Vendor, VendorSimulator};
use reply::{Answer, Refusal, Reply};
use state::State;
use token::Caller;

/// One tenant, with the login endpoint and Graph before it.
#[derive(Debug)]
pub struct EntraSimulator {
    state: State,
    windows: throttle::Windows,
    /// The latest time seen: an administrator's clicks happen then.
    now_ms: u64,
    /// Served without TLS: links in answers begin with `http`. The vendor never is.
    pub plain_http: bool,
}

/// One request to Graph, or one part of a batch, taken apart.
struct Call<'a> {
    method: &'a Method,
    /// The path as sent, with `/v1.0`.
    path: &'a str,
    /// The path's segments behind `/v1.0`, decoded.
    segments: Vec<String>,
    raw_query: &'a str,
    headers: &'a HeaderMap,
    body: &'a Bytes,
    /// Scheme, host and port that were asked, for links.
    origin: &'a str,
    now_ms: u64,
    caller: Caller,
    /// A fault that a list carries out.
    fault: Option<&'a Fault>,
}

impl Call<'_> {
    /// Whether the request asks for the index that advanced queries are answered from.
    fn is_eventual(&self) -> bool {
        self.headers
            .get("consistencylevel")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.eq_ignore_ascii_case("eventual"))
    }

    /// The body as a JSON object, refused as Graph refuses what is none.
    fn json_body(&self) -> Result<serde_json::Map<String, Value>, Refusal> {
        let kind = self
            .headers
            .get(http::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/json") {
            return Err(Refusal::new(
                400,
                "BadRequest",
                "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
            ));
        }
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(map)) => Ok(map),
            Ok(_) => Err(Refusal::new(
                400,
                "BadRequest",
                "Unable to read JSON request payload. The payload must be a JSON object.",
            )),
            Err(_) if self.body.is_empty() => Err(Refusal::new(
                400,
                "BadRequest",
                "Empty Payload. JSON content expected.",
            )),
            Err(_) => Err(Refusal::new(
                400,
                "BadRequest",
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )),
        }
    }
}

impl VendorSimulator for EntraSimulator {
    fn vendor(&self) -> Vendor {
        Vendor::Entra
    }

    fn handle(&mut self, request: &Request<Bytes>, context: &mut Context<'_>) -> Response<Bytes> {
        context.now_ms = context.faults.clock(Vendor::Entra, context.now_ms);
        self.now_ms = self.now_ms.max(context.now_ms);
        let uri = request.uri();
        let origin = self.origin_of(request);
        let query = uri.query().unwrap_or_default().to_owned();
        let fault = context
            .faults
            .strike(Vendor::Entra, request.method(), uri.path(), &query);
        let faults = &mut *context.faults;
        let is_read = request.method() == Method::GET;
        Faults::around(fault, context.now_ms, is_read, |list_fault| {
            if list_fault == Some(&Fault::RevokeTokens) {
                self.revoke_tokens();
            }
            if let Some(reply) = login::answer(&mut self.state, request, &origin, self.now_ms) {
                return reply.into_response();
            }
            if uri.path() == "/v1.0/$batch" {
                return self.batch(request, &origin, faults, list_fault);
            }
            self.graph(
                request.method(),
                uri.path(),
                &query,
                request.headers(),
                request.body(),
                &origin,
                list_fault,
            )
            .into_response()
        })
    }

    fn state(&self) -> Value {
        json!({
            "tenant": self.state.tenant(),
            "deleted_groups": self.state.deleted.values().map(|(group, _)| state::published(group)).collect::<Vec<_>>(),
            "user_mutation_attempts": self.state.user_mutation_attempts,
            "tokens_issued": self.state.tokens_issued,
        })
    }
}

impl EntraSimulator {
    /// A simulator that holds this tenant.
    pub fn new(tenant: Tenant) -> Self {
        Self {
            state: State::new(tenant),
            windows: throttle::Windows::default(),
            now_ms: 0,
            plain_http: false,
        }
    }

    /// Where the request went, as links in answers begin.
    fn origin_of(&self, request: &Request<Bytes>) -> String {
        let host = request
            .headers()
            .get(http::header::HOST)
            .and_then(|value| value.to_str().ok())
            .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
            .unwrap_or("graph.microsoft.com");
        let scheme = if self.plain_http { "http" } else { "https" };
        format!("{scheme}://{host}")
    }

    /// The current state in the published format.
    pub fn tenant(&self) -> Tenant {
        self.state.tenant()
    }

    /// How many requests would have created, changed or deleted a user, whether or not they were let.
    pub fn user_mutation_attempts(&self) -> u64 {
        self.state.user_mutation_attempts
    }

    /// An administrator adds a member. False where the group is not there or holds it already.
    pub fn add_member(&mut self, group_id: &str, member_id: &str, kind: ObjectType) -> bool {
        let there = self
            .state
            .groups
            .get(group_id)
            .is_none_or(|group| group.members.truth().contains_key(member_id));
        !there
            && self
                .state
                .add_members(group_id, &[(member_id.to_owned(), kind)], self.now_ms)
    }

    /// An administrator removes a member. False where it is not there.
    pub fn remove_member(&mut self, group_id: &str, member_id: &str) -> bool {
        self.state.remove_member(group_id, member_id, self.now_ms)
    }

    /// An administrator adds an owner. False where the group is not there or has it already.
    pub fn add_owner(&mut self, group_id: &str, user_id: &str) -> bool {
        self.state.add_owner(group_id, user_id, self.now_ms)
    }

    /// An administrator removes an owner. False where it is not there.
    pub fn remove_owner(&mut self, group_id: &str, user_id: &str) -> bool {
        self.state.remove_owner(group_id, user_id, self.now_ms)
    }

    /// An administrator creates a group of any type; it is seen at once.
    pub fn create_group(&mut self, group: Group) {
        self.state.insert_group(group, self.now_ms, None);
    }

    /// An administrator renames a group. False where it is not there.
    pub fn rename_group(&mut self, group_id: &str, display_name: &str) -> bool {
        self.change_group(group_id, |group| group.display_name = display_name.to_owned())
    }

    /// An administrator changes any of a group's properties. False where it is not there. Members and
    /// owners are not changed this way.
    pub fn change_group(&mut self, group_id: &str, change: impl FnOnce(&mut Group)) -> bool {
        self.state.change_group(group_id, self.now_ms, change)
    }

    /// The IDs of all groups whose members nobody can change over the API, or that receive mail.
    pub fn guarded_groups(&self) -> std::collections::BTreeSet<String> {
        let groups = self.state.groups.iter();
        groups
            .filter(|(_, group)| group.properties.mail_enabled || !group.properties.group_types.is_empty())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// An administrator deletes a group; it can be restored. False where it is not there.
    pub fn delete_group(&mut self, group_id: &str) -> bool {
        self.state.delete_group(group_id, self.now_ms)
    }

    /// An administrator creates a user; it is seen at once.
    pub fn create_user(&mut self, user: User) {
        self.state.insert_user(user, None);
    }

    /// An administrator deletes a user, who is in no group any more. False where it is not there.
    pub fn delete_user(&mut self, user_id: &str) -> bool {
        self.state.delete_user(user_id, self.now_ms)
    }

    /// The access tokens that were given out and not revoked: for tests that look for them where none may be.
    pub fn access_tokens(&self) -> Vec<String> {
        self.state.tokens.keys().cloned().collect()
    }

    /// All access tokens stop working at once.
    pub fn revoke_tokens(&mut self) {
        self.state.tokens.clear();
    }

    /// An administrator withdraws one permission of an application. False where it had none such.
    pub fn withdraw_permission(&mut self, client_id: &str, permission: &str) -> bool {
        let Some(application) = self
            .state
            .applications
            .iter_mut()
            .find(|application| application.client_id == client_id)
        else {
            return false;
        };
        let before = application.permissions.len();
        application.permissions.retain(|held| held != permission);
        application.permissions.len() < before
    }

    /// Replaces an application's client secret: the old one is refused from now on, tokens that it bought are not.
    pub fn set_client_secret(&mut self, client_id: &str, secret: &str) -> bool {
        let application = self
            .state
            .applications
            .iter_mut()
            .find(|application| application.client_id == client_id);
        let is_known = application.is_some();
        if let Some(application) = application {
            application.client_secret = Some(secret.to_owned());
        }
        is_known
    }

    /// Sets how far reads lag behind writes from now on.
    pub fn set_lag(&mut self, lag: Lag) {
        self.state.lag = lag;
    }

    /// Sets when requests are throttled from now on.
    pub fn set_throttle(&mut self, throttle: Throttle) {
        self.state.throttle = throttle;
    }

    /// Answers one request to Graph, or one part of a batch.
    #[allow(
        clippy::too_many_arguments,
        reason = "a request, taken apart so that a batch's parts fit too"
    )]
    fn graph(
        &mut self,
        method: &Method,
        path: &str,
        raw_query: &str,
        headers: &HeaderMap,
        body: &Bytes,
        origin: &str,
        fault: Option<&Fault>,
    ) -> Reply {
        let units = throttle::units(method, path, raw_query);
        let answer = self.judge(method, path, raw_query, headers, body, origin, fault, units);
        let request_id = self.state.new_id("request");
        let client_request_id = headers
            .get("client-request-id")
            .and_then(|value| value.to_str().ok())
            .unwrap_or(&request_id)
            .to_owned();
        answer
            .unwrap_or_else(|refusal| refusal.into_reply(self.now_ms, &request_id, &client_request_id))
            .with("request-id", request_id)
            .with("client-request-id", client_request_id)
            .with("x-ms-resource-unit", units.to_string())
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "a request, taken apart so that a batch's parts fit too"
    )]
    fn judge(
        &mut self,
        method: &Method,
        path: &str,
        raw_query: &str,
        headers: &HeaderMap,
        body: &Bytes,
        origin: &str,
        fault: Option<&Fault>,
        units: u64,
    ) -> Answer {
        let Some(rest) = path.strip_prefix("/v1.0/") else {
            let version = path.split('/').nth(1).unwrap_or_default();
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Invalid version: {version}."),
            ));
        };
        let segments = rest
            .trim_end_matches('/')
            .split('/')
            .map(|segment| {
                percent_encoding::percent_decode_str(segment)
                    .decode_utf8()
                    .map(|text| text.to_string())
                    .map_err(|_| Refusal::segment(segment))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let caller = token::bearer(&self.state, headers, self.now_ms)?;
        self.windows.count(
            &self.state.throttle,
            &caller.client_id,
            method,
            units,
            self.now_ms,
        )?;
        let call = Call {
            method,
            path,
            segments,
            raw_query,
            headers,
            body,
            origin,
            now_ms: self.now_ms,
            caller,
            fault,
        };
        routes::serve(&mut self.state, &call)
    }

    fn refuse(&mut self, refusal: Refusal, client_request_id: &str) -> Reply {
        let request_id = self.state.new_id("request");
        let echoed = if client_request_id.is_empty() {
            &request_id
        } else {
            client_request_id
        };
        refusal
            .into_reply(self.now_ms, &request_id, echoed)
            .with("request-id", request_id.clone())
            .with("client-request-id", echoed.to_owned())
    }
}
