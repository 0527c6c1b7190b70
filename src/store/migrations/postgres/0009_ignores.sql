-- What people refused or put off, in one repository. An empty line stands for every line, an empty group for all.
CREATE TABLE ignores (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo_id BIGINT NOT NULL,
    image TEXT NOT NULL,
    line TEXT NOT NULL,
    group_name TEXT NOT NULL DEFAULT '',
    what TEXT NOT NULL CHECK (what IN ('all', 'tag', 'content', 'versions')),
    value TEXT NOT NULL,
    until BIGINT,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    pull BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (repo_id, image, line, group_name, what, value)
);

INSERT INTO ignores (repo_id, image, line, what, value, author, reason, created_at)
    SELECT repo_id, image, line, CASE WHEN target LIKE '%@%' THEN 'content' ELSE 'tag' END, target, '', 'closed', refused_at
    FROM refused WHERE target NOT LIKE '% %';
DROP TABLE refused;

ALTER TABLE pulls ADD COLUMN opened_at BIGINT;
UPDATE pulls SET opened_at = updated_at WHERE number IS NOT NULL;
