CREATE TABLE extractions (
    blob TEXT NOT NULL,
    path_key TEXT NOT NULL,
    version BIGINT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (blob, path_key, version)
);

CREATE TABLE tag_lists (
    image TEXT PRIMARY KEY,
    fetched_at BIGINT NOT NULL,
    etag TEXT,
    tags TEXT NOT NULL,
    complete BIGINT NOT NULL CHECK (complete IN (0, 1))
);
