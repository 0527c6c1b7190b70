//! The time of day, as a value that is handed in: the edges and jobs ask it, the core never does.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::repo::Moment;

/// Tells the present moment: the system's, or one that a test sets.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's own clock.
    System,
    /// A clock that stands still until it is moved.
    Settable(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start` until [`Clock::advance`] moves it; clones share its hand.
    pub fn settable(start: Moment) -> Self {
        Self::Settable(Arc::new(AtomicI64::new(start.0)))
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        match self {
            Self::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Moment(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Settable(hand) => Moment(hand.load(Ordering::SeqCst)),
        }
    }

    /// Moves a settable clock forward; the system's clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Self::Settable(hand) = self {
            hand.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}
