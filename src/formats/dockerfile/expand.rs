//! Variables: `$V`, `${V}`, `${V:-default}` and BuildKit's other forms, keeping the origin of each byte.

use std::collections::BTreeMap;

use crate::formats::value::Value;

/// Nesting of `${A:-${B:-…}}`.
const MAX_DEPTH: usize = 8;
/// A longer value is no reference.
const MAX_LENGTH: usize = 1024;
/// A longer pattern, or what replaces it, is for no tag.
const MAX_PATTERN: usize = 64;

/// Variables with their values.
pub(super) type Variables = BTreeMap<String, Value>;

/// The variables that a word sees: those of its stage, then those before the first FROM.
#[derive(Clone, Copy)]
pub(super) struct Visible<'a> {
    pub(super) stage: Option<&'a Variables>,
    pub(super) global: Option<&'a Variables>,
}

impl<'a> Visible<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.stage.and_then(|stage| stage.get(name)).or_else(|| self.global.and_then(|global| global.get(name)))
    }
}

/// Why a word has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoValue {
    /// This variable is not defined in the file.
    Undefined(String),
    /// The word is no shell word that BuildKit would take.
    Malformed,
}

/// The value of a word.
pub(super) fn expand(word: &Value, variables: Visible<'_>) -> Result<Value, NoValue> {
    let value = expand_at(word, variables, 0)?;
    if value.text().len() > MAX_LENGTH { Err(NoValue::Malformed) } else { Ok(value) }
}

fn expand_at(word: &Value, variables: Visible<'_>, depth: usize) -> Result<Value, NoValue> {
    if depth > MAX_DEPTH {
        return Err(NoValue::Malformed);
    }
    let text = word.text();
    let mut value = Value::default();
    let mut index = 0;
    while index < text.len() {
        if value.text().len() > MAX_LENGTH {
            return Err(NoValue::Malformed);
        }
        let plain = text[index..].find('$').unwrap_or(text.len() - index);
        if plain > 0 {
            value.append(&word.slice(index, index + plain));
            index += plain;
            continue;
        }
        let rest = &text[index + 1..];
        if let Some(inside) = rest.strip_prefix('{') {
            let length = closing(inside).ok_or(NoValue::Malformed)?;
            let begin = index + 2;
            value.append(&braced(&word.slice(begin, begin + length), variables, depth)?);
            index = begin + length + 1;
        } else {
            let length = name_length(rest);
            if length == 0 {
                value.push('$', word.origin(index));
                index += 1;
                continue;
            }
            value.append(lookup(&rest[..length], variables)?);
            index += 1 + length;
        }
    }
    Ok(value)
}

/// The length of what stands before the `}` that closes.
fn closing(inside: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins { text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count() } else { 0 }
}

fn lookup<'a>(name: &str, variables: Visible<'a>) -> Result<&'a Value, NoValue> {
    variables.get(name).ok_or_else(|| NoValue::Undefined(name.to_owned()))
}

/// `NAME`, or `NAME` with an operator and its word.
fn braced(inside: &Value, variables: Visible<'_>, depth: usize) -> Result<Value, NoValue> {
    let length = name_length(inside.text());
    if length == 0 {
        return Err(NoValue::Malformed);
    }
    let name = &inside.text()[..length];
    let known = variables.get(name);
    let operator = &inside.text()[length..];
    let word = |skip: usize| expand_at(&inside.slice(length + skip, inside.text().len()), variables, depth + 1);
    let filled = known.filter(|value| !value.is_empty());
    match operator.as_bytes() {
        [] => lookup(name, variables).cloned(),
        [b':', b'-', ..] => filled.map_or_else(|| word(2), |value| Ok(value.clone())),
        [b'-', ..] => known.map_or_else(|| word(1), |value| Ok(value.clone())),
        [b':', b'+', ..] => {
            if filled.is_some() {
                word(2)
            } else {
                Ok(Value::default())
            }
        }
        [b'+', ..] => {
            if known.is_some() {
                word(1)
            } else {
                Ok(Value::default())
            }
        }
        [b':', b'?', ..] | [b'?', ..] => lookup(name, variables).cloned(),
        [b'#' | b'%' | b'/', ..] => {
            let text = lookup(name, variables)?.text();
            computed(text, operator).map(|text| Value::computed(&text)).ok_or(NoValue::Malformed)
        }
        _ => Err(NoValue::Malformed),
    }
}

/// `#pattern`, `##pattern`, `%pattern`, `%%pattern`, `/pattern/text`, `//pattern/text`: the result stands nowhere.
fn computed(text: &str, operator: &str) -> Option<String> {
    if operator.len() > 2 * MAX_PATTERN {
        return None;
    }
    if let Some(pattern) = operator.strip_prefix("##") {
        return Some(cut_front(text, pattern, Longest::Yes));
    }
    if let Some(pattern) = operator.strip_prefix('#') {
        return Some(cut_front(text, pattern, Longest::No));
    }
    if let Some(pattern) = operator.strip_prefix("%%") {
        return Some(cut_back(text, pattern, Longest::Yes));
    }
    if let Some(pattern) = operator.strip_prefix('%') {
        return Some(cut_back(text, pattern, Longest::No));
    }
    let (all, rest) = match operator.strip_prefix("//") {
        Some(rest) => (usize::MAX, rest),
        None => (1, operator.strip_prefix('/')?),
    };
    let (pattern, replacement) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = !pattern.is_empty() && !pattern.contains(['*', '?', '[', '\\', '$']);
    (plain && replacement.len() <= MAX_PATTERN).then(|| text.replacen(pattern, replacement, all))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Longest {
    Yes,
    No,
}

fn cut_front(text: &str, pattern: &str, longest: Longest) -> String {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let cut = matched(&pattern, &text, longest).unwrap_or(0);
    text[cut..].iter().collect()
}

fn cut_back(text: &str, pattern: &str, longest: Longest) -> String {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().rev().collect(), pattern.chars().rev().collect());
    let cut = matched(&pattern, &text, longest).unwrap_or(0);
    text[cut..].iter().rev().collect()
}

/// How many of the first characters a shell pattern of `*` and `?` matches; every length is followed at once, so that
/// no pattern takes longer than its length times the text's.
fn matched(pattern: &[char], text: &[char], longest: Longest) -> Option<usize> {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        if *wanted == '*' {
            let first = reached.iter().position(|at| *at)?;
            reached[first..].fill(true);
            continue;
        }
        for index in (0..text.len()).rev() {
            reached[index + 1] = reached[index] && (*wanted == '?' || *wanted == text[index]);
        }
        reached[0] = false;
    }
    match longest {
        Longest::Yes => reached.iter().rposition(|at| *at),
        Longest::No => reached.iter().position(|at| *at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        [("V", "1.25.3"), ("EMPTY", ""), ("IMG", "nginx")]
            .map(|(name, text)| (name.to_owned(), Value::at(text, 0, 100)))
            .into_iter()
            .collect()
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the expectation reads better as a value")]
    fn check(word: &str, expected: Result<&str, NoValue>) {
        let variables = variables();
        let visible = Visible { stage: None, global: Some(&variables) };
        let value = expand(&Value::at(word, 0, 0), visible);
        assert_eq!(value.as_ref().map(Value::text), expected.as_ref().copied(), "{word}");
    }

    #[test]
    fn every_form() {
        check("$IMG:$V", Ok("nginx:1.25.3"));
        check("${IMG}:${V}-alpine", Ok("nginx:1.25.3-alpine"));
        check("${X:-a:1}", Ok("a:1"));
        check("${EMPTY:-a}", Ok("a"));
        check("${EMPTY-a}", Ok(""));
        check("${X-a}", Ok("a"));
        check("${X:-${Y:-b}}", Ok("b"));
        check("a${V:+-x}b${X:+-y}", Ok("a-xb"));
        check("${V:?missing}", Ok("1.25.3"));
        check("${V%.*}", Ok("1.25"));
        check("${V%%.*}", Ok("1"));
        check("${V#*.}", Ok("25.3"));
        check("${V##*.}", Ok("3"));
        check("${V/./-}", Ok("1-25.3"));
        check("${V//./-}", Ok("1-25-3"));
        check("a$", Ok("a$"));
        check("$X", Err(NoValue::Undefined("X".to_owned())));
        check("${X", Err(NoValue::Malformed));
        check("${}", Err(NoValue::Malformed));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let deep = format!("{}x{}", "${A:-".repeat(10_000), "}".repeat(10_000));
        check(&deep, Err(NoValue::Malformed));
    }
}
