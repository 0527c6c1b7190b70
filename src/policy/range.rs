//! Ranges of versions: `<17`, `>=1.2 <3`, `^1.4`, `~1.4.2`, `1.2.x || 2.x`.

use std::cmp::Ordering;

/// Longer texts are no ranges.
const LONGEST: usize = 200;

/// Which versions are meant. Numbers are compared as they stand; a number that is not written counts as 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    written: String,
    /// One of these must hold as a whole.
    any: Vec<Vec<Comparison>>,
}

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{written:?} is no range of versions: write, for example, \"<17\", \">=1.2 <3\", \"^1.4\" or \"1.2.x\"")]
pub struct InvalidRange {
    written: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    numbers: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Greater,
    AtLeast,
    /// The numbers that stand there are the same: `1.2` means every `1.2.…`.
    Within,
    /// From there, within the first number: `^1.4`.
    Caret,
    /// From there, within the second number: `~1.4.2`; within the first where only that is written.
    Tilde,
}

const OPERATORS: [(&str, Operator); 7] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("<", Operator::Less),
    (">", Operator::Greater),
    ("=", Operator::Within),
    ("^", Operator::Caret),
    ("~", Operator::Tilde),
];

impl VersionRange {
    /// Reads a range.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(written: &str) -> Result<Self, InvalidRange> {
        let invalid = || InvalidRange { written: written.chars().take(LONGEST).collect() };
        if written.len() > LONGEST {
            return Err(invalid());
        }
        let any: Option<Vec<_>> = written.split("||").map(comparisons).collect();
        any.map(|any| Self { written: written.trim().to_owned(), any }).ok_or_else(invalid)
    }

    /// Whether a version lies in the range.
    pub fn contains(&self, version: &[u64]) -> bool {
        self.any.iter().any(|all| all.iter().all(|one| one.holds(version)))
    }

    /// The range as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// `>= 1.2, < 3` as well as `>=1.2 <3`.
fn comparisons(text: &str) -> Option<Vec<Comparison>> {
    let mut all = Vec::new();
    let mut rest = text.trim_matches(separates);
    while !rest.is_empty() {
        let (operator, after) = operator(rest);
        let after = after.trim_start();
        let end = after.find(|c: char| separates(c) || "<>=^~".contains(c)).unwrap_or(after.len());
        all.push(Comparison { operator, numbers: numbers(&after[..end])? });
        rest = after[end..].trim_start_matches(separates);
    }
    (!all.is_empty()).then_some(all)
}

fn separates(c: char) -> bool {
    c.is_whitespace() || c == ','
}

fn operator(text: &str) -> (Operator, &str) {
    let found = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)));
    found.unwrap_or((Operator::Within, text))
}

/// The numbers up to a wildcard; `*` alone is every version.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let parts: Vec<&str> = text.split('.').collect();
    let wild = |part: &&str| -> bool { matches!(*part, "x" | "X" | "*") };
    let end = parts.iter().position(wild).unwrap_or(parts.len());
    let rest_is_wild = parts[end..].iter().all(wild);
    let numbers: Option<Vec<u64>> = parts[..end].iter().map(|part| part.parse().ok()).collect();
    numbers.filter(|_| rest_is_wild)
}

impl Comparison {
    fn holds(&self, version: &[u64]) -> bool {
        let order = compare(version, &self.numbers);
        match self.operator {
            Operator::Less => order == Ordering::Less,
            Operator::AtMost => order != Ordering::Greater || within(version, &self.numbers),
            Operator::Greater => order == Ordering::Greater && !within(version, &self.numbers),
            Operator::AtLeast => order != Ordering::Less,
            Operator::Within => within(version, &self.numbers),
            Operator::Caret => order != Ordering::Less && within(version, first(&self.numbers, 1)),
            Operator::Tilde => order != Ordering::Less && within(version, first(&self.numbers, 2)),
        }
    }
}

fn first(numbers: &[u64], count: usize) -> &[u64] {
    &numbers[..numbers.len().min(count)]
}

fn within(version: &[u64], numbers: &[u64]) -> bool {
    let at = |index: usize| version.get(index).copied().unwrap_or(0);
    numbers.iter().enumerate().all(|(index, number)| at(index) == *number)
}

fn compare(a: &[u64], b: &[u64]) -> Ordering {
    let at = |numbers: &[u64], index: usize| numbers.get(index).copied().unwrap_or(0);
    (0..a.len().max(b.len()))
        .map(|index| at(a, index).cmp(&at(b, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let range = VersionRange::parse(range).expect("a range");
        let version = |text: &str| text.split('.').map(|part| part.parse().expect("a number")).collect::<Vec<u64>>();
        for one in inside {
            assert!(range.contains(&version(one)), "{one} is in {}", range.as_str());
        }
        for one in outside {
            assert!(!range.contains(&version(one)), "{one} is not in {}", range.as_str());
        }
    }

    #[test]
    fn ranges_as_people_write_them() {
        check("<17", &["16.9", "16"], &["17", "17.0.1", "18"]);
        check("<=17", &["16.9", "17", "17.4"], &["18"]);
        check(">17", &["18"], &["17.4", "17", "16"]);
        check(">=1.2 <3", &["1.2", "2.9.9"], &["1.1", "3.0"]);
        check(">= 1.2, < 3", &["1.2", "2.9.9"], &["1.1", "3.0"]);
        check("^1.4", &["1.4", "1.9.2"], &["1.3.9", "2.0"]);
        check("~1.4.2", &["1.4.2", "1.4.9"], &["1.4.1", "1.5"]);
        check("1.2.x || 3", &["1.2.9", "3.1"], &["1.3", "2"]);
        check("*", &["0", "9.9"], &[]);
        check("=v1.2", &["1.2", "1.2.5"], &["1.3"]);
        for wrong in ["", "latest", "<", "1.x.2", "1..2", "||", &"9".repeat(300), "<99999999999999999999999"] {
            assert!(VersionRange::parse(wrong).is_err(), "{wrong}");
        }
    }
}
