//! Does what somebody asks for in a comment.

use super::closed::refused;
use super::kind::{OrderPayload, look_up_job, plan_job, watch_job};
use super::plan::{OPEN, memory};
use super::worker::Guard;
use super::{JobError, Services, is_active, onboard, record};
use crate::command::{Command, IgnoreScope, Parsed};
use crate::github::{Reaction, Repo};
use crate::plan::{Move, PassedOver};
use crate::pull::{MachineBlock, Memory};
use crate::repo::{BranchName, Moment, PullNumber};
use crate::report;
use crate::store::{Ignore, NewJob, PullRow, RepositoryRow};
use crate::tag::Scheme;

const DAY_MS: i64 = 86_400_000;

/// A comment that is carried out.
struct Order<'a> {
    services: &'a Services,
    repo: Repo,
    row: &'a RepositoryRow,
    payload: &'a OrderPayload,
    /// Restow's row of the pull request.
    known: PullRow,
    /// What the pull request proposes.
    block: MachineBlock,
    /// The branch that it goes to, where that is not the default branch.
    base: Option<BranchName>,
    now: Moment,
}

/// What is said and done in answer to a comment, whatever number of commands it gives.
#[derive(Default)]
struct Answer {
    reactions: Vec<Reaction>,
    said: Vec<String>,
}

impl Answer {
    fn done() -> Self {
        Self { reactions: vec![Reaction::ThumbsUp], said: Vec::new() }
    }

    fn said(reaction: Reaction, text: String) -> Self {
        Self { reactions: vec![reaction], said: vec![text] }
    }

    fn add(&mut self, other: Self) {
        let new: Vec<Reaction> = other.reactions.into_iter().filter(|one| !self.reactions.contains(one)).collect();
        self.reactions.extend(new);
        let new: Vec<String> = other.said.into_iter().filter(|one| !self.said.contains(one)).collect();
        self.said.extend(new);
    }
}

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &OrderPayload, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
    let Some(row) = services.store.repository(payload.repo).await? else { return Ok(Vec::new()) };
    let known = services.store.pulls(row.id).await?.into_iter().find(|known| known.number == Some(payload.pull));
    let Some(known) = known.filter(|_| payload.author != String::new()) else { return Ok(Vec::new()) };
    if !is_active(services, &row).await? {
        return Ok(Vec::new());
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let pull = repo.pull(payload.pull).await?;
    let now = services.clock.now();
    let onboarding = known.image == onboard::TOPIC;
    let Some(block) = MachineBlock::find(&pull.body).or_else(|| onboarding.then(MachineBlock::empty)) else {
        return Ok(Vec::new());
    };
    let base = memory(&known).terms.base;
    let mut order = Order { services, repo, row: &row, payload, known, block, base, now };
    if !order.repo.access_of(&payload.author).await?.may_write() {
        order.refuse(guard).await?;
        return Ok(Vec::new());
    }
    if onboarding {
        order.answer(Answer::said(Reaction::Confused, report::onboarding_answer()), guard).await?;
        return Ok(Vec::new());
    }
    let (mut jobs, mut answer) = (Vec::new(), Answer::default());
    for parsed in &payload.orders {
        answer.add(match parsed {
            Parsed::Command(command) => order.carry_out((*command, None), &mut jobs).await?,
            Parsed::Because { command, reason } => order.carry_out((*command, Some(reason)), &mut jobs).await?,
            Parsed::Unknown { .. } => Answer::said(Reaction::Confused, report::command_help(Some(parsed))),
        });
    }
    order.answer(answer, guard).await?;
    jobs.push(plan_job(row.installation, row.id, &row.name, now));
    jobs.push(watch_job(row.installation, row.id, &row.name, now));
    Ok(jobs)
}

impl Order<'_> {
    async fn carry_out(
        &mut self,
        (command, why): (Command, Option<&String>),
        jobs: &mut Vec<NewJob>,
    ) -> Result<Answer, JobError> {
        tracing::info!(pull = self.payload.pull.0, by = %self.payload.author, command = %command.written(), "asked for");
        let because = why.map(|why| format!(" because {why}")).unwrap_or_default();
        let (by, written) = (Some(self.payload.author.as_str()), format!("{}{because}", command.written()));
        record::of_moves(self.services, self.row, (by, "command"), self.payload.pull, (&written, "obeyed")).await?;
        match command {
            Command::Rebase => self.note(|memory| memory.rebase = true).await?,
            Command::Recreate => self.note(|memory| memory.recreate = true).await?,
            Command::Merge => {
                let by = self.payload.author.clone();
                self.note(|memory| {
                    memory.merge_by = Some(by);
                    memory.given_back = None;
                })
                .await?;
            }
            Command::Hold { days } => {
                let until = self.in_days(days);
                self.note(|memory| memory.held_until = Some(until)).await?;
            }
            Command::Ignore(scope) => self.ignore(scope, None, &written).await?,
            Command::Close { days } => {
                let until = days.map(|days| self.in_days(days));
                self.ignore(IgnoreScope::ThisVersion, until, &written).await?;
            }
            Command::Unignore => self.unignore().await?,
            Command::Refresh => jobs.extend(self.refresh()),
            Command::Explain => return Ok(Answer::said(Reaction::ThumbsUp, self.explanation())),
            Command::Help => return Ok(Answer::said(Reaction::ThumbsUp, report::command_help(None))),
        }
        Ok(Answer::done())
    }

    fn in_days(&self, days: u32) -> Moment {
        self.now.plus_ms(i64::from(days) * DAY_MS)
    }

    /// Changes what is remembered of the pull request.
    async fn note(&mut self, change: impl FnOnce(&mut Memory)) -> Result<(), JobError> {
        let mut memory = memory(&self.known);
        change(&mut memory);
        self.known.notes = serde_json::to_value(memory).map_err(|error| JobError::unreadable("memory", &error))?;
        self.services.store.save_pull(&self.known).await?;
        Ok(())
    }

    async fn ignore(&mut self, scope: IgnoreScope, until: Option<Moment>, written: &str) -> Result<(), JobError> {
        let ignores: Vec<Ignore> = self
            .block
            .proposed()
            .iter()
            .filter_map(|one| {
                let line = Some(one.line.clone()).filter(|_| scope != IgnoreScope::Image);
                Some(Ignore {
                    base: self.base.clone(),
                    image: one.image.clone(),
                    line,
                    group: self.block.group().filter(|_| scope == IgnoreScope::ThisVersion),
                    what: ignored(one, scope)?,
                    until,
                    author: self.payload.author.clone(),
                    reason: format!("/restow {written}"),
                    pull: Some(self.payload.pull),
                    at: self.now,
                })
            })
            .collect();
        self.services.store.save_ignores(self.row.id, &ignores).await?;
        self.note(|memory| memory.held_until = None).await
    }

    async fn unignore(&mut self) -> Result<(), JobError> {
        for one in self.block.proposed() {
            self.services.store.forget_ignores(self.row.id, &one.image).await?;
        }
        self.note(|memory| memory.held_until = None).await
    }

    /// Look-ups of everything that the pull request moves to.
    fn refresh(&self) -> Vec<NewJob> {
        let look_up = |one: &Move| look_up_job(&one.image, &one.tag.iter().cloned().collect(), self.now);
        self.block.proposed().iter().map(look_up).collect()
    }

    fn explanation(&self) -> String {
        let memory = memory(&self.known);
        let standing = match (self.known.state == OPEN, memory.standing.is_empty()) {
            (false, _) => "It is closed.".to_owned(),
            (true, true) => "Its checks were not looked at yet.".to_owned(),
            (true, false) => format!("How it stands: {}.", memory.standing),
        };
        let terms = &memory.terms;
        let mut lines = vec![format!("automerge: {} ({})", terms.automerge.on, terms.place)];
        lines.extend(terms.rules.iter().cloned());
        lines.extend(memory.merge_by.map(|by| format!("@{by} asked for it to be merged")));
        lines.extend(memory.held_until.map(|until| format!("held until {until}")));
        let moves = self.block.proposed();
        let tag = |one: &Move| one.tag.as_ref().map(ToString::to_string).unwrap_or_default();
        lines
            .extend(moves.iter().take(20).map(|one| format!("{} on the line {} to {}", one.image, one.line, tag(one))));
        report::explanation(&standing, &lines)
    }

    /// Refuses a stranger, once in a pull request: whoever likes may comment, and each answer costs writes.
    async fn refuse(&self, guard: &Guard) -> Result<(), JobError> {
        let said = self.repo.comments(self.payload.pull).await?;
        if said.iter().any(|comment| comment.body.starts_with(&report::not_allowed())) {
            return Ok(());
        }
        self.answer(Answer::said(Reaction::ThumbsDown, report::not_allowed()), guard).await
    }

    /// Reacts, and says what there is to say, once for each comment.
    async fn answer(&self, answer: Answer, guard: &Guard) -> Result<(), JobError> {
        for reaction in answer.reactions {
            guard.check()?;
            self.repo.react(self.payload.comment, reaction).await?;
        }
        match answer.said.is_empty() {
            true => Ok(()),
            false => self.say(self.payload.pull, &answer.said.join("\n\n"), guard).await,
        }
    }

    async fn say(&self, number: PullNumber, text: &str, guard: &Guard) -> Result<(), JobError> {
        let body = report::answer(self.payload.comment, text);
        let said = self.repo.comments(number).await?;
        if said.iter().any(|comment| comment.body == body) {
            return Ok(());
        }
        guard.check()?;
        self.repo.create_comment(number, &body).await?;
        Ok(())
    }
}

/// What of a move is not wanted.
fn ignored(one: &Move, scope: IgnoreScope) -> Option<PassedOver> {
    let numbers = |count: usize| {
        let version = Scheme::learn(&[]).version_of(one.tag.as_ref()?);
        // A version of fewer numbers is meant as it stands.
        (!version.is_empty()).then(|| PassedOver::Versions(version.into_iter().take(count).collect()))
    };
    match scope {
        IgnoreScope::ThisVersion => refused(one),
        IgnoreScope::Minor => numbers(2).or_else(|| refused(one)),
        IgnoreScope::Major => numbers(1).or_else(|| refused(one)),
        IgnoreScope::Image => Some(PassedOver::All),
    }
}
