//! The table of what is served, and the way from a request to its row: path, method, key, parameters.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::JumpcloudSimulator;
use super::access::text;
use super::answer::{Answer, Refusal};
use super::organisation::is_identifier;
use super::query::Query;
use crate::faults::Fault;

/// One thing that can be asked.
pub struct Endpoint {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with `{id}` for an identifier.
    pub template: &'static str,
    /// The query parameters it knows; any other is refused.
    pub parameters: &'static [&'static str],
    /// Whether its lists mark the next page in a `Link` header. Most of version 2 does, some does not
    /// (the vendor's own client says so, without saying which): here, those that cannot be sorted.
    pub links: bool,
    serve: fn(&mut JumpcloudSimulator, &Call<'_>) -> Answer,
}

/// A request that has found its endpoint.
pub(super) struct Call<'a> {
    pub endpoint: &'static Endpoint,
    pub path: &'a str,
    /// What stands for `{id}`; empty where the path has none.
    pub id: &'a str,
    pub query: Query,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub fault: Option<&'a Fault>,
}

impl Call<'_> {
    /// Reads a JSON body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let kind = text(self.headers, "content-type").unwrap_or("");
        if !kind.starts_with("application/json") {
            return Err(Refusal::bad_request("Content-Type must be application/json"));
        }
        serde_json::from_slice(self.body)
            .map_err(|error| Refusal::bad_request(format!("invalid request body: {error}")))
    }
}

type Serve = fn(&mut JumpcloudSimulator, &Call<'_>) -> Answer;

const PAGED: &[&str] = &["limit", "skip"];
const FILTERED: &[&str] = &["limit", "skip", "filter"];
const SORTED: &[&str] = &["limit", "skip", "filter", "sort"];
const TARGETED: &[&str] = &["targets", "limit", "skip"];
const WHOLE: &[&str] = &["fields", "filter", "limit", "skip", "sort"];

const fn linked(template: &'static str, parameters: &'static [&'static str], serve: Serve) -> Endpoint {
    Endpoint {
        method: "GET",
        template,
        parameters,
        links: true,
        serve,
    }
}

const fn read(template: &'static str, parameters: &'static [&'static str], serve: Serve) -> Endpoint {
    Endpoint {
        links: false,
        ..linked(template, parameters, serve)
    }
}

const fn post(template: &'static str, serve: Serve) -> Endpoint {
    Endpoint {
        method: "POST",
        ..read(template, &[], serve)
    }
}

use JumpcloudSimulator as Simulator;

static ENDPOINTS: &[Endpoint] = &[
    post("/oauth2/token", Simulator::issue_token),
    post("/insights/directory/v1/events", Simulator::events),
    post("/insights/directory/v1/events/count", Simulator::count_events),
    read(
        "/api/organizations",
        &[
            "fields",
            "filter",
            "limit",
            "search",
            "skip",
            "sort",
            "sortIgnoreCase",
        ],
        Simulator::organisations,
    ),
    read(
        "/api/systemusers",
        &["limit", "skip", "sort", "fields", "filter", "search"],
        Simulator::list_users,
    ),
    read(
        "/api/systemusers/{id}",
        &["fields", "filter"],
        Simulator::one_user,
    ),
    post("/api/search/systemusers", Simulator::search_users),
    linked(
        "/api/v2/directories",
        &["fields", "limit", "sort", "skip"],
        Simulator::list_directories,
    ),
    read("/api/v2/gsuites/{id}", &[], Simulator::one_gsuite),
    read("/api/v2/office365s/{id}", &[], Simulator::one_office365),
    read(
        "/api/v2/gsuites/{id}/usergroups",
        FILTERED,
        Simulator::gsuite_groups,
    ),
    read(
        "/api/v2/office365s/{id}/usergroups",
        FILTERED,
        Simulator::office365_groups,
    ),
    read("/api/v2/gsuites/{id}/users", FILTERED, Simulator::gsuite_users),
    read(
        "/api/v2/office365s/{id}/users",
        &["limit", "skip", "filter", "syncStatus"],
        Simulator::office365_users,
    ),
    linked(
        "/api/v2/gsuites/{id}/associations",
        TARGETED,
        Simulator::gsuite_associations,
    ),
    linked(
        "/api/v2/office365s/{id}/associations",
        TARGETED,
        Simulator::office365_associations,
    ),
    linked("/api/v2/usergroups", WHOLE, Simulator::list_groups),
    read("/api/v2/usergroups/{id}", &[], Simulator::one_group),
    read("/api/v2/usergroups/{id}/members", PAGED, Simulator::group_members),
    post("/api/v2/usergroups/{id}/members", Simulator::change_member),
    linked(
        "/api/v2/usergroups/{id}/membership",
        SORTED,
        Simulator::group_membership,
    ),
    linked(
        "/api/v2/usergroups/{id}/associations",
        TARGETED,
        Simulator::group_associations,
    ),
    linked(
        "/api/v2/usergroups/{id}/gsuites",
        FILTERED,
        Simulator::group_gsuites,
    ),
    linked(
        "/api/v2/usergroups/{id}/office365s",
        FILTERED,
        Simulator::group_office365s,
    ),
    linked(
        "/api/v2/usergroups/{id}/directories",
        FILTERED,
        Simulator::group_directories,
    ),
    linked("/api/v2/users/{id}/memberof", SORTED, Simulator::user_groups),
    linked(
        "/api/v2/users/{id}/associations",
        TARGETED,
        Simulator::user_associations,
    ),
    linked("/api/v2/users/{id}/gsuites", FILTERED, Simulator::user_gsuites),
    linked(
        "/api/v2/users/{id}/office365s",
        FILTERED,
        Simulator::user_office365s,
    ),
];

/// Everything that is served.
pub fn endpoints() -> &'static [Endpoint] {
    ENDPOINTS
}

/// What stands for `{id}` where the path fits the template; empty where the template has none.
fn fit<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let mut id = "";
    let mut wanted = template.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(id),
            (Some("{id}"), Some(segment)) if !segment.is_empty() => id = segment,
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return None,
        }
    }
}

impl JumpcloudSimulator {
    pub(super) fn route(&mut self, request: &Request<Bytes>, fault: Option<&Fault>) -> Answer {
        let path = request.uri().path();
        let fitting: Vec<(&'static Endpoint, &str)> = ENDPOINTS
            .iter()
            .filter_map(|endpoint| Some((endpoint, fit(endpoint.template, path)?)))
            .collect();
        if fitting.is_empty() {
            return Err(Refusal::not_found("Not Found"));
        }
        let method = request.method().as_str();
        let Some((endpoint, id)) = fitting
            .into_iter()
            .find(|(endpoint, _)| endpoint.method == method)
        else {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
        };
        // The token endpoint has an authentication of its own.
        if endpoint.template != "/oauth2/token" {
            self.admit(request)?;
        }
        if endpoint.template.contains("{id}") && !is_identifier(id) {
            return Err(Refusal::bad_request(format!("invalid object id: {id}")));
        }
        let call = Call {
            endpoint,
            path,
            id,
            query: Query::read(request.uri().query().unwrap_or(""), endpoint.parameters)?,
            headers: request.headers(),
            body: request.body(),
            fault,
        };
        let response: Response<Bytes> = (endpoint.serve)(self, &call)?;
        Ok(response)
    }
}
