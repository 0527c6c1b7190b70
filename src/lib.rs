//! Restow keeps every container image reference of an organisation's repositories up to date, safe and explained.
//!
//! # The map, in reading order
//!
//! The core is synchronous: no input or output, no clock, no environment. `docs/architecture.md` holds the table of
//! who may use whom; `tests/it/architecture.rs` keeps it.
//!
//! # Invariants
//!
//! 1. The core cannot reach the world; `now` is a parameter; the same inputs give the same plan, byte for byte.
//! 2. Extraction never fails as a whole: it returns sites *and* problems.
//! 3. An edit checks the old bytes, touches nothing outside its spans, and is re-extracted before it is pushed.
//! 4. A plan explains itself: each update and each hold carries its reason.
//! 5. The webhook request verifies, stores and answers. A delivery id seen before does nothing.
//! 6. Every outside write is idempotent by a key: a job may run twice.
//! 7. One running job per repository; more events while it runs mean exactly one more run.
//! 8. Unknown is never shown as clean.
//! 9. What a person did wins.
//! 10. Secrets are `SecretString`; none in logs, errors, `Debug`, pull requests or the database.
//! 11. Repository content, registry answers and release notes are hostile input: bounded in size, depth, count, time.

// Names every layer needs.
pub mod repo;

// The core.
pub mod command;
pub mod config;
pub mod formats;
pub mod image;
pub mod notification;
pub mod plan;
pub mod policy;
pub mod pull;
pub mod report;
pub mod tag;
pub mod vulnerability;

// The time of day, handed in as a value.
pub mod clock;

// The edges: each knows one outside world, never each other.
pub mod advisory;
pub mod github;
pub mod registry;
pub mod store;
pub mod web;

// Orchestration.
pub mod jobs;

// Wiring.
pub mod app;
pub mod cli;
pub mod settings;
