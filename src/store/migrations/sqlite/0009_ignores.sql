-- What people refused or put off, in one repository. An empty line stands for every line, an empty group for all.
CREATE TABLE ignores (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id INTEGER NOT NULL,
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
    UNIQUE (repo_id, image, line, group_name, what, value)
) STRICT;

INSERT INTO ignores (repo_id, image, line, what, value, author, reason, created_at)
    SELECT repo_id, image, line, CASE WHEN target LIKE '%@%' THEN 'content' ELSE 'tag' END, target, '', 'closed', refused_at
    FROM refused WHERE target NOT LIKE '% %';
DROP TABLE refused;

ALTER TABLE pulls ADD COLUMN opened_at INTEGER;
UPDATE pulls SET opened_at = updated_at WHERE number IS NOT NULL;
