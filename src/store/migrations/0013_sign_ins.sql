-- How the process that owns the journal stands with each tenant's authority.
CREATE TABLE sign_ins (
    tenant           TEXT NOT NULL PRIMARY KEY,
    refused          TEXT,
    certificate_ends INTEGER,
    since            INTEGER NOT NULL
) STRICT;
