-- What people refused holds for the branch that it was proposed for. An empty base stands for the default branch.
CREATE TABLE ignores_by_base (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id INTEGER NOT NULL,
    base TEXT NOT NULL DEFAULT '',
    image TEXT NOT NULL,
    line TEXT NOT NULL,
    group_name TEXT NOT NULL DEFAULT '',
    what TEXT NOT NULL CHECK (what IN ('all', 'tag', 'content', 'versions')),
    value TEXT NOT NULL,
    until INTEGER,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    pull INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (repo_id, base, image, line, group_name, what, value)
) STRICT;

INSERT INTO ignores_by_base (repo_id, image, line, group_name, what, value, until, author, reason, pull, created_at)
    SELECT repo_id, image, line, group_name, what, value, until, author, reason, pull, created_at
    FROM ignores ORDER BY id;
DROP TABLE ignores;
ALTER TABLE ignores_by_base RENAME TO ignores;
