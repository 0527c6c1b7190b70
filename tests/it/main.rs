//! The integration tests: one binary, one module a subject.

#![expect(clippy::panic, reason = "helpers of tests fail by panicking")]

mod architecture;
mod cli;
mod config;
mod differential;
mod docs;
mod formats;
mod github;
mod looking_up;
mod plan;
mod pull;
mod registry;
mod store;
mod stories;
mod tags;
mod texts;
mod versions;
mod vex;
mod vulnerabilities;
