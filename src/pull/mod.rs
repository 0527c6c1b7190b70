//! pull.
