-- What Debian's security team decided about a vulnerability of a source package in a release.
CREATE TABLE triage (
    release TEXT NOT NULL,
    package TEXT NOT NULL,
    vulnerability TEXT NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (release, package, vulnerability)
) STRICT, WITHOUT ROWID;
