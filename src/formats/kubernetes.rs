//! Kubernetes files.

use super::{Claim, Extraction, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct Kubernetes;

impl Format for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn claims(&self, _path: &FilePath) -> Claim {
        Claim::No
    }

    fn extract(&self, _text: &str) -> Extraction {
        Extraction::default()
    }
}
