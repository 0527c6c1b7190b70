//! Dockerfiles and Containerfiles: `FROM`, `COPY --from`, `ADD --from`, `--mount=…,from=`, `ONBUILD`, `# syntax`.
//!
//! Instruction boundaries come from `parse-dockerfile`, and from the own scanner of `lines.rs` where that errs; the
//! words of an instruction are read by `words.rs`, their variables by `expand.rs`. Example:
//!
//! ```dockerfile
//! ARG VERSION=1.25
//! FROM nginx:${VERSION}-alpine AS web
//! COPY --from=busybox:1.36 /bin/sh /bin/sh
//! ```

pub(super) mod earthfile;
mod expand;
mod lines;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use super::collector::Collector;
use super::extraction::{Confidence, Extraction, FoundValue};
use super::site::ProblemCode;
use super::template::is_template;
use super::value::{Value, found_spans};
use super::{Claim, Format};
use crate::image::Platform;
use crate::image::Reference;
use crate::repo::FilePath;
use expand::{NoValue, Variables, Visible, expand};
use words::{Word, Words};

/// More references than this in one file are not read.
const MAX_SITES: usize = 1000;
/// More words that set or name something than this are not read.
const MAX_WORDS: usize = 20_000;
/// Set by the builder, so that no file can say what they are.
const PLATFORM_ARGUMENTS: [&str; 8] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The format.
pub(super) struct Dockerfile;

impl Format for Dockerfile {
    fn name(&self) -> &'static str {
        "dockerfile"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let is = |stem: &str| {
            let prefix = name
                .strip_prefix(stem)
                .is_some_and(|rest| rest.is_empty() || (rest.starts_with(['.', '-', '_']) && !other_file(rest)));
            // `DockerfileProd`, `Dockerfile17`
            let numbered = name.strip_prefix(stem).is_some_and(|rest| {
                let written = &path.file_name()[name.len() - rest.len()..];
                written.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit()) && !other_file(rest)
            });
            let suffix = ['.', '-', '_'].iter().any(|mark| name.ends_with(&format!("{mark}{stem}")));
            prefix || numbered || suffix
        };
        if is("dockerfile") || is("containerfile") { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        Reader::new(text).read()
    }
}

/// Endings that make a file beside a Dockerfile something else.
fn other_file(ending: &str) -> bool {
    const OTHERS: &[&str] = &[
        ".adoc",
        ".bak",
        ".bat",
        ".c",
        ".cc",
        ".cfg",
        ".cjs",
        ".conf",
        ".cpp",
        ".cs",
        ".css",
        ".csv",
        ".diff",
        ".dockerignore",
        ".env",
        ".ex",
        ".exs",
        ".gif",
        ".go",
        ".h",
        ".html",
        ".ini",
        ".ipynb",
        ".java",
        ".jpg",
        ".js",
        ".json",
        ".jsx",
        ".kt",
        ".lock",
        ".log",
        ".lua",
        ".md",
        ".mdx",
        ".mjs",
        ".orig",
        ".patch",
        ".pdf",
        ".php",
        ".pl",
        ".png",
        ".ps1",
        ".py",
        ".pyc",
        ".rb",
        ".rej",
        ".rs",
        ".rst",
        ".scala",
        ".sh",
        ".sig",
        ".snap",
        ".svg",
        ".swift",
        ".swp",
        ".tar",
        ".tar.gz",
        ".tgz",
        ".toml",
        ".ts",
        ".tsx",
        ".txt",
        ".vim",
        ".vue",
        ".xml",
        ".yaml",
        ".yml",
        ".zip",
        "~",
    ];
    OTHERS.iter().any(|other| ending.ends_with(other))
}

/// An instruction: its keyword in upper case, and the words of it that matter.
struct Instruction {
    offset: usize,
    keyword: &'static str,
    words: Vec<Word>,
}

/// The keyword that a text begins with, and its length; an empty one where the text begins with no instruction.
fn keyword(text: &str) -> (&'static str, usize) {
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let known = INSTRUCTIONS.iter().find(|known| known.eq_ignore_ascii_case(&text[..length]));
    // `FR\` with `OM` on the next line is an instruction to nobody but the builder.
    (known.copied().unwrap_or(""), length)
}

struct Reader<'a> {
    text: &'a str,
    collector: Collector<'a>,
    global: Variables,
    stage: Variables,
    stages: BTreeSet<String>,
    in_stage: bool,
    /// Where the instruction begins that is read now.
    at: usize,
    /// Where a variable can be given its value, for a person.
    definition_place: &'static str,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            collector: Collector::new(text, "dockerfile"),
            global: BTreeMap::new(),
            stage: BTreeMap::new(),
            stages: BTreeSet::new(),
            in_stage: false,
            at: 0,
            definition_place: "before the first FROM",
        }
    }

    fn read(mut self) -> Extraction {
        let head = lines::head(self.text, self.collector.positions.mark);
        if let Some((offset, image)) = &head.syntax {
            self.reference(*offset, image.clone(), &Value::at(image, 0, *offset));
        }
        let starts = match lines::starts(self.text, self.collector.positions.mark, head.escape) {
            Ok(starts) => starts,
            Err((line, starts)) => {
                self.collector.confidence = Confidence::Scanned;
                self.note_syntax(line, &starts, head.escape);
                starts
            }
        };
        let instructions: Vec<Instruction> =
            starts.into_iter().filter_map(|offset| self.instruction(offset, head.escape)).collect();
        let stages: BTreeSet<String> = instructions.iter().filter_map(stage_name).collect();
        let mut words = 0;
        for instruction in &instructions {
            words += instruction.words.len();
            if self.collector.found.sites.len() >= MAX_SITES || words > MAX_WORDS {
                let message = "the file names more than is read; the rest was left out".to_owned();
                self.problem(instruction.offset, ProblemCode::TooLarge, message);
                break;
            }
            self.at = instruction.offset;
            self.step(instruction, &stages);
        }
        self.collector.found
    }

    fn instruction(&self, offset: usize, escape: char) -> Option<Instruction> {
        let (keyword, length) = keyword(self.text.get(offset..)?);
        let words = || Words::new(self.text, offset + length, escape);
        let words = match keyword {
            "FROM" | "ARG" | "ENV" | "ONBUILD" => words().take(200).collect(),
            // Only the flags of these matter; the rest may be anything.
            "RUN" | "COPY" | "ADD" => {
                words().take_while(|word| word.value.text().starts_with("--")).take(200).collect()
            }
            _ => Vec::new(),
        };
        Some(Instruction { offset, keyword, words })
    }

    /// A file that is no Dockerfile even to the own scanner is one problem.
    fn note_syntax(&mut self, line: usize, starts: &[usize], escape: char) {
        let unknown = starts
            .iter()
            .filter_map(|start| self.instruction(*start, escape))
            .find(|instruction| instruction.keyword.is_empty());
        // What a template engine fills in before the file is a Dockerfile is no mistake.
        if let Some(unknown) = unknown.filter(|_| !is_template(self.text)) {
            let word = self.text[unknown.offset..].split_whitespace().next().unwrap_or("");
            let shown: String = word.chars().take(40).collect();
            let message = format!("{shown:?} is no instruction; what follows may be read wrongly");
            let offset = unknown.offset;
            let code = ProblemCode::DockerfileSyntax;
            let line = u32::try_from(line).unwrap_or(1).max(1).min(self.collector.positions.line(offset));
            self.collector.problem_at(line, code, message);
        }
    }

    fn step(&mut self, instruction: &Instruction, stages: &BTreeSet<String>) {
        match instruction.keyword {
            "ARG" => self.arguments(&instruction.words),
            "ENV" if self.in_stage => self.environment(&instruction.words),
            "FROM" => self.from(instruction),
            "COPY" | "ADD" | "RUN" => self.flags(&instruction.words, |reader, name| reader.is_stage(name, stages)),
            "ONBUILD" => self.onbuild(&instruction.words),
            _ => {}
        }
    }

    /// `ARG A=1 B` before the first FROM or in a stage, where a name alone takes the value from before the first FROM.
    fn arguments(&mut self, words: &[Word]) {
        for word in words {
            let text = word.value.text();
            let (name, value) = match text.find('=') {
                Some(equals) => (&text[..equals], Some(word.value.slice(equals + 1, text.len()))),
                None => (text, None),
            };
            let scope = Visible { stage: Some(if self.in_stage { &self.stage } else { &self.global }), global: None };
            let value = match value {
                Some(value) if word.literal => Some(value),
                Some(value) => expand(&value, scope).ok(),
                None if self.in_stage => self.global.get(name).cloned(),
                None => None,
            };
            let scope = if self.in_stage { &mut self.stage } else { &mut self.global };
            match value {
                Some(value) => scope.insert(name.to_owned(), value),
                None => scope.remove(name),
            };
        }
    }

    fn environment(&mut self, words: &[Word]) {
        let pairs = words.iter().filter(|word| word.value.text().contains('='));
        for word in pairs {
            let text = word.value.text();
            let Some(equals) = text.find('=') else { continue };
            let name = text[..equals].to_owned();
            let scope = Visible { stage: Some(&self.stage), global: None };
            if let Ok(value) = expand(&word.value.slice(equals + 1, text.len()), scope) {
                self.stage.insert(name, value);
            }
        }
    }

    fn from(&mut self, instruction: &Instruction) {
        self.in_stage = true;
        self.stage = BTreeMap::new();
        let image = instruction.words.iter().find(|word| !word.value.text().starts_with("--"));
        if let Some(image) = image {
            // A FROM sees the stages before it only.
            self.collector.platform = named_platform(instruction);
            self.image(image, |reader, name| name == "scratch" || reader.stages.contains(&name.to_ascii_lowercase()));
            self.collector.platform = None;
        }
        self.stages.extend(stage_name(instruction));
    }

    /// `--from=` and each `--mount=…,from=…`.
    fn flags(&mut self, words: &[Word], is_stage: impl Fn(&Self, &str) -> bool) {
        for word in words {
            let text = word.value.text();
            let value = if text.starts_with("--from=") {
                Some(word.value.slice("--from=".len(), text.len()))
            } else if text.starts_with("--mount=") {
                mount_from(&word.value.slice("--mount=".len(), text.len()))
            } else {
                None
            };
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            let word = Word { value, start: word.start, literal: word.literal };
            self.image(&word, &is_stage);
        }
    }

    fn is_stage(&self, name: &str, stages: &BTreeSet<String>) -> bool {
        let number = name.parse::<u32>().is_ok();
        number || name == "scratch" || stages.contains(&name.to_ascii_lowercase())
    }

    /// An instruction for the images built on this one: a bare name there may be one of their stages.
    fn onbuild(&mut self, words: &[Word]) {
        let Some((keyword, rest)) = words.split_first() else { return };
        let keyword = keyword.value.text().to_ascii_uppercase();
        if matches!(keyword.as_str(), "COPY" | "ADD" | "RUN") {
            let flags: Vec<Word> =
                rest.iter().take_while(|word| word.value.text().starts_with("--")).cloned().collect();
            self.flags(&flags, |_, name| !name.contains(['/', ':', '@']));
        }
    }

    fn image(&mut self, word: &Word, is_stage: impl Fn(&Self, &str) -> bool) {
        let written = word.value.text();
        let variables = Visible { stage: Some(&self.stage), global: Some(&self.global) };
        let place = word.value.origin(0).map_or(word.start, |(_, offset)| offset);
        let value = if word.literal { Ok(word.value.clone()) } else { expand(&word.value, variables) };
        match value {
            Ok(value) if value.is_empty() || is_stage(self, value.text()) => {}
            Ok(value) => self.reference(place, written.to_owned(), &value),
            // `FROM build-$TARGETOS` chooses among stages of this file.
            Err(NoValue::Undefined(name)) if self.chooses_a_stage(&name, written) => {}
            Err(NoValue::Undefined(name)) => {
                let advice = match PLATFORM_ARGUMENTS.contains(&name.as_str()) {
                    true => "the builder sets it for each platform".to_owned(),
                    false => format!("give it a default: ARG {name}=… {}", self.definition_place),
                };
                let message = format!("the image {written:?} cannot be told: {name} has no value here; {advice}");
                self.problem(place, ProblemCode::UnresolvedVariable, message);
            }
            Err(NoValue::Malformed) => {
                let message = format!("the variables of the image {written:?} cannot be read");
                self.problem(place, ProblemCode::UnresolvedVariable, message);
            }
        }
    }

    fn chooses_a_stage(&self, variable: &str, written: &str) -> bool {
        let prefix = written.split('$').next().unwrap_or("").to_ascii_lowercase();
        PLATFORM_ARGUMENTS.contains(&variable)
            && !prefix.is_empty()
            && self.stages.iter().any(|stage| stage.starts_with(&prefix))
    }

    fn reference(&mut self, offset: usize, written: String, value: &Value) {
        match Reference::parse(value.text()) {
            Ok(reference) => {
                let spans = found_spans(value, &reference);
                // A direction may stand beside the image, its instruction, or where a part of it is given its value.
                let places: Vec<usize> = [offset, self.at].into_iter().chain(value.places()).collect();
                self.collector.add_beside(&places, offset, written, FoundValue::Resolved { reference, spans });
            }
            Err(error) => self.collector.invalid(&[offset, self.at], offset, (value.text(), &error)),
        }
    }

    /// Silent where the image or its instruction is to be ignored.
    fn problem(&mut self, offset: usize, code: ProblemCode, message: String) {
        self.collector.problem_beside(&[offset, self.at], offset, code, message);
    }
}

/// `FROM --platform=linux/arm64`; one that the builder fills in names none.
fn named_platform(instruction: &Instruction) -> Option<Platform> {
    let flag = instruction.words.iter().find_map(|word| word.value.text().strip_prefix("--platform="))?;
    Platform::parse(flag).ok()
}

/// The name that a FROM gives its stage, in lower case.
fn stage_name(instruction: &Instruction) -> Option<String> {
    if instruction.keyword != "FROM" {
        return None;
    }
    let mut words = instruction.words.iter().skip_while(|word| word.value.text().starts_with("--")).skip(1);
    words.next().filter(|word| word.value.text().eq_ignore_ascii_case("as"))?;
    words.next().map(|name| name.value.text().to_ascii_lowercase())
}

/// The value of `from=` in a mount's comma separated fields; a field may stand in quotes, which the words' reader has
/// taken off when they surround the whole field.
fn mount_from(mount: &Value) -> Option<Value> {
    let mut start = 0;
    for field in mount.text().split(',') {
        let value = field.split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("from"));
        if let Some((_, value)) = value {
            let begin = start + field.len() - value.len();
            return Some(mount.slice(begin, start + field.len()));
        }
        start += field.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests;
