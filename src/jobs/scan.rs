//! Reads a repository's references: one tree, then only the blobs that were never read.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::bases::Others;
use super::installation::{is_stopped, repository_row};
use super::kind::{ScanPayload, plan_job};
use super::rules::rules_of;
use super::worker::Guard;
use super::{JobError, Services, bases, preview, record};
use crate::config;
use crate::formats::{self, EXTRACTOR_VERSION, Extraction, FoundProblem, Inventory, ProblemCode};
use crate::github::{FileList, GitHubError, ListedFile, Repo, TarballLimits};
use crate::image::ImageName;
use crate::plan::{Snapshot, SnapshotFile};
use crate::policy::CommitStyle;
use crate::repo::{BlobSha, CommitSha, FileMode, FilePath};
use crate::report;
use crate::store::{NewJob, RepositoryRow, RepositoryState};

/// More unknown blobs than this are read as one tarball.
const TARBALL_ABOVE: usize = 50;
/// Blob requests under way at once.
const BLOBS_AT_ONCE: usize = 8;
/// Blobs whose content is held at a time.
const BLOBS_HELD: usize = 32;
/// Commits whose subjects tell how commits are called.
const HISTORY: u8 = 50;
/// No file that names images is larger.
const BLOB_LIMIT: usize = 4 * 1024 * 1024;

/// What a scan leaves for the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredScan {
    pub(super) extractor: u32,
    pub(super) snapshot: Snapshot,
    pub(super) inventory: Inventory,
    /// The newest valid rules, as written; `None` without a file.
    pub(super) rules: Option<String>,
    /// Where the newest rules are wrong, those before them stay in force.
    pub(super) rules_mistakes: Vec<String>,
    /// How the repository calls its commits, found out once; an empty style where it has no convention.
    #[serde(default)]
    pub(super) commit_style: Option<CommitStyle>,
    /// The other branches that are brought up to date.
    #[serde(default)]
    pub(super) others: Others,
}

type Key = (BlobSha, String);

/// What was read of a commit before anything is decided.
pub(super) struct Gathered {
    commit: CommitSha,
    candidates: Vec<Candidate>,
    known: BTreeMap<Key, Extraction>,
    /// The configuration files that are there: their paths and contents.
    rules: Vec<(&'static str, Vec<u8>)>,
    cut: Option<String>,
}

#[derive(Clone)]
struct Candidate {
    path: FilePath,
    mode: FileMode,
    key: Key,
    size: Option<u64>,
}

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &ScanPayload, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
    let Some(row) = known_repository(services, payload).await? else { return Ok(Vec::new()) };
    let before = previous(&row)?;
    if payload.branch.as_ref().is_some_and(|branch| !bases::concerns(before.as_ref(), branch)) {
        return Ok(Vec::new());
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let Some(head) = repo.branch_head(&row.default_branch).await? else {
        return Ok(Vec::new());
    };
    let known = before.as_ref().filter(|before| before.extractor == EXTRACTOR_VERSION);
    let unmoved = known.filter(|before| before.snapshot.commit == head).cloned();
    let others = known.map(|known| known.others.clone()).unwrap_or_default();
    let mut scan = match &unmoved {
        Some(scan) => scan.clone(),
        None => default_branch(services, &row, &repo, head, before, guard).await?,
    };
    scan.others.clone_from(&others);
    match rules_of(services, &row, &scan).await {
        Ok(Ok(rules)) => scan.others = bases::bring(services, &repo, &row, &rules, others).await?,
        // The plan tells of it.
        Ok(Err(_)) => {}
        Err(error) => {
            guard.check()?;
            apply(services, &row, scan).await?;
            return Err(error);
        }
    }
    guard.check()?;
    if unmoved.as_ref() == Some(&scan) {
        // A scan of a version that did not keep them is the newest for as long as nothing is pushed.
        services.store.save_repository_images(row.id, &images(&scan)).await?;
    } else {
        apply(services, &row, scan).await?;
    }
    Ok(vec![plan_job(row.installation, row.id, &row.name, services.clock.now())])
}

/// Reads the default branch, and tells of the configuration's mistakes.
async fn default_branch(
    services: &Services,
    row: &RepositoryRow,
    repo: &Repo,
    head: CommitSha,
    before: Option<StoredScan>,
    guard: &Guard,
) -> Result<StoredScan, JobError> {
    let gathered = gather(services, repo, head, Configuration::Read).await?;
    let style = match before.as_ref().and_then(|before| before.commit_style.clone()) {
        Some(style) => style,
        None => report::conventional(&repo.newest_messages(HISTORY).await?).unwrap_or_default(),
    };
    let mut decided = tokio::task::spawn_blocking(move || decide(gathered, before))
        .await
        .map_err(|error| JobError::Permanent(format!("the scan was stopped: {error}")))?;
    decided.scan.commit_style = Some(style);
    guard.check()?;
    if decided.told {
        preview::tell(services, repo, decided.file.as_ref(), &decided.scan).await?;
        if let Some(first) = decided.scan.rules_mistakes.first() {
            record::of_repository(services, row, (None, "configuration"), (first, "refused")).await?;
        }
    }
    Ok(decided.scan)
}

/// The repository's row; one never heard of is asked for and saved. `None` where Restow has nothing to do there.
async fn known_repository(services: &Services, payload: &ScanPayload) -> Result<Option<RepositoryRow>, JobError> {
    let row = match services.store.repository(payload.repo).await? {
        Some(row) => row,
        None => {
            let repo = services.github.installation(payload.installation).repository(payload.repo, &payload.name);
            let row = repository_row(payload.installation, &repo.details().await?);
            services.store.save_repository(&row).await?;
            row
        }
    };
    let stopped = is_stopped(services, row.installation).await?;
    Ok((row.state == RepositoryState::Active && !stopped).then_some(row))
}

fn previous(row: &RepositoryRow) -> Result<Option<StoredScan>, JobError> {
    let Some(json) = row.inventory.clone() else { return Ok(None) };
    // A scan that another version stored is made again.
    Ok(serde_json::from_value(json).ok())
}

/// Whether the configuration is read: it counts on the default branch only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Configuration {
    Read,
    Leave,
}

/// Reads a commit's files, but those that are known already.
pub(super) async fn gather(
    services: &Services,
    repo: &Repo,
    commit: CommitSha,
    configuration: Configuration,
) -> Result<Gathered, JobError> {
    let FileList { files, cut } = repo.list_files(&commit).await?;
    let mut rules = Vec::new();
    let wanted = |path: &FilePath| configuration == Configuration::Read && config::PATHS.contains(&path.as_str());
    for file in files.iter().filter(|file| wanted(&file.path)) {
        let Some(path) = config::PATHS.into_iter().find(|path| file.path.as_str() == *path) else { continue };
        // One that is too large is told as a mistake.
        let blob = repo.blob(&file.sha, BLOB_LIMIT).await.map(|bytes| bytes.to_vec());
        rules.push((path, if let Err(GitHubError::TooLarge { .. }) = blob { vec![b' '; BLOB_LIMIT] } else { blob? }));
    }
    let candidates: Vec<Candidate> = files.into_iter().filter_map(candidate).collect();
    let known = known_extractions(services, &candidates).await?;
    let known = read_unknown(services, repo, &commit, &candidates, known).await?;
    Ok(Gathered { commit, candidates, known, rules, cut })
}

fn candidate(file: ListedFile) -> Option<Candidate> {
    let readable = file.mode != FileMode::Symlink;
    let key = formats::path_key(&file.path).filter(|_| readable)?;
    Some(Candidate { path: file.path, mode: file.mode, key: (file.sha, key), size: file.size })
}

async fn known_extractions(
    services: &Services,
    candidates: &[Candidate],
) -> Result<BTreeMap<Key, Extraction>, JobError> {
    let keys: BTreeSet<Key> = candidates.iter().map(|file| file.key.clone()).collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    let stored = services.store.extractions(&keys, EXTRACTOR_VERSION).await?;
    // What cannot be read is read anew from its blob.
    Ok(stored.into_iter().filter_map(|(key, json)| Some((key, serde_json::from_str(&json).ok()?))).collect())
}

/// Reads what was never read, and keeps what was found at once: neither is more than a few files' content held at a
/// time, nor does a scan that is interrupted begin from nothing.
async fn read_unknown(
    services: &Services,
    repo: &Repo,
    commit: &CommitSha,
    candidates: &[Candidate],
    mut known: BTreeMap<Key, Extraction>,
) -> Result<BTreeMap<Key, Extraction>, JobError> {
    let mut unknown: BTreeMap<Key, FilePath> = BTreeMap::new();
    for file in candidates {
        if file.size.unwrap_or(0) > BLOB_LIMIT as u64 {
            known.entry(file.key.clone()).or_insert_with(too_large);
        } else if !known.contains_key(&file.key) {
            unknown.insert(file.key.clone(), file.path.clone());
        }
    }
    if unknown.len() > TARBALL_ABOVE {
        let contents = read_tarball(repo, commit, &unknown).await?;
        keep(services, contents, &mut known).await?;
        unknown.retain(|key, _| !known.contains_key(key));
    }
    let unknown: Vec<Key> = unknown.into_keys().collect();
    for chunk in unknown.chunks(BLOBS_HELD) {
        let contents: Vec<(Key, Vec<u8>)> = stream::iter(chunk.to_vec())
            .map(async |key| {
                let bytes = repo.blob(&key.0, BLOB_LIMIT).await?.to_vec();
                Ok::<_, GitHubError>((key, bytes))
            })
            .buffer_unordered(BLOBS_AT_ONCE)
            .try_collect()
            .await?;
        keep(services, contents, &mut known).await?;
    }
    Ok(known)
}

/// What the tarball holds of the unknown files; nothing where it is too large.
async fn read_tarball(
    repo: &Repo,
    commit: &CommitSha,
    unknown: &BTreeMap<Key, FilePath>,
) -> Result<Vec<(Key, Vec<u8>)>, JobError> {
    let wanted: BTreeMap<FilePath, BlobSha> = unknown.iter().map(|(key, path)| (path.clone(), key.0.clone())).collect();
    let keys: BTreeMap<&FilePath, &Key> = unknown.iter().map(|(key, path)| (path, key)).collect();
    match repo.tarball(commit, wanted, TarballLimits::default()).await {
        Ok(files) => {
            let found = files.into_iter().filter_map(|(path, bytes)| Some(((*keys.get(&path)?).clone(), bytes)));
            Ok(found.collect())
        }
        Err(GitHubError::TooLarge { .. }) => {
            tracing::info!("the tarball is too large; reading blob by blob");
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// Extracts, stores and remembers.
async fn keep(
    services: &Services,
    contents: Vec<(Key, Vec<u8>)>,
    known: &mut BTreeMap<Key, Extraction>,
) -> Result<(), JobError> {
    let extract = move || -> Vec<(Key, Extraction)> {
        contents
            .into_iter()
            .map(|(key, bytes)| {
                let found = formats::extract(&key.1, &bytes);
                (key, found)
            })
            .collect()
    };
    let fresh = tokio::task::spawn_blocking(extract)
        .await
        .map_err(|error| JobError::Permanent(format!("the files could not be read: {error}")))?;
    let rows = fresh
        .iter()
        .filter_map(|(key, extraction)| Some((key.0.clone(), key.1.clone(), serde_json::to_string(extraction).ok()?)));
    services.store.save_extractions(EXTRACTOR_VERSION, rows.collect()).await?;
    known.extend(fresh);
    Ok(())
}

/// What was decided of a commit.
struct Scanned {
    scan: StoredScan,
    /// The configuration file's path and content.
    file: Option<(&'static str, Vec<u8>)>,
    /// Whether its mistakes are others than before.
    told: bool,
}

/// Pure: joins all, and chooses the rules.
fn decide(gathered: Gathered, before: Option<StoredScan>) -> Scanned {
    let rules = gathered.rules.clone();
    let (snapshot, inventory) = link(gathered);
    let file = rules.first().cloned();
    let known = before.as_ref().map(|before| before.rules_mistakes.clone()).unwrap_or_default();
    let (rules, rules_mistakes) = choose_rules(rules, before);
    let told = known != rules_mistakes;
    Scanned {
        scan: StoredScan {
            extractor: EXTRACTOR_VERSION,
            snapshot,
            inventory,
            rules,
            rules_mistakes,
            commit_style: None,
            others: Others::default(),
        },
        file,
        told,
    }
}

/// Joins what was read of a commit.
pub(super) fn link(gathered: Gathered) -> (Snapshot, Inventory) {
    let Gathered { commit, candidates, known, rules: _, cut } = gathered;
    let files = candidates.iter().filter_map(|file| Some((&file.path, known.get(&file.key)?)));
    let inventory = formats::link(files);
    if let Some(cut) = cut {
        tracing::warn!(reason = cut, "the repository's list of files is not whole");
    }
    let files =
        candidates.into_iter().map(|file| (file.path, SnapshotFile { mode: file.mode, blob: file.key.0 })).collect();
    (Snapshot { commit, files }, inventory)
}

fn too_large() -> Extraction {
    let message = format!("the file is larger than {BLOB_LIMIT} bytes and was not read");
    let problem = FoundProblem { line: 1, code: ProblemCode::TooLarge, message };
    Extraction { problems: vec![problem], ..Extraction::default() }
}

/// The rules in force: those of the file, or the last valid ones where it has mistakes.
fn choose_rules(files: Vec<(&'static str, Vec<u8>)>, before: Option<StoredScan>) -> (Option<String>, Vec<String>) {
    let mut files = files.into_iter();
    let mistakes = match (files.next(), files.next()) {
        (None, _) => return (None, Vec::new()),
        (Some(_), Some(_)) => vec![config::both_there().to_string()],
        (Some((_, bytes)), None) => match read_rules(bytes) {
            Ok(text) => return (Some(text), Vec::new()),
            Err(mistakes) => mistakes,
        },
    };
    // Without any valid rules, nothing is done until the file is mended.
    let last = before.map_or(Some("enabled: false".to_owned()), |before| before.rules);
    (last, mistakes)
}

/// The file's text, where it is valid.
fn read_rules(bytes: Vec<u8>) -> Result<String, Vec<String>> {
    let text = String::from_utf8(bytes).map_err(|_| vec!["the file is not UTF-8".to_owned()])?;
    match config::parse(&text) {
        Ok(_) => Ok(text),
        Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).collect()),
    }
}

/// Those of every branch that is brought up to date.
fn images(scan: &StoredScan) -> BTreeSet<ImageName> {
    let others = scan.others.branches.iter().map(|other| &other.inventory);
    let sites = std::iter::once(&scan.inventory).chain(others).flat_map(|inventory| &inventory.sites);
    sites.map(|site| site.reference.image().clone()).collect()
}

async fn apply(services: &Services, row: &RepositoryRow, scan: StoredScan) -> Result<(), JobError> {
    for mistake in &scan.rules_mistakes {
        tracing::warn!(%mistake, "the repository's configuration is wrong; the last valid one stays in force");
    }
    let json = serde_json::to_string(&scan).map_err(|error| JobError::unreadable("scan", &error))?;
    services.store.save_inventory(row.id, &scan.snapshot.commit, &json, &images(&scan)).await?;
    tracing::info!(
        commit = %scan.snapshot.commit,
        sites = scan.inventory.sites.len(),
        problems = scan.inventory.problems.len(),
        "scanned"
    );
    Ok(())
}
