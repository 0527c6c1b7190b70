//! Anything in any order: pushes, tags, checks, reviews, comments, closes and reopenings, people's commits, forced pushes
//! and deleted branches, lost and doubled deliveries, failing requests, dying servers, time. Whatever happens, nothing is
//! doubled or lost, nobody's work is overwritten, limits hold, and the world comes to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use restow::pull::MachineBlock;
use world::github::{Fault, Matcher, Order, PullView};

use super::house::House;

const IMAGES: [&str; 3] = ["library/caddy", "library/redis", "library/memcached"];
const OPEN_LIMIT: usize = 2;
const HOUR_LIMIT: usize = 3;
const HOUR_MS: i64 = 3_600_000;

/// What happens; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Happening {
    Push(usize, u8),
    Tag(usize),
    Checks(usize, bool),
    Status(usize, bool),
    Review(usize, bool),
    Comment(usize, usize),
    Close(usize),
    Reopen(usize),
    Merge(usize),
    Commit(usize),
    Amend(usize),
    DeleteBranch(usize),
    Lose(usize),
    Double(usize),
    Reverse(bool),
    Fail(usize, usize),
    Die(usize),
    Minutes(u64),
}

const COMMANDS: [&str; 13] = [
    "rebase",
    "merge",
    "hold 1d",
    "ignore",
    "ignore minor",
    "ignore major",
    "ignore image",
    "unignore",
    "close 1d",
    "close",
    "refresh",
    "recreate",
    "rebase\n/restow merge\n/restow hold 1d",
];

fn happening() -> impl Strategy<Value = Happening> {
    let pull = 0..3_usize;
    prop_oneof![
        1 => (0..3_usize, 0..3_u8).prop_map(|(image, minor)| Happening::Push(image, minor)),
        1 => (0..3_usize).prop_map(Happening::Tag),
        1 => (pull.clone(), any::<bool>()).prop_map(|(pull, passed)| Happening::Checks(pull, passed)),
        1 => (pull.clone(), any::<bool>()).prop_map(|(pull, passed)| Happening::Status(pull, passed)),
        1 => (pull.clone(), any::<bool>()).prop_map(|(pull, good)| Happening::Review(pull, good)),
        2 => (pull.clone(), 0..COMMANDS.len()).prop_map(|(pull, command)| Happening::Comment(pull, command)),
        1 => pull.clone().prop_map(Happening::Close),
        1 => pull.clone().prop_map(Happening::Reopen),
        1 => pull.clone().prop_map(Happening::Merge),
        1 => pull.clone().prop_map(Happening::Commit),
        1 => pull.clone().prop_map(Happening::Amend),
        1 => pull.prop_map(Happening::DeleteBranch),
        1 => (1..4_usize).prop_map(Happening::Lose),
        1 => (1..4_usize).prop_map(Happening::Double),
        1 => any::<bool>().prop_map(Happening::Reverse),
        1 => (0..4_usize, 0..3_usize).prop_map(|(what, how)| Happening::Fail(what, how)),
        1 => (1..40_usize).prop_map(Happening::Die),
        2 => prop_oneof![Just(11), Just(61), Just(60 * 7), Just(60 * 25)].prop_map(Happening::Minutes),
    ]
}

/// What must hold of what was done.
#[derive(Default)]
struct Told {
    /// People's newest commits on Restow's branches, by branch.
    theirs: BTreeMap<String, String>,
    /// Branches that somebody asked to make anew: what is committed there afterwards may come too late.
    given_back: BTreeSet<String>,
    /// Titles that a person closed.
    refused: BTreeSet<String>,
    /// Images of which somebody said that they do not want something.
    silenced: BTreeSet<&'static str>,
    /// Pull requests that a person opened again.
    reopened: BTreeSet<u64>,
    /// When each pull request was seen first.
    opened: BTreeMap<u64, i64>,
    newest: [u32; 3],
}

impl Told {
    /// A person closed it, or took its branch away.
    fn refuse(&mut self, pull: &PullView) {
        self.refused.insert(pull.title.clone());
        self.silence(pull);
    }

    fn silence(&mut self, pull: &PullView) {
        self.silenced.extend(IMAGES.iter().filter(|image| pull.title.contains(*image)));
    }
}

fn dockerfile(minors: &[u8; 3]) -> String {
    let stage = |(image, minor): (&&str, &u8)| format!("FROM REGISTRY/{image}:1.{minor}\nRUN true\nRUN true\n");
    IMAGES.iter().zip(minors).map(stage).collect()
}

fn nth(pulls: Vec<PullView>, index: usize) -> Option<PullView> {
    let count = pulls.len();
    pulls.into_iter().nth(index.checked_rem(count)?)
}

async fn happens(house: &mut House, what: &Happening, minors: &mut [u8; 3], told: &mut Told) {
    match what {
        Happening::Push(image, minor) => {
            minors[*image] = *minor;
            house.push("Dockerfile", &dockerfile(minors));
        }
        Happening::Tag(image) => {
            told.newest[*image] += 1;
            house.world.registry.push(IMAGES[*image], &format!("1.{}", 3 + told.newest[*image]));
        }
        Happening::Lose(count) => house.world.github.lose_next(*count),
        Happening::Double(count) => house.world.github.double_next(*count),
        Happening::Reverse(on) => {
            house.world.github.deliver_in(if *on { Order::Reversed } else { Order::AsHappened });
        }
        Happening::Fail(what, how) => {
            let (method, path) =
                [("POST", "/git/refs"), ("POST", "/pulls"), ("PUT", "/merge"), ("PATCH", "/pulls")][*what];
            let fault = [Fault::Status(502), Fault::LoseAnswer, Fault::CloseConnection][*how].clone();
            house.world.github.fail_next(Matcher::new(method, path), fault, 1);
        }
        Happening::Die(requests) => die(house, *requests).await,
        Happening::Minutes(minutes) => house.world.clock().advance(Duration::from_secs(minutes * 60)),
        Happening::Reopen(pull) => {
            let closed = house.repo.pulls().into_iter().filter(|pull| pull.state == "closed").collect();
            if let Some(pull) = nth(closed, *pull) {
                house.repo.reopen_pull(pull.number);
                if house.repo.pull(pull.number).state == "open" {
                    told.refused.remove(&pull.title);
                    told.reopened.insert(pull.number);
                }
            }
        }
        Happening::Checks(pull, _)
        | Happening::Status(pull, _)
        | Happening::Review(pull, _)
        | Happening::Comment(pull, _)
        | Happening::Close(pull)
        | Happening::Merge(pull)
        | Happening::Commit(pull)
        | Happening::Amend(pull)
        | Happening::DeleteBranch(pull) => {
            if let Some(pull) = nth(house.open(), *pull) {
                happens_to(house, what, &pull, told);
            }
        }
    }
}

/// What people and CI do with an open pull request.
fn happens_to(house: &House, what: &Happening, pull: &PullView, told: &mut Told) {
    let word = |good: bool, yes: &'static str, no: &'static str| if good { yes } else { no };
    match what {
        Happening::Checks(_, passed) => {
            house.repo.conclude_checks(&pull.head_sha, word(*passed, "success", "failure"));
        }
        Happening::Status(_, passed) => {
            house.repo.set_status(&pull.head_sha, "deploy", word(*passed, "success", "failure"));
        }
        Happening::Review(_, good) => {
            house.repo.review(pull.number, "mona", word(*good, "APPROVED", "CHANGES_REQUESTED"));
        }
        Happening::Comment(_, command) => comment(house, pull, COMMANDS[*command], told),
        Happening::Close(_) => {
            house.repo.close_pull(pull.number);
            told.refuse(pull);
        }
        Happening::Merge(_) => house.repo.merge_pull_if_clean(pull.number),
        Happening::Commit(_) => {
            let sha = house.repo.commit_as_person(&pull.head, &[("mine.txt", "mine")], "mine");
            works(pull, sha, told);
        }
        Happening::Amend(_) => {
            let sha = house.repo.amend_as_person(&pull.head, &[("mine.txt", "amended")]);
            works(pull, sha, told);
        }
        Happening::DeleteBranch(_) => {
            house.repo.delete_branch(&pull.head);
            told.theirs.remove(&pull.head);
            told.refuse(pull);
        }
        _ => {}
    }
}

fn works(pull: &PullView, sha: String, told: &mut Told) {
    if !told.given_back.contains(&pull.head) {
        told.theirs.insert(pull.head.clone(), sha);
    }
}

fn comment(house: &House, pull: &PullView, command: &str, told: &mut Told) {
    house.repo.comment(pull.number, "mona", &format!("/restow {command}"));
    match command.split(' ').next() {
        // Only the branch of this pull request is given back.
        Some("recreate") => {
            told.theirs.remove(&pull.head);
            told.given_back.insert(pull.head.clone());
        }
        // What is proposed again may be what was refused.
        Some("unignore") => told.refused.clear(),
        Some("ignore" | "close") => told.silence(pull),
        _ => {}
    }
}

/// The server dies after so many steps of its work (each request to GitHub is two), and another one starts.
async fn die(house: &mut House, steps: usize) {
    let (left, dead) = (AtomicUsize::new(steps), Arc::new(tokio::sync::Notify::new()));
    let tell = Arc::clone(&dead);
    house.world.github.watch(move || {
        if left.fetch_sub(1, Ordering::SeqCst) == 1 {
            tell.notify_one();
        }
    });
    house.world.github.deliver_all().await;
    tokio::select! {
        drained = house.app.drain() => drop(drained.expect("a queue")),
        () = dead.notified() => {}
    }
    house.world.github.watch(|| ());
    house.restart().await;
    // What it held is another's once its lease is over.
    house.world.clock().advance(Duration::from_secs(120));
}

/// The image and its line that a pull request is about.
fn topic(pull: &PullView) -> Option<(String, String)> {
    let block = MachineBlock::find(&pull.body)?;
    Some((block.image?.to_string(), block.line))
}

/// No two of them are about one image and line.
fn not_doubled(pulls: &[PullView]) -> Result<(), TestCaseError> {
    let topics: BTreeSet<_> = pulls.iter().map(topic).collect();
    prop_assert_eq!(topics.len(), pulls.len(), "a pull request is doubled: {:#?}", pulls);
    Ok(())
}

/// What must hold at any time.
fn check(house: &House, told: &mut Told) -> Result<(), TestCaseError> {
    let open = house.open();
    // Until Restow has heard of it, a person's reopening may stand beside what took its place.
    let own: Vec<PullView> = open.iter().filter(|pull| !told.reopened.contains(&pull.number)).cloned().collect();
    not_doubled(&own)?;
    prop_assert!(own.len() <= OPEN_LIMIT, "{} are open", own.len());
    for pull in &own {
        prop_assert!(!told.refused.contains(&pull.title), "{} was refused", pull.title);
    }
    let now = house.world.clock().now_ms();
    for pull in house.repo.pulls() {
        told.opened.entry(pull.number).or_insert(now);
    }
    let within = told.opened.values().filter(|at| now - **at < HOUR_MS).count();
    prop_assert!(within <= HOUR_LIMIT, "{} within an hour", within);
    // What was merged with its commits is kept there.
    told.theirs.retain(|_, sha| !house.repo.holds("main", sha));
    for (branch, sha) in &told.theirs {
        let head = house.repo.head(branch);
        prop_assert_eq!(head.as_deref(), Some(sha.as_str()), "a person's commit on {} is gone", branch);
    }
    Ok(())
}

/// Each image with a newer tag that nobody refused is proposed at its newest, as far as the limit goes.
async fn nothing_is_lost(house: &House, told: &Told) -> Result<(), TestCaseError> {
    let now = restow::repo::Moment(house.world.clock().now_ms());
    let repo = restow::repo::RepoId(house.repo.id());
    let ignores = house.app.services().store.ignores(repo, now).await.expect("what is ignored");
    let file = house.repo.read_file("main", "Dockerfile").expect("the file");
    let open = house.open();
    not_doubled(&open)?;
    for (image, newer) in IMAGES.iter().zip(told.newest) {
        let newest = format!("1.{}", 3 + newer);
        let ignored = ignores.iter().any(|ignore| ignore.image.to_string().ends_with(image));
        prop_assert!(!ignored || told.silenced.contains(image), "nobody refused anything of {}: {:?}", image, ignores);
        if ignored || file.contains(&format!("{image}:{newest}\n")) {
            continue;
        }
        let Some(pull) = open.iter().find(|pull| pull.title.contains(image)) else {
            prop_assert!(open.len() >= OPEN_LIMIT, "{} to {} is lost: {:#?}", image, newest, open);
            continue;
        };
        let persons = told.theirs.contains_key(&pull.head) || told.reopened.contains(&pull.number);
        let proposes = pull.title.ends_with(&format!("to {newest}"));
        prop_assert!(persons || proposes, "{} is proposed, not {}", pull.title, newest);
    }
    Ok(())
}

/// Each thing is said once.
fn comments_are_clean(house: &House) -> Result<(), TestCaseError> {
    for pull in house.repo.pulls() {
        let said = house.repo.read_comments(pull.number);
        let distinct: BTreeSet<&String> = said.iter().collect();
        prop_assert_eq!(distinct.len(), said.len(), "said twice on #{}: {:#?}", pull.number, said);
    }
    prop_assert_eq!(house.world.github.findings(), Vec::<String>::new());
    Ok(())
}

/// Delivers and works until nothing moves; jobs that failed wait for their time.
async fn rest(house: &House) {
    for _ in 0..40 {
        let delivered = house.world.github.deliver_all().await;
        let drained = house.app.drain().await.expect("a queue");
        if delivered.is_empty() && drained.jobs == 0 {
            return;
        }
    }
    panic!("the world does not come to rest");
}

async fn play(happenings: Vec<Happening>) -> Result<(), TestCaseError> {
    let rules = format!("automerge: true\nlimits: {{open: {OPEN_LIMIT}, per_hour: {HOUR_LIMIT}}}\n");
    let mut minors = [0; 3];
    let mut house = House::with(&[("Dockerfile", &dockerfile(&minors)), (".github/restow.yml", &rules)]).await;
    for image in IMAGES {
        house.world.registry.push_all(image, &["1.0", "1.1", "1.2", "1.3"]);
    }
    house.repo.collaborator("mona", "write");
    rest(&house).await;
    let mut told = Told::default();
    for one in &happenings {
        happens(&mut house, one, &mut minors, &mut told).await;
        rest(&house).await;
        check(&house, &mut told)?;
    }
    // Quiet again: everything that was lost or failed is made up for, and then nothing changes any more.
    house.world.github.deliver_in(Order::AsHappened);
    house.world.github.lose_next(0);
    for _ in 0..4 {
        house.world.clock().advance(Duration::from_secs(7 * 3600));
        rest(&house).await;
        check(&house, &mut told)?;
    }
    let before = house.repo.pulls();
    house.world.clock().advance(Duration::from_secs(3600));
    rest(&house).await;
    prop_assert_eq!(house.repo.pulls(), before, "it does not settle");
    nothing_is_lost(&house, &told).await?;
    comments_are_clean(&house)
}

proptest! {
    #![proptest_config(Config {
        cases: 10,
        max_shrink_iters: 60,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/random.txt"))),
        ..Config::default()
    })]

    #[test]
    fn whatever_happens_the_invariants_hold(happenings in prop::collection::vec(happening(), 4..16)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(play(happenings))?;
    }
}
