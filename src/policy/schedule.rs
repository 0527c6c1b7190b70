//! When pull requests may be opened: windows in words (`before 5am on monday`) or five fields of cron, in a time zone.
//!
//! A window is a set of minutes of the day and a set of days. Both are held as bits, so that a window over midnight
//! (`after 10pm and before 5am`) is the late and the early part of each of its days.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::window;
use crate::repo::Moment;

/// Windows that are looked for in the future: leap days come within eight years.
const FARTHEST_DAYS: i64 = 8 * 366 + 1;
/// More windows than this are no schedule.
const MOST_WINDOWS: usize = 50;
/// Longer texts are no windows.
const LONGEST: usize = 200;

/// Windows of time in a time zone; open where any of them is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    written: Vec<String>,
    zone_name: Option<String>,
    zone: TimeZone,
    windows: Vec<Window>,
}

/// A schedule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// The text is no window.
    #[error(
        "{text:?} is no window of time: {reason}; write, for example, \"before 5am on monday\" or \"* 2-5 * * 1-5\""
    )]
    Window {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such time zone.
    #[error("there is no time zone {name:?}{}", near.as_ref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default())]
    Zone {
        /// The name.
        name: String,
        /// The known name that is most like it.
        near: Option<String>,
    },
    /// No window, or too many.
    #[error("a schedule has 1 to {MOST_WINDOWS} windows")]
    Count,
}

/// Minutes and days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) minutes: Minutes,
    /// Days of the month, bit 1 to 31.
    pub(super) month_days: u32,
    /// Months, bit 1 to 12.
    pub(super) months: u16,
    /// Days of the week, bit 0 (Sunday) to 6.
    pub(super) week_days: u8,
    /// Whether one of the two kinds of day is enough, as cron has it where both are given.
    pub(super) either_day: bool,
}

/// A set of minutes of the day.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Minutes([u64; 23]);

pub(super) const DAY_MINUTES: usize = 24 * 60;

impl fmt::Debug for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} minutes", self.0.iter().map(|bits| bits.count_ones()).sum::<u32>())
    }
}

impl Minutes {
    pub(super) const NONE: Self = Self([0; 23]);

    pub(super) fn add(&mut self, minute: usize) {
        if minute < DAY_MINUTES {
            self.0[minute / 64] |= 1 << (minute % 64);
        }
    }

    pub(super) fn range(from: usize, to: usize) -> Self {
        let mut minutes = Self::NONE;
        (from..to.min(DAY_MINUTES)).for_each(|minute| minutes.add(minute));
        minutes
    }

    pub(super) fn both(self, other: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] & other.0[index]))
    }

    pub(super) fn either(self, other: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] | other.0[index]))
    }

    pub(super) fn has(&self, minute: usize) -> bool {
        self.0.get(minute / 64).is_some_and(|bits| bits & (1 << (minute % 64)) != 0)
    }
}

impl Window {
    pub(super) fn always() -> Self {
        Self {
            minutes: Minutes::range(0, DAY_MINUTES),
            month_days: u32::MAX,
            months: u16::MAX,
            week_days: u8::MAX,
            either_day: false,
        }
    }

    fn has_day(&self, date: Date) -> bool {
        let bit = |index: i8| u32::try_from(index).map_or(0, |index| 1_u32 << index);
        let of_month = self.month_days & bit(date.day()) != 0;
        let of_week = u32::from(self.week_days) & bit(date.weekday().to_sunday_zero_offset()) != 0;
        let day = if self.either_day { of_month || of_week } else { of_month && of_week };
        day && u32::from(self.months) & bit(date.month()) != 0
    }
}

impl Schedule {
    /// Reads windows; without a zone they are in UTC.
    ///
    /// # Errors
    /// A window or the zone cannot be read.
    pub fn parse(windows: &[&str], zone: Option<&str>) -> Result<Self, InvalidSchedule> {
        if windows.is_empty() || windows.len() > MOST_WINDOWS {
            return Err(InvalidSchedule::Count);
        }
        let read = |text: &&str| {
            let invalid = |reason: String| {
                let text = text.chars().take(LONGEST).collect();
                InvalidSchedule::Window { text, reason }
            };
            if text.len() > LONGEST {
                return Err(invalid(format!("it is longer than {LONGEST} bytes")));
            }
            window::parse(text).map_err(invalid)
        };
        Ok(Self {
            written: windows.iter().map(|text| text.trim().to_owned()).collect(),
            zone: zone.map_or(Ok(TimeZone::UTC), time_zone)?,
            zone_name: zone.map(str::to_owned),
            windows: windows.iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a window is open.
    pub fn is_open(&self, now: Moment) -> bool {
        let Ok(now) = Timestamp::from_millisecond(now.0) else { return true };
        let local = self.zone.to_datetime(now);
        self.windows.iter().any(|window| window.has_day(local.date()) && window.minutes.has(minute(local.time())))
    }

    /// The first moment, from `now` on, at which a window is open, to the minute; `None` where none opens within
    /// eight years.
    pub fn next_opening(&self, now: Moment) -> Option<Moment> {
        if self.is_open(now) {
            return Some(now);
        }
        let start = self.zone.to_datetime(Timestamp::from_millisecond(now.0).ok()?);
        (0..FARTHEST_DAYS).find_map(|days| {
            let date = start.date().checked_add(Span::new().days(days)).ok()?;
            self.windows
                .iter()
                .filter(|window| window.has_day(date))
                .filter_map(|window| self.opening(window, date, now))
                .min()
        })
    }

    /// When a window opens on a day, after `now`.
    fn opening(&self, window: &Window, date: Date, now: Moment) -> Option<Moment> {
        (0..DAY_MINUTES).filter(|minute| window.minutes.has(*minute)).find_map(|minute| {
            let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
            let local = DateTime::from_parts(date, Time::new(hour, minute, 0, 0).ok()?);
            // An hour that is there twice is met at its first, too.
            let zoned = self.zone.to_ambiguous_zoned_datetime(local);
            let early = zoned.clone().earlier().ok().map(|at| Moment(at.timestamp().as_millisecond()));
            let late = zoned.later().ok().map(|at| Moment(at.timestamp().as_millisecond()));
            [early, late].into_iter().flatten().find(|at| *at > now && self.is_open(*at))
        })
    }

    /// The windows as written, for people.
    pub fn written(&self) -> String {
        let windows = self.written.join(", or ");
        match &self.zone_name {
            Some(zone) => format!("{windows} ({zone})"),
            None => format!("{windows} (UTC)"),
        }
    }
}

fn minute(time: Time) -> usize {
    let number = |value: i8| usize::try_from(value).unwrap_or(0);
    number(time.hour()) * 60 + number(time.minute())
}

fn time_zone(name: &str) -> Result<TimeZone, InvalidSchedule> {
    // Only names: a text of POSIX's form would be taken for a zone that nobody means.
    let zone = Some(name).filter(|name| name.len() <= 60).and_then(|name| TimeZone::get(name).ok());
    zone.ok_or_else(|| {
        let likeness = |known: &str| strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase());
        let known = jiff::tz::db().available().map(|known| known.as_str().to_owned());
        let near = known.map(|known| (likeness(&known), known)).max_by(|a, b| a.0.total_cmp(&b.0));
        InvalidSchedule::Zone {
            name: name.chars().take(60).collect(),
            near: near.filter(|(likeness, _)| *likeness > 0.7).map(|(_, known)| known),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse_rfc3339(text).expect("a moment")
    }

    fn schedule(window: &str) -> Schedule {
        Schedule::parse(&[window], None).expect("a schedule")
    }

    /// 2026-11-23 is a Monday.
    #[track_caller]
    fn check(window: &str, open: &[&str], closed: &[&str]) {
        let schedule = schedule(window);
        for one in open {
            assert!(schedule.is_open(at(one)), "{window} is open at {one}");
        }
        for one in closed {
            assert!(!schedule.is_open(at(one)), "{window} is closed at {one}");
        }
    }

    #[test]
    fn windows_as_people_write_them() {
        check("at any time", &["2026-11-23T00:00:00Z"], &[]);
        check("before 5am", &["2026-11-23T04:59:59Z"], &["2026-11-23T05:00:00Z"]);
        check(
            "After 22:00 and before 5:00",
            &["2026-11-23T22:00:00Z", "2026-11-23T04:00:00Z"],
            &["2026-11-23T12:00:00Z"],
        );
        check("between 9am and 5:30pm", &["2026-11-23T17:29:00Z"], &["2026-11-23T17:30:00Z", "2026-11-23T08:59:00Z"]);
        check("after 12am", &["2026-11-23T00:00:00Z"], &[]);
        check("before noon", &["2026-11-23T11:59:00Z"], &["2026-11-23T12:00:00Z"]);
        check("on monday", &["2026-11-23T12:00:00Z"], &["2026-11-24T12:00:00Z"]);
        check(
            "before 9am on monday and friday",
            &["2026-11-27T08:00:00Z"],
            &["2026-11-27T09:00:00Z", "2026-11-26T08:00:00Z"],
        );
        check("every weekday after 10pm", &["2026-11-23T23:00:00Z"], &["2026-11-22T23:00:00Z"]);
        check("every weekend", &["2026-11-22T23:00:00Z", "2026-11-28T01:00:00Z"], &["2026-11-23T01:00:00Z"]);
        check("on the first day of the month", &["2026-12-01T00:00:00Z"], &["2026-12-02T00:00:00Z"]);
        check("on the 1st and 15th day of the month", &["2026-12-15T00:00:00Z"], &["2026-12-14T00:00:00Z"]);
        check("on day 2 of the month", &["2026-12-02T00:00:00Z"], &["2026-12-01T00:00:00Z"]);
        check("in january and july", &["2026-07-31T00:00:00Z"], &["2026-08-01T00:00:00Z"]);
        check("weekly", &["2026-11-23T00:00:00Z"], &["2026-11-24T00:00:00Z"]);
        check("monthly", &["2026-12-01T09:00:00Z"], &["2026-11-24T00:00:00Z"]);
        check("daily", &["2026-12-01T09:00:00Z"], &[]);
    }

    #[test]
    fn cron() {
        check(
            "* 2-5 * * 1-5",
            &["2026-11-23T02:00:00Z", "2026-11-23T05:59:00Z"],
            &["2026-11-23T06:00:00Z", "2026-11-22T02:00:00Z"],
        );
        check("*/30 * * * *", &["2026-11-23T02:30:00Z"], &["2026-11-23T02:31:00Z"]);
        check("* * * JAN,nov MON", &["2026-11-23T02:30:00Z"], &["2026-12-07T02:31:00Z"]);
        check("* * 1 * 7", &["2026-12-01T00:00:00Z", "2026-11-22T00:00:00Z"], &["2026-11-23T00:00:00Z"]);
        check("0-10/5 0 * * *", &["2026-12-01T00:05:00Z"], &["2026-12-01T00:06:00Z"]);
    }

    #[test]
    fn what_is_no_window_is_refused() {
        let long = "monday ".repeat(1000);
        for text in [
            "",
            "soon",
            "before",
            "before 25:00",
            "before 13am",
            "on",
            "on blursday",
            "between 9am",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "5-2 * * * *",
            "*/0 * * * *",
            "on day 32 of the month",
            "before 5am before 6am or so",
            "𝔪onday",
            &long,
        ] {
            let error = Schedule::parse(&[text], None).expect_err(text);
            assert!(error.to_string().len() < 600, "{error}");
        }
        assert!(Schedule::parse(&[], None).is_err());
        let error = Schedule::parse(&["daily"], Some("Europe/Berln")).expect_err("a zone").to_string();
        assert!(error.ends_with("did you mean \"Europe/Berlin\"?"), "{error}");
    }

    #[test]
    fn zones_and_the_hour_that_is_not_there() {
        let berlin = Schedule::parse(&["before 5am on monday"], Some("Europe/Berlin")).expect("a schedule");
        assert_eq!(berlin.next_opening(at("2026-11-24T12:00:00Z")), Some(at("2026-11-29T23:00:00Z")));
        // On 2026-03-29 two o'clock is three o'clock there.
        let gap = Schedule::parse(&["between 2am and 3am"], Some("Europe/Berlin")).expect("a schedule");
        assert_eq!(gap.next_opening(at("2026-03-28T12:00:00Z")), Some(at("2026-03-30T00:00:00Z")));
        // On 2026-10-25 it is there twice.
        let twice = Schedule::parse(&["30 2 * * *"], Some("Europe/Berlin")).expect("a schedule");
        assert_eq!(twice.next_opening(at("2026-10-25T00:31:00Z")), Some(at("2026-10-25T01:30:00Z")));
        assert_eq!(schedule("* * 31 2 *").next_opening(at("2026-01-01T00:00:00Z")), None);
        assert_eq!(schedule("* * 29 2 *").next_opening(at("2026-01-01T00:00:00Z")), Some(at("2028-02-29T00:00:00Z")));
        assert_eq!(schedule("on monday").written(), "on monday (UTC)");
    }

    proptest! {
        #[test]
        fn the_next_opening_is_the_first(start in 1_700_000_000_000_i64..1_900_000_000_000, which in 0_usize..6, zone in 0_usize..3) {
            let windows = ["before 5am on monday", "*/17 3 * * *", "after 10pm and before 5am", "on the first day of the month",
                "between 2am and 3am on sunday", "30 2 * 3,10 *"];
            let zones = [None, Some("Europe/Berlin"), Some("Australia/Lord_Howe")];
            let schedule = Schedule::parse(&[windows[which]], zones[zone]).expect("a schedule");
            let now = Moment(start);
            let next = schedule.next_opening(now).expect("it opens");
            prop_assert!(next >= now && schedule.is_open(next));
            let minutes = (next.0 - now.0) / 60_000;
            for sample in 0..200 {
                let between = Moment(now.0 + minutes * sample / 200 * 60_000);
                prop_assert!(between >= next || !schedule.is_open(between), "{between} is before {next}");
            }
        }

        #[test]
        fn no_text_is_a_panic(text in ".{0,80}") {
            let _ = Schedule::parse(&[&text], Some(&text));
        }
    }
}
