-- An image is looked at for each platform that the rules name; empty is the one that stands for all.
ALTER TABLE package_lists ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE package_lists DROP CONSTRAINT package_lists_pkey;
ALTER TABLE package_lists ADD PRIMARY KEY (audience, digest, platform);

ALTER TABLE scans ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE scans DROP CONSTRAINT scans_pkey;
ALTER TABLE scans ADD PRIMARY KEY (audience, digest, platform, scanner);

-- The platforms, joined by spaces, for which a content was weighed.
ALTER TABLE weighed_contents ADD COLUMN platforms TEXT NOT NULL DEFAULT '';
