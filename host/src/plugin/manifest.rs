//! What a plugin says it is and needs (WIT `manifest`). The host believes none of it: rules count only where the
//! operator's configuration grants them and the gate's own decoders know the request.

use serde::{Deserialize, Serialize};

/// WIT `credential`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// `jumpcloud`, `google` or `entra`.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Scopes, permissions or roles, in the vendor's words.
    pub scopes: Vec<String>,
}

/// WIT `egress-rule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRule {
    /// The credential to attach; its base URL is the origin.
    pub credential: String,
    /// HTTP method.
    pub method: String,
    /// Path template below the origin.
    pub path: String,
    /// Whether the request can change anything.
    pub writes: bool,
    /// Whether the body is a batch.
    pub batch: bool,
}

/// WIT `manifest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Vendors it can write to.
    pub vendors: Vec<String>,
    /// Credentials it needs.
    pub credentials: Vec<Credential>,
    /// Requests it makes.
    pub egress: Vec<EgressRule>,
    /// JSON Schema of its settings.
    pub settings_schema: String,
}
