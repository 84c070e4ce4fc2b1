-- What a playbook lacks in a tenant, so that its schedule is not followed there, and since when.
ALTER TABLE slots ADD COLUMN lacks TEXT;
ALTER TABLE slots ADD COLUMN lacks_since INTEGER;
