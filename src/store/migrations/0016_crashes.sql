-- Which opening of the journal carries a run out, and at which playbooks a process died that was not asked to end.
ALTER TABLE runs ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
CREATE TABLE crashes (
    playbook TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
INSERT INTO facts (name, value) VALUES ('serving', 0);
