-- How many active devices a tenant has, asked once a day.
CREATE TABLE fleets (
    tenant  TEXT NOT NULL PRIMARY KEY,
    devices INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
