//! Carries out one change set: tree, commit, branch, pull request. Every write is idempotent by the branch's name, the
//! fingerprint in the commit or a comment's marker, so that a job that died half-way may simply run again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::address::address;
use super::bases::Tree;
use super::closed::refuse;
use super::plan::{ENDED, OPEN, memory};
use super::worker::Guard;
use super::{JobError, Services, record};
use crate::formats::{self, Inventory, Rewritten};
use crate::github::{
    BranchCreation, BranchMove, NewContent, NewEntry, NewPull, OpenOrClosed, PullChange, PullCreation, Repo,
};
use crate::plan::ChangeSet;
use crate::pull::{MachineBlock, Memory, PullWrite, Push, Standing, WatchTerms};
use crate::repo::{BranchName, CommitSha, FileMode, FilePath, Moment, PullNumber};
use crate::report::{self, ReleaseNote, Withdrawal};
use crate::store::{PullRow, RepositoryRow};

/// No file that names images is larger.
const BLOB_LIMIT: usize = 4 * 1024 * 1024;

/// Writes to one repository.
pub(super) struct Publisher<'a> {
    pub(super) services: &'a Services,
    pub(super) repo: &'a Repo,
    pub(super) row: &'a RepositoryRow,
    pub(super) tree: &'a Tree,
    pub(super) guard: &'a Guard,
}

impl Publisher<'_> {
    /// The same for another branch; for the same one where `tree` is none.
    pub(super) fn on<'a>(&'a self, tree: Option<&'a Tree>) -> Publisher<'a> {
        Publisher { tree: tree.unwrap_or(self.tree), ..*self }
    }

    /// The branch that a change set goes to.
    fn base_branch<'a>(&'a self, set: &'a ChangeSet) -> &'a BranchName {
        set.base.as_ref().unwrap_or(&self.row.default_branch)
    }

    /// The commit of the base branch that the plan is for.
    pub(super) fn base(&self) -> &CommitSha {
        &self.tree.snapshot.commit
    }

    /// `seen` is the commit that the branch was seen at.
    pub(super) async fn publish(
        &self,
        set: &ChangeSet,
        push: Push,
        pull: PullWrite,
        seen: Option<&CommitSha>,
        known: Option<&PullRow>,
    ) -> Result<(), JobError> {
        let mut set = set.clone();
        let head = match push {
            Push::Keep => {
                // The text tells what the branch holds.
                set = self.entries(&set).await?.0;
                seen.cloned()
            }
            Push::Create | Push::Replace => {
                let (possible, entries) = self.entries(&set).await?;
                set = possible;
                if set.updates.is_empty() {
                    return Ok(());
                }
                Some(self.push(&set, entries, seen).await?)
            }
        };
        let before = known.filter(|row| row.state == OPEN);
        let number = self.write_pull(&set, pull, before).await?;
        let act = if pull == PullWrite::Open { "open" } else { "update" };
        record::of_set(self.services, self.row, act, &set, number).await?;
        let now = self.services.clock.now();
        let pushed_at = if push == Push::Keep { known.and_then(|row| memory(row).pushed_at) } else { Some(now) };
        let opened_at = if pull == PullWrite::Open { Some(now) } else { known.and_then(|row| row.opened_at) };
        let (told, security) = (set.vulnerability_print(), set.is_security());
        let carried = self.carried_over(&set, before);
        let memory = Memory { pushed_at: pushed_at.or(Some(now)), told, security, ..carried };
        let base = match push {
            Push::Keep => known.and_then(|row| row.base.clone()),
            Push::Create | Push::Replace => Some(self.base().clone()),
        };
        self.save_and_address(&set, number, Kept { head, base, state: OPEN, memory, opened_at }).await
    }

    /// What stays true of a pull request when its branch or text is written anew: what was asked for is done, and what
    /// was said was said of what lay there before. A person's wish to merge is about the moves, not about the commit.
    fn carried_over(&self, set: &ChangeSet, before: Option<&PullRow>) -> Memory {
        let base_branch = Some(self.base_branch(set).clone());
        let Some(row) = before else { return Memory { base_branch, ..Memory::default() } };
        let Memory { merge_by, freshened, reopened, addressed, handed_over, .. } = memory(row);
        let kept = Memory { base_branch, reopened, addressed, handed_over, ..Memory::default() };
        match row.fingerprint == set.fingerprint() {
            true => Memory { merge_by, freshened, ..kept },
            false => kept,
        }
    }

    /// The change set with the moves that can be made, and the files that they change.
    async fn entries(&self, set: &ChangeSet) -> Result<(ChangeSet, Vec<NewEntry>), JobError> {
        let mut files = BTreeMap::new();
        for path in involved(set, &self.tree.inventory) {
            if let Some(file) = self.tree.snapshot.files.get(&path) {
                files.insert(path, self.repo.blob(&file.blob, BLOB_LIMIT).await?.to_vec());
            }
        }
        let moves: Vec<_> = set.updates.iter().map(|update| (update.site.clone(), update.to.clone())).collect();
        let rewritten = formats::rewrite_possible(&files, &moves);
        let Rewritten { files: changed, left } =
            rewritten.map_err(|refusal| JobError::Permanent(format!("the files cannot be rewritten: {refusal}")))?;
        for (site, refusal) in &left {
            tracing::warn!(branch = %set.branch, path = %site.path, %refusal, "held: it cannot be rewritten safely");
        }
        let mut entries = Vec::new();
        for (path, bytes) in changed {
            let mode = self.tree.snapshot.files.get(&path).map_or(FileMode::Regular, |file| file.mode);
            let content = match String::from_utf8(bytes) {
                Ok(text) => NewContent::Text(text),
                Err(error) => NewContent::Blob(self.repo.create_blob(error.as_bytes()).await?),
            };
            entries.push(NewEntry { path, mode, content });
        }
        Ok((set.clone().leaving(&left), entries))
    }

    /// Tree, commit, branch; without an author, so that GitHub signs.
    async fn push(
        &self,
        set: &ChangeSet,
        entries: Vec<NewEntry>,
        seen: Option<&CommitSha>,
    ) -> Result<CommitSha, JobError> {
        let base = self.repo.commit(self.base()).await?;
        self.guard.check()?;
        let tree = self.repo.create_tree(&base.tree, &entries).await?;
        self.guard.check()?;
        let message = report::commit_message(set);
        let commit = self.repo.create_commit(&message, &tree, std::slice::from_ref(&base.sha)).await?;
        self.guard.check()?;
        match self.repo.create_branch(&set.branch, &commit).await? {
            BranchCreation::Created => {}
            BranchCreation::AlreadyThere => self.replace(set, seen, &commit).await?,
        }
        Ok(commit)
    }

    /// Nothing is overwritten that was not looked at: a person may have pushed in the meantime.
    async fn replace(&self, set: &ChangeSet, seen: Option<&CommitSha>, to: &CommitSha) -> Result<(), JobError> {
        let done = match seen {
            Some(seen) => self.repo.move_branch(&set.branch, seen, Some(to)).await?,
            None => BranchMove::Elsewhere,
        };
        if done == BranchMove::Done {
            return Ok(());
        }
        let reason = format!("the branch {} moved while it was being replaced; looking again", set.branch);
        Err(JobError::Retry { after: None, reason })
    }

    async fn write_pull(
        &self,
        set: &ChangeSet,
        write: PullWrite,
        before: Option<&PullRow>,
    ) -> Result<Option<PullNumber>, JobError> {
        let place = report::Place { github: &self.services.web_url, repo: &self.row.name, commit: self.base() };
        let releases = self.releases(set).await;
        let (title, body) = (report::pull_title(set), report::pull_body(set, &place, &releases));
        self.guard.check()?;
        match write {
            PullWrite::Rewrite(number) => {
                let branch = self.base_branch(set);
                // Another branch is the default one now.
                let base = before.and_then(|row| memory(row).base_branch).filter(|base| base != branch);
                let base = base.map(|_| branch.clone());
                let change = PullChange { title: Some(title), body: Some(body), base, ..PullChange::default() };
                self.repo.update_pull(number, &change).await?;
                Ok(Some(number))
            }
            PullWrite::Open => {
                let base = self.tree.base.name().clone();
                let draft = set.terms.draft;
                let new = NewPull { title, body, head: set.branch.clone(), base, draft };
                match self.repo.create_pull(&new).await? {
                    PullCreation::Created(pull) => {
                        tracing::info!(branch = %set.branch, pull = pull.number.0, "opened a pull request");
                        metrics::counter!("restow_pull_requests_opened_total").increment(1);
                        Ok(Some(pull.number))
                    }
                    // The next plan finds it and compares.
                    PullCreation::AlreadyThere => Ok(None),
                }
            }
        }
    }

    /// What the images' source tells of its releases; nice to know, never a reason to fail.
    async fn releases(&self, set: &ChangeSet) -> Vec<ReleaseNote> {
        let Some(source) = report::release_source(set) else { return Vec::new() };
        let installation = self.services.github.installation(self.row.installation);
        match installation.releases(&source).await {
            Ok(releases) => releases
                .into_iter()
                .map(|one| ReleaseNote { tag: one.tag, body: one.body, url: one.url, published: one.published })
                .collect(),
            Err(error) => {
                tracing::info!(%source, %error, "no release notes");
                Vec::new()
            }
        }
    }

    /// Tells of known vulnerabilities anew, where something else is known of them than the pull request says.
    pub(super) async fn retell(
        &self,
        set: &ChangeSet,
        number: PullNumber,
        head: Option<CommitSha>,
        known: &PullRow,
    ) -> Result<(), JobError> {
        let (set, _) = self.entries(set).await?;
        self.write_pull(&set, PullWrite::Rewrite(number), Some(known)).await?;
        record::of_set(self.services, self.row, "retell", &set, Some(number)).await?;
        let memory = Memory { told: set.vulnerability_print(), security: set.is_security(), ..memory(known) };
        let kept = Kept { head, base: known.base.clone(), state: OPEN, memory, opened_at: known.opened_at };
        self.save_and_address(&set, Some(number), kept).await
    }

    /// Says once that a person's branch is left alone.
    pub(super) async fn leave_alone(
        &self,
        set: &ChangeSet,
        number: PullNumber,
        known: Option<&PullRow>,
    ) -> Result<(), JobError> {
        tracing::info!(branch = %set.branch, "a person works on this branch: left alone");
        let comments = self.repo.comments(number).await?;
        if !comments.iter().any(|comment| comment.body.contains(report::LEFT_ALONE_MARKER)) {
            self.guard.check()?;
            self.repo.create_comment(number, &report::left_alone()).await?;
        }
        // What lies there is the person's: Restow pushed another commit, if any.
        let head = known.and_then(|row| row.head.clone());
        self.remember(set, Some(number), head, known).await
    }

    /// A person closed the pull request of exactly this move: it is not proposed again.
    pub(super) async fn respect(&self, set: &ChangeSet, number: PullNumber) -> Result<(), JobError> {
        let pull = self.repo.pull(number).await?;
        refuse(self.services, self.row, &pull, set.base.as_ref()).await?;
        let kept = Kept { head: None, base: None, state: ENDED, memory: Memory::default(), opened_at: None };
        self.save(set, Some(number), kept).await.map(drop)
    }

    /// Closes Restow's own pull request, so marked that it is not taken for a person's refusal, and says why. Its branch
    /// goes where it still is at `head`; without one it stays.
    pub(super) async fn withdraw(
        &self,
        number: PullNumber,
        branch: &BranchName,
        head: Option<&CommitSha>,
        why: &Withdrawal,
    ) -> Result<(), JobError> {
        let pull = self.repo.pull(number).await?;
        let body = MachineBlock::find(&pull.body).map(|block| {
            let block = MachineBlock { standing: Standing::Withdrawn, ..block };
            block.write_into(&pull.body)
        });
        let comments = self.repo.comments(number).await?;
        if !comments.iter().any(|comment| comment.body == report::withdrawn(why)) {
            self.guard.check()?;
            self.repo.create_comment(number, &report::withdrawn(why)).await?;
        }
        self.guard.check()?;
        let change = PullChange { body, state: Some(OpenOrClosed::Closed), ..PullChange::default() };
        self.repo.update_pull(number, &change).await?;
        if let Some(head) = head {
            self.guard.check()?;
            if self.repo.move_branch(branch, head, None).await? == BranchMove::Elsewhere {
                tracing::info!(%branch, "somebody pushed to the branch: it stays");
            }
        }
        record::of_moves(self.services, self.row, (None, "close"), number, (why.reason(), "no longer wanted")).await
    }

    /// The branch became a person's, and nothing of Restow's is open there: another one is taken from now on.
    pub(super) async fn give_up(
        &self,
        set: &ChangeSet,
        number: Option<PullNumber>,
        known: Option<&PullRow>,
    ) -> Result<(), JobError> {
        tracing::info!(branch = %set.branch, "a person's work lies on this branch: another one is taken");
        let number = number.or(known.and_then(|row| row.number));
        let memory = Memory { theirs: true, ..known.map(memory).unwrap_or_default() };
        let opened_at = known.and_then(|row| row.opened_at);
        let kept = Kept { head: None, base: None, state: ENDED, memory, opened_at };
        self.save(set, number, kept).await.map(drop)
    }

    /// Remembers an open pull request as it stands; what is known of it stays.
    pub(super) async fn remember(
        &self,
        set: &ChangeSet,
        number: Option<PullNumber>,
        head: Option<CommitSha>,
        known: Option<&PullRow>,
    ) -> Result<(), JobError> {
        let now = self.services.clock.now();
        let known = known.filter(|row| row.state == OPEN);
        let before = known.map(memory).unwrap_or_else(|| Memory { pushed_at: Some(now), ..Memory::default() });
        let base_branch = before.base_branch.clone().or_else(|| Some(self.base_branch(set).clone()));
        let memory = Memory { rebase: false, recreate: false, base_branch, ..before };
        let opened_at = known.map_or(Some(now), |row| row.opened_at);
        let base = known.and_then(|row| row.base.clone());
        self.save_and_address(set, number, Kept { head, base, state: OPEN, memory, opened_at }).await
    }

    /// Saved before anybody is told of it, so that a job that dies in between tells them when it runs again.
    async fn save_and_address(&self, set: &ChangeSet, number: Option<PullNumber>, kept: Kept) -> Result<(), JobError> {
        let mut row = self.save(set, number, kept).await?;
        let before = memory(&row);
        let Some(number) = number else { return Ok(()) };
        let addressed = address(self.repo, number, &set.terms, before.addressed.as_ref(), self.guard).await?;
        if Some(&addressed) == before.addressed.as_ref() {
            return Ok(());
        }
        let memory = Memory { addressed: Some(addressed), ..before };
        row.notes = serde_json::to_value(memory).map_err(|error| JobError::unreadable("memory", &error))?;
        Ok(self.services.store.save_pull(&row).await?)
    }

    async fn save(&self, set: &ChangeSet, number: Option<PullNumber>, kept: Kept) -> Result<PullRow, JobError> {
        let Kept { head, base, state, memory, opened_at } = kept;
        let terms = &set.terms;
        let place = terms.automerge_place.clone();
        let terms = WatchTerms {
            automerge: terms.automerge,
            place,
            rebase: terms.rebase,
            rank: set.rank(),
            rules: terms.rules.clone(),
            base: set.base.clone(),
        };
        let memory = Memory { terms, ..memory };
        let (image, line) = set.topic.key();
        let row = PullRow {
            repo: self.row.id,
            branch: set.branch.clone(),
            number,
            image,
            line,
            state: state.to_owned(),
            fingerprint: set.fingerprint(),
            target: set.target(),
            head,
            base,
            notes: serde_json::to_value(memory).unwrap_or(Value::Null),
            updated_at: self.services.clock.now(),
            opened_at,
        };
        self.services.store.save_pull(&row).await?;
        Ok(row)
    }
}

/// What is remembered of a branch.
struct Kept {
    head: Option<CommitSha>,
    /// The commit upon which that one stands, where it is known.
    base: Option<CommitSha>,
    state: &'static str,
    memory: Memory,
    opened_at: Option<Moment>,
}

/// The files that a rewrite must see: those of the sites, those of their spans, those that define what they read.
fn involved(set: &ChangeSet, inventory: &Inventory) -> BTreeSet<FilePath> {
    let mut paths: BTreeSet<FilePath> = set.updates.iter().flat_map(|update| update.site.files()).cloned().collect();
    // A file beside it may use the same definition: it must be seen not to change otherwise.
    let sharing = inventory.sites.iter().filter(|site| site.files().any(|path| paths.contains(path)));
    let sharing: Vec<FilePath> = sharing.flat_map(formats::Site::files).cloned().collect();
    paths.extend(sharing);
    paths
}
