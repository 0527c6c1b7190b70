-- No foreign keys between these: events arrive in any order.
CREATE TABLE installations (
    id BIGINT PRIMARY KEY,
    account TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'deleted'))
);

CREATE TABLE repositories (
    id BIGINT PRIMARY KEY,
    installation_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'archived', 'removed')),
    scanned_commit TEXT,
    inventory TEXT,
    rules_blob TEXT,
    CHECK (inventory IS NULL OR scanned_commit IS NOT NULL)
);

CREATE INDEX repositories_installation ON repositories (installation_id);
