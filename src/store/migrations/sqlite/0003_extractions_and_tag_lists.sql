CREATE TABLE extractions (
    blob TEXT NOT NULL,
    path_key TEXT NOT NULL,
    version INTEGER NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (blob, path_key, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag_lists (
    image TEXT PRIMARY KEY NOT NULL,
    fetched_at INTEGER NOT NULL,
    etag TEXT,
    tags TEXT NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1))
) STRICT;
