//! The integration tests: one binary, one module a subject.

#![expect(clippy::panic, reason = "helpers of tests fail by panicking")]

mod architecture;
mod cli;
mod config;
mod docs;
mod formats;
mod github;
mod plan;
mod registry;
mod store;
mod stories;
mod tags;
mod texts;
mod vulnerabilities;
