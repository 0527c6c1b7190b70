//! The repository's file, `.github/restow.yml`: raw → valid rules, each mistake with its place and help.

mod extends;
mod mistake;
mod raw;
mod shapes;
mod valid;

use std::sync::Arc;

use schemars::generate::SchemaSettings;

use crate::policy::{Layer, Rules};

pub use extends::{Base, Place, RemoteFile, RemoteFiles, Unresolved, resolve};
pub use mistake::{Mistake, render};

/// Where the file may stand in a repository; in one of the two places.
pub const PATHS: [&str; 2] = [".github/restow.yml", ".github/restow.yaml"];

/// Where the organisation's file stands in its repository `.github`.
pub const ORGANISATION_PATH: &str = "restow.yml";

/// What is wrong where both are there.
pub fn both_there() -> Mistake {
    let message = format!("both {} and {} are there", PATHS[0], PATHS[1]);
    Mistake { help: Some("remove one of the two".to_owned()), ..mistake::at_start(message) }
}

/// A longer file is refused.
const LONGEST: usize = 256 * 1024;

/// Reads the repository's file on its own, above the defaults; files of other repositories that it builds upon are
/// taken for empty. An empty file means the defaults.
///
/// # Errors
/// Every mistake that can be told apart, with its line and column.
pub fn parse(text: &str) -> Result<Rules, Vec<Mistake>> {
    let place = Place { name: Arc::from(PATHS[0]), text: text.to_owned() };
    let mut files = RemoteFiles::new();
    loop {
        match resolve(std::slice::from_ref(&place), &files) {
            Ok(rules) => return Ok(rules),
            Err(Unresolved::Wrong(_, mistakes)) => return Err(mistakes),
            Err(Unresolved::Needs(needs)) => files.extend(needs.into_iter().map(|file| (file, Some(String::new())))),
        }
    }
}

/// What holds where nobody says anything.
pub fn defaults() -> Rules {
    parse("").unwrap_or_default()
}

/// The files of other repositories that the repository's file names itself.
pub fn remote_files(text: &str) -> Vec<RemoteFile> {
    let bases = layer_of(text, &Arc::from(PATHS[0])).map(|(_, bases)| bases).unwrap_or_default();
    let file = |base| if let Base::File(file) = base { Some(file) } else { None };
    bases.into_iter().filter_map(file).collect()
}

/// What a text says, and upon what it builds.
fn layer_of(text: &str, file: &Arc<str>) -> Result<(Layer, Vec<Base>), Vec<Mistake>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > LONGEST {
        return Err(vec![mistake::at_start(format!("the file is longer than {LONGEST} bytes"))]);
    }
    let (raw, mut mistakes) = raw::read(text);
    match valid::layer(raw, file) {
        Ok(layer) if mistakes.is_empty() => return Ok(layer),
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
