//! The simulated organisation: the `"jumpcloud"` section of an organisation file.
//!
//! This is a published format: people write these files to try Groupcast on a copy of their own
//! structure. So every field is documented, an unknown one is refused, and no field may change its
//! meaning. What may not enter: behaviour. This room only says what there is.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

/// A JumpCloud organisation, with the keys that open it.
///
/// All identifiers are 24 lower-case hexadecimal digits, as JumpCloud's own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// The API key an administrator would send as `x-api-key`.
    pub api_key: String,
    /// The organisation's identifier, sent as `x-org-id`.
    pub organisation_id: String,
    /// The organisation's display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The service account that may fetch bearer tokens; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,
    /// Whether the API key belongs to an administrator of several organisations: every request must
    /// then say `x-org-id`.
    #[serde(default)]
    pub multi_tenant: bool,
    /// The connected directories.
    #[serde(default)]
    pub directories: Vec<Directory>,
    /// The users.
    #[serde(default)]
    pub users: Vec<User>,
    /// The user groups.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Where the simulator leaves its defaults.
    #[serde(default, skip_serializing_if = "Behaviour::is_default")]
    pub behaviour: Behaviour,
}

/// A JumpCloud service account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    /// The client identifier, the user name of HTTP Basic.
    pub client_id: String,
    /// The client secret, the password of HTTP Basic.
    pub client_secret: String,
}

// Keys stay out of every log, even simulated ones: an organisation file may be a copy of a real one.
impl std::fmt::Debug for Organisation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Organisation")
            .field("organisation_id", &self.organisation_id)
            .field("name", &self.name)
            .field("multi_tenant", &self.multi_tenant)
            .field("directories", &self.directories)
            .field("users", &self.users)
            .field("groups", &self.groups)
            .field("behaviour", &self.behaviour)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ServiceAccount")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The kind of a connected directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DirectoryKind {
    /// Google Workspace.
    #[serde(rename = "g_suite")]
    GoogleWorkspace,
    /// Microsoft 365 / Entra ID.
    #[serde(rename = "office_365")]
    Office365,
}

impl DirectoryKind {
    /// The name JumpCloud uses for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GoogleWorkspace => "g_suite",
            Self::Office365 => "office_365",
        }
    }
}

/// A connected directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Its identifier in JumpCloud.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Its kind: `g_suite` or `office_365`.
    #[serde(rename = "type")]
    pub kind: DirectoryKind,
    /// The directory's default domain; none where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_domain: Option<String>,
    /// Whether JumpCloud's own group management is on for it (`groupsEnabled`).
    #[serde(default)]
    pub groups_enabled: bool,
}

/// The state of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UserState {
    /// Prepared, not yet active.
    Staged,
    /// Active.
    #[default]
    Activated,
    /// Suspended.
    Suspended,
}

impl UserState {
    /// The name JumpCloud uses for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Activated => "ACTIVATED",
            Self::Suspended => "SUSPENDED",
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The identifier, `_id` in version 1 and `id` in version 2.
    pub id: String,
    /// The user name, unique in the organisation.
    pub username: String,
    /// The email address; the field is left out of answers where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A second address; the field is left out of answers where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate_email: Option<String>,
    /// The managed Apple identifier; the field is left out of answers where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_apple_id: Option<String>,
    /// STAGED, ACTIVATED or SUSPENDED; ACTIVATED where absent.
    #[serde(default)]
    pub state: UserState,
    /// Whether the user is suspended; answers show it together with the state SUSPENDED, whichever of
    /// the two is given here.
    #[serde(default)]
    pub suspended: bool,
    /// Whether the account is locked after failed sign-ins.
    #[serde(default)]
    pub account_locked: bool,
    /// Whether the password has expired.
    #[serde(default)]
    pub password_expired: bool,
    /// First name.
    #[serde(default)]
    pub first_name: String,
    /// Last name.
    #[serde(default)]
    pub last_name: String,
    /// Department; the field is left out of answers where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// For each Microsoft 365 directory (by its identifier) that JumpCloud has exported this user to,
    /// the Entra object ID it got. Served with `syncStatus=true`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external_ids: BTreeMap<String, String>,
    /// The directories this user is bound to directly, by identifier.
    #[serde(default)]
    pub directories: Vec<String>,
}

impl User {
    /// Suspended by either of its two marks.
    pub fn is_suspended(&self) -> bool {
        self.suspended || self.state == UserState::Suspended
    }

    /// The state as JumpCloud shows it.
    pub fn shown_state(&self) -> UserState {
        if self.is_suspended() {
            UserState::Suspended
        } else {
            self.state
        }
    }
}

/// A user group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The identifier.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The group's email address; the field is left out of answers where absent, and empty where empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The description; the field is left out of answers where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The direct members, by user identifier.
    #[serde(default)]
    pub users: Vec<String>,
    /// The groups nested directly in this one, by identifier. A circle is allowed; JumpCloud flags it.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The directories this group is bound to, by identifier.
    #[serde(default)]
    pub directories: Vec<String>,
}

/// Whether lists have records that are removed from a page after it was cut, so that a page is short
/// although more follow. JumpCloud does that; whether its count knows of them is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShortPages {
    /// Pages are full until the last.
    #[default]
    Never,
    /// After every seventh record stands a removed one; `skip` counts it, the total does not.
    Uncounted,
    /// After every seventh record stands a removed one; `skip` and the total count it.
    Counted,
}

/// Where the simulator leaves its defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Short pages: `never` (the default), `uncounted` or `counted`.
    pub short_pages: ShortPages,
    /// Seconds for which a token says that it lives (`expires_in`). 3600 by default.
    pub token_lifetime_seconds: u64,
    /// Seconds after which a token is revoked although it said that it would live longer; never where
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_revoked_after_seconds: Option<u64>,
    /// Milliseconds by which an event appears in Directory Insights later than its time stamp. 0 by
    /// default.
    pub events_late_ms: u64,
    /// Only every so manieth event is late, so that late ones appear before others that are already
    /// known. 1 (all) by default.
    pub events_late_every: u64,
    /// Every so manieth event never appears. 0 (none) by default.
    pub events_lost_every: u64,
    /// Scheme, host and port of the links to the next page, such as `https://console.jumpcloud.com`;
    /// where absent, links hold path and query only. Another host makes a client prove that it does
    /// not follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_origin: Option<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            short_pages: ShortPages::Never,
            token_lifetime_seconds: 3600,
            token_revoked_after_seconds: None,
            events_late_ms: 0,
            events_late_every: 1,
            events_lost_every: 0,
            link_origin: None,
        }
    }
}

impl Behaviour {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether this is an identifier as JumpCloud writes them: 24 hexadecimal digits.
pub fn is_identifier(text: &str) -> bool {
    text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Organisation {
    /// What is wrong with a file, in words for the person who wrote it; empty where nothing is:
    /// identifiers that are none, that occur twice, or that name nothing.
    ///
    /// [`super::JumpcloudSimulator::new`] takes faulty organisations too, since tests may want them.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut known: HashSet<(&str, &str)> = HashSet::new();
        let all = self
            .directories
            .iter()
            .map(|directory| ("directory", directory.id.as_str()))
            .chain(self.users.iter().map(|user| ("user", user.id.as_str())))
            .chain(self.groups.iter().map(|group| ("group", group.id.as_str())));
        for (what, id) in all.chain([("organisation", self.organisation_id.as_str())]) {
            if !is_identifier(id) {
                problems.push(format!("the {what} id {id:?} is not 24 hexadecimal digits"));
            }
            if !known.insert((what, id)) {
                problems.push(format!(
                    "two entries have the {what} id {id:?}: give each its own"
                ));
            }
        }
        let mut refers = |from: String, what: &'static str, ids: &[String]| {
            for id in ids {
                if !known.contains(&(what, id.as_str())) {
                    problems.push(format!("{from} names the {what} {id:?}, which does not exist"));
                }
            }
        };
        for user in &self.users {
            refers(format!("user {:?}", user.id), "directory", &user.directories);
            let exported: Vec<String> = user.external_ids.keys().cloned().collect();
            refers(format!("user {:?}", user.id), "directory", &exported);
        }
        for group in &self.groups {
            refers(format!("group {:?}", group.id), "user", &group.users);
            refers(format!("group {:?}", group.id), "group", &group.groups);
            refers(format!("group {:?}", group.id), "directory", &group.directories);
        }
        problems
    }
}
