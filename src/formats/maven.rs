//! Maven: the base images of jib, the builders of Spring Boot's `build-image`, the images of the docker plugin and its
//! kin, and the properties that name such an image.
//!
//! ```xml
//! <properties><jre>21.0.2_13</jre></properties>
//! <configuration><from><image>eclipse-temurin:${jre}-jre</image></from></configuration>
//! ```
//!
//! Variables come from the `<properties>` of the file; what a parent defines is not known.

use super::collector::{Collector, has_host, is_plain, shown};
use super::extraction::Extraction;
use super::site::ProblemCode;
use super::xml::{Leaf, Properties, each_leaf};
use super::{Claim, Format};
use crate::repo::FilePath;

/// Properties that the plugins themselves read.
const IMAGE_PROPERTIES: [&str; 8] = [
    "jib.from.image",
    "spring-boot.build-image.builder",
    "spring-boot.build-image.runImage",
    "docker.from",
    "jkube.generator.from",
    "quarkus.jib.base-jvm-image",
    "quarkus.jib.base-native-image",
    "quarkus.native.builder-image",
];

/// The format.
pub(super) struct Maven;

impl Format for Maven {
    fn name(&self) -> &'static str {
        "maven"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        if name == "pom.xml" || name.ends_with(".pom.xml") { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "maven");
        if !["image", "Image", "<from>", "builder"].iter().any(|word| text.contains(word)) {
            return collector.found;
        }
        let (mut properties, mut found) = (Properties::new("${", '}'), Vec::new());
        let mut run = RunImage::default();
        each_leaf(text, &mut |path, leaf| {
            if let [.., "properties", name] = path {
                properties.define(name, leaf);
            }
            found.extend(run.step(path, leaf).into_iter().chain(is_image(path, leaf.text).then_some(leaf)));
        });
        found.extend(run.finish());
        for leaf in found {
            image(&mut collector, &properties, leaf);
        }
        collector.found
    }
}

/// Whether an element holds an image that is used.
fn is_image(path: &[&str], text: &str) -> bool {
    match path {
        // jib
        [.., "from", "image"] => true,
        // The docker plugin and JKube.
        [.., "build", "from"] => path.contains(&"image"),
        [.., "image", "builder" | "runImage"] => true,
        // Others are paths, or names within the builder.
        [.., "image", "buildpacks", "buildpack"] => text.starts_with("docker://") || has_host(text),
        // `mandrel` is Quarkus's own name of an image.
        [.., "properties", name] => IMAGE_PROPERTIES.contains(name) && text.contains(['/', ':', '$']),
        _ => false,
    }
}

/// An `<image>` of the docker plugin that is run and not built: its name is pulled.
#[derive(Default)]
struct RunImage<'a> {
    name: Option<Leaf<'a>>,
    runs: bool,
    builds: bool,
}

impl<'a> RunImage<'a> {
    /// Takes a leaf; returns the image that is whole because another begins.
    fn step(&mut self, path: &[&str], leaf: Leaf<'a>) -> Option<Leaf<'a>> {
        let at = path.windows(2).position(|pair| pair == ["images", "image"])?;
        match *path.get(at + 2)? {
            "name" => std::mem::replace(self, Self { name: Some(leaf), ..Self::default() }).finish(),
            "build" => {
                self.builds = true;
                None
            }
            "run" => {
                self.runs = true;
                None
            }
            _ => None,
        }
    }

    fn finish(self) -> Option<Leaf<'a>> {
        self.name.filter(|_| self.runs && !self.builds)
    }
}

fn image<'a>(collector: &mut Collector<'a>, properties: &Properties<'a>, leaf: Leaf<'a>) {
    if !collector.first_at(leaf.start) {
        return;
    }
    let value = match properties.value(leaf) {
        Ok(value) => value,
        Err(name) if name.starts_with("project.") || name.starts_with("env.") || name.starts_with("settings.") => {
            return;
        }
        Err(name) => {
            let message = format!(
                "the image {:?} cannot be told: {name} has no value here; define it in <properties> of this file",
                shown(leaf.text)
            );
            return collector.problem(leaf.start, ProblemCode::UnresolvedVariable, message);
        }
    };
    let behind = ["registry://", "docker://"].iter().find(|prefix| value.text().starts_with(**prefix));
    let value = value.slice(behind.map_or(0, |prefix| prefix.len()), value.text().len());
    let text = value.text();
    // A buildpack's path, or what Maven fills in elsewhere.
    if is_plain(text) && !text.contains("://") {
        collector.assembled(leaf.start, leaf.text, &value);
    }
}
