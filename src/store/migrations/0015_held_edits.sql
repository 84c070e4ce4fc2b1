-- Edits of playbooks and lists that raise risk: what was in force stays until a second person has confirmed them.
CREATE TABLE held_edits (
    digest BLOB PRIMARY KEY,
    playbook TEXT,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    author TEXT,
    owner INTEGER,
    risks TEXT NOT NULL,
    at INTEGER NOT NULL,
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1))
) STRICT;
