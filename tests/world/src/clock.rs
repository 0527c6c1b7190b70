//! The world's time: one hand that every part of the world reads, and that only a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// A clock that stands still until it is moved; clones share its hand.
#[derive(Debug, Clone)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// A clock that shows this moment, in milliseconds since the epoch.
    pub fn at(milliseconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(milliseconds)))
    }

    /// The hand itself, for the program under test.
    pub fn hand(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.0)
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Whole seconds since the epoch.
    pub fn now_seconds(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Moves the hand forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Puts the hand to this moment.
    pub fn set(&self, milliseconds: i64) {
        self.0.store(milliseconds, Ordering::SeqCst);
    }

    /// The present moment as GitHub writes it: `2026-01-05T09:00:00Z`.
    pub fn rfc3339(&self) -> String {
        rfc3339(self.now_seconds())
    }
}

/// A moment as GitHub writes it.
pub(crate) fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|moment| moment.to_string()).unwrap_or_default()
}
