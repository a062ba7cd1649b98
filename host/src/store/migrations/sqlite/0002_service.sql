-- What a host that serves many tenants keeps. Tenant '' is the host itself.

INSERT INTO counters (name, value) VALUES ('tenancy', 0), ('audit', 0);

-- An operation's kind, so that changes can be counted without reading their JSON.
ALTER TABLE intents ADD COLUMN kind TEXT;
UPDATE intents SET kind = CASE WHEN json_valid(operation) THEN operation ->> 'do' END;

CREATE TABLE tenants (
    name       TEXT    NOT NULL PRIMARY KEY,
    title      TEXT    NOT NULL,
    jumpcloud  TEXT    NOT NULL,
    plugin     TEXT,
    enabled    INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE directories (
    tenant     TEXT    NOT NULL REFERENCES tenants (name) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    vendor     TEXT    NOT NULL,
    section    TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE plugins (
    tenant     TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    granted    TEXT    NOT NULL,
    added_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_states (
    tenant       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    paused       TEXT,
    failures     INTEGER NOT NULL DEFAULT 0,
    not_before   INTEGER,
    quarantine   TEXT,
    last_due     INTEGER,
    last_message TEXT,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    hash         TEXT    NOT NULL UNIQUE,
    tenant       TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    created_by   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_tenant ON tokens (tenant, created_at);

CREATE TABLE grants (
    subject    TEXT    NOT NULL,
    tenant     TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (subject, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_tenant ON grants (tenant);

CREATE TABLE sessions (
    hash       TEXT    NOT NULL PRIMARY KEY,
    subject    TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    groups     TEXT    NOT NULL,
    csrf       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE audit (
    sequence INTEGER NOT NULL PRIMARY KEY,
    at       INTEGER NOT NULL,
    tenant   TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    -- Canonical JSON of the entry: what the hash is over.
    entry    TEXT    NOT NULL,
    hash     TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant, sequence);
CREATE INDEX audit_by_subject ON audit (subject, sequence);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only ever added to'); END;

CREATE TABLE jobs (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    connection TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    queued_at  INTEGER NOT NULL,
    ended_at   INTEGER,
    -- What is only shown and never searched, as JSON.
    record     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_by_connection ON jobs (tenant, connection, queued_at, id);
CREATE INDEX jobs_unfinished ON jobs (queued_at, id) WHERE ended_at IS NULL;

-- Answers to requests with an idempotency key. Without a status: it is being done right now.
CREATE TABLE answers (
    key         TEXT    NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    status      INTEGER,
    headers     TEXT,
    body        BLOB
) STRICT;
CREATE INDEX answers_by_time ON answers (at);

CREATE TABLE sealed_keys (
    tenant     TEXT    NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL,
    wrapped_by TEXT    NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sealed_secrets (
    tenant     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    sealed     BLOB    NOT NULL,
    expires_at INTEGER,
    set_at     INTEGER NOT NULL,
    set_by     TEXT    NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- One sample an hour and connection.
CREATE TABLE samples (
    tenant     TEXT    NOT NULL,
    connection TEXT    NOT NULL,
    hour       INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    sample     TEXT    NOT NULL,
    PRIMARY KEY (tenant, connection, hour)
) STRICT, WITHOUT ROWID;
