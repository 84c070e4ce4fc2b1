-- What a process that died a short while ago tries one after the other: what has the process for itself, and what had and
-- goes on beside the next. If it dies, it died at the first.
CREATE TABLE alone (
    about    TEXT PRIMARY KEY,
    playbook TEXT NOT NULL,
    holds    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
