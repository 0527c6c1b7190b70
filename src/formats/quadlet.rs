//! Quadlet units, which podman turns into systemd services: `Image=` of `.container`, `.image` and `.volume` files and
//! the images that a `Mount=` names. `.kube` and `.build` units name files only.
//!
//! ```ini
//! [Container]
//! Image=docker.io/library/nginx:1.25
//! Mount=type=image,source=quay.io/acme/data:2.1,destination=/data
//! ```
//!
//! `Image=web.image` and `Image=web.build` name other units.

use super::collector::{Collector, image_of_transport, is_plain};
use super::extraction::Extraction;
use super::{Claim, Format};
use crate::repo::FilePath;

const ENDINGS: [&str; 3] = ["container", "image", "volume"];
const SECTIONS: [&str; 3] = ["[Container]", "[Image]", "[Volume]"];

/// The format.
pub(super) struct Quadlet;

impl Format for Quadlet {
    fn name(&self) -> &'static str {
        "quadlet"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let ends = |name: &str| name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
        // `web.container.d/10-image.conf` adds to `web.container`.
        let folder = path.folder().rsplit('/').next().and_then(|folder| folder.strip_suffix(".d"));
        let drop_in = path.file_name().ends_with(".conf") && folder.is_some_and(ends);
        if ends(path.file_name()) || drop_in { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !SECTIONS.iter().any(|section| text.contains(section)) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "quadlet");
        let (mut offset, mut in_section, mut continued) = (0, false, false);
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_start_matches('\u{feff}').trim();
            if trimmed.starts_with('[') {
                in_section = SECTIONS.contains(&trimmed);
            } else if in_section && !continued && !trimmed.starts_with(['#', ';']) {
                entry(&mut collector, offset, line);
            }
            continued = trimmed.ends_with('\\');
            offset += line.len();
        }
        collector.found
    }
}

fn entry(collector: &mut Collector<'_>, offset: usize, line: &str) {
    let Some((key, value)) = line.split_once('=') else { return };
    let text = value.trim();
    let start = offset + key.len() + 1 + (value.len() - value.trim_start().len());
    match key.trim_start_matches('\u{feff}').trim() {
        "Image" => image(collector, start, text),
        "Mount" if text.split(',').any(|field| field == "type=image") => {
            let mut at = start;
            for field in text.split(',') {
                let source = ["source=", "src="].iter().find(|key| field.starts_with(**key));
                if let Some(key) = source {
                    image(collector, at + key.len(), &field[key.len()..]);
                }
                at += field.len() + 1;
            }
        }
        _ => {}
    }
}

fn image(collector: &mut Collector<'_>, start: usize, text: &str) {
    let quoted = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    let (start, text) = quoted.map_or((start, text), |inside| (start + 1, inside));
    let unit = text.ends_with(".image") || text.ends_with(".build");
    // `%i` and the like are filled in by systemd.
    if text.is_empty() || unit || !is_plain(text) || text.ends_with('\\') {
        return;
    }
    if let Some(begin) = image_of_transport(text) {
        collector.literal(start + begin, &text[begin..]);
    }
}
