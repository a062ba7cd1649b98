//! Who may do what, and who did what.

use crate::service::{Principal, Scope, SecretView};
use crate::store::service::{AuditEntry, GrantRecord, Role, TokenRecord};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What somebody may do, each more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub enum ApiRole {
    /// Sees everything of a tenant but secrets and tokens.
    Viewer,
    /// Besides: plans, approves, applies, undoes, pauses, and chooses groups.
    Operator,
    /// Besides: connections, secrets, tokens, grants and plugins. Of the whole host: tenants.
    Admin,
}

impl From<Role> for ApiRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<ApiRole> for Role {
    fn from(role: ApiRole) -> Self {
        match role {
            ApiRole::Viewer => Self::Viewer,
            ApiRole::Operator => Self::Operator,
            ApiRole::Admin => Self::Admin,
        }
    }
}

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhoAmI {
    /// `token:ID` or `email:alice@example.com`.
    subject: String,
    /// What they are called.
    name: String,
    /// Their role for the whole host.
    host_role: Option<ApiRole>,
    /// Their roles for tenants, where they have none for the whole host.
    tenants: Vec<TenantRole>,
}

/// A role for a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantRole {
    /// The tenant.
    tenant: String,
    /// The role.
    role: ApiRole,
}

impl From<&Principal> for WhoAmI {
    fn from(who: &Principal) -> Self {
        let tenants = match who.tenants() {
            Scope::All => Vec::new(),
            Scope::Some(names) => names
                .into_iter()
                .filter_map(|tenant| {
                    let role = who.role(Some(&tenant))?.into();
                    Some(TenantRole { tenant, role })
                })
                .collect(),
        };
        Self {
            subject: who.actor.subject.clone(),
            name: who.actor.name.clone(),
            host_role: who.role(None).map(Into::into),
            tenants,
        }
    }
}

/// An API token; never the token itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// Its ID.
    id: String,
    /// What people call it.
    name: String,
    /// For which tenant; none: for the whole host.
    tenant: Option<String>,
    /// What it may do.
    role: ApiRole,
    /// Who made it.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
    /// Until when it is good.
    expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to a minute.
    last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<TokenRecord> for Token {
    fn from(token: TokenRecord) -> Self {
        Self {
            id: token.id,
            name: token.name,
            tenant: token.tenant,
            role: token.role.into(),
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// What a person, or a group of the identity provider, may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Grant {
    /// `email:alice@example.com` or `group:platform-admins`.
    subject: String,
    /// For which tenant; none: for the whole host.
    tenant: Option<String>,
    /// What.
    role: ApiRole,
    /// When it was granted.
    created_at: DateTime<Utc>,
}

impl From<GrantRecord> for Grant {
    fn from(grant: GrantRecord) -> Self {
        Self {
            subject: grant.subject,
            tenant: grant.tenant,
            role: grant.role.into(),
            created_at: grant.created_at,
        }
    }
}

/// A stored secret; never its value.
#[derive(Debug, Serialize, ToSchema)]
pub struct Secret {
    /// Its name.
    name: String,
    /// Each setting is a new one.
    version: u64,
    /// When this version was set.
    set_at: DateTime<Utc>,
    /// By whom.
    set_by: String,
    /// When what it opens expires, where that is known.
    expires_at: Option<DateTime<Utc>>,
}

impl From<SecretView> for Secret {
    fn from(secret: SecretView) -> Self {
        Self {
            name: secret.name,
            version: secret.version,
            set_at: secret.set_at,
            set_by: secret.set_by,
            expires_at: secret.expires_at,
        }
    }
}

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    /// From 1, without gaps.
    sequence: u64,
    /// When.
    at: DateTime<Utc>,
    /// Who: `token:ID`, `email:…`, `schedule`, …
    subject_of_actor: String,
    /// What they are called.
    actor: String,
    /// The address that the request came from.
    address: Option<String>,
    /// Of which tenant; none: of the host.
    tenant: Option<String>,
    /// What was done: `directory.changed`, `plan.approved`, …
    action: String,
    /// To what.
    subject: String,
    /// What was there before.
    before: Option<Value>,
    /// What is there now.
    after: Option<Value>,
    /// The request's ID, as in the log.
    request: Option<String>,
    /// SHA-256 over the hash before and this entry.
    hash: String,
}

impl From<AuditEntry> for Audit {
    fn from(entry: AuditEntry) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at,
            subject_of_actor: entry.entry.actor.subject,
            actor: entry.entry.actor.name,
            address: entry.entry.actor.address,
            tenant: entry.entry.tenant,
            action: entry.entry.action,
            subject: entry.entry.subject,
            before: entry.entry.before,
            after: entry.entry.after,
            request: entry.entry.request,
            hash: entry.hash,
        }
    }
}
