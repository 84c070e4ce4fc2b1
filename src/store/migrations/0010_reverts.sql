-- What takes an action back, written with its intent, and when. It needs nothing else: no playbook, no run.
CREATE TABLE reverts (
    effect_key    TEXT NOT NULL PRIMARY KEY,
    tenant        TEXT NOT NULL,
    playbook      TEXT NOT NULL,
    playbook_name TEXT NOT NULL,
    version       BLOB NOT NULL CHECK (length(version) = 32),
    author        TEXT,
    run           TEXT NOT NULL,
    action        TEXT NOT NULL,
    target        TEXT NOT NULL,
    undo_action   TEXT NOT NULL,
    undo          TEXT NOT NULL,
    approval      TEXT,
    state         TEXT NOT NULL CHECK (state IN ('standing', 'undone', 'over')),
    since         INTEGER NOT NULL,
    due           INTEGER,
    look_at       INTEGER,
    undo_run      TEXT,
    tries         INTEGER NOT NULL DEFAULT 0,
    reason        TEXT
) STRICT;
CREATE INDEX reverts_look ON reverts (look_at) WHERE state = 'standing' AND look_at IS NOT NULL;
CREATE INDEX reverts_target ON reverts (tenant, target, action);
CREATE INDEX reverts_run ON reverts (undo_run) WHERE undo_run IS NOT NULL;

-- What people said beside approvals and stops: that an action is to be taken back, that a run may pass. Append only,
-- each with the hash of the one before; kept for good.
CREATE TABLE words (
    n         INTEGER NOT NULL PRIMARY KEY,
    word      TEXT NOT NULL,
    tenant    TEXT NOT NULL,
    playbook  TEXT NOT NULL,
    about     TEXT NOT NULL,
    reason    TEXT,
    account   TEXT NOT NULL,
    uid       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
    hash      BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX words_of ON words (tenant, playbook, n);

CREATE TRIGGER words_kept BEFORE UPDATE ON words
BEGIN SELECT RAISE(ABORT, 'the journal of words is append only'); END;
CREATE TRIGGER words_left BEFORE DELETE ON words
BEGIN SELECT RAISE(ABORT, 'the journal of words is append only'); END;
