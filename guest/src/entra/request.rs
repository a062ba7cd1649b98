//! Every request that we send to Graph, as a closed list. A path can only be had from here, so that a shape that
//! is not listed cannot be sent: above all no `DELETE` other than the one of a membership's link, which ends
//! in `/$ref`. Without that ending Graph deletes the *user* (R33).

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::types::{BindMembers, CreateGroup, DirectoryObject, Group, UpdateGroup, User};

/// The version root, below the base URL.
pub const ROOT: &str = "/v1.0";

/// The feed of changes to groups and their members. It is followed by links, and asked for by [`super::feed`] alone.
pub const DELTA: &str = "/v1.0/groups/delta";

/// Page size: the largest that Graph takes on these lists.
pub const PAGE: u32 = 999;

/// At most this many requests in a batch, and members in one addition.
pub const BATCH: usize = 20;

/// Everything but RFC 3986's unreserved characters: `'`, `+`, `/`, `#` and blanks in a filter must be encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An object ID that is safe as a path segment: nothing in it can end the segment or start another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    /// Takes what looks like an object ID: 1 to 64 ASCII letters, digits and hyphens. Anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| Self(text.to_owned()))
    }

    /// The ID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Reads a group by ID.
    Group(ObjectId),
    /// Reads a group by its `uniqueName`.
    GroupByKey(String),
    /// Lists the groups of a display name, as the server compares names.
    GroupsNamed(String),
    /// Lists a group's members.
    Members(ObjectId),
    /// Lists a group's owners.
    Owners(ObjectId),
    /// Lists all users.
    Users,
    /// Lists the users whose sign-in name or mail is an address.
    UsersAddressed(String),
    /// Reads a user by ID.
    User(ObjectId),
    /// Creates a group under a `uniqueName`, or updates the one that is there.
    Create {
        /// The `uniqueName`.
        key: String,
        /// What it gets.
        body: CreateGroup,
    },
    /// Changes a group.
    Update {
        /// Which.
        group: ObjectId,
        /// What changes.
        body: UpdateGroup,
    },
    /// Adds up to 20 members; all or nothing.
    Add {
        /// To which group.
        group: ObjectId,
        /// Whom.
        members: Vec<ObjectId>,
    },
    /// Takes a member's link to the group away; the member itself stays.
    Remove {
        /// From which group.
        group: ObjectId,
        /// Whom.
        member: ObjectId,
    },
}

impl Request {
    /// HTTP method.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Group(_)
            | Self::GroupByKey(_)
            | Self::GroupsNamed(_)
            | Self::Members(_)
            | Self::Owners(_)
            | Self::Users
            | Self::UsersAddressed(_)
            | Self::User(_) => "GET",
            Self::Create { .. } | Self::Update { .. } | Self::Add { .. } => "PATCH",
            Self::Remove { .. } => "DELETE",
        }
    }

    /// Path and query below [`ROOT`].
    pub fn url(&self) -> String {
        match self {
            Self::Group(id) => format!("/groups/{}?$select={}", id.as_str(), Group::SELECT),
            Self::GroupByKey(key) => {
                format!("/groups(uniqueName='{}')?$select={}", quoted(key), Group::SELECT)
            }
            Self::GroupsNamed(name) => format!(
                "/groups?$filter=displayName%20eq%20'{}'&$select={}&$top={PAGE}",
                quoted(name),
                Group::SELECT
            ),
            Self::Members(id) => format!(
                "/groups/{}/members?$select={}&$top={PAGE}",
                id.as_str(),
                DirectoryObject::SELECT
            ),
            Self::Owners(id) => format!(
                "/groups/{}/owners?$select={}&$top={PAGE}",
                id.as_str(),
                DirectoryObject::SELECT
            ),
            Self::Users => format!("/users?$select={}&$top={PAGE}", User::SELECT),
            Self::UsersAddressed(address) => format!(
                "/users?$filter=userPrincipalName%20eq%20'{0}'%20or%20mail%20eq%20'{0}'&$select={1}&$top={PAGE}",
                quoted(address),
                User::SELECT
            ),
            Self::User(id) => format!("/users/{}?$select={}", id.as_str(), User::SELECT),
            Self::Create { key, .. } => format!("/groups(uniqueName='{}')", quoted(key)),
            Self::Update { group, .. } | Self::Add { group, .. } => format!("/groups/{}", group.as_str()),
            Self::Remove { group, member } => {
                format!("/groups/{}/members/{}/$ref", group.as_str(), member.as_str())
            }
        }
    }

    /// Headers that the request needs in a batch.
    pub fn headers(&self) -> BTreeMap<&'static str, &'static str> {
        let mut headers = BTreeMap::new();
        if matches!(self, Self::Create { .. } | Self::Update { .. } | Self::Add { .. }) {
            headers.insert("Content-Type", "application/json");
        }
        // Without it the same request is a plain update and answers 404 where nothing is there.
        if matches!(self, Self::Create { .. }) {
            headers.insert("Prefer", "create-if-missing");
        }
        headers
    }

    /// Body; `base` is the directory's base URL, without a trailing slash.
    pub fn body(&self, base: &str) -> Option<Value> {
        match self {
            Self::Create { body, .. } => serde_json::to_value(body).ok(),
            Self::Update { body, .. } => serde_json::to_value(body).ok(),
            Self::Add { members, .. } => serde_json::to_value(BindMembers {
                members: members
                    .iter()
                    .map(|id| format!("{base}{ROOT}/directoryObjects/{}", id.as_str()))
                    .collect(),
            })
            .ok(),
            _ => None,
        }
    }

    /// The group that the request changes; requests that change one group are kept in order.
    pub fn changes(&self) -> Option<&str> {
        match self {
            Self::Update { group, .. } | Self::Add { group, .. } | Self::Remove { group, .. } => {
                Some(group.as_str())
            }
            Self::Create { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// The text between the quotes of an OData literal, within a URL: quotes doubled, then percent-encoded.
fn quoted(text: &str) -> String {
    utf8_percent_encode(&text.replace('\'', "''"), ENCODED).to_string()
}

/// Method, path template and whether it writes, of everything above; `$batch` itself is told apart by the caller.
pub const SHAPES: &[(&str, &str, bool)] = &[
    ("GET", "/v1.0/groups", false),
    ("GET", DELTA, false),
    ("GET", "/v1.0/groups/{id}", false),
    ("GET", "/v1.0/groups(uniqueName='{key}')", false),
    ("GET", "/v1.0/groups/{id}/members", false),
    ("GET", "/v1.0/groups/{id}/owners", false),
    ("GET", "/v1.0/users", false),
    ("GET", "/v1.0/users/{id}", false),
    ("PATCH", "/v1.0/groups(uniqueName='{key}')", true),
    ("PATCH", "/v1.0/groups/{id}", true),
    ("DELETE", "/v1.0/groups/{id}/members/{member}/$ref", true),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ObjectId {
        ObjectId::parse(text).unwrap()
    }

    fn every_request() -> Vec<Request> {
        vec![
            Request::Group(id("g1")),
            Request::GroupByKey("groupcast-1".into()),
            Request::GroupsNamed("Sales".into()),
            Request::Members(id("g1")),
            Request::Owners(id("g1")),
            Request::Users,
            Request::UsersAddressed("a@x.test".into()),
            Request::User(id("u1")),
            Request::Create {
                key: "groupcast-1".into(),
                body: CreateGroup {
                    display_name: "Sales".into(),
                    mail_enabled: false,
                    mail_nickname: "groupcast-1".into(),
                    security_enabled: true,
                    description: None,
                },
            },
            Request::Update {
                group: id("g1"),
                body: UpdateGroup::default(),
            },
            Request::Add {
                group: id("g1"),
                members: vec![id("u1")],
            },
            Request::Remove {
                group: id("g1"),
                member: id("u1"),
            },
        ]
    }

    #[test]
    fn r33_the_only_deletion_is_that_of_a_membership_link() {
        let deletions: Vec<String> = every_request()
            .iter()
            .filter(|request| request.method() == "DELETE")
            .map(Request::url)
            .collect();
        assert_eq!(deletions, ["/groups/g1/members/u1/$ref"]);
    }

    #[test]
    fn r33_no_id_can_cut_the_link_ending_off() {
        for hostile in [
            "",
            ".",
            "..",
            "u1?",
            "u1#",
            "u1/",
            "u1/../..",
            "u1%2f",
            "u1\\",
            "u1 ",
            "u1\n",
            "ü",
            &"a".repeat(65),
        ] {
            assert_eq!(ObjectId::parse(hostile), None, "{hostile:?}");
        }
        assert!(ObjectId::parse("6e7b768e-07e2-4810-8459-485f84f8f204").is_some());
    }

    #[test]
    fn r33_nothing_is_written_to_users() {
        for (method, path, _) in SHAPES {
            assert!(
                *method == "GET" || !path.starts_with("/v1.0/users"),
                "{method} {path}"
            );
            assert!(!path.contains("directoryObjects"), "{method} {path}");
        }
    }

    #[test]
    fn every_request_is_in_the_list_of_shapes() {
        for request in every_request() {
            let url = format!("{ROOT}{}", request.url());
            let path = url.split('?').next().unwrap();
            let found = SHAPES.iter().any(|(method, template, writes)| {
                *method == request.method()
                    && *writes == request.changes().is_some()
                    && template
                        .replace("{id}", "g1")
                        .replace("{member}", "u1")
                        .replace("{key}", "groupcast-1")
                        == path.replace("/users/u1", "/users/g1")
            });
            assert!(found, "{} {path}", request.method());
        }
    }

    #[test]
    fn r24_a_quote_in_a_name_cannot_end_the_filter() {
        let url = Request::GroupsNamed("O'Brien' or true & #+/ü".into()).url();
        assert!(
            url.starts_with(
                "/groups?$filter=displayName%20eq%20'O%27%27Brien%27%27%20or%20true%20%26%20%23%2B%2F%C3%BC'&"
            ),
            "{url}"
        );
    }

    #[test]
    fn only_a_creation_prefers_create_if_missing() {
        for request in every_request() {
            assert_eq!(
                request.headers().contains_key("Prefer"),
                matches!(request, Request::Create { .. })
            );
        }
    }
}
