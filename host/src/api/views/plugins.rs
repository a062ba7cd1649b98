//! Components of others.

use crate::egress::rules::Rule;
use crate::service::{PluginDescription, PluginGrant, PluginView, rules_of};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

/// A kind of request that a component asks for, or may make.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = EgressRule)]
pub struct ApiRule {
    /// The credential that is attached: `jumpcloud`, `google` or `entra`.
    credential: String,
    /// HTTP method.
    method: String,
    /// Path; `{name}` stands for one segment.
    path: String,
    /// Whether it can change anything.
    writes: bool,
    /// Whether it is a batch, whose parts need rules of their own.
    batch: bool,
}

impl From<Rule> for ApiRule {
    fn from(rule: Rule) -> Self {
        Self {
            credential: rule.credential,
            method: rule.method,
            path: rule.path,
            writes: rule.writes,
            batch: rule.batch,
        }
    }
}

/// What was granted to a component.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginGrant)]
pub struct ApiPluginGrant {
    /// Whose runs may use it; none: those of any tenant.
    tenant: Option<String>,
    /// The component's SHA-256.
    digest: String,
    /// Its name and version, as it says itself.
    name: String,
    /// By what it was granted: `api`, or the command that did.
    origin: String,
    /// Size in bytes.
    size: u64,
    /// The requests that it may make; null: what was granted does not read, so that it does not run until it is granted
    /// again.
    rules: Option<Vec<ApiRule>>,
    /// Since when.
    granted_at: DateTime<Utc>,
}

impl From<PluginGrant> for ApiPluginGrant {
    fn from(grant: PluginGrant) -> Self {
        Self {
            tenant: grant.tenant,
            digest: grant.digest,
            name: grant.name,
            origin: grant.origin,
            size: grant.size,
            rules: grant
                .rules
                .map(|rules| rules.into_iter().map(ApiRule::from).collect()),
            granted_at: grant.at,
        }
    }
}

/// A component that this host keeps, or that something was granted to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub struct ApiPlugin {
    /// Its SHA-256.
    digest: String,
    /// Size in bytes; none: it is not kept here (any more), so that nobody can run it.
    size: Option<u64>,
    /// What was granted to it.
    grants: Vec<ApiPluginGrant>,
}

impl From<PluginView> for ApiPlugin {
    fn from(view: PluginView) -> Self {
        Self {
            digest: view.digest,
            size: view.size,
            grants: view.grants.into_iter().map(ApiPluginGrant::from).collect(),
        }
    }
}

/// The same with what the component says of itself, none of which is believed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginDescription)]
pub struct ApiPluginDescription {
    /// What is known of it here.
    #[serde(flatten)]
    plugin: ApiPlugin,
    /// What it calls itself.
    name: String,
    /// Which version of that.
    version: String,
    /// Vendors that it says it can write to.
    vendors: Vec<String>,
    /// The requests that it asks for; a grant gives it all of them, or those that read.
    asks: Vec<ApiRule>,
}

impl From<PluginDescription> for ApiPluginDescription {
    fn from(described: PluginDescription) -> Self {
        let asks = rules_of(&described.manifest, false);
        Self {
            plugin: described.view.into(),
            name: described.manifest.name,
            version: described.manifest.version,
            vendors: described.manifest.vendors,
            asks: asks.into_iter().map(ApiRule::from).collect(),
        }
    }
}
