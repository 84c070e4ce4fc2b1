-- What a schedule let go last, why, and how often it did so at all.
ALTER TABLE slots ADD COLUMN skipped INTEGER;
ALTER TABLE slots ADD COLUMN why TEXT;
ALTER TABLE slots ADD COLUMN skips INTEGER NOT NULL DEFAULT 0;
