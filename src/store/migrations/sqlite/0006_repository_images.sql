-- Which images the last scan found where: who has to be planned when an image is pushed.
CREATE TABLE repository_images (
    repo_id INTEGER NOT NULL,
    image TEXT NOT NULL,
    PRIMARY KEY (repo_id, image)
) STRICT, WITHOUT ROWID;

CREATE INDEX repository_images_image ON repository_images (image);
