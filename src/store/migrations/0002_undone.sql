-- What people were told last of what a playbook left undone in a tenant: the run whose items they know,
-- and a digest of what was in force then.
CREATE TABLE undone_told (
    tenant    TEXT NOT NULL,
    playbook  TEXT NOT NULL,
    run       TEXT NOT NULL,
    situation BLOB NOT NULL CHECK (length(situation) = 32),
    at        INTEGER NOT NULL,
    PRIMARY KEY (tenant, playbook)
) STRICT;
