//! Files of `docker buildx bake`, in HCL and in JSON: images as build contexts and as arguments, and the Dockerfile
//! in a target. What a target is called and where its cache lies are no sites.
//!
//! ```hcl
//! variable "NGINX" { default = "1.25" }
//! target "web" { contexts = { base = "docker-image://nginx:${NGINX}" } }
//! ```

use hcl_edit::expr::{Expression, Object};

use super::{Hcl, Names, key_text, parse};
use crate::formats::collector::{Collector, image_like};
use crate::formats::extraction::Extraction;
use crate::formats::yaml_sites::names_image;
use crate::formats::{Claim, Format};
use crate::repo::FilePath;

const CONTEXT: &str = "docker-image://";

/// The format.
pub(in crate::formats) struct Bake;

impl Format for Bake {
    fn name(&self) -> &'static str {
        "bake"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        if is_named(path.file_name()) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "bake");
        if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            json(&mut collector);
            return collector.found;
        }
        let Some((body, source)) = parse(&mut collector) else { return collector.found };
        let mut hcl = Hcl::new(collector, source, Names::Bare);
        hcl.define(&body);
        for target in body.get_blocks("target") {
            if let Some(Expression::Object(contexts)) = target.body.get_attribute("contexts").map(|one| &one.value) {
                contexts_of(&mut hcl, contexts);
            }
            if let Some(inline) = target.body.get_attribute("dockerfile-inline") {
                hcl.dockerfile(&inline.value);
            }
            if let Some(Expression::Object(arguments)) = target.body.get_attribute("args").map(|one| &one.value) {
                arguments_of(&mut hcl, arguments);
            }
        }
        hcl.collector.found
    }
}

/// `docker-bake.hcl`, `docker-bake.override.json`, `bake.hcl`.
pub(super) fn is_named(name: &str) -> bool {
    (name.starts_with("docker-bake") || name.starts_with("bake."))
        && [".hcl", ".json"].iter().any(|ending| name.ends_with(ending))
}

fn contexts_of(hcl: &mut Hcl<'_, '_>, contexts: &Object) {
    for (_, value) in contexts.iter() {
        hcl.image_behind(value.expr(), CONTEXT);
    }
}

fn arguments_of(hcl: &mut Hcl<'_, '_>, arguments: &Object) {
    for (key, value) in arguments.iter() {
        // `BASE = BASE_IMAGE` says it, too.
        let given = value.expr().as_variable().map(|name| name.as_str());
        if key_text(key).is_some_and(names_image) || given.is_some_and(names_image) {
            hcl.perhaps(value.expr());
        }
    }
}

/// The same in JSON; there, variables are left alone.
fn json(collector: &mut Collector<'_>) {
    for document in collector.documents() {
        let Some(targets) = document.root().and_then(|root| document.get(root, "target")) else { continue };
        for (_, target) in document.entries(targets) {
            for (_, value) in document.get(*target, "contexts").map_or(&[][..], |map| document.entries(map)) {
                collector.perhaps_behind(&document, *value, CONTEXT);
            }
            for (key, value) in document.get(*target, "args").map_or(&[][..], |map| document.entries(map)) {
                let text = document.text(*value).filter(|text| image_like(text));
                if text.is_some() && document.text(*key).is_some_and(names_image) {
                    collector.perhaps(&document, *value);
                }
            }
        }
    }
}
