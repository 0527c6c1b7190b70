//! Jenkinsfiles: the images of `docker` agents, of `docker.image(…)`, of container templates and of pods that stand in
//! the file as YAML.
//!
//! Found by a scanner of Groovy's words and texts. A variable that the file gives one literal value is followed, other
//! computed texts are silent, and what the file builds is no site; behind `registryUrl` or `docker.withRegistry`, the image is one of that registry. Example:
//!
//! ```groovy
//! pipeline {
//!   agent { docker { image 'maven:3.9'; args '-v x:y' } }
//!   stages { stage('a') { steps { script { docker.image('node:20').inside { sh 'x' } } } } }
//! }
//! ```

mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::collector::{Collector, PartText, Parts, is_plain, versioned};
use super::embedded::Embedded;
use super::extraction::{Confidence, Extraction};
use super::shell::Shell;
use super::substitution::{Meaning, replaced};
use super::template::image_lines;
use super::value::Value;
use super::yaml::Scalar;
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;
use tokens::{Kind, Token, tokens};

/// Endings of files that are about a Jenkinsfile, or hold something else.
const OTHERS: [&str; 10] = [".md", ".adoc", ".rst", ".txt", ".html", ".yml", ".yaml", ".json", ".sh", ".xml"];
/// A `docker { … }` block is not searched further for its registry.
const LONGEST_BLOCK: usize = 60;

/// The format.
pub(super) struct Jenkinsfile;

impl Format for Jenkinsfile {
    fn name(&self) -> &'static str {
        "jenkinsfile"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let ours = name.starts_with("jenkinsfile") || name.ends_with(".jenkinsfile") || name.ends_with(".jenkins");
        if ours && !OTHERS.iter().any(|ending| name.ends_with(ending)) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("image") && !text.contains("docker") && !text.contains("Docker") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "jenkinsfile");
        collector.confidence = Confidence::Scanned;
        let tokens = tokens(text);
        let (built, variables) = (built(text, &tokens), variables(text, &tokens));
        let mut reader = Reader { collector, tokens, built, variables, frames: Vec::new(), next: Frame::default() };
        for index in 0..reader.tokens.len() {
            reader.token(index);
        }
        scripts(text, &reader.tokens).read(&mut reader.collector, &Shell);
        reader.collector.found
    }
}

/// What `sh 'text'`, `sh("text")` and `sh(script: 'text')` run.
fn scripts(text: &str, tokens: &[Token]) -> Embedded {
    let mut script = Embedded::default();
    for (index, token) in tokens.iter().enumerate() {
        let word = text.get(token.range.clone()).filter(|_| token.kind == Kind::Word);
        if !matches!(word, Some("sh" | "bat" | "powershell" | "pwsh")) {
            continue;
        }
        // A bracket, `script` and a colon may stand between.
        let literal = tokens[index + 1..].iter().take(4).find(|token| matches!(token.kind, Kind::Text | Kind::Block));
        if let Some(literal) = literal.filter(|literal| !text[token.range.end..literal.range.start].contains('\n')) {
            script.add_lines(text, literal.range.clone());
        }
    }
    script
}

/// Where images come from.
#[derive(Debug, Clone, Default)]
enum Registry {
    /// Where their names say.
    #[default]
    Named,
    Host(String),
    /// A variable.
    Computed,
}

/// A block between braces.
#[derive(Debug, Clone, Default)]
struct Frame {
    /// Whether its `image` is one for certain.
    is_docker: bool,
    registry: Registry,
}

struct Reader<'a> {
    collector: Collector<'a>,
    tokens: Vec<Token>,
    /// What `docker.build` makes.
    built: BTreeSet<&'a str>,
    /// The names that are given a literal once, and nothing else ever.
    variables: BTreeMap<&'a str, Scalar>,
    frames: Vec<Frame>,
    /// The block that the next brace opens.
    next: Frame,
}

/// `NAME = 'text'`; `None` for a name with several values.
fn variables<'a>(text: &'a str, tokens: &[Token]) -> BTreeMap<&'a str, Scalar> {
    let mut found: BTreeMap<&str, Option<Scalar>> = BTreeMap::new();
    let literal = |token: &Token, behind: Option<&Token>| {
        let alone = !behind.is_some_and(|token| matches!(token.kind, Kind::Sign(b'+' | b'.' | b'?' | b'[')));
        let value = text.get(token.range.clone()).filter(|_| alone && token.kind == Kind::Text)?;
        Some(Scalar { text: value.to_owned(), start: Some(token.range.start), block: None })
    };
    for (index, three) in tokens.windows(3).enumerate() {
        let assigns =
            three[0].kind == Kind::Word && three[1].kind == Kind::Sign(b'=') && three[2].kind != three[1].kind;
        if let Some(name) = text.get(three[0].range.clone()).filter(|_| assigns) {
            let value = literal(&three[2], tokens.get(index + 3));
            found.entry(name).and_modify(|one| *one = None).or_insert(value);
        }
    }
    found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What `docker.build('name')` names.
fn built<'a>(text: &'a str, tokens: &[Token]) -> BTreeSet<&'a str> {
    let is = |token: &Token, word: &str| text.get(token.range.clone()) == Some(word);
    let calls = tokens.windows(5).filter(|call| is(&call[0], "docker") && is(&call[1], ".") && is(&call[2], "build"));
    let named = calls.filter_map(|call| call[3..].iter().find(|token| token.kind == Kind::Text));
    named.filter_map(|token| text.get(token.range.clone())).collect()
}

impl Reader<'_> {
    fn token(&mut self, index: usize) {
        let Token { kind, range } = self.tokens[index].clone();
        match kind {
            Kind::Sign(b'{') => {
                let next = std::mem::take(&mut self.next);
                self.frames.push(next);
                self.next = self.inherited();
            }
            Kind::Sign(b'}') => {
                self.frames.pop();
                self.next = self.inherited();
            }
            Kind::Block => self.pod(range),
            Kind::Word => self.word(index, range),
            Kind::Text | Kind::Sign(_) => {}
        }
    }

    /// A block has the registry of the one around it.
    fn inherited(&self) -> Frame {
        let registry = self.frames.last().map(|frame| frame.registry.clone()).unwrap_or_default();
        Frame { is_docker: false, registry }
    }

    fn word(&mut self, index: usize, range: Range<usize>) {
        let word = self.collector.text.get(range).unwrap_or("");
        let member = index > 0 && self.tokens[index - 1].kind == Kind::Sign(b'.');
        match word {
            "docker" if !member && self.names_input(index + 1) => self.image(index + 3, versioned_or_not),
            "docker" | "dockerContainer" if !member && self.is_sign(index + 1, b'{') => self.docker_block(index + 2),
            "docker" if self.begins_agent(index) => self.image(index + 1, versioned_or_not),
            "withRegistry" => self.next.registry = self.registry(index + 1),
            "withDockerContainer" => self.image(index + 1, versioned_or_not),
            "image" if !member && self.frames.last().is_some_and(|frame| frame.is_docker) => {
                self.image(index + 1, versioned_or_not);
            }
            "image" if !member => self.image(index + 1, versioned),
            _ => {}
        }
    }

    /// `agent { docker …`.
    fn begins_agent(&self, index: usize) -> bool {
        index > 1 && self.is_sign(index - 1, b'{') && self.text(index - 2) == "agent"
    }

    fn docker_block(&mut self, begin: usize) {
        let block = self.tokens[begin..].iter().take(LONGEST_BLOCK).take_while(|token| token.kind != Kind::Sign(b'}'));
        let says = |token: &Token| self.collector.text.get(token.range.clone()) == Some("registryUrl");
        let url = block.clone().position(says);
        let registry = url.map_or_else(|| self.inherited().registry, |at| self.registry(begin + at + 1));
        self.next = Frame { is_docker: true, registry };
    }

    fn is_sign(&self, index: usize, sign: u8) -> bool {
        self.tokens.get(index).is_some_and(|token| token.kind == Kind::Sign(sign))
    }

    fn text(&self, index: usize) -> &str {
        self.tokens.get(index).and_then(|token| self.collector.text.get(token.range.clone())).unwrap_or("")
    }

    /// The text at a token, or behind one `(`, `:` or `=` there, where no more follows that computes another.
    fn argument(&self, index: usize) -> Option<Range<usize>> {
        let signs = [b'(', b':', b'='];
        let index = index + usize::from(signs.iter().any(|sign| self.is_sign(index, *sign)));
        let token = self.tokens.get(index).filter(|token| token.kind == Kind::Text)?;
        (!self.is_sign(index + 1, b'+')).then(|| token.range.clone())
    }

    /// `.image('x')`; before `.push` and `.tag`, that is what was built.
    fn names_input(&self, index: usize) -> bool {
        let is_call = self.is_sign(index, b'.') && self.text(index + 1) == "image";
        let behind = self.is_sign(index + 4, b')') && self.is_sign(index + 5, b'.');
        is_call && !(behind && matches!(self.text(index + 6), "push" | "tag"))
    }

    fn registry(&self, index: usize) -> Registry {
        let url = self.argument(index).and_then(|range| self.collector.text.get(range));
        let Some(url) = url.filter(|url| is_plain(url)) else { return Registry::Computed };
        let host = url.trim_start_matches("https://").trim_start_matches("http://");
        let host = host.split('/').next().unwrap_or(host);
        match host {
            "" | "docker.io" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => {
                Registry::Named
            }
            host => Registry::Host(host.to_owned()),
        }
    }

    /// The image that the text at a token names.
    fn image(&mut self, index: usize, is_image: fn(&str) -> bool) {
        let Some(range) = self.argument(index) else { return };
        let Some(text) = self.collector.text.get(range.clone()) else { return };
        if text.contains('$') {
            return self.computed(range, text, is_image);
        }
        if !is_plain(text) || !is_image(text) {
            return;
        }
        let Ok(reference) = Reference::parse(text) else { return };
        if self.built.contains(text) {
            return;
        }
        let first = text.split_once('/').map_or("", |(first, _)| first);
        let names_host = first.contains(['.', ':']) || first == "localhost";
        match &self.next.registry {
            Registry::Host(host) if !names_host => {
                let host = host.clone();
                self.of_registry(&host, range.start, text.len(), &reference);
            }
            Registry::Computed if !names_host => {}
            _ => self.collector.literal(range.start, &self.collector.text[range]),
        }
    }

    /// A text with variables; between single quotes, a dollar sign is just that.
    fn computed(&mut self, range: Range<usize>, text: &str, is_image: fn(&str) -> bool) {
        let quoted = self.collector.text.as_bytes().get(range.end) == Some(&b'"');
        if !quoted || !matches!(self.next.registry, Registry::Named) {
            return;
        }
        let named = |name: &str| self.variables.get(name.strip_prefix("env.").unwrap_or(name));
        let meaning = |name: &str| named(name).map_or(Meaning::Elsewhere, Meaning::Text);
        let value = replaced(&Value::at(text, 0, range.start), &meaning);
        if let Some(value) = value.filter(|value| is_image(value.text()) && Reference::parse(value.text()).is_ok())
            && self.collector.first_at(range.start)
        {
            self.collector.joined(range.start, text, &value);
        }
    }

    fn of_registry(&mut self, host: &str, start: usize, length: usize, reference: &Reference) {
        let text = &self.collector.text[start..start + length];
        let part = |from: usize, to: usize| Some(PartText { text: text.get(from..to)?, start: Some(start + from) });
        let name = reference.name().len();
        let tag = reference.tag().map_or(0, |tag| tag.as_str().len() + 1);
        let parts = Parts {
            registry: Some(PartText { text: host, start: None }),
            repository: part(0, name),
            tag: reference.tag().and_then(|_| part(name + 1, name + tag)),
            digest: reference.digest().and_then(|_| part(name + tag + 1, length)),
        };
        self.collector.parts(start, &parts);
    }

    /// The containers of a pod that stands in the file as YAML.
    fn pod(&mut self, range: Range<usize>) {
        let Some(text) = self.collector.text.get(range.clone()).filter(|text| text.contains("containers:")) else {
            return;
        };
        for line in image_lines(text) {
            if Reference::parse(&line.text).is_ok() {
                self.collector.literal(range.start + line.start, &line.text);
            }
        }
    }
}

fn versioned_or_not(_: &str) -> bool {
    true
}
