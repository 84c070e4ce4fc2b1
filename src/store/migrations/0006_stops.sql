-- Who stopped actions and who resumed them: for one tenant, or without one for all. The latest word about each
-- holds. Append only, each with the hash of the one before; kept for good.
CREATE TABLE stop_events (
    n         INTEGER NOT NULL PRIMARY KEY,
    tenant    TEXT,
    word      TEXT NOT NULL CHECK (word IN ('stop', 'resume')),
    reason    TEXT,
    account   TEXT NOT NULL,
    uid       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
    hash      BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER stop_events_kept BEFORE UPDATE ON stop_events
BEGIN SELECT RAISE(ABORT, 'the journal of stops is append only'); END;
CREATE TRIGGER stop_events_left BEFORE DELETE ON stop_events
BEGIN SELECT RAISE(ABORT, 'the journal of stops is append only'); END;
