//! A bare version in any text file, made a site by the comment on its line or on the line above:
//!
//! ```text
//! # restow: image=ghcr.io/acme/tool
//! TOOL_VERSION=1.4.2
//!
//! // renovate: datasource=docker depName=postgres
//! const postgres = "16.2-alpine";
//! ```
//!
//! Runs on every file that is read, beside the file's own format.

use super::collector::{Collector, PartText, Parts};
use super::direction::{Direction, commented};
use super::extraction::{Confidence, Extraction};
use crate::image::Reference;

/// The sites that comments make.
pub(super) fn extract(text: &str) -> Extraction {
    if !text.contains("restow: image=") && !text.contains("restow:image=") && !text.contains("renovate:") {
        return Extraction::default();
    }
    let mut collector = Collector::new(text, "annotation");
    collector.confidence = Confidence::Scanned;
    let (mut offset, mut above) = (0, None);
    for line in text.split_inclusive('\n') {
        let here = image_of(line);
        let code = code_of(line);
        match here.clone().filter(|_| !code.trim().is_empty()).or(above.take()) {
            Some(image) => version(&mut collector, offset, code, &image),
            None => above = here.filter(|_| code.trim().is_empty()),
        }
        offset += line.len();
    }
    collector.found
}

/// The image that a line's comment names.
fn image_of(line: &str) -> Option<String> {
    if let Some(Direction::Image(image)) = super::direction::read(line) {
        return Some(image);
    }
    let said = commented(line, "renovate:")?;
    let field = |name: &str| {
        said.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    let image = field("packageName").or_else(|| field("depName")).or_else(|| field("lookupName"))?;
    (field("datasource").as_deref() == Some("docker")).then_some(image)
}

/// The line without its comment.
fn code_of(line: &str) -> &str {
    let marks = [" #", " //", " /*", " <!--", " ;"].iter().filter_map(|mark| line.find(mark));
    let whole = ["#", "//", "<!--", "/*", ";", "--"]
        .iter()
        .any(|mark| line.trim_start_matches('\u{feff}').trim_start().starts_with(mark));
    if whole { "" } else { &line[..marks.min().unwrap_or(line.len())] }
}

/// The version on a line of code: behind its last `=` or `: `, without quotes.
fn version(collector: &mut Collector<'_>, offset: usize, code: &str, image: &str) {
    let value = code.trim_end();
    let begin =
        [value.rfind('='), value.rfind(": "), value.rfind(' ')].into_iter().flatten().max().map_or(0, |at| at + 1);
    let text = value[begin..].trim_matches([' ', '\t', '"', '\'', ',', ';', '`', '\u{feff}']);
    // A whole reference may stand there, too: `IMAGE=nginx:1.25`.
    let tag = text.strip_prefix(image).and_then(|rest| rest.strip_prefix(':')).unwrap_or(text);
    let Some(start) = value[begin..].find(text).map(|at| offset + begin + at + text.len() - tag.len()) else { return };
    let (repository, named) = (image, Reference::parse(image).is_ok_and(|one| one.tag().is_none()));
    if named && tag.contains(|c: char| c.is_ascii_digit()) {
        let repository = Some(PartText { text: repository, start: None });
        let tag = Some(PartText { text: tag, start: Some(start) });
        collector.parts(start, &Parts { repository, tag, ..Parts::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::extraction::FoundValue;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let found: Vec<(String, String)> = extract(text)
            .sites
            .into_iter()
            .map(|site| match site.value {
                FoundValue::Resolved { reference, spans } => {
                    (reference.to_string(), text[spans[0].start..spans[0].end].to_owned())
                }
                FoundValue::Open(_) => panic!("no variables here"),
            })
            .collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|(reference, bytes)| ((*reference).to_owned(), (*bytes).to_owned())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn bare_versions_in_any_file() {
        check(
            "# restow: image=ghcr.io/acme/tool\nTOOL_VERSION=1.4.2\nOTHER=1\n",
            &[("ghcr.io/acme/tool:1.4.2", "1.4.2")],
        );
        check("version: \"1.10\" # restow: image=nginx\r\n", &[("nginx:1.10", "1.10")]);
        check(
            "// renovate: datasource=docker depName=postgres versioning=docker\nconst pg = \"16.2-alpine\";\n",
            &[("postgres:16.2-alpine", "16.2-alpine")],
        );
        check("\u{feff}# restow: image=a/b\nIMAGE=a/b:2.1", &[("a/b:2.1", "2.1")]);
        check("ARG X=1.2 # renovate: datasource=docker packageName=x/y depName=z", &[("x/y:1.2", "1.2")]);
    }

    #[test]
    fn what_is_none() {
        check("# renovate: datasource=npm depName=left-pad\nX=1.2\n", &[]);
        check("# restow: image=a/b\n\nX=1.2\n", &[]);
        check("# restow: image=a/b\nX=latest\n", &[]);
        check("# restow: image=Not/An Image\nX=1.2\n", &[]);
        check("# restow: image=a/b", &[]);
    }
}
