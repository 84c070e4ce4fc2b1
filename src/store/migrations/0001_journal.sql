-- The journal. Times are milliseconds since 1970 (UTC); ids, enums and JSON are text; identities,
-- hashes and files are blobs. Every row that belongs to a tenant carries its name.

CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO facts (name, value) VALUES ('epoch', 0), ('wallSeen', 0), ('chainCut', 0);

-- Runs and what they matched.
CREATE TABLE runs (
    id            TEXT NOT NULL PRIMARY KEY,
    tenant        TEXT NOT NULL,
    playbook      TEXT NOT NULL,
    playbook_name TEXT NOT NULL,
    version       BLOB NOT NULL CHECK (length(version) = 32),
    cause         TEXT NOT NULL,
    scheduled_for INTEGER,
    mode          TEXT NOT NULL,
    effects       TEXT NOT NULL,
    state         TEXT NOT NULL,
    batched       INTEGER NOT NULL DEFAULT 0,
    started       INTEGER NOT NULL,
    finished      INTEGER,
    error         TEXT,
    counts        TEXT NOT NULL DEFAULT '{}',
    report        TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE UNIQUE INDEX runs_slot ON runs (tenant, playbook, scheduled_for) WHERE scheduled_for IS NOT NULL;
CREATE INDEX runs_started ON runs (started, id);
CREATE INDEX runs_playbook ON runs (playbook, started);
CREATE INDEX runs_open ON runs (state) WHERE state = 'running';

CREATE TABLE items (
    run      TEXT NOT NULL REFERENCES runs (id),
    seq      INTEGER NOT NULL,
    identity BLOB CHECK (identity IS NULL OR length(identity) = 16),
    item_key TEXT NOT NULL,
    data     TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    reason   TEXT,
    at       INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;
CREATE INDEX items_open ON items (run) WHERE outcome = 'matched';

CREATE TABLE seen (
    tenant   TEXT NOT NULL,
    playbook TEXT NOT NULL,
    identity BLOB NOT NULL CHECK (length(identity) = 16),
    run      TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, playbook, identity)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_last ON seen (last_at);

-- What was done to a tenant. The transitions are written by the program at each start: the Rust type
-- is the one place that knows them.
CREATE TABLE effect_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT;

CREATE TABLE effects (
    effect_key    TEXT NOT NULL PRIMARY KEY CHECK (length(effect_key) BETWEEN 1 AND 40),
    tenant        TEXT NOT NULL,
    playbook      TEXT NOT NULL,
    run           TEXT NOT NULL REFERENCES runs (id),
    seq           INTEGER NOT NULL,
    step          TEXT NOT NULL,
    action        TEXT NOT NULL,
    target        TEXT NOT NULL,
    destructive   INTEGER NOT NULL,
    params_digest BLOB NOT NULL CHECK (length(params_digest) = 32),
    state         TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    remote_id     TEXT,
    detail        TEXT,
    epoch         INTEGER NOT NULL,
    intended_at   INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX effects_budget ON effects (tenant, playbook, intended_at);
CREATE INDEX effects_target ON effects (tenant, target, intended_at);
CREATE INDEX effects_run ON effects (run, seq);
CREATE INDEX effects_open ON effects (state) WHERE state IN ('intended', 'pending', 'unknown', 'parked');

CREATE TRIGGER effects_born BEFORE INSERT ON effects
WHEN NEW.state <> 'intended' OR NEW.attempt <> 1
BEGIN SELECT RAISE(ABORT, 'an effect begins intended, at attempt 1'); END;

CREATE TRIGGER effects_step BEFORE UPDATE OF state ON effects
WHEN NOT EXISTS (SELECT 1 FROM effect_transitions
                 WHERE from_state = OLD.state AND to_state = NEW.state)
  OR NEW.attempt <> OLD.attempt + (NEW.state = 'intended')
BEGIN SELECT RAISE(ABORT, 'an illegal transition of an effect'); END;

CREATE TRIGGER effects_fixed BEFORE UPDATE OF
    effect_key, tenant, playbook, run, seq, step, action, target, destructive, params_digest ON effects
BEGIN SELECT RAISE(ABORT, 'what an effect is never changes'); END;

-- Append only; each event carries the hash of the one before. Retention may cut a prefix, and then
-- says first up to where (`chainCut`).
CREATE TABLE effect_events (
    n          INTEGER NOT NULL PRIMARY KEY,
    effect_key TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    state      TEXT NOT NULL,
    remote_id  TEXT,
    detail     TEXT,
    at         INTEGER NOT NULL,
    prev_hash  BLOB NOT NULL CHECK (length(prev_hash) = 32),
    hash       BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX effect_events_key ON effect_events (effect_key, n);

CREATE TRIGGER effect_events_kept BEFORE UPDATE ON effect_events
BEGIN SELECT RAISE(ABORT, 'the journal of effects is append only'); END;
CREATE TRIGGER effect_events_cut BEFORE DELETE ON effect_events
WHEN OLD.n > (SELECT value FROM facts WHERE name = 'chainCut')
BEGIN SELECT RAISE(ABORT, 'the journal of effects is append only'); END;

-- What not to say or do again for a while; when a schedule fired last.
CREATE TABLE suppressions (
    tenant    TEXT NOT NULL,
    playbook  TEXT NOT NULL,
    item_key  TEXT NOT NULL,
    until     INTEGER NOT NULL,
    run       TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (tenant, playbook, item_key)
) STRICT;
CREATE INDEX suppressions_until ON suppressions (until);

CREATE TABLE slots (
    tenant   TEXT NOT NULL,
    playbook TEXT NOT NULL,
    slot     INTEGER NOT NULL,
    PRIMARY KEY (tenant, playbook)
) STRICT;

-- Playbooks and lists as they were accepted, so that the last good version outlives a bad edit.
CREATE TABLE contents (
    hash  BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    bytes BLOB NOT NULL,
    at    INTEGER NOT NULL
) STRICT;

CREATE TABLE live_playbooks (
    playbook TEXT NOT NULL PRIMARY KEY,
    file     TEXT NOT NULL,
    hash     BLOB NOT NULL REFERENCES contents (hash),
    at       INTEGER NOT NULL
) STRICT;

CREATE TABLE live_lists (
    name TEXT NOT NULL PRIMARY KEY,
    file TEXT NOT NULL,
    hash BLOB NOT NULL REFERENCES contents (hash),
    at   INTEGER NOT NULL
) STRICT;

CREATE TABLE refusals (
    file        TEXT NOT NULL PRIMARY KEY,
    hash        BLOB NOT NULL,
    diagnostics TEXT NOT NULL,
    at          INTEGER NOT NULL
) STRICT;

-- What people are to be told.
CREATE TABLE outbox (
    id       TEXT NOT NULL PRIMARY KEY,
    run      TEXT REFERENCES runs (id),
    channel  TEXT NOT NULL,
    dedup    TEXT,
    body     TEXT NOT NULL,
    state    TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at  INTEGER NOT NULL,
    reason   TEXT,
    at       INTEGER NOT NULL,
    ended    INTEGER
) STRICT;
CREATE UNIQUE INDEX outbox_dedup ON outbox (channel, dedup) WHERE dedup IS NOT NULL;
CREATE INDEX outbox_due ON outbox (next_at, id) WHERE state = 'pending';
CREATE INDEX outbox_run ON outbox (run);
