//! Google Workspace: the Directory API's groups, aliases, members and users (read only), the batch
//! endpoint, the token endpoint and the discovery document.
//!
//! [`GoogleSimulator`] is the state machine; this room only leads a request to the room that answers it
//! and puts Google's headers on the answer. What Google publishes about the calls stands in
//! `operations`; what an account holds in `tenant` (the published format) and `directory`.

mod address;
mod admin;
mod batch;
mod directory;
mod discovery;
mod error;
mod federation;
mod fields;
mod groups;
mod inbound;
mod members;
mod operations;
mod paging;
mod quota;
mod reply;
mod search;
pub mod tenant;
mod token;
mod users;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::faults::{Disruption, Fault, Faults};
use crate::{Context, Vendor, VendorSimulator};
use directory::Directory;
use error::ApiError;
use fields::Selection;
use inbound::Inbound;
use operations::{Call, Operation, PREFIX, Query};
pub(crate) use reply::http_date;
pub use tenant::{Batches, Tenant};
pub use token::{GOOGLE_API_AUDIENCE, GOOGLE_TOKEN_URL};

/// One simulated Google Workspace account.
pub struct GoogleSimulator {
    directory: Directory,
    tokens: token::Tokens,
    federated: federation::FederatedTokens,
    meter: quota::Meter,
    counts: Counts,
    /// The `aud` values that the token endpoint takes. Google's own is there from the start; whoever
    /// serves the simulator under another URL adds that URL with `/token`.
    pub token_audiences: Vec<String>,
    /// The `aud` values that a self-signed bearer token may have; Google's own from the start.
    pub api_audiences: Vec<String>,
    /// How long access tokens live, in seconds. Google's live 3599.
    pub access_token_seconds: u64,
    /// Batches answer their parts in another order than they were asked.
    pub shuffle_batches: bool,
    /// The `Content-ID` headers in batch answers are folded onto a second line.
    pub fold_content_ids: bool,
    /// The URL that the discovery document names as the API's root, with a slash at its end. Where
    /// absent it is made from the request's `Host` (plain HTTP for loopback).
    pub root_url: Option<String>,
    /// Whether the Admin SDK API is enabled in the Cloud project of the service accounts.
    pub api_enabled: bool,
}

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    calls: u64,
    batches: u64,
    user_mutation_attempts: u64,
}

/// One call, alone or out of a batch.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl GoogleSimulator {
    /// An account as the organisation file tells it.
    pub fn new(tenant: Tenant) -> Self {
        let batches = tenant.batches;
        Self {
            directory: Directory::new(tenant),
            tokens: token::Tokens::default(),
            federated: federation::FederatedTokens::default(),
            meter: quota::Meter::default(),
            counts: Counts::default(),
            token_audiences: vec![GOOGLE_TOKEN_URL.to_owned()],
            api_audiences: vec![GOOGLE_API_AUDIENCE.to_owned()],
            access_token_seconds: 3599,
            shuffle_batches: batches.shuffled,
            fold_content_ids: batches.folded_content_ids,
            root_url: None,
            api_enabled: true,
        }
    }

    /// The access tokens that were given out and not revoked: for tests that look for them where none may be.
    pub fn access_tokens(&self) -> Vec<String> {
        self.tokens.in_force()
    }

    /// How many calls tried to change a user, in batches or alone. Groupcast must never (R33).
    pub fn user_mutation_attempts(&self) -> u64 {
        self.counts.user_mutation_attempts
    }

    fn serve(
        &mut self,
        request: &Request<Bytes>,
        context: &mut Context<'_>,
        fault: Option<&Fault>,
    ) -> Response<Bytes> {
        self.counts.requests = self.counts.requests.saturating_add(1);
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or("");
        match (request.method(), path) {
            (_, path) if path == "/v1/token" || path.ends_with(":signJwt") => self
                .federated
                .answer(request, self.directory.tenant(), context.now_ms)
                .unwrap_or_else(|| error::no_such_page(path)),
            (&Method::POST, "/token") => self.tokens.exchange(
                request.headers(),
                request.body(),
                &self.token_audiences,
                self.access_token_seconds,
                &self.directory,
                context.now_ms,
            ),
            (&Method::POST, "/batch" | "/batch/admin/directory/v1") => self.batch(request, context, fault),
            (&Method::GET, "/discovery/v1/apis/admin/directory_v1/rest") => self.discovery(request),
            (&Method::GET, "/$discovery/rest")
                if form_urlencoded::parse(query.as_bytes())
                    .any(|(name, value)| name == "version" && value == "directory_v1") =>
            {
                self.discovery(request)
            }
            _ => {
                let quota = self.directory.tenant().quota;
                if let Err(refused) = self.meter.arrive(&quota, context.now_ms) {
                    return refused.response();
                }
                let call = Asked {
                    method: request.method(),
                    path,
                    query,
                    headers: request.headers(),
                    body: request.body(),
                };
                self.call(&call, context.now_ms, fault)
            }
        }
    }

    fn discovery(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let host = request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
            .unwrap_or("admin.googleapis.com");
        let is_loopback = ["127.", "localhost", "[::1]"]
            .iter()
            .any(|begin| host.starts_with(begin));
        let scheme = request
            .uri()
            .scheme_str()
            .unwrap_or(if is_loopback { "http" } else { "https" });
        let root_url = self
            .root_url
            .clone()
            .unwrap_or_else(|| format!("{scheme}://{host}/"));
        reply::json(200, &discovery::document(&root_url), true)
    }

    fn batch(
        &mut self,
        request: &Request<Bytes>,
        context: &mut Context<'_>,
        fault: Option<&Fault>,
    ) -> Response<Bytes> {
        let quota = self.directory.tenant().quota;
        let parts = self
            .meter
            .arrive(&quota, context.now_ms)
            .and_then(|()| batch::read(request.headers(), request.body()));
        let parts = match parts {
            Ok(parts) => parts,
            Err(refused) => return refused.response(),
        };
        self.counts.batches = self.counts.batches.saturating_add(1);
        let mut disruption = None;
        let mut answers = Vec::new();
        for mut part in parts {
            // Parts without credentials of their own act with those of the whole.
            if let Some(outer) = request.headers().get(header::AUTHORIZATION) {
                part.headers
                    .entry(header::AUTHORIZATION)
                    .or_insert_with(|| outer.clone());
            }
            let struck = context
                .faults
                .strike_part(Vendor::Google, &part.method, &part.path, &part.query);
            let now_ms = context.now_ms;
            let is_read = part.method == Method::GET;
            let mut answer = Faults::around(struck, now_ms, is_read, |list_fault| {
                if list_fault == Some(&Fault::RevokeTokens) {
                    self.tokens.revoke_all();
                }
                let call = Asked {
                    method: &part.method,
                    path: &part.path,
                    query: &part.query,
                    headers: &part.headers,
                    body: &part.body,
                };
                self.call(&call, now_ms, list_fault)
            });
            // A part has no connection of its own: what breaks it breaks the whole answer.
            if let Some(part_disruption) = answer.extensions_mut().remove::<Disruption>() {
                disruption.get_or_insert(part_disruption);
            }
            answers.push((part.content_id, answer));
        }
        if (self.shuffle_batches || fault == Some(&Fault::ShuffleParts)) && answers.len() > 1 {
            // From 1 to length - 1, another with each batch: never the order asked.
            let turns = u64::try_from(answers.len() - 1).unwrap_or(1);
            let turn = usize::try_from(self.counts.batches % turns).unwrap_or(0) + 1;
            answers.rotate_left(turn);
        }
        if let Some(Fault::DropItems { count }) = fault {
            answers.truncate(answers.len().saturating_sub(*count));
        }
        if let Some(Fault::RepeatItems { count }) = fault {
            let again = answers.iter().rev().take(*count).cloned().collect::<Vec<_>>();
            answers.extend(again);
        }
        let boundary = format!("batch_simulated-{}", self.counts.batches);
        let mut response = batch::write(
            &answers,
            &boundary,
            self.fold_content_ids || fault == Some(&Fault::FoldParts),
        );
        if let Some(disruption) = disruption {
            response.extensions_mut().insert(disruption);
        }
        response
    }

    /// Answers one call of the Directory API.
    fn call(&mut self, call: &Asked<'_>, now_ms: u64, fault: Option<&Fault>) -> Response<Bytes> {
        self.counts.calls = self.counts.calls.saturating_add(1);
        // Google honours the override, so what looks like one method can be another.
        let overridden = call
            .headers
            .get("x-http-method-override")
            .filter(|_| call.method == Method::POST)
            .and_then(|value| Method::from_bytes(value.as_bytes()).ok());
        let method = overridden.as_ref().unwrap_or(call.method);
        let is_users = call
            .path
            .strip_prefix(PREFIX)
            .is_some_and(|rest| rest == "users" || rest.starts_with("users/"));
        if is_users && !matches!(*method, Method::GET | Method::HEAD) {
            self.counts.user_mutation_attempts = self.counts.user_mutation_attempts.saturating_add(1);
            return ApiError::forbidden().response();
        }
        let Some((operation, keys)) = operations::find(method, call.path) else {
            return error::no_such_page(call.path);
        };
        self.operate(operation, &keys, call, now_ms, fault)
            .unwrap_or_else(|refused| refused.response())
    }

    fn operate(
        &mut self,
        operation: &Operation,
        keys: &[String],
        call: &Asked<'_>,
        now_ms: u64,
        fault: Option<&Fault>,
    ) -> Result<Response<Bytes>, ApiError> {
        let caller = self
            .tokens
            .caller(call.headers, &self.api_audiences, &self.directory, now_ms)?;
        if !self.api_enabled {
            return Err(ApiError::api_disabled());
        }
        let query = Query::parse(operation, call.query)?;
        let quota = self.directory.tenant().quota;
        let quota_user = query.get("quotaUser").unwrap_or(&caller.subject);
        self.meter.call(&quota, quota_user, now_ms)?;
        if !caller.holds_any(operation.scopes) {
            return Err(ApiError::insufficient_scopes());
        }
        if !token::is_admin(&self.directory, &caller.subject) {
            return Err(ApiError::forbidden());
        }
        let selection = match (query.get("fields"), operation.answer) {
            (Some(text), Some(schema)) => Some(Selection::parse(text, schema)?),
            _ => None,
        };
        let body = match operation.body {
            Some(schema) => inbound::read_body(schema, call.headers, call.body)?,
            None => serde_json::Map::new(),
        };
        let inbound = Inbound {
            keys,
            query: &query,
            body,
            now_ms,
            fault,
        };
        let Some(answer) = self.answer(operation.call, &inbound)? else {
            return Ok(reply::empty(StatusCode::NO_CONTENT));
        };
        Ok(finish(
            operation,
            &answer,
            selection.as_ref(),
            &query,
            call.headers,
        ))
    }

    /// Carries the call out. Nothing where the operation answers without a body.
    fn answer(&mut self, call: Call, inbound: &Inbound<'_>) -> Result<Option<Value>, ApiError> {
        let directory = &mut self.directory;
        match call {
            Call::GroupsList => groups::list(directory, inbound).map(Some),
            Call::GroupsGet => groups::get(directory, inbound).map(Some),
            Call::GroupsInsert => groups::insert(directory, inbound).map(Some),
            Call::GroupsPatch | Call::GroupsUpdate => groups::change(directory, inbound).map(Some),
            Call::GroupsDelete => groups::delete(directory, inbound).map(|()| None),
            Call::AliasesList => groups::list_aliases(directory, inbound).map(Some),
            Call::AliasesInsert => groups::insert_alias(directory, inbound).map(Some),
            Call::AliasesDelete => groups::delete_alias(directory, inbound).map(|()| None),
            Call::MembersList => members::list(directory, inbound).map(Some),
            Call::MembersGet => members::get(directory, inbound).map(Some),
            Call::MembersInsert => members::insert(directory, inbound).map(Some),
            Call::MembersPatch | Call::MembersUpdate => members::change(directory, inbound).map(Some),
            Call::MembersDelete => members::delete(directory, inbound).map(|()| None),
            Call::HasMember => members::has_member(directory, inbound).map(Some),
            Call::UsersList => users::list(directory, inbound).map(Some),
            Call::UsersGet => users::get(directory, inbound).map(Some),
        }
    }
}

/// Applies `fields` and `prettyPrint`, and sets the entity tag.
fn finish(
    operation: &Operation,
    answer: &Value,
    selection: Option<&Selection>,
    query: &Query,
    headers: &HeaderMap,
) -> Response<Bytes> {
    let tag = answer
        .get("etag")
        .and_then(Value::as_str)
        .map_or_else(|| reply::etag(answer), str::to_owned);
    let tag_header = HeaderValue::from_str(&tag).ok();
    let is_read = operation.method == "GET";
    let is_known = tag_header.is_some() && headers.get(header::IF_NONE_MATCH) == tag_header.as_ref();
    let mut response = if is_read && is_known {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        match selection {
            Some(selection) if selection.is_empty() && !is_read => reply::empty(StatusCode::NO_CONTENT),
            Some(selection) => reply::json(200, &selection.apply(answer), pretty(query)),
            None => reply::json(200, answer, pretty(query)),
        }
    };
    if let Some(tag) = tag_header {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn pretty(query: &Query) -> bool {
    query.get("prettyPrint").is_none() || query.flag("prettyPrint")
}

impl VendorSimulator for GoogleSimulator {
    fn vendor(&self) -> Vendor {
        Vendor::Google
    }

    fn handle(&mut self, request: &Request<Bytes>, context: &mut Context<'_>) -> Response<Bytes> {
        context.now_ms = context.faults.clock(Vendor::Google, context.now_ms);
        let struck = context.faults.strike(
            Vendor::Google,
            request.method(),
            request.uri().path(),
            request.uri().query().unwrap_or(""),
        );
        let date = reply::http_date(context.now_ms);
        let (now_ms, is_read) = (context.now_ms, request.method() == Method::GET);
        let mut response = Faults::around(struck, now_ms, is_read, |list_fault| {
            if list_fault == Some(&Fault::RevokeTokens) {
                self.tokens.revoke_all();
            }
            self.serve(request, context, list_fault)
        });
        if let Ok(date) = HeaderValue::from_str(&date) {
            response.headers_mut().entry(header::DATE).or_insert(date);
        }
        response
    }

    fn state(&self) -> Value {
        json!({
            "tenant": self.directory.tenant(),
            "requests": self.counts.requests,
            "calls": self.counts.calls,
            "batches": self.counts.batches,
            "tokens_issued": self.tokens.issued(),
            "user_mutation_attempts": self.counts.user_mutation_attempts,
        })
    }
}
