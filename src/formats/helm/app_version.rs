//! The chart's own image, whose tag is left empty: there, the chart's templates use the `appVersion` of its
//! `Chart.yaml`. Only an `image` of the top level is read so: deeper ones may belong to another chart.
//!
//! ```yaml
//! image: {repository: ghcr.io/acme/web, tag: ""}
//! ```

use crate::formats::collector::{Collector, is_plain};
use crate::formats::extraction::{Definition, Piece, TextSpan};
use crate::formats::yaml::{Document, NodeId, Scalar};
use crate::formats::yaml_sites::is_filled;

/// The name of the definition; see [`definition`].
const APP_VERSION: &str = ".Chart.AppVersion";

/// What a `Chart.yaml` says of the application's version.
pub(in crate::formats) fn definition(document: &Document, root: NodeId) -> Option<Definition> {
    let scalar = document.get(root, "appVersion").and_then(|version| document.scalar(version))?;
    let value = text_span(scalar)
        .filter(|value| is_filled(&value.text) && is_plain(&value.text) && !value.text.contains('@'))?;
    Some(Definition { name: APP_VERSION.to_owned(), value })
}

/// Reports the image of the values at `root` whose tag is empty.
pub(super) fn image(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    let Some(image) = document.get(root, "image") else { return };
    let scalar = |key| document.get(image, key).and_then(|id| document.scalar(id));
    let filled = |key| scalar(key).filter(|scalar| is_filled(&scalar.text));
    let (Some(tag), Some(repository)) = (scalar("tag"), filled("repository")) else { return };
    if is_filled(&tag.text) || filled("digest").is_some() {
        return;
    }
    let registry = filled("registry").filter(|registry| is_plain(&registry.text));
    let Some(offset) = repository.start.filter(|_| is_plain(&repository.text)) else { return };
    let mut pieces = Vec::new();
    if let Some(registry) = registry {
        pieces.extend([literal(registry), Piece::Joint("/".to_owned())]);
    }
    let version = Piece::Variable { name: APP_VERSION.to_owned(), operator: None, word: Vec::new() };
    pieces.extend([literal(repository), Piece::Joint(":".to_owned()), version]);
    if collector.first_at(offset) {
        collector.tags_only(|collector| collector.open(offset, repository.text.clone(), pieces));
    }
}

fn text_span(scalar: &Scalar) -> Option<TextSpan> {
    let start = scalar.start?;
    Some(TextSpan { start, end: start + scalar.text.len(), text: scalar.text.clone() })
}

fn literal(scalar: &Scalar) -> Piece {
    text_span(scalar).map_or_else(|| Piece::Joint(scalar.text.clone()), Piece::Literal)
}
