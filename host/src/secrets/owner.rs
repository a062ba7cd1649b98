//! Whose secrets are meant.

use std::fmt;

use crate::config::SecretSource;

/// Whose secrets a configuration names. It decides what a name means, and which places may be named at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Owner {
    /// The host's: `{ stored = … }` is in the encrypted file, and variables, files and all of Vault may be named. Tenants
    /// that the configuration file declares are the host's, whoever may write that file may read these anyway.
    #[default]
    Host,
    /// A tenant of the store: `{ stored = … }` is the tenant's own, sealed with its own key. It may name nothing of the
    /// host's, and of Vault only what lies below `secrets.vault.tenant_prefix` and its name.
    Tenant(String),
}

impl Owner {
    /// The tenant, as the store knows it.
    pub fn tenant(&self) -> Option<&str> {
        match self {
            Self::Host => None,
            Self::Tenant(name) => Some(name),
        }
    }

    /// Whether this owner may name such a place; Vault's paths are judged where the prefix is known.
    pub fn may_name(&self, source: &SecretSource) -> bool {
        match (self, source) {
            (Self::Host, _) | (Self::Tenant(_), SecretSource::Stored(_) | SecretSource::Vault(_)) => true,
            (Self::Tenant(_), SecretSource::Env(_) | SecretSource::File(_)) => false,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => formatter.write_str("the host"),
            Self::Tenant(name) => write!(formatter, "tenant {name}"),
        }
    }
}
