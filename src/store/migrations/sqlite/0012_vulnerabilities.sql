-- What is in an image, by its digest: it never changes.
CREATE TABLE package_lists (
    audience TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    reader INTEGER NOT NULL,
    determined_at INTEGER NOT NULL,
    PRIMARY KEY (audience, digest)
) STRICT;

-- Advisories, as their source last told them.
CREATE TABLE advisories (
    id TEXT NOT NULL PRIMARY KEY,
    modified TEXT NOT NULL,
    body TEXT NOT NULL,
    fetched_at INTEGER NOT NULL
) STRICT;
