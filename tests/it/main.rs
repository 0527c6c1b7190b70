//! The integration tests: one binary, one module a subject.

mod architecture;
mod cli;
mod config;
mod docs;
mod formats;
mod github;
mod registry;
mod store;
mod stories;
mod tags;
