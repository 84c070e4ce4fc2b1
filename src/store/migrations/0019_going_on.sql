-- Ended runs that a process goes on with, as people have decided: if it dies, it died at one of them.
CREATE TABLE going_on (
    run   TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether the tenant refused an attempt decides about the circuit breaker: it is said of one that did nothing, and only
-- the next attempt is new.
CREATE TRIGGER effects_refused BEFORE UPDATE OF refused ON effects
WHEN NEW.refused IS NOT OLD.refused
 AND NOT (NEW.refused = 1 AND NEW.state = 'notApplied')
 AND NOT (NEW.refused = 0 AND NEW.attempt > OLD.attempt)
BEGIN SELECT RAISE(ABORT, 'what a tenant refused stays so until the next attempt'); END;
