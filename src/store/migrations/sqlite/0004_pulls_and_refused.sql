CREATE TABLE pulls (
    repo_id INTEGER NOT NULL,
    branch TEXT NOT NULL,
    number INTEGER,
    image TEXT NOT NULL,
    line TEXT NOT NULL,
    state TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    target TEXT NOT NULL,
    head TEXT,
    base TEXT,
    notes TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (repo_id, branch)
) STRICT, WITHOUT ROWID;

CREATE TABLE refused (
    repo_id INTEGER NOT NULL,
    image TEXT NOT NULL,
    line TEXT NOT NULL,
    target TEXT NOT NULL,
    refused_at INTEGER NOT NULL,
    PRIMARY KEY (repo_id, image, line, target)
) STRICT, WITHOUT ROWID;
