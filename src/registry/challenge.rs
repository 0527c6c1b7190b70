//! The header `WWW-Authenticate`: what a registry wants to see.
//!
//! ```text
//! header     := challenge *("," challenge)
//! challenge  := scheme [" " (token68 | parameter *("," parameter))]
//! parameter  := token "=" (token | quoted)
//! quoted     := '"' *(any character but '"' and '\' | '\' any character) '"'
//! ```
//!
//! Source: RFC 9110, section 11. Example: `Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`.

use std::iter::Peekable;
use std::str::Chars;

/// A header longer than this is not read.
const LONGEST: usize = 8 * 1024;

/// One challenge; its scheme and the names of its parameters in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter; of a doubled one the first.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Reads all challenges of one header; rubbish ends the reading, what stands before it counts.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    if header.len() > LONGEST {
        return challenges;
    }
    let mut text = header.chars().peekable();
    loop {
        skip(&mut text, |c| c == ',' || c.is_ascii_whitespace());
        let word = take(&mut text, is_token);
        if word.is_empty() {
            return challenges;
        }
        skip(&mut text, |c| c.is_ascii_whitespace());
        if text.next_if_eq(&'=').is_none() {
            challenges.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
            continue;
        }
        skip(&mut text, |c| c.is_ascii_whitespace());
        let value = value(&mut text);
        match (challenges.last_mut(), value) {
            (Some(challenge), Some(value)) => challenge.parameters.push((word.to_ascii_lowercase(), value)),
            // The padding of a token68, which no scheme here uses.
            (Some(_), None) => skip(&mut text, |c| c != ','),
            (None, _) => return challenges,
        }
    }
}

/// A parameter's value; `None` where none stands there.
fn value(text: &mut Peekable<Chars<'_>>) -> Option<String> {
    if text.next_if_eq(&'"').is_none() {
        let word = take(text, is_token);
        return (!word.is_empty()).then_some(word);
    }
    let mut value = String::new();
    while let Some(c) = text.next() {
        match c {
            '"' => return Some(value),
            '\\' => value.extend(text.next()),
            c => value.push(c),
        }
    }
    // The closing quote is missing.
    None
}

/// The token characters of RFC 9110, and those that careless servers leave unquoted in addresses and scopes.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/?@".contains(c)
}

fn skip(text: &mut Peekable<Chars<'_>>, which: impl Fn(char) -> bool) {
    while text.next_if(|c| which(*c)).is_some() {}
}

fn take(text: &mut Peekable<Chars<'_>>, which: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| text.next_if(|c| which(*c))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &[(&str, &[(&str, &str)])]) {
        let expected: Vec<Challenge> = expected
            .iter()
            .map(|(scheme, parameters)| Challenge {
                scheme: (*scheme).to_owned(),
                parameters: parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            })
            .collect();
        assert_eq!(parse(header), expected, "{header}");
    }

    #[test]
    fn challenges_as_registries_write_them() {
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
            &[(
                "bearer",
                &[
                    ("realm", "https://auth.docker.io/token"),
                    ("service", "registry.docker.io"),
                    ("scope", "repository:a/b:pull,push"),
                ],
            )],
        );
        check("Basic realm=\"say \\\"hi\\\", you\"", &[("basic", &[("realm", "say \"hi\", you")])]);
        check(
            "BEARER Realm = https://a/token , SERVICE=b",
            &[("bearer", &[("realm", "https://a/token"), ("service", "b")])],
        );
        check("Negotiate, Basic realm=\"x\"", &[("negotiate", &[]), ("basic", &[("realm", "x")])]);
        check("Basic", &[("basic", &[])]);
    }

    #[test]
    fn rubbish_ends_the_reading() {
        check("", &[]);
        check("realm=\"x\"", &[]);
        check("Bearer realm=\"open", &[("bearer", &[])]);
        check("\"Bearer\"", &[]);
        check(&"a ".repeat(LONGEST), &[]);
    }

    proptest! {
        #[test]
        fn no_header_breaks_it(header in ".{0,200}") {
            let _ = parse(&header);
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[ -~]{0,60}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let challenges = parse(&format!("Bearer scope=\"{quoted}\", realm=\"r\""));
            prop_assert_eq!(challenges.len(), 1);
            prop_assert_eq!(challenges[0].parameter("scope"), Some(value.as_str()));
            prop_assert_eq!(challenges[0].parameter("realm"), Some("r"));
        }
    }
}
