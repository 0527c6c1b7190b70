-- Manifests and configurations by their digest; they never change, and the least used leave first.
CREATE TABLE contents (
    audience TEXT NOT NULL,
    digest TEXT NOT NULL,
    image TEXT NOT NULL,
    media_type TEXT NOT NULL,
    body TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    fetched_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (audience, digest)
);
CREATE INDEX contents_by_use ON contents (used_at);

-- What registries claim of a tag's content.
CREATE TABLE stories (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    pushed BIGINT,
    platforms TEXT NOT NULL,
    source TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (image, tag, digest)
);

-- Tags that were listed once and are not any more.
CREATE TABLE missing_tags (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    misses BIGINT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (image, tag)
);

-- What registries last said of their limits, for all replicas.
CREATE TABLE quotas (
    host TEXT NOT NULL,
    audience TEXT NOT NULL,
    pulls_limit BIGINT NOT NULL,
    window_ms BIGINT NOT NULL,
    remaining BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (host, audience)
);

ALTER TABLE tag_lists ADD COLUMN uploads TEXT;
