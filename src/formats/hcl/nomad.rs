//! Nomad: the `image` that a task's driver is told to run. A job's file stands alone: its variables are its own.
//!
//! ```hcl
//! task "web" { driver = "docker"  config { image = "nginx:1.25" } }
//! ```

use hcl_edit::structure::Body;

use super::{Hcl, Names, parse};
use crate::formats::collector::Collector;
use crate::formats::extraction::Extraction;
use crate::formats::{Claim, Format};
use crate::repo::FilePath;

/// The format.
pub(in crate::formats) struct Nomad;

impl Format for Nomad {
    fn name(&self) -> &'static str {
        "nomad"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        let named = [".nomad", ".nomad.hcl", ".nomad.tpl"].iter().any(|ending| name.ends_with(ending));
        let other = name.ends_with(".hcl") && !name.ends_with(".pkr.hcl") && !super::bake::is_named(name);
        if named || other { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        // Any other file in HCL has no such blocks.
        if !["job ", "task ", "image"].iter().all(|word| text.contains(word)) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "nomad");
        let Some((body, source)) = parse(&mut collector) else { return collector.found };
        let mut hcl = Hcl::new(collector, source, Names::Own);
        hcl.define(&body);
        tasks(&mut hcl, &body);
        hcl.collector.found
    }
}

/// Drivers whose `image` is no container's.
const OTHER_DRIVERS: [&str; 8] = ["exec", "exec2", "firecracker", "java", "lxc", "pot", "qemu", "raw_exec"];

fn tasks(hcl: &mut Hcl<'_, '_>, body: &Body) {
    for block in body.blocks() {
        let driver = block.body.get_attribute("driver").and_then(|driver| driver.value.as_str());
        if block.ident.as_str() == "task" && !driver.is_some_and(|driver| OTHER_DRIVERS.contains(&driver)) {
            for config in block.body.get_blocks("config") {
                if let Some(image) = config.body.get_attribute("image") {
                    // podman's transport.
                    hcl.image_behind(&image.value, "docker://");
                    hcl.image(&image.value);
                }
            }
        }
        tasks(hcl, &block.body);
    }
}
