//! The table of operations: what Google publishes about each call, in one place.
//!
//! Routing, the check of query parameters, the check of scopes and the discovery document all read this
//! table, so they cannot disagree. It follows the Directory API's discovery document.

use http::Method;
use percent_encoding::percent_decode_str;

use super::error::ApiError;

/// Where the Directory API begins.
pub(super) const PREFIX: &str = "/admin/directory/v1/";

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    GroupsList,
    GroupsGet,
    GroupsInsert,
    GroupsPatch,
    GroupsUpdate,
    GroupsDelete,
    AliasesList,
    AliasesInsert,
    AliasesDelete,
    MembersList,
    MembersGet,
    MembersInsert,
    MembersPatch,
    MembersUpdate,
    MembersDelete,
    HasMember,
    UsersList,
    UsersGet,
}

/// What a query parameter may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Boolean,
    /// From 1 to this.
    Count(u32),
    OneOf(&'static [&'static str]),
}

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub call: Call,
    /// Without the `directory.` in front.
    pub id: &'static str,
    pub method: &'static str,
    /// Under [`PREFIX`]; `{}` marks a key.
    pub path: &'static str,
    pub query: &'static [(&'static str, Kind)],
    /// The schema of the request's body.
    pub body: Option<&'static str>,
    /// The schema of the answer; none where it has no body.
    pub answer: Option<&'static str>,
    /// Any one of these is enough.
    pub scopes: &'static [&'static str],
}

pub(super) const GROUP: &str = "https://www.googleapis.com/auth/admin.directory.group";
const GROUP_READ: &str = "https://www.googleapis.com/auth/admin.directory.group.readonly";
const MEMBER: &str = "https://www.googleapis.com/auth/admin.directory.group.member";
const MEMBER_READ: &str = "https://www.googleapis.com/auth/admin.directory.group.member.readonly";
const USER: &str = "https://www.googleapis.com/auth/admin.directory.user";
const USER_READ: &str = "https://www.googleapis.com/auth/admin.directory.user.readonly";
const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";

const WRITE_GROUPS: &[&str] = &[GROUP];
const READ_GROUPS: &[&str] = &[GROUP, GROUP_READ];
const WRITE_MEMBERS: &[&str] = &[GROUP, MEMBER];
const READ_MEMBERS: &[&str] = &[GROUP, MEMBER, MEMBER_READ, GROUP_READ];
const READ_USERS: &[&str] = &[USER, USER_READ];
const LIST_USERS: &[&str] = &[USER, USER_READ, CLOUD];

const ORDER: Kind = Kind::OneOf(&["ASCENDING", "DESCENDING"]);
const PROJECTION: Kind = Kind::OneOf(&["basic", "custom", "full"]);
const VIEW: Kind = Kind::OneOf(&["admin_view", "domain_public"]);

/// Parameters that every call takes.
pub(super) const COMMON: &[(&str, Kind)] = &[
    ("alt", Kind::OneOf(&["json", "media", "proto"])),
    ("fields", Kind::Text),
    ("prettyPrint", Kind::Boolean),
    ("quotaUser", Kind::Text),
];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        call: Call::GroupsList,
        id: "groups.list",
        method: "GET",
        path: "groups",
        query: &[
            ("customer", Kind::Text),
            ("domain", Kind::Text),
            ("maxResults", Kind::Count(200)),
            ("orderBy", Kind::OneOf(&["email"])),
            ("pageToken", Kind::Text),
            ("query", Kind::Text),
            ("sortOrder", ORDER),
            ("userKey", Kind::Text),
        ],
        body: None,
        answer: Some("Groups"),
        scopes: READ_GROUPS,
    },
    Operation {
        call: Call::GroupsGet,
        id: "groups.get",
        method: "GET",
        path: "groups/{groupKey}",
        query: &[],
        body: None,
        answer: Some("Group"),
        scopes: READ_GROUPS,
    },
    Operation {
        call: Call::GroupsInsert,
        id: "groups.insert",
        method: "POST",
        path: "groups",
        query: &[],
        body: Some("Group"),
        answer: Some("Group"),
        scopes: WRITE_GROUPS,
    },
    Operation {
        call: Call::GroupsPatch,
        id: "groups.patch",
        method: "PATCH",
        path: "groups/{groupKey}",
        query: &[],
        body: Some("Group"),
        answer: Some("Group"),
        scopes: WRITE_GROUPS,
    },
    Operation {
        call: Call::GroupsUpdate,
        id: "groups.update",
        method: "PUT",
        path: "groups/{groupKey}",
        query: &[],
        body: Some("Group"),
        answer: Some("Group"),
        scopes: WRITE_GROUPS,
    },
    Operation {
        call: Call::GroupsDelete,
        id: "groups.delete",
        method: "DELETE",
        path: "groups/{groupKey}",
        query: &[],
        body: None,
        answer: None,
        scopes: WRITE_GROUPS,
    },
    Operation {
        call: Call::AliasesList,
        id: "groups.aliases.list",
        method: "GET",
        path: "groups/{groupKey}/aliases",
        query: &[],
        body: None,
        answer: Some("Aliases"),
        scopes: READ_GROUPS,
    },
    Operation {
        call: Call::AliasesInsert,
        id: "groups.aliases.insert",
        method: "POST",
        path: "groups/{groupKey}/aliases",
        query: &[],
        body: Some("Alias"),
        answer: Some("Alias"),
        scopes: WRITE_GROUPS,
    },
    Operation {
        call: Call::AliasesDelete,
        id: "groups.aliases.delete",
        method: "DELETE",
        path: "groups/{groupKey}/aliases/{alias}",
        query: &[],
        body: None,
        answer: None,
        scopes: WRITE_GROUPS,
    },
    Operation {
        call: Call::MembersList,
        id: "members.list",
        method: "GET",
        path: "groups/{groupKey}/members",
        query: &[
            ("includeDerivedMembership", Kind::Boolean),
            ("maxResults", Kind::Count(200)),
            ("pageToken", Kind::Text),
            ("roles", Kind::Text),
        ],
        body: None,
        answer: Some("Members"),
        scopes: READ_MEMBERS,
    },
    Operation {
        call: Call::MembersGet,
        id: "members.get",
        method: "GET",
        path: "groups/{groupKey}/members/{memberKey}",
        query: &[],
        body: None,
        answer: Some("Member"),
        scopes: READ_MEMBERS,
    },
    Operation {
        call: Call::MembersInsert,
        id: "members.insert",
        method: "POST",
        path: "groups/{groupKey}/members",
        query: &[],
        body: Some("Member"),
        answer: Some("Member"),
        scopes: WRITE_MEMBERS,
    },
    Operation {
        call: Call::MembersPatch,
        id: "members.patch",
        method: "PATCH",
        path: "groups/{groupKey}/members/{memberKey}",
        query: &[],
        body: Some("Member"),
        answer: Some("Member"),
        scopes: WRITE_MEMBERS,
    },
    Operation {
        call: Call::MembersUpdate,
        id: "members.update",
        method: "PUT",
        path: "groups/{groupKey}/members/{memberKey}",
        query: &[],
        body: Some("Member"),
        answer: Some("Member"),
        scopes: WRITE_MEMBERS,
    },
    Operation {
        call: Call::MembersDelete,
        id: "members.delete",
        method: "DELETE",
        path: "groups/{groupKey}/members/{memberKey}",
        query: &[],
        body: None,
        answer: None,
        scopes: WRITE_MEMBERS,
    },
    Operation {
        call: Call::HasMember,
        id: "members.hasMember",
        method: "GET",
        path: "groups/{groupKey}/hasMember/{memberKey}",
        query: &[],
        body: None,
        answer: Some("MembersHasMember"),
        scopes: READ_MEMBERS,
    },
    Operation {
        call: Call::UsersList,
        id: "users.list",
        method: "GET",
        path: "users",
        query: &[
            ("customFieldMask", Kind::Text),
            ("customer", Kind::Text),
            ("domain", Kind::Text),
            (
                "event",
                Kind::OneOf(&["add", "delete", "makeAdmin", "undelete", "update"]),
            ),
            ("maxResults", Kind::Count(500)),
            ("orderBy", Kind::OneOf(&["email", "familyName", "givenName"])),
            ("pageToken", Kind::Text),
            ("projection", PROJECTION),
            ("query", Kind::Text),
            ("showDeleted", Kind::Text),
            ("sortOrder", ORDER),
            ("viewType", VIEW),
        ],
        body: None,
        answer: Some("Users"),
        scopes: LIST_USERS,
    },
    Operation {
        call: Call::UsersGet,
        id: "users.get",
        method: "GET",
        path: "users/{userKey}",
        query: &[
            ("customFieldMask", Kind::Text),
            ("projection", PROJECTION),
            ("viewType", VIEW),
        ],
        body: None,
        answer: Some("User"),
        scopes: READ_USERS,
    },
];

/// The operation that answers this method and path, with the keys in the path, decoded.
pub(super) fn find(method: &Method, path: &str) -> Option<(&'static Operation, Vec<String>)> {
    let given: Vec<&str> = path.strip_prefix(PREFIX)?.split('/').collect();
    OPERATIONS
        .iter()
        .filter(|operation| operation.method == method.as_str())
        .find_map(|operation| Some((operation, keys(operation.path, &given)?)))
}

fn keys(template: &str, given: &[&str]) -> Option<Vec<String>> {
    let wanted: Vec<&str> = template.split('/').collect();
    if wanted.len() != given.len() {
        return None;
    }
    let mut keys = Vec::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        if wanted.starts_with('{') {
            let key = percent_decode_str(given).decode_utf8().ok()?;
            if key.is_empty() {
                return None;
            }
            keys.push(key.into_owned());
        } else if wanted != *given {
            return None;
        }
    }
    Some(keys)
}

/// The query of one call, checked against what the operation takes.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads and checks a query; unknown names, doubled names and impossible values are refused.
    pub(super) fn parse(operation: &Operation, raw: &str) -> Result<Self, ApiError> {
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let kind = operation
                .query
                .iter()
                .chain(COMMON)
                .find(|(known, _)| *known == name)
                .map(|(_, kind)| *kind)
                .ok_or_else(|| {
                    ApiError::bad_payload(format!(
                        "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. \
                         Field '{name}' could not be found in request message."
                    ))
                })?;
            if read.iter().any(|(earlier, _)| *earlier == name) {
                return Err(ApiError::bad_payload(format!(
                    "Invalid JSON payload received. Query parameter '{name}' is not repeatable, but was given \
                     more than once."
                )));
            }
            check(&name, &value, kind)?;
            read.push((name.into_owned(), value.into_owned()));
        }
        if let Some(alt) = read.iter().find(|(name, value)| name == "alt" && value != "json") {
            // Only JSON is simulated: nothing of Groupcast asks for another form.
            return Err(ApiError::bad_parameter(
                "alt",
                format!("Unsupported Output Format: {}", alt.1),
            ));
        }
        Ok(Self(read))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Everything that decides which items a list has and in which order, as one text.
    pub(super) fn identity(&self) -> String {
        let mut parts: Vec<String> = self
            .0
            .iter()
            .filter(|(name, _)| {
                name != "pageToken" && name != "maxResults" && COMMON.iter().all(|(common, _)| common != name)
            })
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        parts.sort();
        parts.join("&")
    }
}

fn check(name: &str, value: &str, kind: Kind) -> Result<(), ApiError> {
    let refused = match kind {
        Kind::Text => None,
        Kind::Boolean => {
            (!matches!(value, "true" | "false")).then(|| format!("Invalid boolean value: '{value}'."))
        }
        Kind::Count(most) => match value.parse::<i64>() {
            Err(_) => Some(format!("Invalid integer value: '{value}'.")),
            Ok(count) if count < 1 || count > i64::from(most) => Some(format!(
                "Invalid value '{value}'. Values must be within the range: [1, {most}]"
            )),
            Ok(_) => None,
        },
        Kind::OneOf(allowed) => allowed
            .iter()
            .all(|one| !one.eq_ignore_ascii_case(value))
            .then(|| {
                format!(
                    "Invalid string value: '{value}'. Allowed values: [{}]",
                    allowed.join(", ")
                )
            }),
    };
    match refused {
        None if name == "quotaUser" && value.len() > 40 => Err(ApiError::bad_parameter(
            name,
            "Invalid value. Maximum length is 40 characters.",
        )),
        None => Ok(()),
        Some(message) => Err(ApiError::bad_parameter(name, message)),
    }
}
