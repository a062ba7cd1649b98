-- What a host that serves many tenants keeps. Tenant '' is the host itself.

INSERT INTO counters (name, value) VALUES ('tenancy', 0), ('audit', 0);

-- An operation's kind, so that changes can be counted without reading their JSON.
ALTER TABLE intents ADD COLUMN kind TEXT COLLATE "C";

CREATE TABLE tenants (
    name       TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    title      TEXT COLLATE "C"    NOT NULL,
    jumpcloud  TEXT COLLATE "C"    NOT NULL,
    plugin     TEXT COLLATE "C",
    enabled    BOOLEAN NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE directories (
    tenant     TEXT COLLATE "C"    NOT NULL REFERENCES tenants (name) ON DELETE CASCADE,
    name       TEXT COLLATE "C"    NOT NULL,
    vendor     TEXT COLLATE "C"    NOT NULL,
    section    TEXT COLLATE "C"    NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE plugins (
    tenant     TEXT COLLATE "C"    NOT NULL,
    digest     TEXT COLLATE "C"    NOT NULL,
    origin     TEXT COLLATE "C"    NOT NULL,
    name       TEXT COLLATE "C"    NOT NULL,
    size       BIGINT NOT NULL,
    granted    TEXT COLLATE "C"    NOT NULL,
    added_at   BIGINT NOT NULL,
    PRIMARY KEY (tenant, digest)
);

CREATE TABLE run_states (
    tenant       TEXT COLLATE "C"    NOT NULL,
    name         TEXT COLLATE "C"    NOT NULL,
    paused       TEXT COLLATE "C",
    failures     BIGINT NOT NULL DEFAULT 0,
    not_before   BIGINT,
    quarantine   TEXT COLLATE "C",
    last_due     BIGINT,
    last_message TEXT COLLATE "C",
    PRIMARY KEY (tenant, name)
);

CREATE TABLE tokens (
    id           TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C"    NOT NULL,
    hash         TEXT COLLATE "C"    NOT NULL UNIQUE,
    tenant       TEXT COLLATE "C"    NOT NULL,
    role         TEXT COLLATE "C"    NOT NULL,
    created_by   TEXT COLLATE "C"    NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked_at   BIGINT
);
CREATE INDEX tokens_by_tenant ON tokens (tenant, created_at);

CREATE TABLE grants (
    subject    TEXT COLLATE "C"    NOT NULL,
    tenant     TEXT COLLATE "C"    NOT NULL,
    role       TEXT COLLATE "C"    NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (subject, tenant)
);
CREATE INDEX grants_by_tenant ON grants (tenant);

CREATE TABLE sessions (
    hash       TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    subject    TEXT COLLATE "C"    NOT NULL,
    name       TEXT COLLATE "C"    NOT NULL,
    groups     TEXT COLLATE "C"    NOT NULL,
    csrf       TEXT COLLATE "C"    NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE audit (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL,
    tenant   TEXT COLLATE "C"    NOT NULL,
    action   TEXT COLLATE "C"    NOT NULL,
    subject  TEXT COLLATE "C"    NOT NULL,
    -- Canonical JSON of the entry: what the hash is over.
    entry    TEXT COLLATE "C"    NOT NULL,
    hash     TEXT COLLATE "C"    NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, sequence);
CREATE INDEX audit_by_subject ON audit (subject, sequence);
CREATE FUNCTION audit_stays() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to';
END
$$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();

CREATE TABLE jobs (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    tenant     TEXT COLLATE "C"    NOT NULL,
    connection TEXT COLLATE "C"    NOT NULL,
    state      TEXT COLLATE "C"    NOT NULL,
    queued_at  BIGINT NOT NULL,
    ended_at   BIGINT,
    -- What is only shown and never searched, as JSON.
    record     TEXT COLLATE "C"    NOT NULL
);
CREATE INDEX jobs_by_connection ON jobs (tenant, connection, queued_at, id);
CREATE INDEX jobs_unfinished ON jobs (queued_at, id) WHERE ended_at IS NULL;

-- Answers to requests with an idempotency key. Without a status: it is being done right now.
CREATE TABLE answers (
    key         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    fingerprint TEXT COLLATE "C"    NOT NULL,
    at          BIGINT NOT NULL,
    status      BIGINT,
    headers     TEXT COLLATE "C",
    body        BYTEA
);
CREATE INDEX answers_by_time ON answers (at);

CREATE TABLE sealed_keys (
    tenant     TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL,
    wrapped_by TEXT COLLATE "C"    NOT NULL,
    wrapped    BYTEA    NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sealed_secrets (
    tenant     TEXT COLLATE "C"    NOT NULL,
    name       TEXT COLLATE "C"    NOT NULL,
    version    BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    sealed     BYTEA    NOT NULL,
    expires_at BIGINT,
    set_at     BIGINT NOT NULL,
    set_by     TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- One sample an hour and connection.
CREATE TABLE samples (
    tenant     TEXT COLLATE "C"    NOT NULL,
    connection TEXT COLLATE "C"    NOT NULL,
    hour       BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    sample     TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (tenant, connection, hour)
);
