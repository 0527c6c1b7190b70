-- No foreign keys between these: events arrive in any order.
CREATE TABLE installations (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'deleted'))
) STRICT;

CREATE TABLE repositories (
    id INTEGER PRIMARY KEY,
    installation_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'archived', 'removed')),
    scanned_commit TEXT,
    inventory TEXT,
    rules_blob TEXT,
    CHECK (inventory IS NULL OR scanned_commit IS NOT NULL)
) STRICT;

CREATE INDEX repositories_installation ON repositories (installation_id);
