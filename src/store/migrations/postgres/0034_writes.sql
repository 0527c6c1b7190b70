-- When each installation wrote to GitHub lately, and in which repository: every process keeps below GitHub's limits.
CREATE TABLE writes (
    installation_id BIGINT NOT NULL,
    repo_id BIGINT,
    at BIGINT NOT NULL
);
CREATE INDEX writes_by_installation ON writes (installation_id, at);
