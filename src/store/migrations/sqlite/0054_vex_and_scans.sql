-- VEX statements that were found attached to an image, by its name too: the same content elsewhere has others.
CREATE TABLE attached_vex (
    image TEXT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    read_at INTEGER NOT NULL,
    PRIMARY KEY (image, digest)
) STRICT;

-- What a scanner found in a content, for a while.
CREATE TABLE scans (
    audience TEXT NOT NULL,
    digest TEXT NOT NULL,
    scanner TEXT NOT NULL,
    body TEXT NOT NULL,
    scanned_at INTEGER NOT NULL,
    PRIMARY KEY (audience, digest, scanner)
) STRICT;

-- The statements of VEX repositories, by each name of the vulnerability that they are about.
CREATE TABLE vex_statements (
    repository TEXT NOT NULL,
    vulnerability TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (repository, vulnerability, number)
) STRICT, WITHOUT ROWID;

-- When the support of products ends, as a feed says: a day, or only whether it has ended.
CREATE TABLE support_ends (
    product TEXT NOT NULL,
    cycle TEXT NOT NULL,
    ends_at INTEGER,
    ended INTEGER NOT NULL,
    PRIMARY KEY (product, cycle)
) STRICT, WITHOUT ROWID;
