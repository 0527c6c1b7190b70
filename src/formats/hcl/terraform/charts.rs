//! `helm_release`: the chart, where a registry holds it, and the images that its values name.

use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, Object};
use hcl_edit::structure::Body;

use super::super::{Hcl, entry};
use crate::formats::collector::{PartText, Parts, is_plain};
use crate::formats::extraction::{Piece, TextSpan};
use crate::formats::helm;
use crate::formats::helm_chart::{in_registry, is_exact};
use crate::formats::yaml_sites::names_image;

pub(super) fn release(hcl: &mut Hcl<'_, '_>, body: &Body) {
    chart(hcl, body);
    settings(hcl, body);
    let Some(values) = body.get_attribute("values") else { return };
    let Expression::Array(items) = &values.value else { return };
    for item in items.iter() {
        for document in hcl.documents(item) {
            if let Some(root) = document.root() {
                helm::values(&mut hcl.collector, &document, root);
            }
        }
        if let Expression::FuncCall(call) = item
            && call.name.name.as_str() == "yamlencode"
        {
            for argument in call.args.iter() {
                encoded(hcl, argument);
                hcl.images_where_versioned(argument);
            }
        }
    }
}

/// `repository = "oci://…"`, `chart`, `version`; or the whole in `chart`.
fn chart(hcl: &mut Hcl<'_, '_>, body: &Body) {
    let text = |hcl: &Hcl<'_, '_>, name: &str| hcl.known(&body.get_attribute(name)?.value).map(|known| known.text);
    let (repository, chart) = (text(hcl, "repository"), text(hcl, "chart"));
    let name = match (repository.as_deref().and_then(in_registry), chart) {
        (_, Some(chart)) if chart.starts_with("oci://") => in_registry(&chart).map(str::to_owned),
        (Some(folder), Some(chart)) => Some(format!("{folder}/{chart}")),
        _ => None,
    };
    let (Some(name), Some(version)) = (name, body.get_attribute("version").map(|version| &version.value)) else {
        return;
    };
    // A range is the chart's own to choose from.
    if hcl.known(version).is_some_and(|known| !is_exact(&known.text)) {
        return;
    }
    if let Some(version) = hcl.plain(version) {
        let parts = Parts {
            repository: Some(PartText { text: &name, start: None }),
            tag: Some(part(&version)),
            ..Parts::default()
        };
        hcl.collector.tags_only(|collector| collector.parts(version.start, &parts));
    } else {
        hcl.version_of(&name, version);
    }
}

fn part(span: &TextSpan) -> PartText<'_> {
    PartText { text: &span.text, start: Some(span.start) }
}

/// `set { name = "image.tag" value = "1.2" }`, where the repository is set too.
fn settings(hcl: &mut Hcl<'_, '_>, body: &Body) {
    let blocks = body.get_blocks("set").map(|set| {
        let get = |name: &str| set.body.get_attribute(name).map(|attribute| &attribute.value);
        (get("name"), get("value"))
    });
    let lists = body.get_attribute("set").and_then(|set| set.value.as_array()).into_iter().flat_map(|list| list.iter());
    let items = lists.filter_map(Expression::as_object).map(|one| (entry(one, "name"), entry(one, "value")));
    let mut set: BTreeMap<&str, TextSpan> = BTreeMap::new();
    for (name, value) in blocks.chain(items) {
        if let (Some(name), Some(value)) = (name.and_then(Expression::as_str), value)
            && names_image(name)
        {
            hcl.perhaps(value);
        }
        let value = value.and_then(|value| hcl.plain(value)).filter(|value| is_plain(&value.text));
        if let (Some(name), Some(value)) = (name.and_then(Expression::as_str), value) {
            set.insert(name, value);
        }
    }
    for (name, repository) in &set {
        let Some(stem) = name.strip_suffix("repository") else { continue };
        let get = |key: &str| set.get(format!("{stem}{key}").as_str());
        report(hcl, get("registry"), repository, get("tag"), get("digest"));
    }
}

/// Values as an object: images in parts at any depth.
fn encoded(hcl: &mut Hcl<'_, '_>, value: &Expression) {
    match value {
        Expression::Object(object) => {
            parts(hcl, object);
            object.iter().for_each(|(_, value)| encoded(hcl, value.expr()));
        }
        Expression::Array(items) => items.iter().for_each(|item| encoded(hcl, item)),
        _ => {}
    }
}

fn parts(hcl: &mut Hcl<'_, '_>, object: &Object) {
    let get = |hcl: &Hcl<'_, '_>, name: &str| {
        let pieces = hcl.pieces(entry(object, name)?, hcl.source, 0)?;
        match pieces.as_slice() {
            [Piece::Literal(span)] if !span.text.is_empty() && is_plain(&span.text) => Some(span.clone()),
            _ => None,
        }
    };
    let Some(repository) = get(hcl, "repository") else { return };
    let (registry, tag, digest) = (get(hcl, "registry"), get(hcl, "tag"), get(hcl, "digest"));
    report(hcl, registry.as_ref(), &repository, tag.as_ref(), digest.as_ref());
}

fn report(
    hcl: &mut Hcl<'_, '_>,
    registry: Option<&TextSpan>,
    repository: &TextSpan,
    tag: Option<&TextSpan>,
    digest: Option<&TextSpan>,
) {
    let parts = Parts {
        registry: registry.map(part),
        repository: Some(part(repository)),
        tag: tag.map(part),
        digest: digest.map(part),
    };
    hcl.collector.parts(repository.start, &parts);
}
