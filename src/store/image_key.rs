//! Under which name what is read of an image is kept.

use std::fmt;

use crate::image::ImageName;

/// An image as one audience reads it: its name, and whose credential reads it where not everybody may share that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageKey(String);

impl ImageKey {
    /// The key of an image for an audience; `None` is everybody.
    pub fn new(image: &ImageName, audience: Option<&str>) -> Self {
        Self(match audience {
            None => image.to_string(),
            Some(audience) => format!("{image} ({audience})"),
        })
    }

    /// As it stands in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
