//! One window of a schedule: in words, or as five fields of cron.

use super::schedule::{DAY_MINUTES, Minutes, Window};

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: u8 = 0b011_1110;
const WEEKEND: u8 = 0b100_0001;

/// Reads a window, or says what is wrong.
pub(super) fn parse(text: &str) -> Result<Window, String> {
    let text = text.trim().to_lowercase();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let is_cron = fields.len() >= 4 && fields[0].starts_with(|c: char| c == '*' || c.is_ascii_digit());
    if is_cron { cron(&fields) } else { Words::new(&text).read() }
}

/// The words of a window, and how far they are read.
struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()).collect();
        Self { words, at: 0 }
    }

    fn peek(&self) -> &'a str {
        self.words.get(self.at).copied().unwrap_or("")
    }

    /// Goes on, where one of these words stands there.
    fn skip(&mut self, any: &[&str]) -> bool {
        let there = any.contains(&self.peek());
        self.at += usize::from(there);
        there
    }

    fn read(mut self) -> Result<Window, String> {
        if self.words.is_empty() {
            return Err("it is empty".to_owned());
        }
        let mut window = Window::always();
        let (mut after, mut before) = (None, None);
        while self.at < self.words.len() {
            match self.peek() {
                "and" => self.at += 1,
                "before" => self.once(&mut before)?,
                "after" => self.once(&mut after)?,
                "between" | "from" => {
                    self.once(&mut after)?;
                    if !self.skip(&["and", "to"]) {
                        return Err("after `between` two times are named".to_owned());
                    }
                    self.at -= 1;
                    self.once(&mut before)?;
                }
                "at" | "any" | "time" | "anytime" | "always" | "daily" => self.at += 1,
                "weekly" => {
                    self.at += 1;
                    window.week_days = 0b10;
                }
                "monthly" => {
                    self.at += 1;
                    window.month_days = 0b10;
                }
                "in" => self.months(&mut window)?,
                "on" | "every" | "each" => self.days(&mut window)?,
                other => return Err(format!("{other:?} is not understood")),
            }
        }
        window.minutes = minutes(after, before);
        Ok(window)
    }

    /// A time behind a word, which may be said once.
    fn once(&mut self, time: &mut Option<usize>) -> Result<(), String> {
        let word = self.peek();
        self.at += 1;
        let read = self.time()?;
        match time.replace(read) {
            None => Ok(()),
            Some(_) => Err(format!("{word:?} is said twice")),
        }
    }

    /// `5am`, `5 am`, `5:30pm`, `17:00`, `noon`; the minute of the day, up to its end.
    fn time(&mut self) -> Result<usize, String> {
        let word = self.peek();
        self.at += 1;
        let half = self.peek();
        let wrong = || format!("{word:?} is no time of day");
        match word {
            "noon" => return Ok(12 * 60),
            "midnight" => return Ok(0),
            _ => {}
        }
        let (clock, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
            (Some(clock), _) => (clock, Some(0)),
            (_, Some(clock)) => (clock, Some(12)),
            (None, None) if half == "am" || half == "pm" => {
                self.at += 1;
                (word, Some(if half == "am" { 0 } else { 12 }))
            }
            (None, None) => (word, None),
        };
        let (hour, minute) = clock.split_once(':').unwrap_or((clock, "0"));
        let (hour, minute) = (number(hour).ok_or_else(wrong)?, number(minute).ok_or_else(wrong)?);
        let hour = match half {
            Some(offset) if (1..=12).contains(&hour) => hour % 12 + offset,
            None if hour < 24 || (hour == 24 && minute == 0) => hour,
            Some(_) | None => return Err(wrong()),
        };
        if minute < 60 { Ok(hour * 60 + minute) } else { Err(wrong()) }
    }

    fn months(&mut self, window: &mut Window) -> Result<(), String> {
        self.at += 1;
        let mut months = 0;
        while let Some(month) = name(&MONTHS, self.peek()) {
            months |= 1 << (month + 1);
            self.at += 1;
            self.and(|word| name(&MONTHS, word).is_some());
        }
        if months == 0 {
            return Err(format!("{:?} is no month", self.peek()));
        }
        window.months = months;
        Ok(())
    }

    /// Goes over an `and` between two of the same kind.
    fn and(&mut self, same: impl Fn(&str) -> bool) {
        let follows = self.words.get(self.at + 1).is_some_and(|word| same(word));
        if self.peek() == "and" && follows {
            self.at += 1;
        }
    }

    fn days(&mut self, window: &mut Window) -> Result<(), String> {
        self.at += 1;
        self.skip(&["the"]);
        if self.skip(&["weekday", "weekdays"]) {
            window.week_days = WEEKDAYS;
            return Ok(());
        }
        if self.skip(&["weekend", "weekends"]) {
            window.week_days = WEEKEND;
            return Ok(());
        }
        if self.skip(&["day"]) && number(self.peek()).is_none() {
            return Ok(());
        }
        if ordinal(self.peek()).is_some() {
            return self.month_days(window);
        }
        let mut days = 0;
        while let Some(day) = day(self.peek()) {
            days |= 1 << day;
            self.at += 1;
            self.and(|word| self::day(word).is_some());
        }
        if days == 0 {
            return Err(format!("{:?} is no day", self.peek()));
        }
        window.week_days = days;
        Ok(())
    }

    /// `1st and 15th day of the month`.
    fn month_days(&mut self, window: &mut Window) -> Result<(), String> {
        let mut days = 0;
        while let Some(day) = ordinal(self.peek()) {
            days |= 1 << day;
            self.at += 1;
            self.and(|word| ordinal(word).is_some());
        }
        self.skip(&["day", "days"]);
        if self.skip(&["of"]) {
            self.skip(&["the", "every", "each"]);
            if !self.skip(&["month"]) {
                return Err("days are named `of the month`".to_owned());
            }
        }
        window.month_days = days;
        Ok(())
    }
}

/// From one time to another; over midnight where the first is later.
fn minutes(after: Option<usize>, before: Option<usize>) -> Minutes {
    let late = Minutes::range(after.unwrap_or(0), DAY_MINUTES);
    let early = Minutes::range(0, before.unwrap_or(DAY_MINUTES));
    match (after, before) {
        (Some(after), Some(before)) if before <= after => late.either(early),
        _ => late.both(early),
    }
}

fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// `first`, `1st`, `15th`, `2`: a day of the month.
fn ordinal(word: &str) -> Option<usize> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
    let day = if word == "first" { Some(1) } else { number(digits) };
    day.filter(|day| (1..=31).contains(day))
}

/// `monday`, `mon`, `mondays`.
fn day(word: &str) -> Option<usize> {
    name(&DAYS, word.strip_suffix('s').filter(|word| DAYS.contains(word)).unwrap_or(word))
}

/// The place of a name, whole or as its first three letters.
fn name(names: &[&str], word: &str) -> Option<usize> {
    names.iter().position(|name| *name == word || (word.len() == 3 && name.starts_with(word)))
}

fn cron(fields: &[&str]) -> Result<Window, String> {
    let [minute, hour, month_day, month, week_day] = fields else {
        return Err(format!("cron has five fields, not {}", fields.len()));
    };
    let (minute_bits, hour_bits) = (field(minute, 0..=59, &[])?, field(hour, 0..=23, &[])?);
    let mut minutes = Minutes::NONE;
    for minute in (0..DAY_MINUTES).filter(|at| minute_bits & (1 << (at % 60)) != 0 && hour_bits & (1 << (at / 60)) != 0)
    {
        minutes.add(minute);
    }
    let week_days = field(week_day, 0..=7, &DAYS)?;
    // Sunday is 0 and 7.
    let week_days = (week_days | (week_days >> 7)) & 0x7f;
    let month_names: Vec<&str> = std::iter::once("").chain(MONTHS).collect();
    Ok(Window {
        minutes,
        month_days: u32::try_from(field(month_day, 1..=31, &[])?).unwrap_or(u32::MAX),
        months: u16::try_from(field(month, 1..=12, &month_names)?).unwrap_or(u16::MAX),
        week_days: u8::try_from(week_days).unwrap_or(u8::MAX),
        either_day: !month_day.starts_with('*') && !week_day.starts_with('*'),
    })
}

/// Lists, ranges, steps and names of one field, as bits.
fn field(text: &str, range: std::ops::RangeInclusive<usize>, names: &[&str]) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not from {} to {}", range.start(), range.end());
    let value = |text: &str| {
        let named = || names.iter().position(|name| text.len() == 3 && name.starts_with(text));
        number(text).or_else(named).filter(|value| range.contains(value))
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (span, step) = part.split_once('/').unwrap_or((part, "1"));
        let step = number(step).filter(|step| *step > 0).ok_or_else(wrong)?;
        let (from, to) = match (span, span.split_once('-')) {
            ("*", _) => (*range.start(), *range.end()),
            (_, Some((from, to))) => (value(from).ok_or_else(wrong)?, value(to).ok_or_else(wrong)?),
            (_, None) if part.contains('/') => (value(span).ok_or_else(wrong)?, *range.end()),
            (_, None) => (value(span).ok_or_else(wrong)?, value(span).ok_or_else(wrong)?),
        };
        if from > to {
            return Err(wrong());
        }
        (from..=to).step_by(step).for_each(|value| bits |= 1_u64 << value);
    }
    Ok(bits)
}
