-- What is left of the budgets of calls, as the process that owns the journal sees it.
CREATE TABLE headroom (
    tenant TEXT NOT NULL PRIMARY KEY,
    rooms  TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
