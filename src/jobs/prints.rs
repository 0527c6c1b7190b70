//! What is known of a content, in texts that change when it does: by them an advisory or a VEX statement alone leads to a
//! plan.

use std::fmt;

/// Stands for VEX statements of which it was not found out which ones there are.
const UNKNOWN: &str = "?";

/// What is known of a content for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartPrint {
    /// The platform; empty for the one that stands for all.
    pub(super) platform: String,
    /// What was found, before VEX takes anything away; empty where that is not known.
    pub(super) found: String,
    /// Which VEX statements there are about it; `None` where that was not found out.
    pub(super) statements: Option<String>,
}

/// What is known of a content for each platform.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Print(pub(super) Vec<PartPrint>);

impl Print {
    /// Reads what was written; before there were statements and platforms it was what was found alone.
    pub(super) fn read(text: &str) -> Self {
        let part = |line: &str| {
            let mut cells = line.split('\t');
            let (platform, found) = match (cells.next(), cells.next()) {
                (Some(platform), Some(found)) => (platform, found),
                (first, _) => ("", first.unwrap_or_default()),
            };
            let statements = cells.next().filter(|known| *known != UNKNOWN).map(str::to_owned);
            PartPrint { platform: platform.to_owned(), found: found.to_owned(), statements }
        };
        Self(text.lines().map(part).collect())
    }

    /// Whether this tells what `before` did not. What is not known now, for a source that does not answer, is no news.
    pub(super) fn is_news_to(&self, before: &Self) -> bool {
        self.0.iter().any(|part| {
            let before = before.0.iter().find(|other| other.platform == part.platform);
            let found = before.map_or("", |before| before.found.as_str());
            if !part.found.is_empty() && part.found != found {
                return true;
            }
            match (&part.statements, before.and_then(|before| before.statements.as_ref())) {
                (Some(now), Some(before)) => now != before,
                (Some(now), None) => !now.is_empty(),
                (None, _) => false,
            }
        })
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            let statements = part.statements.as_deref().unwrap_or(UNKNOWN);
            write!(f, "{end}{}\t{}\t{statements}", part.platform, part.found)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `linux/amd64:found:statements`, `?` for statements that are not known.
    fn print(parts: &[&str]) -> Print {
        let part = |text: &&str| {
            let cells: Vec<&str> = text.split(':').collect();
            let [platform, found, statements] = cells.as_slice() else { panic!("{text}") };
            let statements = (*statements != "?").then(|| (*statements).to_owned());
            PartPrint { platform: (*platform).to_owned(), found: (*found).to_owned(), statements }
        };
        Print(parts.iter().map(part).collect())
    }

    #[track_caller]
    fn check(before: &[&str], now: &[&str], is_news: bool) {
        let (before, now) = (print(before), print(now));
        assert_eq!(Print::read(&now.to_string()), now, "it is read as it was written");
        assert_eq!(now.is_news_to(&before), is_news, "{before:?} {now:?}");
    }

    #[test]
    fn what_is_not_known_is_no_news_and_hides_none() {
        check(&[":a:"], &[":a:"], false);
        check(&[":a:"], &[":b:"], true);
        check(&[":a:"], &["::?"], false);
        check(&["::?"], &[":a:"], true);
        check(&[], &[":a:"], true);
        // Statements.
        check(&[":a:s"], &[":a:t"], true);
        check(&[":a:s"], &[":a:"], true);
        check(&[":a:s"], &[":a:?"], false);
        check(&[":a:?"], &[":a:"], false);
        check(&[":a:?"], &[":a:s"], true);
        check(&[":a:s"], &[":b:?"], true);
        // Platforms, each for itself.
        check(&["x:a:", "y:b:"], &["x:a:", "y:c:"], true);
        check(&["x:a:", "y:b:"], &["x::?", "y:c:"], true);
        check(&["x:a:", "y:b:"], &["x::?", "y:b:"], false);
    }

    #[test]
    fn what_was_written_before_is_read() {
        let found = "sha256:00".to_owned();
        let part = PartPrint { platform: String::new(), found, statements: None };
        assert_eq!(Print::read("sha256:00"), Print(vec![part]));
        assert_eq!(Print::read(""), Print::default());
    }
}
