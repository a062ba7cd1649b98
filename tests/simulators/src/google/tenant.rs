//! The `"google"` section of an organisation file: one Google Workspace account, whole.
//!
//! This is a published format: people write such files by hand, tests compare them, and
//! [`GoogleSimulator::tenant`](super::GoogleSimulator::tenant) gives the current state back in it. Only
//! data belongs here; what Google does with it is decided in the other rooms.

use serde::{Deserialize, Serialize};

/// One Google Workspace account. Unknown fields are refused; a list left out is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The account's customer ID, for example `C01abcde2`; `my_customer` in a request stands for it.
    pub customer_id: String,
    /// The verified domains, the primary one first. Addresses in any other domain are external.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Service accounts that may ask for access tokens.
    #[serde(default)]
    pub service_accounts: Vec<ServiceAccount>,
    /// Addresses that hold Groups Admin or Super Admin. A token in the name of anybody else is issued,
    /// but every call with it is refused with 403 `forbidden`, as Google does. A service account that
    /// acts without delegation must stand here with its own `client_email`.
    #[serde(default)]
    pub admins: Vec<String>,
    /// The account's users.
    #[serde(default)]
    pub users: Vec<User>,
    /// The account's groups with their members.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// How late changes made over the API show.
    #[serde(default)]
    pub lag: Lag,
    /// Quotas in force; none where left out.
    #[serde(default)]
    pub quota: Quota,
    /// Groups' `externalIds` are accepted but not kept. Whether every account stores them is not
    /// verified, so a client has to work with both.
    #[serde(default)]
    pub forgets_external_ids: bool,
    /// Forms that answers to batches may have.
    #[serde(default, skip_serializing_if = "Batches::is_usual")]
    pub batches: Batches,
    /// Providers of workload identity pools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workload_identity_providers: Vec<WorkloadIdentityProvider>,
}

/// A provider of a workload identity pool: another identity provider that is trusted to say who a workload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkloadIdentityProvider {
    /// Its full name:
    /// `//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
    pub audience: String,
    /// The issuer that its tokens must name.
    pub issuer: String,
    /// The issuer's public RSA key, in PEM.
    pub public_key_pem: String,
    /// Audiences that tokens may be written for; none: the provider's full name, with or without `https:`.
    #[serde(default)]
    pub allowed_audiences: Vec<String>,
    /// The attribute condition: subjects that may come in; none: all.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// Who has the role Service Account Token Creator on which account.
    #[serde(default)]
    pub token_creators: Vec<TokenCreator>,
    /// Switched off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// A workload that may sign as a service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenCreator {
    /// The workload's subject.
    pub subject: String,
    /// The account's address.
    pub service_account: String,
}

/// What is allowed in answers to batches, and seldom seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batches {
    /// The parts come in another order than they were asked.
    pub shuffled: bool,
    /// Their `Content-ID` headers are folded onto a second line.
    pub folded_content_ids: bool,
}

impl Batches {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// A service account and what domain-wide delegation grants it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    /// Its address: the `iss` of its assertions.
    pub client_email: String,
    /// Its numeric client ID; only shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The ID of its key. Where given, an assertion that names another key in `kid` is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key_id: Option<String>,
    /// Its public RSA key: PEM, `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`.
    pub public_key_pem: String,
    /// The private key with which Google signs for whoever may (`signJwt`), in PEM; it must fit the public one. Without it
    /// nobody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key_pem: Option<String>,
    /// The scopes granted by domain-wide delegation. A token is only issued for scopes that stand here,
    /// letter by letter: a wider scope does not imply a narrower one.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl std::fmt::Debug for ServiceAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ServiceAccount")
            .field("client_email", &self.client_email)
            .field("private_key_id", &self.private_key_id)
            .field("public_key_pem", &self.public_key_pem)
            .field(
                "signing_key_pem",
                &self.signing_key_pem.as_ref().map(|_| "(hidden)"),
            )
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// One user. The simulated API cannot change users: Groupcast never does (R33).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The immutable ID, for example `101234567890123456789`.
    pub id: String,
    /// The address the user signs in with.
    pub primary_email: String,
    /// Other addresses of the same person.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Suspended users keep their memberships.
    #[serde(default)]
    pub suspended: bool,
    /// The full name. The part after the last blank is the family name.
    #[serde(default)]
    pub name: String,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The immutable ID, for example `03abcdef1abcdef`.
    pub id: String,
    /// The primary address.
    pub email: String,
    /// The display name; not unique.
    #[serde(default)]
    pub name: String,
    /// The description, at most 4096 characters.
    #[serde(default)]
    pub description: String,
    /// Other addresses that lead to the group.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Identifiers in other directories.
    #[serde(default)]
    pub external_ids: Vec<ExternalId>,
    /// The direct members.
    #[serde(default)]
    pub members: Vec<Member>,
    /// The group's own setting that forbids members from outside the account: adding one is then
    /// refused with 400 `Invalid Input: memberKey`.
    #[serde(default)]
    pub refuses_external_members: bool,
}

/// A group's identifier in another directory, as in Google's `externalIds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalId {
    /// Who gave the identifier.
    pub namespace: String,
    /// The identifier.
    pub id: String,
}

/// One direct membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The member's immutable ID: a user's, a group's, the customer's, or one that Google gave an
    /// outside person. Where left out, it is found by the address or made up from it.
    #[serde(default)]
    pub id: String,
    /// The member's address. Absent for `CUSTOMER`. For users and groups of this account the API
    /// answers with their address of today, whatever stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The role in the group.
    #[serde(default)]
    pub role: Role,
    /// What kind of member it is.
    #[serde(default, rename = "type")]
    pub kind: MemberType,
    /// Left out, the API answers `ACTIVE` or `SUSPENDED` for members of this account and nothing for
    /// outside people. `PENDING` is an invitation not yet accepted: invisible, yet in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<MemberStatus>,
    /// Mail delivery, for example `ALL_MAIL` or `DIGEST`; shown by get, insert and update, not by lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_settings: Option<String>,
}

/// A member's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// May do everything with the group.
    Owner,
    /// May manage members.
    Manager,
    /// An ordinary member.
    #[default]
    Member,
}

impl Role {
    /// As Google spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Manager => "MANAGER",
            Self::Member => "MEMBER",
        }
    }

    /// From Google's spelling; letter case does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Owner, Self::Manager, Self::Member]
            .into_iter()
            .find(|role| role.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MemberType {
    /// A person, of this account or from outside.
    #[default]
    User,
    /// Another group.
    Group,
    /// Everybody in the account; has an ID but no address.
    Customer,
}

impl MemberType {
    /// As Google spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Group => "GROUP",
            Self::Customer => "CUSTOMER",
        }
    }
}

/// A membership's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MemberStatus {
    /// In force.
    Active,
    /// In force; the user is suspended.
    Suspended,
    /// Invited, not yet accepted.
    Pending,
}

impl MemberStatus {
    /// As Google spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Suspended => "SUSPENDED",
            Self::Pending => "PENDING",
        }
    }
}

/// Eventual consistency, in milliseconds; zero is at once. It delays what the API itself created; what
/// stands in the file from the start, or an admin clicked, is visible at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lag {
    /// After a group is created, every call that names it (by ID or address) answers 404 this long,
    /// though creating it again answers 409.
    pub create_ms: u64,
    /// After a group is created, `groups.list` leaves it out this long.
    pub list_ms: u64,
    /// After a member is added, `members.list` leaves it out this long, though `members.get` finds it
    /// and adding it again answers 409.
    pub member_ms: u64,
}

/// Quotas; each is off where left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Calls in any 60 seconds for one acting user (or `quotaUser`); more answer 403
    /// `userRateLimitExceeded`. Google's own limit is 2400. Each part of a batch is a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries_per_minute: Option<u32>,
    /// Calls in any 60 seconds for the whole account; more answer 429 `rateLimitExceeded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_queries_per_minute: Option<u32>,
    /// Requests that arrive within one millisecond; more answer 403 `quotaExceeded`. A batch is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// Sent as `Retry-After` with those answers. Google documents none, so none is sent where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}
