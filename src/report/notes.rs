//! Release notes: what the image's source says of the versions between. Foreign text, so it stands in a code block,
//! where GitHub makes neither mentions nor references, links or images of it.

use super::dates::day;
use super::markdown::code;
use crate::image::Tag;
use crate::plan::ChangeSet;
use crate::repo::{Moment, RepoName};
use crate::tag::Scheme;

/// Releases that are shown.
const MOST: usize = 10;
/// Characters of one release's text, and of all.
const LONGEST: usize = 1_200;
const LONGEST_ALL: usize = 4_000;

/// One release, as its repository tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseNote {
    /// The tag.
    pub tag: String,
    /// Its text, in Markdown.
    pub body: String,
    /// Its page.
    pub url: String,
    /// When it was published.
    pub published: Option<Moment>,
}

/// The repository on GitHub that the new images name as their source, where they name one alone.
pub fn release_source(set: &ChangeSet) -> Option<RepoName> {
    let mut sources = set.updates.iter().map(|update| update.evidence.as_ref()?.labels.source.as_deref());
    let first = sources.next()??;
    sources.all(|source| source == Some(first)).then(|| github_source(first)).flatten()
}

/// `https://github.com/owner/name`; nothing for other hosts.
fn github_source(label: &str) -> Option<RepoName> {
    let path = label.strip_prefix("https://github.com/")?.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    // A folder or a commit within the repository may follow.
    let mut parts = path.split('/');
    RepoName::parse(&format!("{}/{}", parts.next()?, parts.next()?)).ok()
}

/// The releases after what stands there and up to what is proposed, the newest first. None where the versions are not
/// plain, differ from site to site, or the proposed one has no release: nothing is guessed.
pub fn releases_between<'a>(releases: &'a [ReleaseNote], set: &ChangeSet) -> Vec<&'a ReleaseNote> {
    let version =
        |tag: Option<&Tag>| tag.map(|tag| Scheme::learn(&[]).version_of(tag)).filter(|version| version.len() > 1);
    let mut ends = set.updates.iter().map(|update| (version(update.site.reference.tag()), version(update.to.tag())));
    let Some((Some(from), Some(to))) = ends.next() else { return Vec::new() };
    if !ends.all(|(other_from, other_to)| other_from.as_ref() == Some(&from) && other_to.as_ref() == Some(&to)) {
        return Vec::new();
    }
    let mut between: Vec<(Vec<u64>, &ReleaseNote)> = releases
        .iter()
        .filter_map(|release| Some((version(Tag::parse(&release.tag).ok().as_ref())?, release)))
        .filter(|(version, _)| *version > from && !version.starts_with(&from))
        .filter(|(version, _)| *version <= to || version.starts_with(&to))
        .collect();
    if !between.iter().any(|(version, _)| version.starts_with(&to)) {
        return Vec::new();
    }
    between.sort_by(|a, b| b.0.cmp(&a.0));
    between.into_iter().map(|(_, release)| release).collect()
}

/// The section of a pull request's body.
pub(super) fn section(notes: &[&ReleaseNote], source: &RepoName) -> Option<String> {
    if notes.is_empty() {
        return None;
    }
    let mut text = format!(
        "<details><summary>Release notes of {} ({} of the versions between)</summary>\n\nAs its repository tells them; \
         whoever writes there can write anything.\n",
        code(source.as_ref()),
        notes.len()
    );
    let mut left = LONGEST_ALL;
    for note in notes.iter().take(MOST) {
        let page = Some(&note.url).filter(|url| is_page(url, source));
        let name = code(&note.tag);
        let name = page.map_or_else(|| name.clone(), |url| format!("[{name}]({url})"));
        let at = note.published.map(|at| format!(", {}", day(at))).unwrap_or_default();
        text.push_str(&format!("\n**{name}**{at}\n"));
        let body = shortened(&note.body, LONGEST.min(left));
        left = left.saturating_sub(body.chars().count());
        if !body.trim().is_empty() {
            text.push_str(&block(&body));
        }
    }
    if let Some(more) = notes.len().checked_sub(MOST).filter(|more| *more > 0) {
        text.push_str(&format!("\nand {more} more\n"));
    }
    text.push_str("\n</details>");
    Some(text)
}

/// A plain page of the repository's releases.
fn is_page(url: &str, source: &RepoName) -> bool {
    let path = url.strip_prefix(&format!("https://github.com/{source}/releases/tag/"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+%/".contains(c);
    path.is_some_and(|path| !path.is_empty() && path.chars().all(plain))
}

/// At most so many characters, cut at a line's end where there is one.
fn shortened(text: &str, longest: usize) -> String {
    let plain = |c: char| {
        c == '\n'
            || !(c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    let text: String = text.chars().filter(|c| plain(*c)).collect();
    if text.chars().count() <= longest {
        return text.trim().to_owned();
    }
    let cut: String = text.chars().take(longest).collect();
    let end = cut.rfind('\n').unwrap_or(cut.len());
    format!("{}\n…", cut[..end].trim())
}

/// A code block that nothing in the text can end.
fn block(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("\n{fence}text\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(tag: &str, body: &str) -> ReleaseNote {
        let url = format!("https://github.com/nginx/nginx/releases/tag/{tag}");
        ReleaseNote { tag: tag.to_owned(), body: body.to_owned(), url, published: None }
    }

    fn source() -> RepoName {
        RepoName::parse("nginx/nginx").expect("a name")
    }

    #[test]
    fn sources_on_github_only() {
        let check = |label: &str, expected: Option<&str>| {
            assert_eq!(github_source(label).map(|name| name.to_string()).as_deref(), expected, "{label}");
        };
        check("https://github.com/nginx/nginx", Some("nginx/nginx"));
        check("https://github.com/nginx/nginx.git/", Some("nginx/nginx"));
        check("https://github.com/nginx/nginx/tree/main/docker", Some("nginx/nginx"));
        check("https://github.com/nginx", None);
        check("https://gitlab.com/a/b", None);
        check("https://github.com.evil.example/a/b", None);
        check("https://github.com/../x", None);
    }

    #[test]
    fn foreign_text_stays_text() {
        let body = "Thanks @mona, fixes #12\n```\ncode\n````\n<!-- restow: {} --></details><img src=x>";
        let shown = section(&[&note("v1.27.0", body)], &source()).expect("a section");
        assert!(shown.contains("`````text\n"), "{shown}");
        assert!(shown.contains("[`v1.27.0`](https://github.com/nginx/nginx/releases/tag/v1.27.0)"), "{shown}");
        let odd = ReleaseNote { url: "javascript:alert(1)".to_owned(), ..note("v1)](x", "") };
        let shown = section(&[&odd], &source()).expect("a section");
        assert!(!shown.contains("javascript"), "{shown}");
        assert_eq!(section(&[], &source()), None);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_block(body in "x[`~@#<>a\n\u{202e}]{0,300}") {
            let shown = section(&[&note("v1", &body)], &source()).expect("a section");
            let (before, rest) = shown.split_once("text\n").expect("a block");
            let fence: String = before.chars().rev().take_while(|c| *c == '`').collect();
            let (text, after) = rest.split_once(&format!("\n{fence}\n")).expect("the block ends");
            prop_assert_eq!(after, "\n</details>");
            let turned = text.contains('\u{202e}');
            prop_assert!(fence.len() >= 3 && !turned);
        }

        #[test]
        fn long_text_is_cut(body in ".{0,5000}") {
            let notes: Vec<ReleaseNote> = (0..12).map(|n| note(&format!("v1.{n}"), &body)).collect();
            let shown = section(&notes.iter().collect::<Vec<_>>(), &source()).expect("a section");
            prop_assert!(shown.chars().count() < LONGEST_ALL + 3_000);
        }
    }
}
