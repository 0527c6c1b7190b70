//! When pull requests are opened, and how many: schedules, days to wait for, limits.

use std::collections::{BTreeMap, BTreeSet};

use super::change_set::ChangeSet;
use super::update::{Hold, HoldCode};
use crate::policy::{Base, Rules, Said, UpdateKind};
use crate::repo::{BranchName, Moment};

const HOUR_MS: i64 = 3_600_000;

/// What was opened before.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// The branches whose pull requests are open.
    pub open: BTreeSet<BranchName>,
    /// Those of them that are urgent.
    pub urgent: BTreeSet<BranchName>,
    /// When the newest pull requests were opened, whether they still are or not.
    pub opened: Vec<Moment>,
}

/// What may be opened now, and what waits.
#[derive(Debug, Clone, Default)]
pub struct Paced {
    /// In the order in which they are brought: open ones first, then by urgency.
    pub sets: Vec<ChangeSet>,
    /// What waits, with the time where it is known.
    pub holds: Vec<Hold>,
}

/// Lets through what is open already, and of what is new as much as the rules want now.
pub fn paced(sets: Vec<ChangeSet>, pace: &Pace, rules: &Rules, now: Moment) -> Paced {
    let others: BTreeMap<BranchName, Rules> =
        other_bases(&sets).map(|base| (base.clone(), rules.on(Base::Other(base)))).collect();
    let of = |set: &ChangeSet| set.base.as_ref().and_then(|base| others.get(base)).unwrap_or(rules);
    let (open, new): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| pace.open.contains(&set.branch));
    let mut paced = Paced { sets: open, holds: Vec::new() };
    let mut timely: Vec<ChangeSet> =
        new.into_iter().filter_map(|set| in_time(of(&set), set, now, &mut paced.holds)).collect();
    timely.sort_by_key(|set| (!set.is_security(), !set.removes_exploited(), urgency(set.kind()), set.branch.clone()));
    let mut room = Room::new(pace, rules, now);
    let mut urgent = pace.urgent.len();
    let most_urgent = usize::try_from(rules.limits.security.value).unwrap_or(usize::MAX);
    for set in timely {
        if set.is_security() && urgent < most_urgent {
            urgent += 1;
            paced.sets.push(set);
            continue;
        }
        match room.take() {
            Ok(()) => paced.sets.push(set),
            Err((reason, until)) => paced.holds.extend(set.updates.iter().map(|update| Hold {
                until,
                ..Hold::new(&update.site, HoldCode::Limit, format!("{}: {reason}", to(update)))
            })),
        }
    }
    paced
}

/// Holds what is not open yet: GitHub takes no more of it before then.
pub fn hold_unopened(paced: &mut Paced, open: &BTreeSet<BranchName>, until: Moment) {
    let (kept, held): (Vec<_>, Vec<_>) =
        std::mem::take(&mut paced.sets).into_iter().partition(|set| open.contains(&set.branch));
    paced.sets = kept;
    let reason =
        format!("GitHub takes so many writes within an hour, and this repository's share is used until {until}");
    paced.holds.extend(held.iter().flat_map(|set| &set.updates).map(|update| Hold {
        until: Some(until),
        ..Hold::new(&update.site, HoldCode::Limit, format!("{}: {reason}", to(update)))
    }));
}

impl ChangeSet {
    /// Its place among others: what is urgent first, then small moves.
    pub fn rank(&self) -> u8 {
        if self.is_security() { 0 } else { 1 + urgency(self.kind()) }
    }
}

/// The bases of the change sets, but for the default branch.
fn other_bases(sets: &[ChangeSet]) -> impl Iterator<Item = BranchName> {
    sets.iter().filter_map(|set| set.base.clone()).collect::<BTreeSet<_>>().into_iter()
}

/// Small moves first: they are merged soonest.
fn urgency(kind: UpdateKind) -> u8 {
    match kind {
        UpdateKind::Rollback => 0,
        UpdateKind::Patch => 1,
        UpdateKind::Minor => 2,
        UpdateKind::Digest | UpdateKind::Pin => 3,
        UpdateKind::Variant | UpdateKind::Major => 4,
        UpdateKind::Replacement | UpdateKind::Centralise => 5,
    }
}

/// The change set without what is to wait; `None` where nothing is left.
fn in_time(rules: &Rules, mut set: ChangeSet, now: Moment, holds: &mut Vec<Hold>) -> Option<ChangeSet> {
    set.updates.retain(|update| match waits(update, rules, now) {
        None => true,
        Some((code, reason, until)) => {
            let reason = format!("{}: {reason}", to(update));
            holds.push(Hold { until, ..Hold::new(&update.site, code, reason) });
            false
        }
    });
    (!set.updates.is_empty()).then_some(set)
}

fn to(update: &super::Update) -> String {
    let tag = update.to.tag().map(|tag| tag.to_string());
    format!("{} to {}", update.kind, tag.unwrap_or_else(|| update.to.to_string()))
}

type Wait = (HoldCode, String, Option<Moment>);

fn waits(update: &super::Update, rules: &Rules, now: Moment) -> Option<Wait> {
    let terms = rules.terms(&update.site, update.kind);
    if let Some(until) = terms.hold_until.filter(|until| until.value > now) {
        let reason = format!("held until {} ({})", until.value, until.place());
        return Some((HoldCode::PutOff, reason, Some(until.value)));
    }
    if update.is_security() {
        return None;
    }
    let schedule = terms.schedule.filter(|schedule| !schedule.value.is_open(now))?;
    let next = schedule.value.next_opening(now);
    let when = next.map_or_else(|| "never".to_owned(), |next| next.to_string());
    let reason = format!("the schedule \"{}\" ({}) opens next {when}", schedule.value.written(), schedule.place());
    Some((HoldCode::Schedule, reason, next))
}

/// How many more may be opened.
struct Room<'a> {
    rules: &'a Rules,
    open: usize,
    within_hour: Vec<Moment>,
    taken: usize,
    now: Moment,
}

impl<'a> Room<'a> {
    fn new(pace: &Pace, rules: &'a Rules, now: Moment) -> Self {
        let mut within_hour: Vec<Moment> = pace.opened.iter().copied().filter(|at| now.0 - at.0 < HOUR_MS).collect();
        within_hour.sort_unstable();
        let open = pace.open.difference(&pace.urgent).count();
        Self { rules, open, within_hour, taken: 0, now }
    }

    /// Takes a place, or says why there is none and when there will be.
    fn take(&mut self) -> Result<(), (String, Option<Moment>)> {
        let limits = &self.rules.limits;
        let full = |limit: &Said<u32>, count: usize| count >= usize::try_from(limit.value).unwrap_or(usize::MAX);
        if full(&limits.open, self.open) {
            let (count, place) = (limits.open.value, limits.open.place());
            let open = if count == 1 { "1 pull request is".to_owned() } else { format!("{count} pull requests are") };
            return Err((format!("{open} open, which is the limit ({place})"), None));
        }
        if full(&limits.per_hour, self.within_hour.len()) {
            let (count, place) = (limits.per_hour.value, limits.per_hour.place());
            let index = self.within_hour.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
            let until = self.within_hour.get(index).map_or(self.now, |at| at.plus_ms(HOUR_MS));
            return Err((format!("{count} within an hour is the limit ({place})"), Some(until)));
        }
        if full(&limits.per_run, self.taken) {
            let (count, place) = (limits.per_run.value, limits.per_run.place());
            return Err((format!("one plan opens {count}, which is the limit ({place})"), None));
        }
        self.open += 1;
        self.taken += 1;
        self.within_hour.push(self.now);
        Ok(())
    }
}
