//! The simulated outside world of Restow's tests, benches and demo: GitHub and registries on the wire.

#![expect(clippy::panic, reason = "a world that is damaged must stop its test")]

pub mod clock;
pub mod github;
pub mod osv;
pub mod registry;
mod world;

pub use world::World;
