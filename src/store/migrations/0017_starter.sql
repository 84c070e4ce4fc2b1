-- Who started a run by hand.
ALTER TABLE runs ADD COLUMN account TEXT;
ALTER TABLE runs ADD COLUMN uid INTEGER;
