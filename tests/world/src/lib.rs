//! The simulated outside world of Restow's tests, benches and demo: GitHub and registries on the wire.

pub mod github;
