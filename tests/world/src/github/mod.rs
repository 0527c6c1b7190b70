//! A simulated GitHub.
