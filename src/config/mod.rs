//! The repository's file, `.github/restow.yml`: raw → valid rules, each mistake with its place and help.

mod mistake;
mod raw;
mod valid;

use schemars::generate::SchemaSettings;

use crate::policy::Rules;

pub use mistake::{Mistake, render};

/// Where the file may stand in a repository; in one of the two places.
pub const PATHS: [&str; 2] = [".github/restow.yml", ".github/restow.yaml"];

/// What is wrong where both are there.
pub fn both_there() -> Mistake {
    let message = format!("both {} and {} are there", PATHS[0], PATHS[1]);
    Mistake { help: Some("remove one of the two".to_owned()), ..Mistake::new(1, 1, message) }
}

/// A longer file is refused.
const LONGEST: usize = 256 * 1024;

/// Reads the file's text; an empty one means the defaults.
///
/// # Errors
/// Every mistake that can be told apart, with its line and column.
pub fn parse(text: &str) -> Result<Rules, Vec<Mistake>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > LONGEST {
        return Err(vec![Mistake::new(1, 1, format!("the file is longer than {LONGEST} bytes"))]);
    }
    let (raw, mut mistakes) = raw::read(text);
    match valid::rules(raw) {
        Ok(rules) if mistakes.is_empty() => return Ok(rules),
        Ok(_) => {}
        Err(more) => mistakes.extend(more),
    }
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    Err(mistakes)
}

/// The JSON Schema (draft 2020-12) of the file.
pub fn schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<raw::Raw>();
    schema.insert("title".to_owned(), "Restow's configuration, .github/restow.yml".into());
    schema.to_value()
}

#[cfg(test)]
mod tests;
