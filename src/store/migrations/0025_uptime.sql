-- What the clock that nobody sets showed when an effect was tried, and which start of which machine that counts from; none
-- of what was tried before, or where the system does not tell its starts apart. It is part of the attempt too.
DROP VIEW effects_dated;
ALTER TABLE effects ADD COLUMN uptime INTEGER;
ALTER TABLE effects ADD COLUMN boot INTEGER;
CREATE INDEX effects_tried_at ON effects (intended_at);
CREATE INDEX effects_tried_up ON effects (boot, uptime);
CREATE TRIGGER effects_up BEFORE UPDATE OF uptime, boot ON effects
WHEN (NEW.uptime, NEW.boot) IS NOT (OLD.uptime, OLD.boot)
 AND (NEW.state <> 'intended' OR OLD.state = 'intended')
BEGIN SELECT RAISE(ABORT, 'when an effect was tried never changes'); END;

-- Effects with when they were tried, to tell what came before what: one that bears a later time than it is was tried before
-- the clock was turned. And with when they count as tried, to tell how long ago: never longer than the clock that nobody
-- sets has gone on since, however the other was turned. Both as of the last transaction that asked what time it is.
CREATE VIEW effects_dated AS
SELECT *, max(dated_at, CASE WHEN boot = (SELECT value FROM facts WHERE name = 'bootSeen')
                              AND uptime <= (SELECT value FROM facts WHERE name = 'uptimeSeen')
                             THEN uptime + (SELECT value FROM facts WHERE name = 'wallSeen')
                                  - (SELECT value FROM facts WHERE name = 'uptimeSeen') ELSE dated_at END) AS counts_at
FROM (SELECT *, CASE WHEN intended_at > (SELECT value FROM facts WHERE name = 'wallSeen')
                     THEN (SELECT value FROM facts WHERE name = 'turnedAt') ELSE intended_at END AS dated_at
      FROM effects);
