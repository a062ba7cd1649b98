//! What a write that first looks and then changes must hold alone, by key.
//!
//! SQLite has one writer at a time, whatever it writes. PostgreSQL has many: there each of these is a lock that lasts as
//! long as the transaction, so that writes of one key come one after the other, and those of two tenants do not wait for
//! each other.

use super::ConnectionId;

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
}
