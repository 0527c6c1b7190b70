-- What is held now, so that the audit tells once when it began.
CREATE TABLE holds (
    repo_id INTEGER NOT NULL,
    image TEXT NOT NULL,
    code TEXT NOT NULL,
    target TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (repo_id, image, code, target)
) STRICT, WITHOUT ROWID;
