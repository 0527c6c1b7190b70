-- The records of OSV's exports, by the ecosystem of the export (Debian), so that a change is told from what is known.
CREATE TABLE mirrored_records (
    ecosystem TEXT NOT NULL,
    id TEXT NOT NULL,
    modified TEXT NOT NULL,
    PRIMARY KEY (ecosystem, id)
) STRICT, WITHOUT ROWID;

-- What each record says of one package of one release (Debian:12), which is what matching asks for.
CREATE TABLE mirrored_affected (
    release TEXT NOT NULL,
    package TEXT NOT NULL,
    id TEXT NOT NULL,
    ecosystem TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (release, package, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX mirrored_affected_record ON mirrored_affected (ecosystem, id);

-- Exports that are mirrored whole, and feeds, with when they were brought.
CREATE TABLE advisory_sources (
    name TEXT NOT NULL PRIMARY KEY,
    records INTEGER NOT NULL,
    synced_at INTEGER NOT NULL
) STRICT;

-- What is known of the exploitation of a vulnerability.
CREATE TABLE exploitation (
    cve TEXT NOT NULL PRIMARY KEY,
    kev TEXT,
    ransomware INTEGER NOT NULL,
    epss INTEGER
) STRICT, WITHOUT ROWID;

-- Which contents a repository's last plan weighed, and what was known of them: who is planned again when that changes.
CREATE TABLE weighed_contents (
    repo_id INTEGER NOT NULL,
    image TEXT NOT NULL,
    digest TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (repo_id, image, digest)
) STRICT, WITHOUT ROWID;
