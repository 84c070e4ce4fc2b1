-- How late each tenant's list of actions showed one that the tenant had accepted: the latest one of a week.
CREATE TABLE list_lags (
    tenant     TEXT PRIMARY KEY,
    effect_key TEXT NOT NULL,
    at_least   INTEGER NOT NULL,
    at_most    INTEGER,
    at         INTEGER NOT NULL
) STRICT;
