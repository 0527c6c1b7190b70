//! Dates for people.

use crate::repo::Moment;

/// `2026-11-24`, in UTC.
pub(super) fn day(at: Moment) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "an unknown day".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}
