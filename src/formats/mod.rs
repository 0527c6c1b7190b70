//! Where images are named: one file per file format, and `edit.rs`, which rewrites bytes.
//!
//! A format reads one file's bytes into an [`Extraction`], which knows nothing of the file's path and is therefore
//! kept by blob sha for ever. Linking joins the extractions of a repository into its [`Inventory`]: there, variables
//! that another file defines (`.env`) are resolved.

mod compose;
mod dockerfile;
mod extraction;
mod kubernetes;
mod site;

use crate::repo::FilePath;

pub use extraction::{
    Definition, EXTRACTOR_VERSION, Extraction, FoundProblem, FoundSite, FoundSpan, FoundValue, Piece, TextSpan,
};
pub use site::{Inventory, Part, PathClass, Problem, ProblemCode, Site, Span};

/// Whether a format reads files of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Never.
    No,
    /// Always: the path alone says that the file is of this format.
    ByPath,
    /// Perhaps: the content decides.
    ByContent,
}

/// One file format.
pub trait Format: Sync {
    /// Its name, in lower case, as in [`Site::format`].
    fn name(&self) -> &'static str;
    /// Whether it reads files of this path.
    fn claims(&self, path: &FilePath) -> Claim;
    /// What the file says. `text` is the file as it lies on disk (UTF-8, perhaps with a byte order mark, any line
    /// ends); every offset counts from its first byte. Never fails: what cannot be read is a problem.
    fn extract(&self, text: &str) -> Extraction;
}

/// The formats, in the order in which they are asked: the first [`Claim::ByPath`] reads the file alone; else each
/// [`Claim::ByContent`] reads it and what they find is joined.
pub const FORMATS: &[&dyn Format] = &[&dockerfile::Dockerfile, &compose::Compose, &kubernetes::Kubernetes];

/// stub
pub fn path_key(_path: &FilePath) -> Option<String> {
    None
}
/// stub
pub fn extract(_key: &str, _bytes: &[u8]) -> Extraction {
    Extraction::default()
}
/// stub
pub fn link<'a>(_files: impl IntoIterator<Item = (&'a FilePath, &'a Extraction)>) -> Inventory {
    Inventory::default()
}
/// stub
pub fn rewrite(
    files: &std::collections::BTreeMap<FilePath, Vec<u8>>,
    _moves: &[(Site, crate::image::Reference)],
) -> Result<std::collections::BTreeMap<FilePath, Vec<u8>>, String> {
    Ok(files.clone())
}
