//! Sources of advisories: OSV's API, its exports, the feeds of what is exploited, of what has ended and of what Debian's
//! security team decided, VEX repositories, and scanners that are installed here.
//!
//! The API is asked with the packages of an image, never with the image's name: what is sent is what is installed, and
//! its version. Exports and feeds are asked with nothing at all.

mod download;
mod exports;
mod feeds;
mod http;
mod osv;
mod scanner;
mod vex;

pub use exports::{Archive, Exports};
pub use feeds::{FeedAddresses, Feeds};
pub use http::AdvisoryError;
pub use osv::{Named, Osv};
pub use scanner::{ScanError, Scanner};
pub use vex::VexRepository;
