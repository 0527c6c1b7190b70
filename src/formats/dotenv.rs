//! `.env`: definitions that a Compose file beside it uses.
//!
//! ```text
//! line := ["export "] NAME "=" (value | '"' value '"' | "'" value "'") [" #" comment]
//! ```

use super::extraction::{Definition, Extraction, TextSpan};
use super::{Claim, Format};
use crate::repo::FilePath;

/// More definitions than this are not read.
const MAX_DEFINITIONS: usize = 5000;

/// The format.
pub(super) struct DotEnv;

impl Format for DotEnv {
    fn name(&self) -> &'static str {
        "dotenv"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        if path.file_name() == ".env" { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut offset = 0;
        let mut definitions = Vec::new();
        for line in text.split_inclusive('\n') {
            definitions.extend(definition(line, offset));
            offset += line.len();
        }
        definitions.truncate(MAX_DEFINITIONS);
        Extraction { definitions, ..Extraction::default() }
    }
}

fn definition(line: &str, offset: usize) -> Option<Definition> {
    let trimmed = line.trim_start_matches(['\u{feff}', ' ', '\t']);
    let begin = line.len() - trimmed.len();
    let equals = trimmed.find('=')?;
    let written = &trimmed[..equals];
    let name = written.strip_prefix("export ").unwrap_or(written).trim();
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !named {
        return None;
    }
    let rest = &trimmed[equals + 1..];
    let value = rest.trim_start_matches([' ', '\t']);
    let mut start = begin + equals + 1 + (rest.len() - value.len());
    let text = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            start += 1;
            &value[1..1 + value[1..].find(quote)?]
        }
        _ => {
            let plain = value.find(" #").map_or(value, |comment| &value[..comment]);
            plain.trim_end()
        }
    };
    // A value made of others is not followed further.
    let start = offset + start;
    let plain = !text.contains('$');
    let span = TextSpan { start, end: start + text.len(), text: text.to_owned() };
    plain.then(|| Definition { name: name.to_owned(), value: span })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_where_they_stand() {
        let text = "\u{feff}A=1.25\r\nexport B = \"x:2\" # c\n# C=3\nD='y' \nE=z # note\nF=$A\n1\nG=";
        let found = DotEnv.extract(text).definitions;
        let shown: Vec<(&str, &str)> = found.iter().map(|one| (one.name.as_str(), one.value.text.as_str())).collect();
        assert_eq!(shown, [("A", "1.25"), ("B", "x:2"), ("D", "y"), ("E", "z"), ("G", "")]);
        for one in &found {
            assert_eq!(&text[one.value.start..one.value.end], one.value.text);
        }
    }
}
