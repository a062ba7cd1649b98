//! The published format of a tenant: the `"entra"` section of an organisation file, and what
//! [`super::EntraSimulator::tenant`] gives back. Only shapes belong here, no behaviour.
//!
//! Keys are in snake case, unknown keys are refused, and lists may be left out where they are empty.

use serde::{Deserialize, Serialize};

/// One Entra ID tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The tenant's ID (a GUID). The token endpoint is `/{tenant_id}/oauth2/v2.0/token`.
    pub tenant_id: String,
    /// The tenant's default verified domain; also accepted in place of the ID by the token endpoint.
    pub domain: String,
    /// The applications that may ask for a token.
    #[serde(default)]
    pub applications: Vec<Application>,
    /// The users.
    #[serde(default)]
    pub users: Vec<User>,
    /// The groups, of every type.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// How long reads lag behind writes; no lag where absent.
    #[serde(default)]
    pub lag: Lag,
    /// When requests are throttled; never where absent.
    #[serde(default)]
    pub throttle: Throttle,
}

/// An application registration with its service principal and admin-consented permissions.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Application (client) ID, a GUID.
    pub client_id: String,
    /// The client secret; such a token request is refused where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Whether the secret is past its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub client_secret_expired: bool,
    /// The registered X.509 certificate in PEM: assertions are verified with its public key and
    /// named by its thumbprint. Such a token request is refused where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_pem: Option<String>,
    /// Other identity providers' tokens that the application trusts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub federated_credentials: Vec<FederatedCredential>,
    /// Application permissions that an admin consented to, as `Group.ReadWrite.All`.
    #[serde(default)]
    pub permissions: Vec<String>,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Application")
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.as_ref().map(|_| "(hidden)"))
            .field("certificate_pem", &self.certificate_pem)
            .field("permissions", &self.permissions)
            .finish()
    }
}

/// Another identity provider's token that an application trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// The token's issuer.
    pub issuer: String,
    /// The token's subject.
    pub subject: String,
    /// The token's audience.
    #[serde(default = "token_exchange")]
    pub audience: String,
    /// The issuer's public RSA key, in PEM.
    pub public_key_pem: String,
}

fn token_exchange() -> String {
    "api://AzureADTokenExchange".to_owned()
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Object ID, a GUID.
    pub id: String,
    /// User principal name, unique in the tenant; compared without regard to case.
    pub user_principal_name: String,
    /// Primary SMTP address; not always the user principal name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// Shown name.
    pub display_name: String,
    /// Further addresses, not verified by the tenant.
    #[serde(default)]
    pub other_mails: Vec<String>,
    /// Addresses with their protocol: `SMTP:primary@example.com`, `smtp:alias@example.com`.
    #[serde(default)]
    pub proxy_addresses: Vec<String>,
}

/// A group of any type. The type follows from `group_types`, `mail_enabled` and `security_enabled`:
/// a security group is `[]`, `false`, `true`; a Microsoft 365 group has `Unified` in `group_types`;
/// a distribution group is mail-enabled only; a mail-enabled security group is both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Object ID, a GUID.
    pub id: String,
    /// Shown name; **not** unique in a tenant.
    pub display_name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Mail nickname; not unique for security groups.
    pub mail_nickname: String,
    /// Address, for mail-enabled groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
    /// True for Microsoft 365, distribution and mail-enabled security groups.
    #[serde(default)]
    pub mail_enabled: bool,
    /// True for security groups; the default, since it is the type that this project writes.
    #[serde(default = "yes")]
    pub security_enabled: bool,
    /// `Unified` (Microsoft 365) and `DynamicMembership`.
    #[serde(default)]
    pub group_types: Vec<String>,
    /// The alternate key, unique in the tenant; set once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_name: Option<String>,
    /// `true` where the group comes from an on-premises directory and cannot be written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_premises_sync_enabled: Option<bool>,
    /// `true` where directory roles can be assigned to the group; writes need
    /// `RoleManagement.ReadWrite.Directory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_assignable_to_role: Option<bool>,
    /// `true` where the group is in a restricted administrative unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_management_restricted: Option<bool>,
    /// SKU IDs of the licences that the group gives to its members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assigned_licenses: Vec<String>,
    /// `Private`, `Public` or `HiddenMembership`, for Microsoft 365 groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    /// The direct members.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Object IDs of the owners.
    #[serde(default)]
    pub owners: Vec<String>,
}

fn yes() -> bool {
    true
}

/// One direct member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Object ID.
    pub id: String,
    /// What it is; a user where absent.
    #[serde(default, rename = "type")]
    pub kind: ObjectType,
}

/// The types of directory object that a group can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectType {
    /// A user.
    #[default]
    User,
    /// Another group.
    Group,
    /// The service principal of an application.
    ServicePrincipal,
    /// A device.
    Device,
    /// An organisational contact.
    OrgContact,
}

impl ObjectType {
    /// The type as Graph names it in `@odata.type`.
    pub(super) fn odata(self) -> &'static str {
        match self {
            Self::User => "#microsoft.graph.user",
            Self::Group => "#microsoft.graph.group",
            Self::ServicePrincipal => "#microsoft.graph.servicePrincipal",
            Self::Device => "#microsoft.graph.device",
            Self::OrgContact => "#microsoft.graph.orgContact",
        }
    }
}

/// How far reads lag behind writes: Microsoft promises no read-after-write, above all to applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lag {
    /// For so many milliseconds after its creation an object answers 404 and is in no list.
    pub create_ms: u64,
    /// For so many milliseconds after a write, lists of members and owners, the change feed and
    /// eventual (index) reads still show what was before it.
    pub read_ms: u64,
}

/// When requests are answered 429. Counted per application in fixed windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Throttle {
    /// Writes allowed per window; unlimited where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes_per_window: Option<u64>,
    /// Resource units (the documented cost of each request) allowed per window; unlimited where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units_per_window: Option<u64>,
    /// Length of a window in milliseconds; 10,000 where absent.
    pub window_ms: u64,
    /// Whether a 429 names the seconds to wait in `Retry-After`; true where absent.
    pub retry_after: bool,
    /// Whether a batch with a throttled part answers 424 itself, as the throttling page says, and not
    /// 200, as the batching page says. False where absent.
    pub batch_answers_424: bool,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            writes_per_window: None,
            units_per_window: None,
            window_ms: 10_000,
            retry_after: true,
            batch_answers_424: false,
        }
    }
}
