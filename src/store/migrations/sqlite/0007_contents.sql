-- Manifests and configurations by their digest; they never change, and the least used leave first.
CREATE TABLE contents (
    audience TEXT NOT NULL,
    digest TEXT NOT NULL,
    image TEXT NOT NULL,
    media_type TEXT NOT NULL,
    body TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    fetched_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (audience, digest)
) STRICT;
CREATE INDEX contents_by_use ON contents (used_at);

-- What registries claim of a tag's content.
CREATE TABLE stories (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    pushed INTEGER,
    platforms TEXT NOT NULL,
    source TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (image, tag, digest)
) STRICT, WITHOUT ROWID;

-- Tags that were listed once and are not any more.
CREATE TABLE missing_tags (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    misses INTEGER NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (image, tag)
) STRICT, WITHOUT ROWID;

-- What registries last said of their limits, for all replicas.
CREATE TABLE quotas (
    host TEXT NOT NULL,
    audience TEXT NOT NULL,
    pulls_limit INTEGER NOT NULL,
    window_ms INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    PRIMARY KEY (host, audience)
) STRICT, WITHOUT ROWID;

ALTER TABLE tag_lists ADD COLUMN uploads TEXT;
