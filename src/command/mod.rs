//! The grammar of `/restow …` comments: text → commands. Pure.
//!
//! A command is a line of its own. What is quoted, code, or hidden in an HTML comment is none.

mod text;

use serde::{Deserialize, Serialize};

use text::lines;

/// What somebody asks for in a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Bring the branch onto its base again.
    Rebase,
    /// Make the branch anew, whatever lies on it.
    Recreate,
    /// Merge it once it can be.
    Merge,
    /// Leave it as it is for some days.
    Hold {
        /// For how many.
        days: u32,
    },
    /// Do not propose it again.
    Ignore(IgnoreScope),
    /// Propose everything of these images again.
    Unignore,
    /// Say why it is as it is.
    Explain,
    /// Ask the registries again.
    Refresh,
    /// Close it.
    Close {
        /// For how many days; `None` for good.
        days: Option<u32>,
    },
    /// Say what can be said.
    Help,
}

impl Command {
    /// The command as it is written: `hold 14d`.
    pub fn written(self) -> String {
        match self {
            Self::Rebase => "rebase".to_owned(),
            Self::Recreate => "recreate".to_owned(),
            Self::Merge => "merge".to_owned(),
            Self::Hold { days } => format!("hold {days}d"),
            Self::Ignore(IgnoreScope::ThisVersion) => "ignore this version".to_owned(),
            Self::Ignore(IgnoreScope::Minor) => "ignore minor".to_owned(),
            Self::Ignore(IgnoreScope::Major) => "ignore major".to_owned(),
            Self::Ignore(IgnoreScope::Image) => "ignore image".to_owned(),
            Self::Unignore => "unignore".to_owned(),
            Self::Explain => "explain".to_owned(),
            Self::Refresh => "refresh".to_owned(),
            Self::Close { days: Some(days) } => format!("close {days}d"),
            Self::Close { days: None } => "close".to_owned(),
            Self::Help => "help".to_owned(),
        }
    }
}

/// What is not proposed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreScope {
    /// The version that is proposed.
    ThisVersion,
    /// Every version of its minor version.
    Minor,
    /// Every version of its major version.
    Major,
    /// Everything of the image.
    Image,
}

/// A line that addresses Restow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parsed {
    /// What it asks for.
    Command(Command),
    /// The same, and why, in the person's words: `ignore this version because we tested it`.
    Because {
        /// What it asks for.
        command: Command,
        /// Why, on one line and bounded.
        reason: String,
    },
    /// It is not understood.
    Unknown {
        /// What is written, on one line and bounded.
        written: String,
        /// The command that is most like it.
        nearest: Option<String>,
        /// What is wrong, for a person.
        why: String,
    },
}

/// The commands and what each does, in the order of the help.
pub const HELP: [(&str, &str); 10] = [
    ("rebase", "brings the branch onto its base branch"),
    ("recreate", "makes the branch anew, even where somebody else committed to it"),
    ("merge", "merges it once the checks have passed and nothing is against it"),
    ("hold 14d", "leaves it as it is for some time (`14d`, `2w`); without a time for 14 days"),
    (
        "ignore this version",
        "closes it and does not propose this version again; also `ignore minor`, `major`, `image`, and `because …`",
    ),
    ("unignore", "proposes again what was ignored of these images"),
    ("explain", "says how it stands and which rules hold"),
    ("refresh", "asks the registries again, and brings it up to date"),
    ("close 30d", "closes it and proposes it again after that time; `close` alone: not this version"),
    ("help", "says this"),
];

/// More commands in one comment are not read.
const MOST: usize = 5;
/// The longest wait.
const MOST_DAYS: u32 = 365;
const USUAL_HOLD: u32 = 14;
/// Letters of a reason that are kept.
const LONGEST_REASON: usize = 200;

/// The commands of a comment, in their order; empty where it names none.
pub fn commands(comment: &str) -> Vec<Parsed> {
    lines(comment).filter_map(|line| addressed(&line).map(|rest| reasoned(&rest))).take(MOST).collect()
}

/// A command with its reason, where it takes one.
fn reasoned(text: &str) -> Parsed {
    const BECAUSE: &str = " because ";
    let lower = text.to_ascii_lowercase();
    let takes_one = ["ignore", "close", "hold"].iter().any(|name| lower.starts_with(name));
    let Some(at) = lower.find(BECAUSE).filter(|_| takes_one) else { return read(&text.to_lowercase()) };
    let (command, reason) = (&text[..at], text[at + BECAUSE.len()..].trim());
    match read(&command.to_lowercase()) {
        Parsed::Command(command) if !reason.is_empty() => {
            let reason = reason.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
            Parsed::Because { command, reason }
        }
        other => other,
    }
}

/// What follows `/restow` on a line.
fn addressed(line: &str) -> Option<String> {
    let line = line.trim();
    let (name, rest) = line.split_at_checked("/restow".len())?;
    let parted = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (name.eq_ignore_ascii_case("/restow") && parted).then(|| rest.trim().to_owned())
}

fn read(text: &str) -> Parsed {
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_end_matches(['.', '!', ',', ';', ':'])).collect();
    let command = match &words[..] {
        [] | ["help"] => Command::Help,
        ["rebase"] => Command::Rebase,
        ["recreate"] => Command::Recreate,
        ["merge"] => Command::Merge,
        ["unignore"] => Command::Unignore,
        ["explain"] => Command::Explain,
        ["refresh"] => Command::Refresh,
        ["ignore"] | ["ignore", "this", "version"] | ["ignore", "version"] => Command::Ignore(IgnoreScope::ThisVersion),
        ["ignore", "minor"] | ["ignore", "this", "minor"] => Command::Ignore(IgnoreScope::Minor),
        ["ignore", "major"] | ["ignore", "this", "major"] => Command::Ignore(IgnoreScope::Major),
        ["ignore", "image"] | ["ignore", "this", "image"] => Command::Ignore(IgnoreScope::Image),
        ["hold"] => Command::Hold { days: USUAL_HOLD },
        ["close"] => Command::Close { days: None },
        ["hold", time @ ..] => match days(time) {
            Some(days) => Command::Hold { days },
            None => return unknown(text, "hold 14d", format!("a time is 1 to {MOST_DAYS} days, as in `14d` or `2w`")),
        },
        ["close", time @ ..] => match days(time) {
            Some(days) => Command::Close { days: Some(days) },
            None => return unknown(text, "close 30d", format!("a time is 1 to {MOST_DAYS} days, as in `30d` or `2w`")),
        },
        ["ignore", ..] => {
            return unknown(
                text,
                "ignore this version",
                "it says what to ignore: this version, minor, major or image".to_owned(),
            );
        }
        [other, ..] => {
            let like = |name: &str| strsim::jaro_winkler(other, name.split(' ').next().unwrap_or(name));
            let nearest = HELP.iter().map(|(name, _)| (like(name), *name)).max_by(|a, b| a.0.total_cmp(&b.0));
            let nearest = nearest.filter(|(likeness, _)| *likeness > 0.75).map(|(_, name)| name.to_owned());
            let why = "there is no such command".to_owned();
            return Parsed::Unknown { written: shortened(text), nearest, why };
        }
    };
    Parsed::Command(command)
}

fn unknown(text: &str, nearest: &str, why: String) -> Parsed {
    Parsed::Unknown { written: shortened(text), nearest: Some(nearest.to_owned()), why }
}

fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect()
}

/// `14d`, `2w`, `3 days`, `for 1 month`.
fn days(words: &[&str]) -> Option<u32> {
    let words = words.strip_prefix(&["for"]).unwrap_or(words);
    let text = words.concat();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let each = match unit {
        "" | "d" | "day" | "days" => 1,
        "w" | "week" | "weeks" => 7,
        "month" | "months" => 30,
        _ => return None,
    };
    let days = number.parse::<u32>().ok()?.checked_mul(each)?;
    (1..=MOST_DAYS).contains(&days).then_some(days)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(comment: &str, expected: &[Command]) {
        let found = commands(comment);
        assert_eq!(found, expected.iter().map(|one| Parsed::Command(*one)).collect::<Vec<_>>(), "{comment:?}");
    }

    #[test]
    fn commands_as_people_write_them() {
        check("/restow rebase", &[Command::Rebase]);
        check("  /Restow   Rebase.\r\n", &[Command::Rebase]);
        check("Thanks!\n/restow merge\n", &[Command::Merge]);
        check("/restow", &[Command::Help]);
        check("/restow hold", &[Command::Hold { days: 14 }]);
        check(
            "/restow hold 2w\n/restow close 30 days",
            &[Command::Hold { days: 14 }, Command::Close { days: Some(30) }],
        );
        check("/restow hold for 1 month", &[Command::Hold { days: 30 }]);
        check("/restow close", &[Command::Close { days: None }]);
        check("/restow ignore", &[Command::Ignore(IgnoreScope::ThisVersion)]);
        check("/restow ignore this version", &[Command::Ignore(IgnoreScope::ThisVersion)]);
        check("/restow\u{a0}ignore\u{a0}major", &[Command::Ignore(IgnoreScope::Major)]);
        check("\u{200b}/restow ignore image", &[Command::Ignore(IgnoreScope::Image)]);
        check(&"/restow merge\n".repeat(9), &[Command::Merge; 5]);
    }

    #[test]
    fn a_reason_is_kept_in_its_own_words() {
        let because = |command, reason: &str| vec![Parsed::Because { command, reason: reason.to_owned() }];
        let ignore = |scope| Command::Ignore(scope);
        for (comment, expected) in [
            (
                "/restow ignore this version because we tested it: TLS breaks.",
                because(ignore(IgnoreScope::ThisVersion), "we tested it: TLS breaks."),
            ),
            ("/restow Ignore Major BECAUSE of Java 8", because(ignore(IgnoreScope::Major), "of Java 8")),
            ("/restow hold 2w because of the freeze", because(Command::Hold { days: 14 }, "of the freeze")),
            ("/restow close because \u{e9}t\u{e9}", because(Command::Close { days: None }, "\u{e9}t\u{e9}")),
        ] {
            assert_eq!(commands(comment), expected, "{comment}");
        }
        check_unknown("/restow rebase because of me", Some("rebase"));
        check_unknown("/restow ignore nothing because of me", Some("ignore this version"));
    }

    #[test]
    fn what_is_quoted_code_or_hidden_is_none() {
        for comment in [
            "restow rebase",
            "/restowed",
            "please /restow rebase",
            "> /restow merge",
            "```\n/restow merge\n```",
            "~~~sh\n/restow merge",
            "````\n```\n/restow merge\n````",
            "    /restow merge",
            "\t/restow merge",
            "<!--\n/restow merge\n-->",
            "`/restow merge`",
            "",
        ] {
            check(comment, &[]);
        }
        check("```\ncode\n```\n/restow merge", &[Command::Merge]);
        check("<!-- hidden -->\n/restow merge", &[Command::Merge]);
    }

    #[track_caller]
    fn check_unknown(comment: &str, nearest: Option<&str>) {
        match &commands(comment)[..] {
            [Parsed::Unknown { nearest: found, written, .. }] => {
                assert_eq!(found.as_deref(), nearest, "{comment:?}");
                assert!(written.chars().count() <= 60);
            }
            other => panic!("{comment:?}: {other:?}"),
        }
    }

    #[test]
    fn what_is_not_understood_gets_the_nearest() {
        check_unknown("/restow rebse", Some("rebase"));
        check_unknown("/restow ignore everything", Some("ignore this version"));
        check_unknown("/restow hold 400d", Some("hold 14d"));
        check_unknown("/restow hold 0d", Some("hold 14d"));
        check_unknown("/restow close 99999999999999d", Some("close 30d"));
        check_unknown(&format!("/restow {}", "x".repeat(1000)), None);
        check_unknown("/restow rebase now", Some("rebase"));
    }

    proptest! {
        #[test]
        fn no_comment_is_a_panic(comment in "(/restow|[`~> \n]|<!--|-->|\\PC){0,200}") {
            prop_assert!(commands(&comment).len() <= MOST);
        }
    }
}
