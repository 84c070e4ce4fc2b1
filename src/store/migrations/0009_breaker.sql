-- A stop may be for one playbook in one tenant. huntbook itself says it when the playbook's actions come to nothing;
-- then the account's number is -1.
ALTER TABLE stop_events ADD COLUMN playbook TEXT;
ALTER TABLE stop_events ADD COLUMN playbook_name TEXT;
