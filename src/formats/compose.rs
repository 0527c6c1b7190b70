//! Compose files.

use super::{Claim, Extraction, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct Compose;

impl Format for Compose {
    fn name(&self) -> &'static str {
        "compose"
    }

    fn claims(&self, _path: &FilePath) -> Claim {
        Claim::No
    }

    fn extract(&self, _text: &str) -> Extraction {
        Extraction::default()
    }
}
