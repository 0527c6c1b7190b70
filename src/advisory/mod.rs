//! Sources of advisories: OSV's API.
//!
//! Asked with the packages of an image, never with the image's name: what is sent is what is installed, and its
//! version.

mod osv;

pub use osv::{AdvisoryError, Named, Osv};
