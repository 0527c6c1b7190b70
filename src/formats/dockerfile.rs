//! Dockerfile files.

use super::{Claim, Extraction, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct Dockerfile;

impl Format for Dockerfile {
    fn name(&self) -> &'static str {
        "dockerfile"
    }

    fn claims(&self, _path: &FilePath) -> Claim {
        Claim::No
    }

    fn extract(&self, _text: &str) -> Extraction {
        Extraction::default()
    }
}
