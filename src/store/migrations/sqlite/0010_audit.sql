-- What was decided and done; rows are only added. They leave with their repository, when an installation's data does.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    repo_id INTEGER NOT NULL,
    repository TEXT NOT NULL,
    image TEXT NOT NULL,
    from_ref TEXT NOT NULL,
    to_ref TEXT NOT NULL,
    pull INTEGER,
    rule TEXT NOT NULL,
    evidence TEXT NOT NULL,
    result TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_repository ON audit (repo_id, id);

CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

-- When an installation was deleted: its data leave after a time of grace.
ALTER TABLE installations ADD COLUMN deleted_at INTEGER;
