-- An image is looked at for each platform that the rules name; empty is the one that stands for all.
CREATE TABLE package_lists_by_platform (
    audience TEXT NOT NULL,
    digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    body TEXT NOT NULL,
    reader INTEGER NOT NULL,
    determined_at INTEGER NOT NULL,
    PRIMARY KEY (audience, digest, platform)
) STRICT;
INSERT INTO package_lists_by_platform (audience, digest, platform, body, reader, determined_at)
    SELECT audience, digest, '', body, reader, determined_at FROM package_lists;
DROP TABLE package_lists;
ALTER TABLE package_lists_by_platform RENAME TO package_lists;

CREATE TABLE scans_by_platform (
    audience TEXT NOT NULL,
    digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    scanner TEXT NOT NULL,
    body TEXT NOT NULL,
    scanned_at INTEGER NOT NULL,
    PRIMARY KEY (audience, digest, platform, scanner)
) STRICT;
INSERT INTO scans_by_platform (audience, digest, platform, scanner, body, scanned_at)
    SELECT audience, digest, '', scanner, body, scanned_at FROM scans;
DROP TABLE scans;
ALTER TABLE scans_by_platform RENAME TO scans;

-- The platforms, joined by spaces, for which a content was weighed.
ALTER TABLE weighed_contents ADD COLUMN platforms TEXT NOT NULL DEFAULT '';
