-- Records of a mirrored source that cannot be read: what they are about is not known.
ALTER TABLE advisory_sources ADD COLUMN unreadable BIGINT NOT NULL DEFAULT 0;
