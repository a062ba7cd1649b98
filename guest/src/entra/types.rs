//! What Microsoft Graph sends and takes, as far as we read and write it. Shapes only: no decision is made here,
//! and no type of a request body has a field that the sync does not write.
//!
//! Source: Microsoft Graph v1.0, resources `group`, `user`, `directoryObject`, and "JSON batching".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::model::TargetGroup;

/// One page of a collection. `nextLink` is opaque and absent on the last page, which is the only end mark.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// The items; a page may be empty and still have a next link.
    pub value: Vec<T>,
    /// Where the next page is: an absolute URL, followed verbatim.
    #[serde(rename = "@odata.nextLink", default)]
    pub next_link: Option<String>,
}

/// A group, with the properties that decide whether it may be taken over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Object ID.
    pub id: String,
    /// Display name; not unique in Entra.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
    /// The alternate key; ours start with `groupcast-`.
    #[serde(default)]
    pub unique_name: Option<String>,
    /// Whether it receives mail.
    #[serde(default)]
    pub mail_enabled: Option<bool>,
    /// Whether it is a security group.
    #[serde(default)]
    pub security_enabled: Option<bool>,
    /// `Unified` for Microsoft 365, `DynamicMembership` where a rule decides who is in.
    #[serde(default)]
    pub group_types: Option<Vec<String>>,
    /// The rule of a dynamic group.
    #[serde(default)]
    pub membership_rule: Option<String>,
    /// True where the group is mastered in an on-premises directory.
    #[serde(default)]
    pub on_premises_sync_enabled: Option<bool>,
    /// True where directory roles can be given to the group.
    #[serde(default)]
    pub is_assignable_to_role: Option<bool>,
    /// True where the group is in a restricted management unit.
    #[serde(default)]
    pub is_management_restricted: Option<bool>,
    /// The licences that the group gives to its members. Their shape does not matter, only that there are any.
    #[serde(default)]
    pub assigned_licenses: Option<Vec<Value>>,
}

impl Group {
    /// The properties to ask for. Without them Graph leaves out those that are not in its default set, and
    /// a privileged group would look like a plain one.
    pub const SELECT: &str = "id,displayName,description,uniqueName,mailEnabled,securityEnabled,groupTypes,\
                              membershipRule,onPremisesSyncEnabled,isAssignableToRole,isManagementRestricted,\
                              assignedLicenses";

    /// The planner's view of it.
    pub fn to_target(&self) -> TargetGroup {
        TargetGroup {
            id: self.id.clone(),
            key: self.unique_name.clone().unwrap_or_default(),
            name: self.display_name.clone().unwrap_or_default(),
            description: self.description.clone().unwrap_or_default(),
            stake: self
                .assigned_licenses
                .as_ref()
                .is_some_and(|licences| !licences.is_empty())
                .then(|| "licences".to_owned()),
        }
    }

    /// The display name; empty where there is none.
    pub fn name(&self) -> &str {
        self.display_name.as_deref().unwrap_or_default()
    }
}

/// A user, as far as resolving needs it (R31).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Object ID.
    pub id: String,
    /// Sign-in name.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// Primary mail address.
    #[serde(default)]
    pub mail: Option<String>,
}

impl User {
    /// The properties to ask for.
    pub const SELECT: &str = "id,userPrincipalName,mail";

    /// The address to show to a person.
    pub fn address(&self) -> &str {
        self.user_principal_name
            .as_deref()
            .or(self.mail.as_deref())
            .unwrap_or_default()
    }
}

/// A member or owner of a group; of any type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryObject {
    /// `#microsoft.graph.user`, `#microsoft.graph.group` and so on.
    #[serde(rename = "@odata.type", default)]
    pub odata_type: Option<String>,
    /// Object ID.
    pub id: String,
    /// Display name.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Sign-in name, for users.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// Primary mail address.
    #[serde(default)]
    pub mail: Option<String>,
}

impl DirectoryObject {
    /// The properties to ask for.
    pub const SELECT: &str = "id,displayName,userPrincipalName,mail";
}

/// Body of a creation by upsert. `groupTypes` is left out on purpose: absent means empty, a plain security group (R22).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateGroup {
    /// Display name; 1 to 256 characters.
    pub display_name: String,
    /// Always false (R22).
    pub mail_enabled: bool,
    /// ASCII, 1 to 64 characters; required, though nothing is mailed to it.
    pub mail_nickname: String,
    /// Always true (R22).
    pub security_enabled: bool,
    /// Description; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Body of an update; absent properties stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateGroup {
    /// New display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// New description; `Some(None)` clears it, which Graph takes only as `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
}

/// Body of an addition of up to 20 members; all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BindMembers {
    /// Absolute URLs of directory objects.
    #[serde(rename = "members@odata.bind")]
    pub members: Vec<String>,
}

/// Body of `POST /$batch`.
#[derive(Debug, Clone, Serialize)]
pub struct BatchRequest {
    /// At most 20.
    pub requests: Vec<BatchPart>,
}

/// One request in a batch.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchPart {
    /// Unique in the batch.
    pub id: String,
    /// HTTP method.
    pub method: &'static str,
    /// Path and query below the version root.
    pub url: String,
    /// `Content-Type` where there is a body, `Prefer` for an upsert.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<&'static str, &'static str>,
    /// Body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// IDs of parts that must have succeeded before this one runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// Answer of a batch; its parts come in any order.
#[derive(Debug, Clone, Deserialize)]
pub struct BatchAnswer {
    /// One per request, in a well-behaved answer.
    pub responses: Vec<BatchPartAnswer>,
}

/// Answer of one request in a batch.
#[derive(Debug, Clone, Deserialize)]
pub struct BatchPartAnswer {
    /// ID of the request.
    pub id: String,
    /// HTTP status.
    pub status: u16,
    /// Headers; values are strings, in practice sometimes numbers.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, Value>>,
    /// Body; absent or null where there is none.
    #[serde(default)]
    pub body: Option<Value>,
}

/// Graph's error document.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ErrorDocument {
    /// The error.
    pub error: ErrorBody,
}

/// The error in it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// Code; the query validator sends it empty.
    #[serde(default)]
    pub code: Option<String>,
    /// Sentence.
    #[serde(default)]
    pub message: Option<String>,
    /// Request ID and date.
    #[serde(default)]
    pub inner_error: Option<BTreeMap<String, Value>>,
}
