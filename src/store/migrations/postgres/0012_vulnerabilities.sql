-- What is in an image, by its digest: it never changes.
CREATE TABLE package_lists (
    audience TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    reader BIGINT NOT NULL,
    determined_at BIGINT NOT NULL,
    PRIMARY KEY (audience, digest)
);

-- Advisories, as their source last told them.
CREATE TABLE advisories (
    id TEXT NOT NULL PRIMARY KEY,
    modified TEXT NOT NULL,
    body TEXT NOT NULL,
    fetched_at BIGINT NOT NULL
);
