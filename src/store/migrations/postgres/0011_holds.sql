-- What is held now, so that the audit tells once when it began.
CREATE TABLE holds (
    repo_id BIGINT NOT NULL,
    image TEXT NOT NULL,
    code TEXT NOT NULL,
    target TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (repo_id, image, code, target)
);
