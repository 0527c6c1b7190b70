//! Looks at the open pull requests of a repository and goes on with each: merges, hands over, rebases, runs checks
//! again. Events only say that it is time to look; what counts is read from GitHub.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::checks;
use super::kind::{RepoPayload, plan_job, watch_job};
use super::plan::{ENDED, OPEN, memory};
use super::worker::Guard;
use super::{JobError, Services, is_active, record};
use crate::github::{
    BranchMove, BranchRules, GitHubError, MergeMethod, MergeOutcome, MergeState, Pull, PullState, Repo, RepoDetails,
    Review,
};
use crate::policy::Method;
use crate::pull::{self, Act, CheckState, Facts, Fit, Memory, Verdict};
use crate::repo::{BranchName, Moment, PullNumber};
use crate::report;
use crate::store::{NewJob, PullRow, RepositoryRow};

/// When open pull requests are looked at again without an event: events are lost.
const AGAIN_MS: i64 = 10 * 60_000;

/// What holds for all pull requests of the repository that go to one branch.
struct House<'a> {
    services: &'a Services,
    repo: &'a Repo,
    row: &'a RepositoryRow,
    details: &'a RepoDetails,
    rules: &'a BranchRules,
    base: &'a BranchName,
    guard: &'a Guard,
    now: Moment,
}

/// What came of one pull request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Done {
    merged: bool,
    replan: bool,
    /// When checks that have passed may be believed.
    settles_at: Option<Moment>,
}

impl Done {
    fn and(self, other: Self) -> Self {
        let settles = self.settles_at.into_iter().chain(other.settles_at).min();
        Self { merged: self.merged || other.merged, replan: self.replan || other.replan, settles_at: settles }
    }
}

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &RepoPayload, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
    let Some(row) = services.store.repository(payload.repo).await? else { return Ok(Vec::new()) };
    if !is_active(services, &row).await? {
        return Ok(Vec::new());
    }
    let open: Vec<PullRow> =
        services.store.pulls(row.id).await?.into_iter().filter(|known| known.state == OPEN).collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let (details, now) = (repo.details().await?, services.clock.now());
    let mut by_base: BTreeMap<BranchName, Vec<PullRow>> = BTreeMap::new();
    for known in open {
        by_base.entry(base_of(&row, &known)).or_default().push(known);
    }
    let mut all = Done::default();
    for (base, open) in by_base {
        let rules = repo.branch_rules(&base).await?;
        let house =
            House { services, repo: &repo, row: &row, details: &details, rules: &rules, base: &base, guard, now };
        all = all.and(house.look_at_all(open).await?);
    }
    let again = now.plus_ms(AGAIN_MS);
    let again = all.settles_at.map_or(again, |at| at.min(again));
    let mut jobs = vec![watch_job(row.installation, row.id, &row.name, again)];
    if all.replan {
        jobs.push(plan_job(row.installation, row.id, &row.name, now));
    }
    Ok(jobs)
}

/// What may be merged goes in the order of its urgency.
fn in_order(mut open: Vec<PullRow>) -> Vec<PullRow> {
    open.sort_by_key(|row| (memory(row).terms.rank, row.branch.clone()));
    open
}

/// The branch that a pull request goes to.
fn base_of(row: &RepositoryRow, known: &PullRow) -> BranchName {
    memory(known).terms.base.unwrap_or_else(|| row.default_branch.clone())
}

impl House<'_> {
    /// Each of them; what goes wrong with one keeps no other back.
    async fn look_at_all(&self, open: Vec<PullRow>) -> Result<Done, JobError> {
        let mut all = Done::default();
        for known in in_order(open) {
            let Some(number) = known.number else { continue };
            match self.look(known, number, all.merged).await {
                Ok(done) => all = all.and(done),
                Err(error) if error.stops_all() => return Err(error),
                Err(error) => tracing::warn!(pull = number.0, %error, "not looked at; again at the next look"),
            }
        }
        Ok(all)
    }

    /// One pull request. After a merge the others wait for the plan, which knows the new base.
    async fn look(&self, known: PullRow, number: PullNumber, merged: bool) -> Result<Done, JobError> {
        let pull = self.repo.pull(number).await?;
        if pull.state != PullState::Open {
            // The plan remembers what a person closed.
            return Ok(Done { replan: true, ..Done::default() });
        }
        let mut memory = memory(&known);
        let facts = self.facts(&pull, &known, &mut memory).await?;
        let follows = pull.base_branch.as_ref().is_some_and(|base| base != self.base) && facts.elsewhere.is_none();
        let act = match (merged, follows) {
            (true, _) => Act::Wait("another one was merged just now".to_owned()),
            (false, true) => Act::Wait("it is being brought onto another base branch".to_owned()),
            (false, false) => pull::watch(&facts, &memory, self.now),
        };
        let mut done = self.act(&act, &pull, &facts, &mut memory).await?;
        done.replan |= follows;
        done.settles_at = pull::settles_at(&facts, memory.pushed_at, self.now);
        let state = if done.merged { ENDED } else { OPEN };
        let notes = serde_json::to_value(&memory).map_err(|error| JobError::unreadable("memory", &error))?;
        if notes != known.notes || state != known.state {
            let row = PullRow { notes, state: state.to_owned(), updated_at: self.now, ..known };
            self.services.store.save_pull(&row).await?;
        }
        Ok(done)
    }

    async fn act(&self, act: &Act, pull: &Pull, facts: &Facts, memory: &mut Memory) -> Result<Done, JobError> {
        let mut done = Done::default();
        memory.standing = standing(act);
        tracing::debug!(pull = pull.number.0, standing = %memory.standing, "looked at");
        match act {
            Act::Wait(_) => {}
            Act::Say(text) => self.say(pull.number, text, memory).await?,
            Act::Rebase(why) => {
                done.replan = !memory.rebase;
                if !memory.rebase {
                    self.record(pull.number, "rebase", memory, why).await?;
                }
                if facts.fit == Fit::Clean && !memory.rebase {
                    memory.freshened = memory.freshened.saturating_add(1);
                }
                memory.rebase = true;
            }
            Act::Rerun(runs) => {
                memory.reran = Some(facts.head.clone());
                memory.rerun_refused = self.rerun(runs).await?;
                self.record(pull.number, "rerun", memory, facts.head.as_str()).await?;
            }
            Act::Merge(method) => done = self.merge(pull, facts, *method, memory).await?,
            Act::HandOver(method) => done = self.hand_over(pull, facts, *method, memory).await?,
            Act::Enqueue => self.enqueue(pull, facts, memory).await?,
            Act::TakeBack(_) => self.take_back(pull, memory).await?,
        }
        Ok(done)
    }

    async fn hand_over(
        &self,
        pull: &Pull,
        facts: &Facts,
        method: Method,
        memory: &mut Memory,
    ) -> Result<Done, JobError> {
        self.guard.check()?;
        match self.repo.enable_auto_merge(&pull.node, &facts.head, merge_method(method)).await {
            Ok(()) => {
                memory.handed_over = Some(facts.head.clone());
                self.record(pull.number, "hand-over", memory, facts.head.as_str()).await?;
            }
            // GitHub takes it only while something is in the way.
            Err(GitHubError::Unprocessable { .. }) => return self.merge(pull, facts, method, memory).await,
            Err(error) => return Err(error.into()),
        }
        Ok(Done::default())
    }

    async fn enqueue(&self, pull: &Pull, facts: &Facts, memory: &mut Memory) -> Result<(), JobError> {
        self.guard.check()?;
        match self.repo.enqueue_pull(&pull.node, &facts.head).await {
            Ok(()) => {
                memory.handed_over = Some(facts.head.clone());
                self.record(pull.number, "enqueue", memory, facts.head.as_str()).await?;
            }
            Err(GitHubError::Unprocessable { message, .. }) => {
                memory.standing = format!("the merge queue does not take it: {}", short(&message));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Of the two ways GitHub knows which it is: the other is no error.
    async fn take_back(&self, pull: &Pull, memory: &mut Memory) -> Result<(), JobError> {
        self.guard.check()?;
        match self.rules.queue {
            true => self.repo.dequeue_pull(&pull.node).await?,
            false => self.repo.disable_auto_merge(&pull.node).await?,
        }
        memory.handed_over = None;
        self.record(pull.number, "take-back", memory, pull.head_sha.as_str()).await?;
        tracing::info!(pull = pull.number.0, "taken back: GitHub does not merge it by itself any more");
        Ok(())
    }

    async fn record(&self, pull: PullNumber, act: &str, memory: &Memory, result: &str) -> Result<(), JobError> {
        let by = memory.merge_by.as_deref();
        record::of_moves(self.services, self.row, (by, act), pull, (&memory.terms.place, result)).await
    }

    async fn merge(&self, pull: &Pull, facts: &Facts, method: Method, memory: &mut Memory) -> Result<Done, JobError> {
        self.guard.check()?;
        match self.repo.merge_pull(pull.number, &facts.head, merge_method(method)).await? {
            MergeOutcome::Merged(commit) => {
                tracing::info!(pull = pull.number.0, %commit, "merged");
                let by = memory.merge_by.as_deref();
                let (rule, commit) = (memory.terms.place.clone(), commit.to_string());
                record::of_moves(self.services, self.row, (by, "merge"), pull.number, (&rule, &commit)).await?;
                metrics::counter!("restow_pull_requests_merged_total").increment(1);
                self.remove_branch(pull, facts).await?;
                Ok(Done { merged: true, replan: true, ..Done::default() })
            }
            MergeOutcome::Blocked(why) => {
                memory.standing = format!("GitHub does not let it be merged: {}", short(&why));
                Ok(Done::default())
            }
            MergeOutcome::HeadMoved => Ok(Done { replan: true, ..Done::default() }),
        }
    }

    /// What is merged needs its branch no more, unless somebody pushed to it meanwhile.
    async fn remove_branch(&self, pull: &Pull, facts: &Facts) -> Result<(), JobError> {
        let Some(branch) = &pull.head_branch else { return Ok(()) };
        self.guard.check()?;
        if self.repo.move_branch(branch, &facts.head, None).await? == BranchMove::Elsewhere {
            tracing::info!(%branch, "somebody pushed to the branch: it stays");
        }
        Ok(())
    }

    /// Starts jobs again; why that was refused, where it was.
    async fn rerun(&self, runs: &[u64]) -> Result<Option<String>, JobError> {
        let mut refused = None;
        for run in runs {
            self.guard.check()?;
            match self.repo.rerun_job(*run).await {
                Ok(()) => {}
                Err(GitHubError::Unprocessable { .. }) => {
                    refused = Some("the App lacks the permission \"Actions: write\"".to_owned());
                }
                Err(error @ (GitHubError::Forbidden { .. } | GitHubError::NotFound { .. })) => {
                    tracing::info!(%error, "a job was not started again");
                    refused = Some("GitHub does not let this job be started again".to_owned());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(refused)
    }

    /// Says something once: the comment is rewritten where there is something else to say.
    async fn say(&self, number: PullNumber, text: &str, memory: &mut Memory) -> Result<(), JobError> {
        if memory.said.as_deref() == Some(text) {
            return Ok(());
        }
        self.record(number, "comment", memory, text).await?;
        let body = report::standing_comment(text);
        let comments = self.repo.comments(number).await?;
        self.guard.check()?;
        match comments.iter().find(|comment| comment.body.contains(report::STANDING_MARKER)) {
            Some(before) if before.body == body => {}
            Some(before) => drop(self.repo.update_comment(before.id, &body).await?),
            None => drop(self.repo.create_comment(number, &body).await?),
        }
        memory.said = Some(text.to_owned());
        Ok(())
    }

    async fn facts(&self, pull: &Pull, known: &PullRow, memory: &mut Memory) -> Result<Facts, JobError> {
        let checks = checks(self.services, self.repo, self.rules, &pull.head_sha).await?;
        let reviews = latest(self.repo.reviews(pull.number).await?);
        let approvals = reviews.values().filter(|state| *state == "APPROVED").count();
        let elsewhere = pull.base_branch.as_ref().filter(|base| {
            // The default branch was another one when it was opened: the next plan moves it.
            *base != self.base && memory.base_branch.as_ref() != Some(*base)
        });
        let mut facts = Facts {
            head: pull.head_sha.clone(),
            ours: known.head.as_ref() == Some(&pull.head_sha),
            draft: pull.draft,
            fit: fit(pull.merge_state),
            changes_requested: reviews.values().any(|state| state == "CHANGES_REQUESTED"),
            review_missing: u64::try_from(approvals).unwrap_or(u64::MAX) < self.rules.reviews,
            checks: checks.all,
            whole: checks.whole,
            elsewhere: elsewhere.cloned(),
            base_moved: self.rules.head.is_some() && known.base.is_some() && known.base != self.rules.head,
            handed_over: self.is_handed_over(pull, memory).await?,
            given_back: memory.given_back.as_ref() == Some(&pull.head_sha),
            queue: self.rules.queue,
            offers_automerge: self.details.allow_auto_merge,
            methods: methods(self.details, self.rules),
            failing_on_base: BTreeSet::new(),
        };
        if let Verdict::Failed(_) = pull::verdict(&facts, memory.pushed_at, self.now) {
            facts.failing_on_base = self.failing_on_base(known).await?;
        }
        Ok(facts)
    }

    /// Whether GitHub merges it by itself. What it gave back, or somebody took from it, is not given to it again.
    async fn is_handed_over(&self, pull: &Pull, memory: &mut Memory) -> Result<bool, JobError> {
        let given = memory.handed_over.as_ref() == Some(&pull.head_sha);
        let merges = match given && self.rules.queue {
            true => self.repo.is_queued(&pull.node).await?,
            false => pull.auto_merge,
        };
        if merges || !given {
            return Ok(merges);
        }
        memory.handed_over = None;
        memory.given_back = Some(pull.head_sha.clone());
        Ok(false)
    }

    /// What fails on the commit upon which the pull request stands.
    async fn failing_on_base(&self, known: &PullRow) -> Result<BTreeSet<String>, JobError> {
        let Some(base) = &known.base else { return Ok(BTreeSet::new()) };
        let on_base = checks(self.services, self.repo, self.rules, base).await?;
        let failed = on_base.all.into_iter().filter(|check| check.state == CheckState::Failed);
        Ok(failed.map(|check| check.name).collect())
    }
}

/// What each reviewer thinks now: a comment changes nothing.
fn latest(reviews: Vec<Review>) -> BTreeMap<String, String> {
    let mut latest = BTreeMap::new();
    for review in reviews.into_iter().filter(|review| review.state != "COMMENTED" && review.state != "PENDING") {
        latest.insert(review.author.map(|author| author.login).unwrap_or_default(), review.state);
    }
    latest
}

fn fit(state: MergeState) -> Fit {
    match state {
        MergeState::Clean | MergeState::Unstable => Fit::Clean,
        MergeState::Blocked => Fit::Blocked,
        MergeState::Behind => Fit::Behind,
        MergeState::Dirty => Fit::Conflicting,
        MergeState::Unknown => Fit::Unknown,
    }
}

/// What the repository allows, and its rules do not forbid.
fn methods(details: &RepoDetails, rules: &BranchRules) -> Vec<Method> {
    let all = [
        (details.allow_squash_merge, Method::Squash, "squash"),
        (details.allow_merge_commit, Method::Merge, "merge"),
        (details.allow_rebase_merge, Method::Rebase, "rebase"),
    ];
    let admits = |name: &str| rules.methods.as_ref().is_none_or(|methods| methods.contains(name));
    all.into_iter().filter(|(allowed, _, name)| *allowed && admits(name)).map(|(_, method, _)| method).collect()
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

fn merge_method(method: Method) -> MergeMethod {
    match method {
        Method::Merge => MergeMethod::Merge,
        Method::Squash => MergeMethod::Squash,
        Method::Rebase => MergeMethod::Rebase,
    }
}

fn standing(act: &Act) -> String {
    match act {
        Act::Wait(why) | Act::Say(why) => why.clone(),
        Act::Rebase(why) => format!("{why}: it is brought up to date"),
        Act::Rerun(_) => "failed checks run once more".to_owned(),
        Act::Merge(_) => "it is merged".to_owned(),
        Act::HandOver(_) => "GitHub merges it as soon as it can".to_owned(),
        Act::Enqueue => "it is in the merge queue".to_owned(),
        Act::TakeBack(why) => format!("GitHub does not merge it by itself any more: {why}"),
    }
}
