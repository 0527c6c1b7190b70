//! Extraction: megabytes a second.

fn main() {}
