-- What was decided and done; rows are only added. They leave with their repository, when an installation's data does.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    repo_id BIGINT NOT NULL,
    repository TEXT NOT NULL,
    image TEXT NOT NULL,
    from_ref TEXT NOT NULL,
    to_ref TEXT NOT NULL,
    pull BIGINT,
    rule TEXT NOT NULL,
    evidence TEXT NOT NULL,
    result TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_repository ON audit (repo_id, id);

CREATE FUNCTION audit_refuses() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END;
$$ LANGUAGE plpgsql;
CREATE TRIGGER audit_is_not_rewritten BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_refuses();

-- When an installation was deleted: its data leave after a time of grace.
ALTER TABLE installations ADD COLUMN deleted_at BIGINT;
