//! What an image reference is: parsed exactly, printed back exactly, and compared in its normal form.
//!
//! Grammar: [distribution/reference](https://github.com/distribution/reference/blob/main/reference.go);
//! example `registry.example.com:5000/team/app:1.2@sha256:…`.

mod digest;
mod name;
mod platform;
mod reference;

pub use digest::{Digest, DigestCheck, InvalidDigest};
pub use name::{ImageName, InvalidImageName};
pub use platform::{InvalidPlatform, Platform};
pub use reference::{InvalidReference, Reference, Tag};
