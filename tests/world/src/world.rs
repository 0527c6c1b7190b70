//! The whole outside world, with one clock.

use crate::clock::Clock;
use crate::github::{GitHub, RepositoryBuilder};
use crate::registry::Registry;

/// 2026-01-05T09:00:00Z, a Monday.
const MORNING: i64 = 1_767_603_600_000;

/// A world of its own for one test.
#[derive(Debug, Clone)]
pub struct World {
    /// The simulated GitHub.
    pub github: GitHub,
    /// A simulated registry.
    pub registry: Registry,
    clock: Clock,
}

impl World {
    /// Starts a world on a Monday morning.
    ///
    /// # Panics
    /// Where the machine gives no port or folder.
    pub async fn start() -> Self {
        Self::start_at(MORNING, 0).await
    }

    /// Starts a world at a moment (milliseconds since the epoch), its GitHub on a port (0: a free one).
    ///
    /// # Panics
    /// Where the machine gives no such port or no folder.
    pub async fn start_at(milliseconds: i64, port: u16) -> Self {
        let clock = Clock::at(milliseconds);
        let github = GitHub::start_on(clock.clone(), port).await.expect("the world has a port and a folder");
        let registry = Registry::start().await.expect("the world has a port");
        Self { github, registry, clock }
    }

    /// The world's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Begins a repository, `owner/name`.
    pub fn repository(&self, full_name: &str) -> RepositoryBuilder {
        self.github.new_repository(full_name)
    }
}
