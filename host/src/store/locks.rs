//! What a write that first looks and then changes must hold alone, by key.
//!
//! SQLite has one writer at a time, whatever it writes. PostgreSQL has many: there each of these is a lock that lasts as
//! long as the transaction, so that writes of one key come one after the other, and those of two tenants do not wait for
//! each other. All locks of a write are taken together at its beginning. The one lock that all tenants share is the
//! audit log's counter; it is taken last, and held no longer than a commit takes.

use super::{ConnectionId, DirectoryKey};

/// A lock's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock<'a> {
    /// What is stored of a tenant: itself, its directories and plugins. `''` is the host.
    Tenant(&'a str),
    /// What the scheduler remembers of a connection.
    RunState(&'a ConnectionId),
    /// An idempotency key.
    Answer(&'a str),
    /// Data key and secrets of a tenant. `''` is the host.
    Sealed(&'a str),
    /// Mode and success of a connection.
    Connection(&'a ConnectionId),
    /// A lease, and what may be written only under it.
    Lease(&'a str),
    /// Bindings, memberships and settlements of a directory.
    Ledger(&'a DirectoryKey),
    /// Plans of a directory.
    Plans(&'a DirectoryKey),
    /// What a run stages.
    Staging(&'a str),
    /// Content of parts is kept and referred to: any number at once.
    KeepContents,
    /// Content of parts is forgotten: alone.
    ForgetContents,
}

impl Lock<'_> {
    /// The lock's number among all locks of a database, and whether any number of writes may hold it at once. Two locks
    /// that were given the same number by chance wait for each other for nothing, and that is all.
    pub(super) fn number(&self) -> (i64, bool) {
        use sha2::{Digest, Sha256};
        let (kind, key) = match self {
            Self::Tenant(name) => ("tenant", (*name).to_owned()),
            Self::RunState(id) => ("run-state", id.to_string()),
            Self::Answer(key) => ("answer", (*key).to_owned()),
            Self::Sealed(tenant) => ("sealed", (*tenant).to_owned()),
            Self::Connection(id) => ("connection", id.to_string()),
            Self::Lease(key) => ("lease", (*key).to_owned()),
            Self::Ledger(directory) => ("ledger", directory.to_string()),
            Self::Plans(directory) => ("plans", directory.to_string()),
            Self::Staging(run) => ("staging", (*run).to_owned()),
            Self::KeepContents | Self::ForgetContents => ("contents", String::new()),
        };
        let digest = Sha256::digest(format!("groupcast/{kind}/{key}"));
        let number = digest
            .first_chunk::<8>()
            .map_or(0, |bytes| i64::from_be_bytes(*bytes));
        (number, matches!(self, Self::KeepContents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_have_two_numbers_and_contents_one() {
        let id = ConnectionId::new("acme", "entra");
        let mut numbers = vec![
            Lock::Tenant("acme").number().0,
            Lock::Tenant("beta").number().0,
            Lock::Sealed("acme").number().0,
            Lock::Connection(&id).number().0,
            Lock::RunState(&id).number().0,
            Lock::KeepContents.number().0,
        ];
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 6);
        let (keep, forget) = (Lock::KeepContents.number(), Lock::ForgetContents.number());
        assert_eq!((keep.0, keep.1, forget.1), (forget.0, true, false));
    }
}
