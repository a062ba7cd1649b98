-- The same tables as in SQLite, column by column. Times are milliseconds since 1970 in UTC. Text compares byte by byte
-- (collation C), which for UTF-8 is by code point, whatever the database's own collation is.

CREATE TABLE runs (
    id         TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    tenant     TEXT COLLATE "C"    NOT NULL,
    connection TEXT COLLATE "C"    NOT NULL,
    kind       TEXT COLLATE "C"    NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT,
    result     TEXT COLLATE "C",
    message    TEXT COLLATE "C",
    counters   TEXT COLLATE "C"    NOT NULL DEFAULT '{}',
    plan_hash  TEXT COLLATE "C"
);
CREATE INDEX runs_by_connection ON runs (tenant, connection, started_at, id);

CREATE TABLE bindings (
    directory TEXT COLLATE "C" NOT NULL,
    group_id  TEXT COLLATE "C" NOT NULL,
    state     TEXT COLLATE "C" NOT NULL,
    key       TEXT COLLATE "C" NOT NULL,
    target    TEXT COLLATE "C",
    details   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (directory, group_id)
);

CREATE TABLE memberships (
    directory  TEXT COLLATE "C" NOT NULL,
    group_id   TEXT COLLATE "C" NOT NULL,
    target     TEXT COLLATE "C" NOT NULL,
    principal  TEXT COLLATE "C" NOT NULL,
    provenance TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C",
    address    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (directory, group_id, target, principal)
);

CREATE TABLE counters (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

-- Intent IDs: a sequence and no counter, since directories must not wait for each other to get theirs.
CREATE SEQUENCE intent_ids AS BIGINT;

CREATE TABLE intents (
    id          BIGINT NOT NULL PRIMARY KEY,
    directory   TEXT COLLATE "C"    NOT NULL,
    run         TEXT COLLATE "C"    NOT NULL REFERENCES runs (id),
    group_id    TEXT COLLATE "C"    NOT NULL,
    operation   TEXT COLLATE "C"    NOT NULL,
    intended_at BIGINT NOT NULL,
    settlement  TEXT COLLATE "C",
    status      BIGINT,
    reason      TEXT COLLATE "C",
    request_id  TEXT COLLATE "C",
    settled_at  BIGINT
);
CREATE INDEX intents_open ON intents (directory, id) WHERE settlement IS NULL;
CREATE INDEX intents_by_group ON intents (directory, group_id, id);
CREATE INDEX intents_by_run ON intents (run, id);

CREATE TABLE state (
    directory TEXT COLLATE "C"    NOT NULL,
    key       TEXT COLLATE "C"    NOT NULL,
    value     BYTEA    NOT NULL,
    version   BIGINT NOT NULL,
    PRIMARY KEY (directory, key)
);

-- One row a distinct content: a plan made every few minutes is mostly what it was before.
CREATE TABLE part_bytes (
    sha256 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    bytes  BYTEA NOT NULL
);

CREATE TABLE staged_parts (
    run      TEXT COLLATE "C"    NOT NULL REFERENCES runs (id),
    position BIGINT NOT NULL,
    group_id TEXT COLLATE "C"    NOT NULL,
    sha256   TEXT COLLATE "C"    NOT NULL REFERENCES part_bytes (sha256),
    PRIMARY KEY (run, position)
);
CREATE INDEX staged_parts_by_content ON staged_parts (sha256);

CREATE TABLE plans (
    directory    TEXT COLLATE "C"    NOT NULL,
    hash         TEXT COLLATE "C"    NOT NULL,
    tenant       TEXT COLLATE "C"    NOT NULL,
    connection   TEXT COLLATE "C"    NOT NULL,
    run          TEXT COLLATE "C"    NOT NULL REFERENCES runs (id),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    applied_at   BIGINT,
    applied_by   TEXT COLLATE "C",
    derived_from TEXT COLLATE "C",
    summary      TEXT COLLATE "C"    NOT NULL,
    PRIMARY KEY (directory, hash)
);
CREATE INDEX plans_by_connection ON plans (tenant, connection, created_at);

CREATE TABLE plan_parts (
    directory    TEXT COLLATE "C"    NOT NULL,
    hash         TEXT COLLATE "C"    NOT NULL,
    position     BIGINT NOT NULL,
    group_id     TEXT COLLATE "C"    NOT NULL,
    sha256       TEXT COLLATE "C"    NOT NULL REFERENCES part_bytes (sha256),
    derived_from TEXT COLLATE "C",
    approved_by  TEXT COLLATE "C",
    approved_at  BIGINT,
    PRIMARY KEY (directory, hash, position),
    UNIQUE (directory, hash, group_id),
    FOREIGN KEY (directory, hash) REFERENCES plans (directory, hash) ON DELETE CASCADE
);
CREATE INDEX plan_parts_by_content ON plan_parts (sha256);

CREATE TABLE connections (
    tenant       TEXT COLLATE "C"    NOT NULL,
    name         TEXT COLLATE "C"    NOT NULL,
    mode         TEXT COLLATE "C"    NOT NULL,
    managed      BOOLEAN,
    last_success BIGINT,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE leases (
    key        TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    token      BIGINT NOT NULL,
    holder     TEXT COLLATE "C"    NOT NULL,
    expires_at BIGINT NOT NULL,
    free_at    BIGINT NOT NULL
);
