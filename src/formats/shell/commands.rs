//! Commands: words up to a mark, what they give a value, and the images that they name.

use super::docker::{self, Verb};
use super::variables::{self, Variables, name_length};
use super::words::{Token, Tokens, Word};
use crate::formats::value::Value;

/// Words of a command, or of a list, that are kept.
const MAX_WORDS: usize = 500;
/// Commands in quotes in commands in quotes.
const MAX_DEPTH: usize = 3;
/// What may stand before an assignment or a tool: keywords, wrappers, marks of make and YAML.
const PREFIXES: &str = "\
    ! + - @ Environment action: after_script: after_success: assert before_install: before_script: builtin \
    call cmd: command command: declare deploy: do doas elif else env eval exec export if install: ionice \
    local nice nohup override readonly retry run run: script: set setx sh: ssh stdbuf sudo then time timeout \
    travis_retry travis_wait typeset until while xargs {";
/// Programs whose argument may be a command in quotes.
const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "ash", "ksh", "ssh", "eval", "su", "trap", "pwsh", "-c"];
/// The operators of assignments, the longer first.
const OPERATORS: [&str; 5] = ["::=", ":=", "?=", "+=", "="];

/// The words between two marks; of `NAME=(a b)` also the words of the list.
#[derive(Debug, Default)]
pub(super) struct Command {
    words: Vec<Word>,
    list: Vec<Word>,
}

/// Gives every command of a text to `take`, those in quotes too.
pub(super) fn each_command(text: &str, take: &mut dyn FnMut(&Command)) {
    within(text, (0, text.len()), 0, take);
}

fn within(text: &str, range: (usize, usize), depth: usize, take: &mut dyn FnMut(&Command)) {
    let (mut command, mut in_list) = (Command::default(), false);
    for token in Tokens::new(text, range.0, range.1) {
        match token {
            Token::Word(word) if in_list => push(&mut command.list, word),
            Token::Word(word) => push(&mut command.words, word),
            Token::Mark('(') if command.begins_list() => in_list = true,
            Token::Mark('\n') if in_list => {}
            Token::Mark(_) => {
                in_list = false;
                finish(text, &std::mem::take(&mut command), depth, take);
            }
        }
    }
    finish(text, &command, depth, take);
}

fn push(words: &mut Vec<Word>, word: Word) {
    if words.len() < MAX_WORDS {
        words.push(word);
    }
}

fn finish(text: &str, command: &Command, depth: usize, take: &mut dyn FnMut(&Command)) {
    if command.words.is_empty() {
        return;
    }
    if depth < MAX_DEPTH {
        for range in command.inner() {
            within(text, range, depth + 1, take);
        }
    }
    take(command);
}

impl Command {
    /// `NAME=` or `NAME+=`, behind which a `(` begins a list.
    fn begins_list(&self) -> bool {
        let last = self.words.last().filter(|word| !word.opaque);
        last.is_some_and(|word| matches!(&word.text()[name_length(word.text())..], "=" | "+="))
    }

    /// What is a command itself: in a word, or in quotes as the first word or behind a shell.
    fn inner(&self) -> Vec<(usize, usize)> {
        let (mut first, mut shell, mut found) = (true, false, Vec::new());
        for word in &self.words {
            let text = word.text();
            found.extend(word.quoted.filter(|_| (first || shell) && text.contains(' ')));
            found.extend_from_slice(&word.commands);
            first &= docker::listed(PREFIXES, text);
            shell |= SHELLS.contains(&text.rsplit('/').next().unwrap_or(text));
        }
        found
    }

    /// Notes every name that this command gives a value.
    pub(super) fn define(&self, variables: &mut Variables) {
        let words: Vec<&Word> = self.words.iter().filter(|word| !word.opaque).collect();
        if let [first, name, second, values @ ..] = words.as_slice()
            && first.text() == "for"
            && second.text() == "in"
        {
            for value in values {
                variables.define(name.text(), value.value.clone());
            }
        }
        for word in &words {
            default_assigned(&word.value, variables);
        }
        self.assignments(variables);
    }

    fn assignments(&self, variables: &mut Variables) {
        let mut at = 0;
        while let Some(word) = self.words.get(at) {
            let skipped = word.opaque || docker::listed(PREFIXES, word.text()) || word.text().starts_with('-');
            let length = if skipped { 1 } else { self.assignment(at, variables) };
            if length == 0 {
                return;
            }
            at += length;
        }
    }

    /// Notes the assignment at a word; how many words it is.
    fn assignment(&self, at: usize, variables: &mut Variables) -> usize {
        let word = &self.words[at];
        let Some(target) = Target::of(word.text()) else { return 0 };
        let (name, text) = (&word.text()[target.start..target.end], word.text());
        let behind = &text[target.end..];
        if behind == ":" && self.words.len() == at + 2 {
            variables.define(name, self.words[at + 1].value.clone());
            return 2;
        }
        if let Some(operator) = operator(behind) {
            if target.end + operator.len() < text.len() {
                variables.define(name, without_comma(&word.value.slice(target.end + operator.len(), text.len())));
                return 1;
            }
            self.list.iter().for_each(|one| variables.define(name, one.value.clone()));
            return self.rest(name, at + 1, 0, &target, variables) + 1;
        }
        let next = self.words.get(at + 1).and_then(|next| operator(next.text()));
        match next.filter(|_| behind.is_empty()) {
            Some(operator) => self.rest(name, at + 1, operator.len(), &target, variables) + 1,
            None => 0,
        }
    }

    /// A value of the words from `at` on, the first without its operator; how many words it is.
    fn rest(&self, name: &str, at: usize, skip: usize, target: &Target, variables: &mut Variables) -> usize {
        let whole = self.words.get(at).map_or(0, |word| word.text().len());
        let begin = if skip > 0 && skip == whole { at + 1 } else { at };
        let end = if target.sigil { (begin + 1).min(self.words.len()) } else { self.words.len() };
        let words = self.words.get(begin..end).unwrap_or(&[]);
        if words.iter().any(|word| word.opaque) || !self.list.is_empty() {
            return end.max(begin) - at;
        }
        let mut value = Value::default();
        for (index, word) in words.iter().enumerate() {
            let from = if begin == at && index == 0 { skip } else { 0 };
            value.push_str(if index > 0 { " " } else { "" }, None);
            value.append(&word.value.slice(from, word.text().len()));
        }
        variables.define(name, without_comma(&value));
        end.max(begin) - at
    }

    /// The images that this command names: for what, as written, and where.
    pub(super) fn images(&self, variables: &mut Variables) -> Vec<(Verb, Value, usize)> {
        let words = self.spread(variables);
        let texts: Vec<&str> = words.iter().map(|(value, _)| value.text()).collect();
        let found = tool(&texts).and_then(|tool| Some((tool + 1, docker::images(texts.get(tool + 1..)?)?)));
        let Some((begin, (verb, images))) = found else { return Vec::new() };
        let images = images.into_iter().filter_map(|index| words.get(begin + index));
        images.map(|(value, offset)| (verb, value.clone(), *offset)).collect()
    }

    /// The words, each with its place; a variable that holds several words, or none, is those words.
    fn spread(&self, variables: &mut Variables) -> Vec<(Value, usize)> {
        let mut words = Vec::new();
        for (index, word) in self.words.iter().enumerate() {
            let text = word.text();
            let begin = if index == 0 { marks(text) } else { 0 };
            let value = if word.opaque { Value::computed("$?") } else { word.value.slice(begin, text.len()) };
            let depth = if word.quoted.is_some() { MAX_DEPTH } else { 0 };
            spread_word(value, word.start, depth, variables, &mut words);
        }
        words
    }
}

/// A word, or the words of the variable that it is.
fn spread_word(word: Value, start: usize, depth: usize, variables: &mut Variables, words: &mut Vec<(Value, usize)>) {
    let held = variables.held(word.text()).filter(|_| depth < MAX_DEPTH).cloned();
    match held {
        _ if words.len() >= MAX_WORDS => {}
        Some(held) if held.text().contains(' ') || held.text().starts_with('-') => {
            for one in split(&held) {
                spread_word(one, start, depth + 1, variables, words);
            }
        }
        Some(held) if held.is_empty() && variables.expand(&word).iter().all(Value::is_empty) => {}
        Some(held) if docker::is_tool(held.text()) => words.push((held, start)),
        _ => words.push((word, start)),
    }
}

/// The name that a word gives a value: `NAME`, `$NAME`, `[string]$env:NAME`, `Environment=NAME`.
struct Target {
    start: usize,
    end: usize,
    /// PowerShell's `$`: the value is one word.
    sigil: bool,
}

impl Target {
    fn of(text: &str) -> Option<Self> {
        let mut start = if text.starts_with("Environment=") { "Environment=".len() } else { 0 };
        if text.starts_with('[') {
            start = text.find(']')? + 1;
        }
        let sigil = text[start..].starts_with('$');
        start += usize::from(sigil);
        let scopes = ["env:", "script:", "global:"];
        start += scopes.iter().find(|scope| sigil && text[start..].starts_with(**scope)).map_or(0, |scope| scope.len());
        let end = start + name_length(&text[start..]);
        (start < end).then_some(Self { start, end, sigil })
    }
}

fn operator(text: &str) -> Option<&'static str> {
    OPERATORS.into_iter().find(|operator| text.starts_with(operator))
}

/// PowerShell's parameters stand between commas.
fn without_comma(value: &Value) -> Value {
    value.slice(0, value.text().trim_end_matches(',').len())
}

/// `${NAME:=value}` gives a value in passing.
fn default_assigned(word: &Value, variables: &mut Variables) {
    let text = word.text();
    let Some(operator) = text.find(":=") else { return };
    let Some(begin) = text[..operator].rfind("${").map(|at| at + 2) else { return };
    let length = variables::closing(&text[operator..]).filter(|_| name_length(&text[begin..]) == operator - begin);
    if let Some(length) = length {
        variables.define(&text[begin..operator], word.slice(operator + 2, operator + length));
    }
}

/// The length of what stands before a command: `@-` of make, `ExecStart=-` of a unit.
fn marks(text: &str) -> usize {
    let name = text.find('=').filter(|equals| text.starts_with("Exec") && text[..*equals].len() < 20);
    let begin = name.map_or(0, |equals| equals + 1);
    let marks = text[begin..].bytes().take_while(|b| b"@-+:!".contains(b)).count();
    if begin + marks == text.len() { 0 } else { begin + marks }
}

/// Which word runs docker, podman or nerdctl.
fn tool(words: &[&str]) -> Option<usize> {
    let mut wrapped = false;
    for (index, word) in words.iter().enumerate() {
        let assigned = word[name_length(word)..].starts_with('=');
        if docker::is_tool(word) || is_tool_variable(word) {
            return Some(index);
        }
        let lower = word.to_ascii_lowercase();
        wrapped |=
            docker::listed(PREFIXES, word) || (index == 0 && (lower.contains("retry") || lower.contains("run_")));
        if !wrapped && !assigned {
            return None;
        }
    }
    None
}

/// `$(CONTAINER_TOOL)`, wherever it is given its value.
fn is_tool_variable(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    variables::is_variable(word) && ["DOCKER", "PODMAN", "NERDCTL", "CONTAINER"].iter().any(|name| upper.contains(name))
}

fn split(value: &Value) -> Vec<Value> {
    let (mut words, mut at) = (Vec::new(), 0);
    for word in value.text().split_inclusive(' ') {
        let text = word.trim_end_matches(' ');
        if !text.is_empty() {
            words.push(value.slice(at, at + text.len()));
        }
        at += word.len();
    }
    words
}
