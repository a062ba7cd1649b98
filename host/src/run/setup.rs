//! What a connection needs to run, made from the configuration once at start-up.

use std::sync::Arc;

use groupcast_guest::settings::Settings;

use crate::credentials::CredentialSource;
use crate::egress::connection::Connections;
use crate::egress::limits::Limits;
use crate::egress::origin::{Base, OriginError};
use crate::egress::rules::Rule;
use crate::plugin::RunLimits;
use crate::store::{ConnectionId, DirectoryKey};

/// A connection, ready to run.
#[derive(Clone)]
pub struct ConnectionSetup {
    /// Its name.
    pub id: ConnectionId,
    /// The directory's own identity (R48).
    pub directory_key: DirectoryKey,
    /// `google` or `entra`.
    pub vendor: &'static str,
    /// JumpCloud's ID of the directory.
    pub directory: String,
    /// Where the source is.
    pub source_base_url: String,
    /// Where the target is.
    pub target_base_url: String,
    /// The component's settings.
    pub settings: Settings,
    /// Places that requests may go to.
    pub bases: Vec<Base>,
    /// Requests that are granted.
    pub rules: Vec<Rule>,
    /// The tenant's connections to the vendors.
    pub connections: Arc<Connections>,
    /// The tenant's credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// What a run may use of the machine.
    pub limits: RunLimits,
    /// What a run may use of the network.
    pub egress_limits: Limits,
}

/// Why a connection cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A base URL.
    #[error("{connection}: {reason}")]
    Url {
        /// Which connection.
        connection: String,
        /// Why.
        reason: OriginError,
    },
    /// A secret or a credential.
    #[error("{connection}: {reason}")]
    Credential {
        /// Which connection.
        connection: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A CA file, a network.
    #[error("{0}")]
    Network(String),
}

/// The rules that the built-in component asks for: what is granted without a word in the configuration.
pub(super) fn built_in_rules() -> Vec<Rule> {
    groupcast_guest::manifest::manifest()
        .egress
        .into_iter()
        .map(|rule| Rule {
            credential: rule.credential.to_owned(),
            method: rule.method.to_owned(),
            path: rule.path.to_owned(),
            writes: rule.writes,
            batch: rule.batch,
        })
        .collect()
}
