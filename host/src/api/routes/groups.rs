//! Groups of a directory, and why somebody is in one.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use groupcast_guest::settings::DriftPolicy;
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{Params, Place, Strict};
use super::super::caller::Caller;
use super::super::page::{Items, after, limit};
use super::super::problem::Problem;
use super::super::refusal::of_change;
use super::super::version::IfMatch;
use super::super::views::{Group, Why, declared};
use super::super::web::Web;
use super::tenants::given;
use super::{DirectoryPath, bounded, json, object, page};
use crate::service::{GroupChange, GroupQuery, Only};
use crate::store::ConnectionId;

/// Which groups.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Which {
    /// All of the source.
    #[default]
    All,
    /// Bound to the directory.
    Bound,
    /// With a target.
    Exported,
    /// Held, in conflict, at risk, frozen, orphaned.
    Trouble,
}

/// Which groups, and which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichGroups {
    /// In name, email or address.
    #[param(max_length = 200)]
    #[serde(
        default,
        deserialize_with = "super::super::fields::optional_text::<_, 0, 200>"
    )]
    search: Option<String>,
    /// Of which kind.
    #[param(inline)]
    only: Option<Which>,
    /// Whether the source is read anew; else it may be as it was some minutes ago.
    fresh: Option<bool>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// Groups of the source, with what this directory makes of them.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/groups", tag = "groups",
    params(DirectoryPath, WhichGroups), responses((status = 200, body = Items<Group>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Place(path): Place<DirectoryPath>,
    Params(query): Params<WhichGroups>,
) -> Result<Response, Problem> {
    let query = GroupQuery {
        search: query.search,
        only: match query.only.unwrap_or_default() {
            Which::All => Only::All,
            Which::Bound => Only::Bound,
            Which::Exported => Only::Exported,
            Which::Trouble => Only::Trouble,
        },
        after: after(query.cursor.as_deref())?,
        limit: limit(query.limit)?,
        fresh: query.fresh.unwrap_or_default(),
    };
    let found = web.service.groups(&caller.principal, &path.id(), &query).await?;
    page(&uri, &Items::of(found, Group::from))
}

/// A group in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// The tenant's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::super::fields::name")]
    pub tenant: String,
    /// The directory's name.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(deserialize_with = "super::super::fields::name")]
    pub directory: String,
    /// JumpCloud's ID of the group.
    #[param(min_length = 1, max_length = 128)]
    #[serde(deserialize_with = "super::super::fields::text::<_, 1, 128>")]
    pub group: String,
}

/// One group. The `ETag` is the directory's: a group's choices are part of its settings.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/groups/{group}", tag = "groups",
    params(GroupPath), responses((status = 200, body = Group)))]
pub(super) async fn read(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<GroupPath>,
) -> Result<Response, Problem> {
    let id = ConnectionId::new(path.tenant, path.directory);
    let view = web.service.group(&caller.principal, &id, &path.group).await?;
    let directory = web.service.directory(&caller.principal, &id).await?;
    object(StatusCode::OK, &Group::from(view), declared(directory.declared).1)
}

/// A group's drift policy.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Policy {
    /// Puts back what is ours and vanished, leaves foreign members alone.
    Managed,
    /// Removes foreign users in the member role too.
    Authoritative,
    /// Never removes.
    Additive,
}

/// A change of one group's choices; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupToChange {
    /// Whether it is bound to this directory.
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "given")]
    bound: Option<bool>,
    /// The Google address; `null` takes JumpCloud's own.
    #[schema(max_length = 320)]
    #[serde(default, deserialize_with = "given")]
    address: Option<Option<String>>,
    /// Whether it is selected for export (Entra).
    #[schema(nullable = false)]
    #[serde(default, deserialize_with = "given")]
    selected: Option<bool>,
    /// Its own drift policy; `null` takes the directory's.
    #[serde(default, deserialize_with = "given")]
    policy: Option<Option<Policy>>,
}

/// Chooses what happens to a group: binds it, gives its address, selects it.
#[utoipa::path(patch, path = "/tenants/{tenant}/directories/{directory}/groups/{group}", tag = "groups",
    params(GroupPath), request_body = GroupToChange, responses((status = 200, body = Group)))]
pub(super) async fn change(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<GroupPath>,
    IfMatch(version): IfMatch,
    Strict(change): Strict<GroupToChange>,
) -> Result<Response, Problem> {
    let id = ConnectionId::new(path.tenant, path.directory);
    let change = GroupChange {
        bound: change.bound,
        address: change.address,
        selected: change.selected,
        policy: change.policy.map(|policy| {
            policy.map(|policy| match policy {
                Policy::Managed => DriftPolicy::Managed,
                Policy::Authoritative => DriftPolicy::Authoritative,
                Policy::Additive => DriftPolicy::Additive,
            })
        }),
    };
    let view = web
        .service
        .change_group(&caller.principal, &id, version, &path.group, change)
        .await
        .map_err(of_change)?;
    let directory = web.service.directory(&caller.principal, &id).await?;
    object(StatusCode::OK, &Group::from(view), declared(directory.declared).1)
}

/// What is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Question {
    /// The group: name, address or ID.
    #[param(min_length = 1, max_length = 320)]
    #[serde(deserialize_with = "super::super::fields::text::<_, 1, 320>")]
    group: String,
    /// The person: address, user name or ID; none asks about the group alone.
    #[param(min_length = 1, max_length = 320)]
    #[serde(
        default,
        deserialize_with = "super::super::fields::optional_text::<_, 1, 320>"
    )]
    person: Option<String>,
}

/// Why a person is, or is not, in a group; or why a group is in its state. Asks the vendors, and never writes.
#[utoipa::path(get, path = "/tenants/{tenant}/directories/{directory}/why", tag = "groups",
    params(DirectoryPath, Question), responses((status = 200, body = Why)))]
pub(super) async fn why(
    State(web): State<Web>,
    caller: Caller,
    Place(path): Place<DirectoryPath>,
    Params(question): Params<Question>,
) -> Result<Response, Problem> {
    bounded("group", &question.group, 320)?;
    if let Some(person) = &question.person {
        bounded("person", person, 320)?;
    }
    let explanation = web
        .service
        .why(
            &caller.principal,
            &path.id(),
            question.person.as_deref(),
            &question.group,
        )
        .await?;
    json(StatusCode::OK, &Why::from(explanation))
}
