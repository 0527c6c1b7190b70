-- Moments are milliseconds since the Unix epoch. The comments on the rules stand in src/store/jobs.rs.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    event TEXT NOT NULL,
    action TEXT,
    installation_id BIGINT,
    repo_id BIGINT,
    summary TEXT NOT NULL,
    received_at BIGINT NOT NULL
);

CREATE INDEX deliveries_received ON deliveries (received_at);

-- Rows live briefly: vacuum often, or the index of the claim fills with the dead.
CREATE TABLE jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    serial_key TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    payload TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'running', 'dead')),
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    worker TEXT,
    lease_until BIGINT,
    error TEXT,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    CHECK ((state = 'running') = (worker IS NOT NULL AND lease_until IS NOT NULL))
) WITH (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 200,
    autovacuum_vacuum_cost_delay = 0
);

CREATE UNIQUE INDEX jobs_one_ready ON jobs (kind, dedupe_key) WHERE state = 'ready';
CREATE UNIQUE INDEX jobs_one_running ON jobs (serial_key) WHERE state = 'running';
CREATE INDEX jobs_order ON jobs (priority, run_at, id) WHERE state = 'ready';
CREATE INDEX jobs_leases ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (kind, dedupe_key) WHERE state = 'dead';
