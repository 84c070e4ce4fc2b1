-- Ended runs that a process goes on with, as people have decided: if it dies, it died at one of them.
CREATE TABLE going_on (
    run   TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
