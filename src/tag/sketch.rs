//! The first look at a list of tags: which forms there are, and what its words are, before their parts are understood.

use std::collections::{HashMap, HashSet};

use super::ListedTag;
use super::form::{self, RunKind};
use super::parse::{self, Kind, Token};
use super::words::{Stage, Words};

/// The tags of one form, before their words are understood.
pub(super) struct Sketch {
    /// The place of one of them in the list.
    pub(super) example: usize,
    /// Of each tag: its numbers, its place in the list.
    pub(super) rows: Vec<(Vec<u64>, usize)>,
    /// Whether the version of every tag begins like a dotted date.
    pub(super) dotted_dates: bool,
}

/// The forms of a list in which commits stand.
#[derive(Debug, Clone, Default)]
pub(super) struct CommitForms(HashSet<String>);

impl CommitForms {
    /// Collects the forms whose commits show as such.
    fn of(tags: &[ListedTag]) -> Self {
        let mut forms = HashSet::new();
        let mut tokens = Vec::new();
        for tag in tags {
            parse::tokenize(tag.name.as_str(), &mut tokens);
            if tokens.iter().any(|token| token.kind == Kind::Commit) {
                let mut skeleton = String::new();
                form::write_skeleton(&tokens, &mut skeleton);
                forms.insert(skeleton);
            }
        }
        Self(forms)
    }

    /// Splits the tag. A commit of digits only (`1234567`), or of letters only, looks like a number or a word; it is
    /// known by its place, where other tags of the list have commits that show as such.
    pub(super) fn tokenize<'a>(&self, tag: &'a str, tokens: &mut Vec<Token<'a>>, skeleton: &mut String) {
        parse::tokenize(tag, tokens);
        skeleton.clear();
        form::write_skeleton(tokens, skeleton);
        for place in 1..tokens.len() {
            if may_be_commit(tokens, place) && says_commit(tokens, place) {
                tokens[place].kind = Kind::Commit;
                skeleton.clear();
                form::write_skeleton(tokens, skeleton);
            }
        }
        if self.0.is_empty() || self.0.contains(skeleton) {
            return;
        }
        for place in 0..tokens.len() {
            if !may_be_commit(tokens, place) {
                continue;
            }
            let kind = std::mem::replace(&mut tokens[place].kind, Kind::Commit);
            let mut as_commit = String::new();
            form::write_skeleton(tokens, &mut as_commit);
            if self.0.contains(&as_commit) {
                *skeleton = as_commit;
                return;
            }
            tokens[place].kind = kind;
        }
    }
}

/// Whether the word before says that a commit follows: `sha-1234567`.
fn says_commit(tokens: &[Token<'_>], place: usize) -> bool {
    let word = place.checked_sub(2).and_then(|before| tokens.get(before));
    word.is_some_and(|word| matches!(word.text, "sha" | "git" | "commit" | "rev"))
}

/// Whether the token is a whole chunk of hexadecimal digits, as long as a commit.
fn may_be_commit(tokens: &[Token<'_>], place: usize) -> bool {
    let text = tokens[place].text;
    let edge = |place: Option<usize>| {
        place.and_then(|place| tokens.get(place)).is_none_or(|token| token.kind == Kind::Separator)
    };
    (7..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && edge(place.checked_sub(1))
        && edge(Some(place + 1))
}

/// What the first look finds.
pub(super) struct Sketches {
    pub(super) forms: Vec<Sketch>,
    pub(super) by_skeleton: HashMap<String, usize>,
    pub(super) commits: CommitForms,
    pub(super) words: Words,
}

impl Sketches {
    /// Looks at all tags.
    pub(super) fn of(tags: &[ListedTag]) -> Self {
        let commits = CommitForms::of(tags);
        let mut forms: Vec<Sketch> = Vec::new();
        let mut by_skeleton: HashMap<String, usize> = HashMap::new();
        let (mut tokens, mut skeleton) = (Vec::new(), String::new());
        for (place, tag) in tags.iter().enumerate() {
            commits.tokenize(tag.name.as_str(), &mut tokens, &mut skeleton);
            let row = (tokens.iter().filter_map(form::value).collect(), place);
            let dotted = form::dotted_date(&tokens);
            if let Some(form) = by_skeleton.get(&skeleton) {
                let form = &mut forms[*form];
                form.rows.push(row);
                form.dotted_dates &= dotted;
            } else {
                by_skeleton.insert(skeleton.clone(), forms.len());
                forms.push(Sketch { example: place, rows: vec![row], dotted_dates: dotted });
            }
        }
        let words = learn_words(tags, &forms, &commits);
        Self { forms, by_skeleton, commits, words }
    }
}

fn learn_words(tags: &[ListedTag], forms: &[Sketch], commits: &CommitForms) -> Words {
    let mut words = Words::default();
    let (mut tokens, mut skeleton) = (Vec::new(), String::new());
    for form in forms {
        commits.tokenize(tags[form.example].name.as_str(), &mut tokens, &mut skeleton);
        if let [channel, _, word] = tokens.as_slice()
            && channel.text == "latest"
        {
            words.note_of_latest(word.text);
        }
        for word in tokens.iter().filter(|token| Stage::of(token.text) == Some(Stage::Nightly)) {
            form.rows
                .iter()
                .filter_map(|(_, place)| tags[*place].created)
                .for_each(|at| words.note_made(word.text, at));
        }
        let runs = form::runs(&tokens);
        let Some((first, later)) = runs.split_first() else { continue };
        for run in later.iter().filter(|run| run.kind == RunKind::Numbers) {
            let Some(word) = run.word else { continue };
            let rows =
                form.rows.iter().map(|(values, _)| (&values[first.numbers.clone()], &values[run.numbers.clone()]));
            words.note(tokens[word].text, rows);
        }
    }
    words
}
