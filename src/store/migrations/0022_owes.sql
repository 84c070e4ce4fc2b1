-- How often something of the playbook was given back to be met again: a poll that was under way meanwhile has not met it.
ALTER TABLE watermarks ADD COLUMN owes INTEGER NOT NULL DEFAULT 0;
