//! Reads the candidate files below a folder, in parallel.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::Context;
use ignore::{WalkBuilder, WalkState};

use crate::formats::{self, Extraction, FoundProblem, Inventory, ProblemCode};
use crate::repo::FilePath;

/// No file that names images is larger.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// The references and problems.
    pub(super) inventory: Inventory,
    /// Files below the folder.
    pub(super) files_listed: usize,
    /// Files that a format could read.
    pub(super) files_read: usize,
    /// Their bytes.
    pub(super) bytes_read: u64,
}

#[derive(Default)]
struct Collected {
    files: Mutex<BTreeMap<FilePath, Extraction>>,
    listed: AtomicUsize,
    read: AtomicUsize,
    bytes: AtomicU64,
}

/// Walks `root` (or reads the one file that it is); `.gitignore` is respected, links are not followed.
pub(super) fn walk(root: &Path) -> anyhow::Result<Walked> {
    std::fs::metadata(root).with_context(|| format!("reading {}", root.display()))?;
    let collected = Collected::default();
    let walker = WalkBuilder::new(root)
        .hidden(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .threads(std::thread::available_parallelism().map_or(2, usize::from).min(8))
        .build_parallel();
    walker.run(|| {
        Box::new(|entry| {
            // A folder that cannot be read is no reason to stop.
            if let Ok(entry) = entry
                && entry.file_type().is_some_and(|kind| kind.is_file())
            {
                collected.add(root, entry.path());
            }
            WalkState::Continue
        })
    });
    let files = collected.files.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Walked {
        inventory: formats::link(files.iter()),
        files_listed: collected.listed.into_inner(),
        files_read: collected.read.into_inner(),
        bytes_read: collected.bytes.into_inner(),
    })
}

impl Collected {
    fn add(&self, root: &Path, path: &Path) {
        self.listed.fetch_add(1, Ordering::Relaxed);
        let Some(file_path) = relative(root, path) else { return };
        let Some(key) = formats::path_key(&file_path) else { return };
        let extraction = match read(path) {
            Ok(bytes) => {
                self.read.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                formats::extract(&key, &bytes)
            }
            Err((code, message)) => {
                let problem = FoundProblem { line: 1, code, message };
                Extraction { problems: vec![problem], ..Extraction::default() }
            }
        };
        self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(file_path, extraction);
    }
}

/// The file's path below the root, with `/` between its parts; a root that is a file has its own name.
fn relative(root: &Path, path: &Path) -> Option<FilePath> {
    let below = match path.strip_prefix(root) {
        Ok(below) if below.as_os_str().is_empty() => Path::new(path.file_name()?),
        Ok(below) => below,
        Err(_) => return None,
    };
    let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
    FilePath::parse(&parts?.join("/")).ok()
}

fn read(path: &Path) -> Result<Vec<u8>, (ProblemCode, String)> {
    let unreadable = |error: std::io::Error| (ProblemCode::Unreadable, format!("the file cannot be read: {error}"));
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > FILE_LIMIT {
        return Err((ProblemCode::TooLarge, format!("the file is larger than {FILE_LIMIT} bytes and was not read")));
    }
    std::fs::read(path).map_err(unreadable)
}
