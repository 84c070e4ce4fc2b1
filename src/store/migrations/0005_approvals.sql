-- What waits for people's leave, and what they said. A request is bound to exactly what was shown: `digest`
-- is the hash of `shown`. The transitions are written by the program at each start, as those of effects.
CREATE TABLE approval_transitions (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT;

CREATE TABLE approvals (
    id         TEXT NOT NULL PRIMARY KEY,
    effect_key TEXT NOT NULL UNIQUE,
    tenant     TEXT NOT NULL,
    playbook   TEXT NOT NULL,
    run        TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    step       TEXT NOT NULL,
    action     TEXT NOT NULL,
    target     TEXT NOT NULL,
    channel    TEXT NOT NULL,
    minimum    INTEGER NOT NULL CHECK (minimum >= 1),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    shown      TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    settled    INTEGER NOT NULL DEFAULT 0,
    asked_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX approvals_run ON approvals (run, seq, place);
CREATE INDEX approvals_unsettled ON approvals (expires_at) WHERE settled = 0;

CREATE TRIGGER approvals_born BEFORE INSERT ON approvals
WHEN NEW.state <> 'awaiting' OR NEW.settled <> 0
BEGIN SELECT RAISE(ABORT, 'an approval begins awaiting'); END;

CREATE TRIGGER approvals_step BEFORE UPDATE OF state ON approvals
WHEN NOT EXISTS (SELECT 1 FROM approval_transitions
                 WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'an illegal transition of an approval'); END;

CREATE TRIGGER approvals_fixed BEFORE UPDATE OF
    id, effect_key, tenant, playbook, run, seq, place, step, action, target, channel, minimum, digest, shown,
    asked_at, expires_at ON approvals
BEGIN SELECT RAISE(ABORT, 'what was asked for never changes'); END;

-- Append only, each with the hash of the one before: the request itself, every word of a person, and what the
-- program made of it. Retention may cut a prefix, and then says first up to where (`approvalCut`).
CREATE TABLE approval_events (
    n         INTEGER NOT NULL PRIMARY KEY,
    approval  TEXT NOT NULL,
    state     TEXT NOT NULL,
    word      TEXT,
    approver  TEXT,
    account   TEXT,
    uid       INTEGER,
    note      TEXT,
    at        INTEGER NOT NULL,
    prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
    hash      BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX approval_events_of ON approval_events (approval, n);
INSERT INTO facts (name, value) VALUES ('approvalCut', 0);

CREATE TRIGGER approval_events_kept BEFORE UPDATE ON approval_events
BEGIN SELECT RAISE(ABORT, 'the journal of approvals is append only'); END;
CREATE TRIGGER approval_events_cut BEFORE DELETE ON approval_events
WHEN OLD.n > (SELECT value FROM facts WHERE name = 'approvalCut')
BEGIN SELECT RAISE(ABORT, 'the journal of approvals is append only'); END;
