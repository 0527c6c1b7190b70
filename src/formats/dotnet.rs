//! MSBuild: `ContainerBaseImage` of project files and of the files that they share.
//!
//! ```xml
//! <PropertyGroup><ContainerBaseImage>mcr.microsoft.com/dotnet/aspnet:8.0.2</ContainerBaseImage></PropertyGroup>
//! ```

use super::collector::{Collector, is_plain};
use super::extraction::Extraction;
use super::xml::{Properties, each_leaf};
use super::{Claim, Format};
use crate::repo::FilePath;

const ENDINGS: [&str; 6] = [".csproj", ".fsproj", ".vbproj", ".props", ".targets", ".pubxml"];

/// The format.
pub(super) struct DotNet;

impl Format for DotNet {
    fn name(&self) -> &'static str {
        "dotnet"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        if ENDINGS.iter().any(|ending| name.ends_with(ending)) { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("ContainerBaseImage") {
            return Extraction::default();
        }
        let (mut properties, mut images) = (Properties::new("$(", ')'), Vec::new());
        each_leaf(text, &mut |path, leaf| {
            if let [.., "PropertyGroup", name] = path {
                properties.define(name, leaf);
                images.extend((*name == "ContainerBaseImage").then_some(leaf));
            }
        });
        let mut collector = Collector::new(text, "dotnet");
        for leaf in images {
            // Another file, or MSBuild itself, may give a property its value.
            if let Some(value) = properties.value(leaf).ok().filter(|value| is_plain(value.text())) {
                collector.assembled(leaf.start, leaf.text, &value);
            }
        }
        collector.found
    }
}
