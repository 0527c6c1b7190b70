CREATE TABLE pulls (
    repo_id BIGINT NOT NULL,
    branch TEXT NOT NULL,
    number BIGINT,
    image TEXT NOT NULL,
    line TEXT NOT NULL,
    state TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    target TEXT NOT NULL,
    head TEXT,
    base TEXT,
    notes TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (repo_id, branch)
);

CREATE TABLE refused (
    repo_id BIGINT NOT NULL,
    image TEXT NOT NULL,
    line TEXT NOT NULL,
    target TEXT NOT NULL,
    refused_at BIGINT NOT NULL,
    PRIMARY KEY (repo_id, image, line, target)
);
