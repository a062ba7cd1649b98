-- Times are milliseconds since 1970 in UTC. Text compares byte by byte, which for UTF-8 is by code point.

CREATE TABLE runs (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    connection TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    result     TEXT,
    message    TEXT,
    counters   TEXT    NOT NULL DEFAULT '{}',
    plan_hash  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_connection ON runs (tenant, connection, started_at, id);

CREATE TABLE bindings (
    directory TEXT NOT NULL,
    group_id  TEXT NOT NULL,
    state     TEXT NOT NULL,
    key       TEXT NOT NULL,
    target    TEXT,
    details   TEXT NOT NULL,
    PRIMARY KEY (directory, group_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE memberships (
    directory  TEXT NOT NULL,
    group_id   TEXT NOT NULL,
    target     TEXT NOT NULL,
    principal  TEXT NOT NULL,
    provenance TEXT NOT NULL,
    user_id    TEXT,
    address    TEXT NOT NULL,
    PRIMARY KEY (directory, group_id, target, principal)
) STRICT, WITHOUT ROWID;

-- Intent IDs are handed out in blocks, so that a list of intents is one statement and its IDs are in its order.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('intent', 0);

CREATE TABLE intents (
    id          INTEGER NOT NULL PRIMARY KEY,
    directory   TEXT    NOT NULL,
    run         TEXT    NOT NULL REFERENCES runs (id),
    group_id    TEXT    NOT NULL,
    operation   TEXT    NOT NULL,
    intended_at INTEGER NOT NULL,
    settlement  TEXT,
    status      INTEGER,
    reason      TEXT,
    request_id  TEXT,
    settled_at  INTEGER
) STRICT;
CREATE INDEX intents_open ON intents (directory, id) WHERE settlement IS NULL;
CREATE INDEX intents_by_group ON intents (directory, group_id, id);
CREATE INDEX intents_by_run ON intents (run, id);

CREATE TABLE state (
    directory TEXT    NOT NULL,
    key       TEXT    NOT NULL,
    value     BLOB    NOT NULL,
    version   INTEGER NOT NULL,
    PRIMARY KEY (directory, key)
) STRICT, WITHOUT ROWID;

-- One row a distinct content: a plan made every few minutes is mostly what it was before.
CREATE TABLE part_bytes (
    sha256 TEXT NOT NULL PRIMARY KEY,
    bytes  BLOB NOT NULL
) STRICT;

CREATE TABLE staged_parts (
    run      TEXT    NOT NULL REFERENCES runs (id),
    position INTEGER NOT NULL,
    group_id TEXT    NOT NULL,
    sha256   TEXT    NOT NULL REFERENCES part_bytes (sha256),
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX staged_parts_by_content ON staged_parts (sha256);

CREATE TABLE plans (
    directory    TEXT    NOT NULL,
    hash         TEXT    NOT NULL,
    tenant       TEXT    NOT NULL,
    connection   TEXT    NOT NULL,
    run          TEXT    NOT NULL REFERENCES runs (id),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    applied_at   INTEGER,
    applied_by   TEXT,
    derived_from TEXT,
    summary      TEXT    NOT NULL,
    PRIMARY KEY (directory, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX plans_by_connection ON plans (tenant, connection, created_at);

CREATE TABLE plan_parts (
    directory    TEXT    NOT NULL,
    hash         TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    group_id     TEXT    NOT NULL,
    sha256       TEXT    NOT NULL REFERENCES part_bytes (sha256),
    derived_from TEXT,
    approved_by  TEXT,
    approved_at  INTEGER,
    PRIMARY KEY (directory, hash, position),
    UNIQUE (directory, hash, group_id),
    FOREIGN KEY (directory, hash) REFERENCES plans (directory, hash) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX plan_parts_by_content ON plan_parts (sha256);

CREATE TABLE connections (
    tenant       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    mode         TEXT    NOT NULL,
    managed      INTEGER,
    last_success INTEGER,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    key        TEXT    NOT NULL PRIMARY KEY,
    token      INTEGER NOT NULL,
    holder     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    free_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
