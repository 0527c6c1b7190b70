//! Earthfiles: `FROM` and `WITH DOCKER --pull`, with the words and variables of a Dockerfile.
//!
//! ```text
//! VERSION 0.8
//! ARG --global GO=1.22
//! build:
//!     FROM golang:$GO-alpine
//!     WITH DOCKER --pull postgres:16.2
//! ```
//!
//! `+target`, `./folder+target` and `github.com/acme/x+target` are targets, `FROM DOCKERFILE` builds one.

use super::words::{Word, Words};
use super::{Claim, Collector, Extraction, FilePath, Format, MAX_WORDS, Reader};

/// Variables before the first target that are read.
const MAX_GLOBALS: usize = 200;
/// Words of one instruction that are read.
const MAX_LENGTH: usize = 200;
/// Flags whose value may be the next word.
const VALUES: [&str; 4] = ["--platform", "--build-arg", "--load", "--compose"];

/// The format.
pub(in crate::formats) struct Earthfile;

impl Format for Earthfile {
    fn name(&self) -> &'static str {
        "earthfile"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        let known = name == "Earthfile" || name == "build.earth" || name.ends_with(".Earthfile");
        if known { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut reader = Reader::new(text);
        reader.collector = Collector::new(text, "earthfile");
        reader.definition_place = "before the first target, with --global";
        let (mut offset, mut continued, mut budget) = (0, false, MAX_WORDS);
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start_matches('\u{feff}').trim();
            let comment = trimmed.is_empty() || trimmed.starts_with('#');
            if !continued && !comment {
                budget = budget.saturating_sub(instruction(&mut reader, offset, line));
            }
            continued = trimmed.ends_with('\\') || (continued && comment);
            offset += line.len();
            if budget == 0 {
                break;
            }
        }
        reader.collector.found
    }
}

/// Reads what begins on a line; returns how many words it has.
fn instruction(reader: &mut Reader<'_>, offset: usize, line: &str) -> usize {
    let code = line.trim_start_matches('\u{feff}');
    if code.starts_with(|c: char| !c.is_whitespace()) && code.trim_end().ends_with(':') {
        reader.in_stage = true;
        reader.stage = reader.global.clone();
        return 1 + reader.stage.len();
    }
    let begin = offset + line.len() - code.trim_start().len();
    let keyword = code.split_whitespace().next().unwrap_or("");
    if !matches!(keyword, "ARG" | "LET" | "SET" | "FROM" | "WITH") {
        return 1;
    }
    let words: Vec<Word> = Words::new(reader.text, begin + keyword.len(), '\\').take(MAX_LENGTH).collect();
    reader.at = begin;
    match keyword {
        "FROM" => from(reader, &words),
        "WITH" => pulls(reader, &words),
        _ => variable(reader, &words),
    }
    words.len() + 1
}

/// `ARG --global NAME=value`, `LET NAME = value`.
fn variable(reader: &mut Reader<'_>, words: &[Word]) {
    let mut words = words.iter().skip_while(|word| word.value.text().starts_with("--"));
    let Some(mut word) = words.next().cloned() else { return };
    if let Some(value) = words.next().filter(|next| next.value.text() == "=").and_then(|_| words.next()) {
        word.value.push('=', None);
        word.value.append(&value.value);
    }
    let full = !reader.in_stage && reader.global.len() >= MAX_GLOBALS;
    // What a command prints is known when it runs.
    if !full && !word.value.text().contains("$(") {
        reader.arguments(&[word]);
    }
}

fn from(reader: &mut Reader<'_>, words: &[Word]) {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.value.text();
        if VALUES.contains(&text) {
            words.next();
        } else if !text.starts_with("--") {
            if text != "DOCKERFILE" {
                image(reader, word);
            }
            return;
        }
    }
}

/// `WITH DOCKER --pull a:1 --pull=b:2 --load c:3=+target`.
fn pulls(reader: &mut Reader<'_>, words: &[Word]) {
    for pair in words.windows(2) {
        if pair[0].value.text() == "--pull" {
            image(reader, &pair[1]);
        }
        let text = pair[1].value.text();
        if text.starts_with("--pull=") {
            let value = pair[1].value.slice("--pull=".len(), text.len());
            image(reader, &Word { value, start: pair[1].start, literal: pair[1].literal });
        }
    }
}

fn image(reader: &mut Reader<'_>, word: &Word) {
    let text = word.value.text();
    if !text.contains('+') && !text.contains("$(") {
        reader.image(word, |_, name| name == "scratch" || name.contains('+'));
    }
}
