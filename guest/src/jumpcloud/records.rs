//! JumpCloud's records, as far as they are read. Unknown fields are ignored; a null is as good as an absent one.

use serde::Deserialize;

use crate::plan::model::{SourceGroup, SourceUser, TargetRules};

/// A directory that JumpCloud exports to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// JumpCloud's ID of it.
    pub id: String,
    /// Its name there.
    pub name: String,
    /// Which rules it follows; none where it is of a kind that is not exported to.
    pub rules: Option<TargetRules>,
    /// JumpCloud's own word for its kind, such as `g_suite`.
    pub kind: String,
    /// Its default domain, where JumpCloud knows one (R35).
    pub default_domain: Option<String>,
    /// Whether JumpCloud's own group management is on for it (R35); none where JumpCloud does not say.
    pub groups_enabled: Option<bool>,
}

impl Directory {
    /// The first segment of its own path under `/api/v2`.
    pub(super) fn collection(&self) -> Option<&'static str> {
        self.rules.map(|rules| match rules {
            TargetRules::Addressed => "gsuites",
            TargetRules::Named => "office365s",
        })
    }
}

#[derive(Deserialize)]
pub(super) struct DirectoryRecord {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(rename = "defaultDomain", default)]
    pub default_domain: Option<DomainRecord>,
}

#[derive(Deserialize)]
pub(super) struct DomainRecord {
    #[serde(default)]
    pub domain: Option<String>,
}

impl DirectoryRecord {
    pub(super) fn into_directory(self) -> Directory {
        let rules = match self.kind.as_str() {
            "g_suite" => Some(TargetRules::Addressed),
            "office_365" => Some(TargetRules::Named),
            _ => None,
        };
        Directory {
            name: self.name.unwrap_or_else(|| self.id.clone()),
            id: self.id,
            rules,
            kind: self.kind,
            default_domain: self.default_domain.and_then(|domain| domain.domain),
            groups_enabled: None,
        }
    }
}

/// What `gsuites/{id}` and `office365s/{id}` say beyond the directory list.
#[derive(Deserialize)]
pub(super) struct DirectorySettings {
    #[serde(rename = "groupsEnabled", default)]
    pub groups_enabled: Option<bool>,
}

/// `GraphConnection`: a direct association.
#[derive(Deserialize)]
pub(super) struct Connection {
    pub to: GraphObject,
}

/// The end of an edge, or an object reached with its paths.
#[derive(Deserialize)]
pub(super) struct GraphObject {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The person's ID in the directory; only with `syncStatus=true`.
    #[serde(rename = "externalId", default)]
    pub external_id: Option<String>,
}

/// An object with its paths as they came. Lists of members have paths too, and are far too long to keep them.
#[derive(Deserialize)]
pub(super) struct Traversed {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// By which connections it is reached, each path a list of them.
    #[serde(default)]
    pub paths: Vec<serde_json::Value>,
}

/// An object with how it is reached: each path is its edges in order.
#[derive(Deserialize)]
pub(super) struct Reached {
    pub id: String,
    #[serde(default)]
    pub paths: Vec<Vec<Connection>>,
}

#[derive(Deserialize)]
pub(super) struct GroupRecord {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
}

impl From<GroupRecord> for SourceGroup {
    fn from(record: GroupRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            email: record.email.filter(|email| !email.is_empty()),
            description: record.description.unwrap_or_default(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct UserRecord {
    #[serde(rename = "_id")]
    pub id: String,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub suspended: Option<bool>,
}

impl From<UserRecord> for SourceUser {
    fn from(record: UserRecord) -> Self {
        Self {
            suspended: record.suspended.unwrap_or(false) || record.state.as_deref() == Some("SUSPENDED"),
            username: record.username.unwrap_or_else(|| record.id.clone()),
            id: record.id,
            email: record.email.filter(|email| !email.is_empty()),
            target_id: None,
        }
    }
}
