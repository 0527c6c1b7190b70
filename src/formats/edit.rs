//! Rewrites exactly the bytes that name an image: checks what stands there, replaces it, and reads the result again.

use std::collections::BTreeMap;

use super::extraction::Extraction;
use super::site::{Inventory, Part, Site, Span};
use crate::image::{Reference, Tag};
use crate::repo::FilePath;

/// One replacement of bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The file.
    pub path: FilePath,
    /// The first byte, from 0.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
    /// What must stand there.
    pub old: String,
    /// What will stand there.
    pub new: String,
}

/// Why a site cannot be rewritten; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditRefusal {
    /// A move keeps the image; another image is a replacement.
    #[error("{path}: the new reference names another image")]
    AnotherImage {
        /// The file.
        path: FilePath,
    },
    /// The part that changes is computed, not written.
    #[error("{path}:{line}: the {part} is not written in one place that could be changed; move it by hand")]
    NotWritten {
        /// The file.
        path: FilePath,
        /// The line.
        line: u32,
        /// `tag` or `digest`.
        part: &'static str,
    },
    /// A digest would go, or stay behind beside a new tag.
    #[error(
        "{path}:{line}: a digest stands there; the new reference needs one too, as in TAG@sha256:…, or it would name two images"
    )]
    DigestMissing {
        /// The file.
        path: FilePath,
        /// The line.
        line: u32,
    },
    /// Two sites share bytes and want different things of them.
    #[error("{path}: two references share the bytes at {start} and would disagree; move them to one version together")]
    Disagree {
        /// The file.
        path: FilePath,
        /// The offset.
        start: usize,
    },
    /// The file is not the one that was read.
    #[error("{path}: the bytes at {start} are no longer those that were read; scan again")]
    Changed {
        /// The file.
        path: FilePath,
        /// The offset.
        start: usize,
    },
    /// A file that is needed was not given.
    #[error("{path}: the file is not there")]
    Missing {
        /// The file.
        path: FilePath,
    },
    /// Reading the result again showed something else than was intended.
    #[error(
        "{path}:{line}: the change would also reach another reference that shares a variable, or not have the intended \
         effect; move it by hand"
    )]
    Unintended {
        /// The file.
        path: FilePath,
        /// The line.
        line: u32,
    },
}

/// The edits that make `site` name `to`.
///
/// # Errors
/// A part that changes is not written in one place, or a digest would be lost.
pub fn move_site(site: &Site, to: &Reference) -> Result<Vec<Edit>, EditRefusal> {
    if site.reference.image() != to.image() {
        return Err(EditRefusal::AnotherImage { path: site.path.clone() });
    }
    if site.reference.digest().is_some() && to.digest().is_none() {
        return Err(EditRefusal::DigestMissing { path: site.path.clone(), line: site.line });
    }
    let mut edits = match site.spans.as_slice() {
        [whole] if whole.part == Part::Reference => {
            vec![edit(site, whole, site.reference.to_string(), to.to_string())]
        }
        _ => move_parts(site, to)?,
    };
    edits.extend(comment_edit(site, to));
    edits.retain(|edit| edit.old != edit.new);
    Ok(edits)
}

fn edit(site: &Site, span: &Span, old: String, new: String) -> Edit {
    let path = span.path.clone().unwrap_or_else(|| site.path.clone());
    Edit { path, start: span.start, end: span.end, old, new }
}

fn spans_of(site: &Site, part: Part) -> Vec<&Span> {
    site.spans.iter().filter(|span| span.part == part).collect()
}

fn tag_text(tag: Option<&Tag>) -> &str {
    tag.map_or("", Tag::as_str)
}

fn move_parts(site: &Site, to: &Reference) -> Result<Vec<Edit>, EditRefusal> {
    let mut edits = Vec::new();
    let digests = spans_of(site, Part::Digest);
    if let (Some(old), Some(new)) = (site.reference.digest(), to.digest())
        && old != new
    {
        let [span] = digests.as_slice() else { return Err(not_written(site, "digest")) };
        edits.push(edit(site, span, old.to_string(), new.to_string()));
    }
    // A digest that has no place of its own is written behind the tag.
    let behind_tag = match (site.reference.digest(), to.digest()) {
        (None, Some(digest)) => format!("@{digest}"),
        _ => String::new(),
    };
    let (old, new) = (tag_text(site.reference.tag()), tag_text(to.tag()));
    if old.is_empty() {
        let colon = if new.is_empty() { "" } else { ":" };
        edits.extend(behind_name(site, &format!("{colon}{new}{behind_tag}"))?);
    } else if old != new || !behind_tag.is_empty() {
        edits.extend(move_tag(site, old, new, &behind_tag)?);
    }
    Ok(edits)
}

fn not_written(site: &Site, part: &'static str) -> EditRefusal {
    EditRefusal::NotWritten { path: site.path.clone(), line: site.line, part }
}

/// Text behind a name that has no tag: in the last piece that holds a byte of the name.
fn behind_name(site: &Site, added: &str) -> Result<Option<Edit>, EditRefusal> {
    if added.is_empty() {
        return Ok(None);
    }
    let name = site.reference.name();
    let spans = spans_of(site, Part::Repository);
    let last = spans.last().and_then(|span| Some((span, name.get(name.len().checked_sub(span.end - span.start)?..)?)));
    let (span, old) = last.ok_or_else(|| not_written(site, "tag"))?;
    Ok(Some(edit(site, span, old.to_owned(), format!("{old}{added}"))))
}

/// The tag, where one of its pieces can take the whole change; `behind` goes behind its last piece.
fn move_tag(site: &Site, old: &str, new: &str, behind: &str) -> Result<Vec<Edit>, EditRefusal> {
    let spans = spans_of(site, Part::Tag);
    if spans.iter().map(|span| span.end - span.start).sum::<usize>() != old.len() {
        return Err(not_written(site, "tag"));
    }
    let mut pieces = Vec::new();
    let mut start = 0;
    for span in spans {
        let end = start + (span.end - span.start);
        let text = old.get(start..end).ok_or_else(|| not_written(site, "tag"))?;
        pieces.push((span, text, changed_piece(old, new, start, end).filter(|_| old != new)));
        start = end;
    }
    let changing = pieces.iter().position(|(_, _, changed)| changed.is_some());
    if changing.is_none() && old != new {
        return Err(not_written(site, "tag"));
    }
    let last = pieces.len().saturating_sub(1);
    let mut edits = Vec::new();
    for (index, (span, text, changed)) in pieces.into_iter().enumerate() {
        let body = changed.filter(|_| changing == Some(index)).unwrap_or(text);
        let tail = if index == last { behind } else { "" };
        if body != text || !tail.is_empty() {
            edits.push(edit(site, span, text.to_owned(), format!("{body}{tail}")));
        }
    }
    Ok(edits)
}

/// What the piece from `start` to `end` of the old tag becomes where the text around it stays.
fn changed_piece<'a>(old: &str, new: &'a str, start: usize, end: usize) -> Option<&'a str> {
    new.strip_prefix(&old[..start])?.strip_suffix(&old[end..]).filter(|piece| !piece.is_empty())
}

/// The version in the comment behind the reference moves along where it says just what the tag says.
fn comment_edit(site: &Site, to: &Reference) -> Option<Edit> {
    let comment = site.comment.as_ref()?;
    let (old, new) = (site.reference.tag()?.as_str(), to.tag()?.as_str());
    let bare = |tag: &str| tag.strip_prefix('v').unwrap_or(tag).to_owned();
    let text = match comment.text.as_str() {
        text if text == old => new.to_owned(),
        text if text == bare(old) => bare(new),
        text if text == format!("v{old}") => format!("v{new}"),
        _ => return None,
    };
    let path = site.path.clone();
    Some(Edit { path, start: comment.start, end: comment.end, old: comment.text.clone(), new: text })
}

/// Replaces bytes of one file; equal edits count once.
///
/// # Errors
/// Other bytes stand there, or two edits disagree.
pub fn apply(path: &FilePath, old: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditRefusal> {
    let mut edits: Vec<&Edit> = edits.iter().filter(|edit| edit.path == *path).collect();
    edits.sort();
    edits.dedup();
    let mut result = Vec::with_capacity(old.len() + 64);
    let mut done = 0;
    for edit in edits {
        if edit.start < done {
            return Err(EditRefusal::Disagree { path: path.clone(), start: edit.start });
        }
        if old.get(edit.start..edit.end) != Some(edit.old.as_bytes()) {
            return Err(EditRefusal::Changed { path: path.clone(), start: edit.start });
        }
        result.extend_from_slice(&old[done..edit.start]);
        result.extend_from_slice(edit.new.as_bytes());
        done = edit.end;
    }
    result.extend_from_slice(&old[done..]);
    Ok(result)
}

/// Makes every move in `files`, which must hold all files that the moved sites and their variables stand in, and
/// proves the result: read again, exactly the moved sites have changed, to exactly what was intended.
///
/// Returns the files that changed.
///
/// # Errors
/// As [`move_site`] and [`apply`]; and [`EditRefusal::Unintended`].
pub fn rewrite(
    files: &BTreeMap<FilePath, Vec<u8>>,
    moves: &[(Site, Reference)],
) -> Result<BTreeMap<FilePath, Vec<u8>>, EditRefusal> {
    let mut edits = Vec::new();
    for (site, to) in moves {
        edits.extend(move_site(site, to)?);
    }
    if let Some(edit) = edits.iter().find(|edit| !files.contains_key(&edit.path)) {
        return Err(EditRefusal::Missing { path: edit.path.clone() });
    }
    let mut after = BTreeMap::new();
    for (path, old) in files {
        after.insert(path.clone(), apply(path, old, &edits)?);
    }
    prove(&read(files), &read(&after), moves)?;
    after.retain(|path, bytes| files.get(path) != Some(bytes));
    Ok(after)
}

/// What [`rewrite_possible`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The files that changed.
    pub files: BTreeMap<FilePath, Vec<u8>>,
    /// The sites that could not be moved, and why; nothing of theirs was changed.
    pub left: Vec<(Site, EditRefusal)>,
}

/// As [`rewrite`], but one site that cannot be moved keeps back only those that share its bytes.
///
/// # Errors
/// Moves that are possible each by itself are not together.
pub fn rewrite_possible(
    files: &BTreeMap<FilePath, Vec<u8>>,
    moves: &[(Site, Reference)],
) -> Result<Rewritten, EditRefusal> {
    if let Ok(changed) = rewrite(files, moves) {
        return Ok(Rewritten { files: changed, left: Vec::new() });
    }
    let (mut possible, mut left) = (Vec::new(), Vec::new());
    for group in groups(moves) {
        match rewrite(files, &group) {
            Ok(_) => possible.extend(group),
            Err(refusal) => left.extend(group.into_iter().map(|(site, _)| (site, refusal.clone()))),
        }
    }
    Ok(Rewritten { files: rewrite(files, &possible)?, left })
}

/// Moves that share bytes belong together.
fn groups(moves: &[(Site, Reference)]) -> Vec<Vec<(Site, Reference)>> {
    let mut groups: Vec<Vec<(Site, Reference)>> = Vec::new();
    let mut of_bytes: BTreeMap<(&FilePath, usize), usize> = BTreeMap::new();
    for one in moves {
        let places = || one.0.spans.iter().map(|span| (span.path.as_ref().unwrap_or(&one.0.path), span.start));
        let group = places().find_map(|place| of_bytes.get(&place).copied()).unwrap_or(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(one.clone());
        of_bytes.extend(places().map(|place| (place, group)));
    }
    groups
}

fn read(files: &BTreeMap<FilePath, Vec<u8>>) -> Inventory {
    let extractions: BTreeMap<&FilePath, Extraction> =
        files.iter().filter_map(|(path, bytes)| Some((path, super::extract(&super::path_key(path)?, bytes)))).collect();
    super::link(extractions.iter().map(|(path, extraction)| (*path, extraction)))
}

fn prove(before: &Inventory, after: &Inventory, moves: &[(Site, Reference)]) -> Result<(), EditRefusal> {
    let unintended = |site: &Site| EditRefusal::Unintended { path: site.path.clone(), line: site.line };
    let mut results = after.sites.iter();
    for site in &before.sites {
        let moved = moves.iter().find(|(from, _)| same_place(from, site));
        let expected = moved.map_or(&site.reference, |(_, to)| to);
        let found = results.next().ok_or_else(|| unintended(site))?;
        let same = found.path == site.path && found.line == site.line && found.format == site.format;
        if !same || found.reference != *expected {
            return Err(unintended(site));
        }
    }
    // A change that spoils another part of a file is not the one intended.
    if let Some(problem) = after.problems.iter().find(|_| after.problems.len() > before.problems.len()) {
        return Err(EditRefusal::Unintended { path: problem.path.clone(), line: problem.line });
    }
    let lost = moves.iter().find(|(from, _)| !before.sites.iter().any(|site| same_place(from, site)));
    match (lost, results.next()) {
        (Some((site, _)), _) => Err(EditRefusal::Changed { path: site.path.clone(), start: 0 }),
        (None, Some(extra)) => Err(unintended(extra)),
        (None, None) => Ok(()),
    }
}

fn same_place(a: &Site, b: &Site) -> bool {
    (&a.path, a.line, a.column, &a.format) == (&b.path, b.line, b.column, &b.format)
}
