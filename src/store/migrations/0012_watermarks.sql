-- How far the polls of a playbook have come in a tenant: changes up to `at` are known, and `basis` says under what text
-- and lists. `swept` is when one last looked a whole day back. What was left undone is owed: the next poll begins there.
CREATE TABLE watermarks (
    tenant   TEXT NOT NULL,
    playbook TEXT NOT NULL,
    basis    BLOB NOT NULL CHECK (length(basis) = 32),
    at       INTEGER NOT NULL,
    swept    INTEGER NOT NULL,
    owed     INTEGER,
    PRIMARY KEY (tenant, playbook)
) STRICT, WITHOUT ROWID;
