-- Whether the tenant refused the latest attempt, so that waiting alone does not help.
ALTER TABLE effects ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;

-- When it was tried is part of the attempt: budgets count by it. What is in doubt is never forgotten.
CREATE TRIGGER effects_tried BEFORE UPDATE OF attempt, epoch, intended_at ON effects
WHEN (NEW.attempt, NEW.epoch, NEW.intended_at) IS NOT (OLD.attempt, OLD.epoch, OLD.intended_at)
 AND (NEW.state <> 'intended' OR OLD.state = 'intended')
BEGIN SELECT RAISE(ABORT, 'when an effect was tried never changes'); END;
CREATE TRIGGER effects_kept BEFORE DELETE ON effects
WHEN OLD.state IN ('intended', 'unknown', 'parked')
BEGIN SELECT RAISE(ABORT, 'an effect that is in doubt is not forgotten'); END;

-- Ids of devices that were merged, as tenants have ever said: the one that went reports no more.
CREATE TABLE merged_devices (
    tenant TEXT NOT NULL,
    one    TEXT NOT NULL,
    other  TEXT NOT NULL,
    PRIMARY KEY (tenant, one, other)
) STRICT, WITHOUT ROWID;
