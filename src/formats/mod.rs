//! Where images are named: one file per file format, and `edit.rs`, which rewrites bytes.
//!
//! A format reads one file's bytes into an [`Extraction`], which knows nothing of the file's path and is therefore
//! kept by blob sha for ever. [`link`] joins the extractions of a repository into its [`Inventory`]: there, variables
//! that another file defines (`.env`) are resolved.

mod site;

pub use site::{Inventory, Part, PathClass, Problem, ProblemCode, Site, Span};
