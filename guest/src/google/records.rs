//! Google's resources, as far as they are read, and the bodies that are written.

use serde::{Deserialize, Serialize};

use crate::plan::model::TargetGroup;

/// `fields` masks: what is not asked for is not sent.
pub(super) const GROUP_FIELDS: &str = "id,email,name,description";
pub(super) const USER_FIELDS: &str = "id,primaryEmail,aliases,nonEditableAliases";
pub(super) const USERS_FIELDS: &str = "nextPageToken,users(id,primaryEmail,aliases,nonEditableAliases)";
pub(super) const MEMBER_FIELDS: &str = "id,email,role,type,status";
pub(super) const MEMBERS_FIELDS: &str = "nextPageToken,members(id,email,role,type,status)";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct GroupRecord {
    pub id: String,
    pub email: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
}

impl From<GroupRecord> for TargetGroup {
    fn from(record: GroupRecord) -> Self {
        Self {
            id: record.id,
            key: record.email,
            name: record.name.unwrap_or_default(),
            description: record.description.unwrap_or_default(),
            // Nothing in this API says what a group is used for: a security label is in another one.
            stake: None,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct UserRecord {
    pub id: String,
    #[serde(rename = "primaryEmail")]
    pub primary: String,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(rename = "nonEditableAliases", default)]
    fixed_aliases: Option<Vec<String>>,
}

impl UserRecord {
    /// All addresses of the user, the primary one first.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.primary)
            .chain(self.aliases.iter().flatten())
            .chain(self.fixed_aliases.iter().flatten())
            .map(String::as_str)
    }
}

/// A list has no key for its items where it is empty.
#[derive(Debug, Deserialize)]
pub(super) struct UserPage {
    #[serde(default)]
    pub users: Option<Vec<UserRecord>>,
    #[serde(rename = "nextPageToken", default)]
    pub next: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct MemberRecord {
    /// The immutable ID.
    pub id: String,
    /// Absent where the member is the whole customer.
    #[serde(default)]
    pub email: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// Absent for members outside the directory.
    #[serde(default)]
    pub status: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MemberPage {
    #[serde(default)]
    pub members: Option<Vec<MemberRecord>>,
    #[serde(rename = "nextPageToken", default)]
    pub next: Option<String>,
}

/// The body of groups.insert.
#[derive(Debug, Serialize)]
pub(super) struct NewGroup<'a> {
    pub email: &'a str,
    pub name: &'a str,
    pub description: &'a str,
}

/// The body of groups.patch.
#[derive(Debug, Serialize)]
pub(super) struct GroupPatch<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
}

/// The body of members.insert.
#[derive(Debug, Serialize)]
pub(super) struct NewMember<'a> {
    pub id: &'a str,
    pub role: &'static str,
}
