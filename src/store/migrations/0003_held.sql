-- Files that are gone, or lists that are empty, while their last version stays in force.
CREATE TABLE held (
    file TEXT NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;

-- Until now they stood among the refusals; the next reload finds them again.
DELETE FROM refusals WHERE diagnostics LIKE '[{"code":"gone",%';
