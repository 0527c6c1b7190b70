//! Shell scripts, makefiles, justfiles, PowerShell, batch files, systemd units and task files: the images that
//! `docker`, `podman` or `nerdctl` `run`, `create` and `pull` name, through variables that the same file gives a value.
//!
//! No shell is parsed: `words.rs` reads words, `docker.rs` knows the flags, `variables.rs` the values. What these three
//! cannot tell is silent, and what the file itself builds, tags or pushes is no site. Example:
//!
//! ```sh
//! IMAGE=nginx:1.25
//! docker run --rm -p 80:80 "$IMAGE"
//! ```

mod commands;
mod docker;
mod variables;
mod words;

use std::collections::BTreeSet;

use super::collector::{Collector, image_like, image_of_transport, is_plain};
use super::extraction::{Confidence, Extraction, FoundValue};
use super::value::{Value, found_spans};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;
use commands::{Command, each_command};
use docker::Verb;
use variables::Variables;

const ENDINGS: [&str; 12] =
    [".sh", ".bash", ".zsh", ".ksh", ".ps1", ".psm1", ".bat", ".cmd", ".mk", ".make", ".just", ".service"];
const NAMES: [&str; 9] = [
    "makefile",
    "gnumakefile",
    "bsdmakefile",
    "justfile",
    ".justfile",
    "taskfile.yml",
    "taskfile.yaml",
    "taskfile.dist.yml",
    ".travis.yml",
];

/// The format.
pub(super) struct Shell;

impl Format for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let known = NAMES.contains(&name.as_str()) || name.starts_with("makefile.");
        if known || ENDINGS.iter().any(|ending| name.ends_with(ending)) { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !mentions_tools(text) {
            return Extraction::default();
        }
        let mut reader = Reader::new(text);
        each_command(text, &mut |command| command.define(&mut reader.variables));
        each_command(text, &mut |command| reader.outputs(command));
        each_command(text, &mut |command| reader.images(command));
        reader.collector.found
    }
}

/// Whether a text may run containers.
pub(super) fn mentions_tools(text: &str) -> bool {
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    any(&["docker", "podman", "nerdctl"]) && any(&["run", "create", "pull"])
}

struct Reader<'a> {
    collector: Collector<'a>,
    variables: Variables,
    /// What the file builds, tags or pushes: as written, and the names that this means.
    outputs: BTreeSet<String>,
    /// The bytes that hold each site, which many commands may use.
    seen: BTreeSet<Vec<usize>>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut collector = Collector::new(text, "shell");
        collector.confidence = Confidence::Scanned;
        let (variables, outputs, seen) = (Variables::default(), BTreeSet::new(), BTreeSet::new());
        Self { collector, variables, outputs, seen }
    }

    fn outputs(&mut self, command: &Command) {
        for (verb, image, _) in command.images(&mut self.variables) {
            if verb == Verb::Output {
                self.outputs.insert(image.text().to_owned());
                let values = self.variables.expand(&image);
                let names = values.iter().filter_map(|value| Reference::parse(value.text()).ok());
                self.outputs.extend(names.map(|reference| reference.name().to_owned()));
            }
        }
    }

    fn images(&mut self, command: &Command) {
        for (verb, image, offset) in command.images(&mut self.variables) {
            if verb == Verb::Output || self.outputs.contains(image.text()) {
                continue;
            }
            let values = self.variables.expand(&image);
            for value in &values {
                // One of several values is told where it stands.
                let place = value.origin(0).filter(|_| values.len() > 1).map_or(offset, |(_, place)| place);
                self.image(verb, &image, value, place);
            }
        }
    }

    fn image(&mut self, verb: Verb, written: &Value, value: &Value, offset: usize) {
        let Some(begin) = image_of_transport(value.text()) else { return };
        let value = value.slice(begin, value.text().len());
        let text = value.text();
        // A bare name that is run may be what another file builds.
        let sure = image_like(text) || verb == Verb::Pull;
        if !sure || !is_plain(text) {
            return;
        }
        let Ok(reference) = Reference::parse(text) else { return };
        let spans = found_spans(&value, &reference);
        let held = spans.iter().map(|span| span.start).collect();
        if self.outputs.contains(reference.name()) || !self.seen.insert(held) {
            return;
        }
        let places: Vec<usize> = std::iter::once(offset).chain(value.places()).collect();
        let written = written.text().to_owned();
        self.collector.add_beside(&places, offset, written, FoundValue::Resolved { reference, spans });
    }
}
