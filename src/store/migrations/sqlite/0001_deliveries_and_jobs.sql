-- Moments are milliseconds since the Unix epoch. The comments on the rules stand in src/store/jobs.rs.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY NOT NULL,
    event TEXT NOT NULL,
    action TEXT,
    installation_id INTEGER,
    repo_id INTEGER,
    summary TEXT NOT NULL,
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_received ON deliveries (received_at);

-- AUTOINCREMENT: an id must never come back, for a stale claim is told from a live one by id and fence.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    serial_key TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    payload TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'running', 'dead')),
    run_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    worker TEXT,
    lease_until INTEGER,
    error TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    CHECK ((state = 'running') = (worker IS NOT NULL AND lease_until IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX jobs_one_ready ON jobs (kind, dedupe_key) WHERE state = 'ready';
CREATE UNIQUE INDEX jobs_one_running ON jobs (serial_key) WHERE state = 'running';
CREATE INDEX jobs_order ON jobs (priority, run_at, id) WHERE state = 'ready';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (kind, dedupe_key) WHERE state = 'dead';
