//! Questions that failed, remembered for a while: a thousand repositories that name one missing image, or one wrong
//! password, ask once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Lookups, milliseconds, unavailable};
use crate::plan::Lookup;
use crate::registry::RegistryError;
use crate::repo::Moment;
use crate::store::ImageKey;

/// What may pass is asked again after this time at the latest.
const OUTAGE: Duration = Duration::from_secs(60);
/// Failures that are remembered; they come out of repository content.
const MOST: usize = 20_000;

/// What failed, by image and what was asked of it.
#[derive(Debug, Default)]
pub(super) struct Failures {
    known: Mutex<HashMap<(ImageKey, String), Failure>>,
}

#[derive(Debug, Clone)]
struct Failure {
    reason: String,
    may_pass: bool,
    until: Moment,
}

impl Lookups {
    /// The answer to a question that failed a short while ago.
    pub(super) fn failed_before<T>(&self, key: &ImageKey, what: &str) -> Option<Lookup<T>> {
        let known = self.failures.known.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = known.get(&(key.clone(), what.to_owned()))?;
        let Failure { reason, may_pass, until } = failure.clone();
        (self.clock.now() < until).then_some(Lookup::Unavailable { reason, may_pass })
    }

    /// Remembers a failure, and gives the answer in its place: what is not there, or not for Restow, is good for the
    /// interval, what may pass for a minute.
    pub(super) fn failed<T>(&self, key: &ImageKey, what: &str, error: &RegistryError) -> Lookup<T> {
        let kept = match error.retry_after() {
            Some(_) => self.interval.min(OUTAGE),
            None => self.interval,
        };
        let answer = unavailable(error);
        if let Lookup::Unavailable { reason, may_pass } = &answer {
            self.note_failure((key, what), (reason, *may_pass), kept);
        }
        answer
    }

    /// Remembers for the interval that something costly came to nothing.
    pub(super) fn remember_failure(&self, key: &ImageKey, what: &str, told: (&str, bool)) {
        self.note_failure((key, what), told, self.interval);
    }

    fn note_failure(&self, (key, what): (&ImageKey, &str), (reason, may_pass): (&str, bool), kept: Duration) {
        let now = self.clock.now();
        let failure = Failure { reason: reason.to_owned(), may_pass, until: now.plus_ms(milliseconds(kept)) };
        let mut known = self.failures.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, failure| now < failure.until);
        }
        if known.len() < MOST {
            known.insert((key.clone(), what.to_owned()), failure);
        }
    }

    /// Forgets a failure, because it is known to have passed.
    pub(super) fn forget_failure(&self, key: &ImageKey, what: &str) {
        let mut known = self.failures.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(key.clone(), what.to_owned()));
    }
}
