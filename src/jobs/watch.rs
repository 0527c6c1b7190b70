//! Looks at the open pull requests of a repository and goes on with each: merges, hands over, rebases, runs checks
//! again. Events only say that it is time to look; what counts is read from GitHub.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::{RepoPayload, plan_job, watch_job};
use super::plan::{ENDED, OPEN, memory};
use super::worker::Guard;
use super::{JobError, Services, is_active, record};
use crate::github::{
    BranchRules, CheckRun, GitHubError, MergeMethod, MergeOutcome, MergeState, Pull, PullState, Repo, RepoDetails,
    Review,
};
use crate::policy::Method;
use crate::pull::{self, Act, CheckFact, CheckState, Facts, Fit, Memory, Verdict};
use crate::repo::{BranchName, CommitSha, Moment, PullNumber};
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
    guard: &'a Guard,
    now: Moment,
}

/// What came of one pull request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Done {
    merged: bool,
    replan: bool,
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
    let (details, mut rules) = (repo.details().await?, BTreeMap::new());
    for known in &open {
        let base = base_of(&row, known);
        if !rules.contains_key(&base) {
            rules.insert(base.clone(), repo.branch_rules(&base).await?);
        }
    }
    let now = services.clock.now();
    let mut all = Done::default();
    for known in open {
        let Some(number) = known.number else { continue };
        let Some(rules) = rules.get(&base_of(&row, &known)) else { continue };
        let house = House { services, repo: &repo, row: &row, details: &details, rules, guard, now };
        let done = house.look(known, number, all.merged).await?;
        all = Done { merged: all.merged || done.merged, replan: all.replan || done.replan };
    }
    let mut jobs = vec![watch_job(row.installation, row.id, &row.name, now.plus_ms(AGAIN_MS))];
    if all.replan {
        jobs.push(plan_job(row.installation, row.id, &row.name, now));
    }
    Ok(jobs)
}

/// The branch that a pull request goes to.
fn base_of(row: &RepositoryRow, known: &PullRow) -> BranchName {
    memory(known).terms.base.unwrap_or_else(|| row.default_branch.clone())
}

impl House<'_> {
    /// One pull request. After a merge the others wait for the plan, which knows the new base.
    async fn look(&self, known: PullRow, number: PullNumber, merged: bool) -> Result<Done, JobError> {
        let pull = self.repo.pull(number).await?;
        if pull.state != PullState::Open {
            // The plan remembers what a person closed.
            return Ok(Done { replan: true, ..Done::default() });
        }
        let mut memory = memory(&known);
        let facts = self.facts(&pull, &known, &memory).await?;
        let act = match merged {
            true => Act::Wait("another one was merged just now".to_owned()),
            false => pull::watch(&facts, &memory, self.now),
        };
        let done = self.act(&act, &pull, &facts, &mut memory).await?;
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
            Act::Rebase(why) => done = self.ask_for_rebase(pull.number, why, memory).await?,
            Act::Rerun(runs) => {
                memory.reran = Some(facts.head.clone());
                self.rerun(runs).await?;
                self.record(pull.number, "rerun", memory, facts.head.as_str()).await?;
            }
            Act::Merge(method) => done = self.merge(pull, facts, *method, memory).await?,
            Act::HandOver(method) => {
                self.guard.check()?;
                match self.repo.enable_auto_merge(&pull.node, &facts.head, merge_method(*method)).await {
                    Ok(()) => {
                        memory.handed_over = Some(facts.head.clone());
                        self.record(pull.number, "hand-over", memory, facts.head.as_str()).await?;
                    }
                    // GitHub takes it only while something is in the way.
                    Err(GitHubError::Unprocessable { .. }) => {
                        done = self.merge(pull, facts, *method, memory).await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Act::Enqueue => {
                self.guard.check()?;
                self.repo.enqueue_pull(&pull.node, &facts.head).await?;
                memory.handed_over = Some(facts.head.clone());
                self.record(pull.number, "enqueue", memory, facts.head.as_str()).await?;
            }
        }
        Ok(done)
    }

    /// The plan brings it onto its base.
    async fn ask_for_rebase(&self, pull: PullNumber, why: &str, memory: &mut Memory) -> Result<Done, JobError> {
        if memory.rebase {
            return Ok(Done::default());
        }
        self.record(pull, "rebase", memory, why).await?;
        memory.rebase = true;
        Ok(Done { replan: true, ..Done::default() })
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
                if let Some(branch) = &pull.head_branch {
                    self.guard.check()?;
                    self.repo.delete_branch(branch).await?;
                }
                Ok(Done { merged: true, replan: true })
            }
            MergeOutcome::Blocked(why) => {
                memory.standing =
                    format!("GitHub does not let it be merged: {}", why.chars().take(300).collect::<String>());
                Ok(Done::default())
            }
            MergeOutcome::HeadMoved => Ok(Done { replan: true, ..Done::default() }),
        }
    }

    /// Starts checks again; without the permission for it, they stay as they are.
    async fn rerun(&self, runs: &[u64]) -> Result<(), JobError> {
        for run in runs {
            self.guard.check()?;
            match self.repo.rerun_check(*run).await {
                Ok(()) => {}
                Err(
                    error @ (GitHubError::Forbidden { .. }
                    | GitHubError::Unprocessable { .. }
                    | GitHubError::NotFound { .. }),
                ) => {
                    tracing::info!(%error, "a check was not started again");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
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

    async fn facts(&self, pull: &Pull, known: &PullRow, memory: &Memory) -> Result<Facts, JobError> {
        let checks = self.checks(&pull.head_sha).await?;
        let reviews = latest(self.repo.reviews(pull.number).await?);
        let approvals = reviews.values().filter(|state| *state == "APPROVED").count();
        let mut facts = Facts {
            head: pull.head_sha.clone(),
            ours: known.head.as_ref() == Some(&pull.head_sha),
            draft: pull.draft,
            fit: match pull.merge_state {
                MergeState::Clean | MergeState::Unstable => Fit::Clean,
                MergeState::Blocked => Fit::Blocked,
                MergeState::Behind => Fit::Behind,
                MergeState::Dirty => Fit::Conflicting,
                MergeState::Unknown => Fit::Unknown,
            },
            changes_requested: reviews.values().any(|state| state == "CHANGES_REQUESTED"),
            review_missing: u64::try_from(approvals).unwrap_or(u64::MAX) < self.rules.reviews,
            checks,
            whole: true,
            handed_over: pull.auto_merge || memory.handed_over.as_ref() == Some(&pull.head_sha),
            queue: self.rules.queue,
            offers_automerge: self.details.allow_auto_merge,
            methods: methods(self.details),
            failing_on_base: BTreeSet::new(),
        };
        if let Verdict::Failed(_) = pull::verdict(&facts, memory.pushed_at, self.now) {
            facts.failing_on_base = self.failing_on_base(known).await?;
        }
        Ok(facts)
    }

    /// The checks of a commit, without Restow's own; what is required and has not begun is pending.
    async fn checks(&self, commit: &CommitSha) -> Result<Vec<CheckFact>, JobError> {
        let own = self.services.bot_login().await?;
        let own = own.trim_end_matches("[bot]");
        let required = |name: &str| self.rules.required_checks.contains(name);
        let runs = self.repo.check_runs(commit).await?;
        let theirs = runs.iter().filter(|run| slug(run) != Some(own));
        let mut checks: Vec<CheckFact> = theirs
            .map(|run| CheckFact {
                name: run.name.clone(),
                state: run_state(run),
                required: required(&run.name),
                run: Some(run.id),
            })
            .collect();
        checks.extend(self.repo.status(commit).await?.statuses.into_iter().map(|status| CheckFact {
            required: required(&status.context),
            state: match status.state.as_str() {
                "success" => CheckState::Passed,
                "pending" => CheckState::Pending,
                _ => CheckState::Failed,
            },
            name: status.context,
            run: None,
        }));
        for name in &self.rules.required_checks {
            if !checks.iter().any(|check| check.name == *name) {
                checks.push(CheckFact { name: name.clone(), state: CheckState::Pending, required: true, run: None });
            }
        }
        Ok(checks)
    }

    /// What fails on the commit upon which the pull request stands.
    async fn failing_on_base(&self, known: &PullRow) -> Result<BTreeSet<String>, JobError> {
        let Some(base) = &known.base else { return Ok(BTreeSet::new()) };
        let failed = self.checks(base).await?.into_iter().filter(|check| check.state == CheckState::Failed);
        Ok(failed.map(|check| check.name).collect())
    }
}

fn slug(run: &CheckRun) -> Option<&str> {
    run.app.as_ref()?.slug.as_deref()
}

fn run_state(run: &CheckRun) -> CheckState {
    match (run.status.as_str(), run.conclusion.as_deref()) {
        ("completed", Some("success" | "neutral" | "skipped")) => CheckState::Passed,
        ("completed", _) => CheckState::Failed,
        _ => CheckState::Pending,
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

fn methods(details: &RepoDetails) -> Vec<Method> {
    let all = [
        (details.allow_squash_merge, Method::Squash),
        (details.allow_merge_commit, Method::Merge),
        (details.allow_rebase_merge, Method::Rebase),
    ];
    all.into_iter().filter(|(allowed, _)| *allowed).map(|(_, method)| method).collect()
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
    }
}
