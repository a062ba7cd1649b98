//! Which tables and columns there are, each table after those that it refers to.

/// What a column holds. In JSON: a string, a number, a truth, a string in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Truth,
    Bytes,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Text(Option<String>),
    Integer(Option<i64>),
    Truth(Option<bool>),
    Bytes(Option<Vec<u8>>),
}

/// A table.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// What names a row: rows come in this order.
    pub key: &'static str,
    pub columns: &'static [(&'static str, Kind)],
}

impl Table {
    /// The columns' names, as in a statement.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

macro_rules! tables {
    ($($table:ident by ($key:literal) { $($column:ident $kind:ident),* $(,)? })*) => {
        &[$(Table {
            name: stringify!($table),
            key: $key,
            columns: &[$((stringify!($column), Kind::$kind)),*],
        }),*]
    };
}

/// All that are in a backup.
pub const TABLES: &[Table] = tables! {
    counters by ("name") { name Text, value Integer }
    runs by ("id") {
        id Text, tenant Text, connection Text, kind Text, started_at Integer, ended_at Integer, result Text,
        message Text, counters Text, plan_hash Text,
    }
    bindings by ("directory, group_id") {
        directory Text, group_id Text, state Text, key Text, target Text, details Text,
    }
    memberships by ("directory, group_id, target, principal") {
        directory Text, group_id Text, target Text, principal Text, provenance Text, user_id Text, address Text,
    }
    intents by ("id") {
        id Integer, directory Text, run Text, group_id Text, operation Text, intended_at Integer, settlement Text,
        status Integer, reason Text, request_id Text, settled_at Integer, kind Text,
    }
    state by ("directory, key") { directory Text, key Text, value Bytes, version Integer }
    part_bytes by ("sha256") { sha256 Text, bytes Bytes }
    plans by ("directory, hash") {
        directory Text, hash Text, tenant Text, connection Text, run Text, created_at Integer, expires_at Integer,
        applied_at Integer, applied_by Text, derived_from Text, summary Text,
    }
    plan_parts by ("directory, hash, position") {
        directory Text, hash Text, position Integer, group_id Text, sha256 Text, derived_from Text, approved_by Text,
        approved_at Integer,
    }
    connections by ("tenant, name") { tenant Text, name Text, mode Text, managed Truth, last_success Integer }
    leases by ("key") { key Text, token Integer, holder Text, expires_at Integer, free_at Integer }
    tenants by ("name") {
        name Text, title Text, jumpcloud Text, plugin Text, enabled Truth, version Integer, created_at Integer,
        updated_at Integer,
    }
    directories by ("tenant, name") {
        tenant Text, name Text, vendor Text, section Text, version Integer, created_at Integer, updated_at Integer,
    }
    plugins by ("tenant, digest") {
        tenant Text, digest Text, origin Text, name Text, size Integer, granted Text, added_at Integer,
    }
    run_states by ("tenant, name") {
        tenant Text, name Text, paused Text, failures Integer, not_before Integer, quarantine Text, last_due Integer,
        last_message Text,
    }
    tokens by ("id") {
        id Text, name Text, hash Text, tenant Text, role Text, created_by Text, created_at Integer, expires_at Integer,
        last_used_at Integer, revoked_at Integer,
    }
    grants by ("subject, tenant") { subject Text, tenant Text, role Text, created_at Integer }
    audit by ("sequence") {
        sequence Integer, at Integer, tenant Text, action Text, subject Text, entry Text, hash Text,
    }
    jobs by ("id") {
        id Text, tenant Text, connection Text, state Text, queued_at Integer, ended_at Integer, record Text,
        cancel_asked_at Integer,
    }
    sealed_keys by ("tenant") {
        tenant Text, generation Integer, wrapped_by Text, wrapped Bytes, created_at Integer,
    }
    sealed_secrets by ("tenant, name") {
        tenant Text, name Text, version Integer, generation Integer, sealed Bytes, expires_at Integer, set_at Integer,
        set_by Text,
    }
    samples by ("tenant, connection, hour") {
        tenant Text, connection Text, hour Integer, at Integer, sample Text,
    }
};

/// Tables that no backup has, and their columns.
#[cfg(test)]
pub const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "answers",
        &["key", "fingerprint", "at", "status", "headers", "body"],
    ),
    (
        "sessions",
        &[
            "hash",
            "subject",
            "name",
            "groups",
            "csrf",
            "created_at",
            "seen_at",
            "expires_at",
        ],
    ),
    ("staged_parts", &["run", "position", "group_id", "sha256"]),
    (
        "_sqlx_migrations",
        &[
            "version",
            "description",
            "installed_on",
            "success",
            "checksum",
            "execution_time",
        ],
    ),
];
