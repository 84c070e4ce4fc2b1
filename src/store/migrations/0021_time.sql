-- What the clock that nobody sets showed when `wallSeen` was written, in milliseconds: none yet, so no time passes by it.
-- And when the clock was last found to have been set back too far for what was seen before to be believed.
INSERT INTO facts (name, value) VALUES ('uptimeSeen', 9223372036854775807), ('turnedAt', 0);
-- Which start of which machine that clock counts from, and up to which word stops were ended before the other was turned.
INSERT INTO facts (name, value) VALUES ('bootSeen', 0), ('turnedStop', 0);

-- Effects with when they count as tried: one that bears a later time than it is was tried before the clock was turned.
CREATE VIEW effects_dated AS
SELECT *, CASE WHEN intended_at > (SELECT value FROM facts WHERE name = 'wallSeen')
               THEN (SELECT value FROM facts WHERE name = 'turnedAt') ELSE intended_at END AS counts_at
FROM effects;

-- The same of the words that end stops.
CREATE VIEW resumes_dated AS
SELECT *, CASE WHEN n <= (SELECT value FROM facts WHERE name = 'turnedStop')
               THEN min(at, (SELECT value FROM facts WHERE name = 'turnedAt')) ELSE at END AS counts_at
FROM stop_events WHERE word = 'resume';
