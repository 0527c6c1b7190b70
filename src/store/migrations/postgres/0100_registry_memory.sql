-- Tags that came into an image's list while Restow watched it, and when.
CREATE TABLE new_tags (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    came_at BIGINT NOT NULL,
    PRIMARY KEY (image, tag)
);

-- The version that a registry gave of its answer about a tag.
ALTER TABLE ledger ADD COLUMN etag TEXT;

-- When a tag was last missed: one miss counts for an interval.
ALTER TABLE missing_tags ADD COLUMN missed_at BIGINT NOT NULL DEFAULT 0;
