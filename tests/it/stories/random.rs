//! Anything in any order: pushes, tags, checks, comments, closes, people's commits, lost and doubled deliveries, failing
//! requests, time. Whatever happens, nothing is doubled or lost, nobody's work is overwritten, limits hold, and the
//! world comes to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use world::github::{Fault, Matcher, Order, PullView};

use super::house::House;

const IMAGES: [&str; 3] = ["library/caddy", "library/redis", "library/memcached"];
const OPEN_LIMIT: usize = 2;

/// What happens; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Happening {
    Push(usize, u8),
    Tag(usize),
    Checks(usize, bool),
    Status(usize, bool),
    Comment(usize, usize),
    Close(usize),
    Merge(usize),
    Commit(usize),
    Lose(usize),
    Double(usize),
    Reverse(bool),
    Fail(usize, usize),
    Minutes(u64),
}

const COMMANDS: [&str; 9] =
    ["rebase", "merge", "hold 1d", "ignore", "ignore minor", "unignore", "close 1d", "refresh", "recreate"];

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..3_usize, 0..3_u8).prop_map(|(image, minor)| Happening::Push(image, minor)),
        (0..3_usize).prop_map(Happening::Tag),
        (0..3_usize, any::<bool>()).prop_map(|(pull, passed)| Happening::Checks(pull, passed)),
        (0..3_usize, any::<bool>()).prop_map(|(pull, passed)| Happening::Status(pull, passed)),
        (0..3_usize, 0..COMMANDS.len()).prop_map(|(pull, command)| Happening::Comment(pull, command)),
        (0..3_usize).prop_map(Happening::Close),
        (0..3_usize).prop_map(Happening::Merge),
        (0..3_usize).prop_map(Happening::Commit),
        (1..4_usize).prop_map(Happening::Lose),
        (1..4_usize).prop_map(Happening::Double),
        any::<bool>().prop_map(Happening::Reverse),
        (0..4_usize, 0..3_usize).prop_map(|(what, how)| Happening::Fail(what, how)),
        prop_oneof![Just(11), Just(61), Just(60 * 7), Just(60 * 25)].prop_map(Happening::Minutes),
    ]
}

/// What must hold of what was done.
#[derive(Default)]
struct Told {
    /// People's commits on Restow's branches, by branch.
    theirs: BTreeMap<String, String>,
    /// Titles that a person closed.
    refused: BTreeSet<String>,
    newest: [u32; 3],
}

fn dockerfile(minors: &[u8; 3]) -> String {
    let stage = |(image, minor): (&&str, &u8)| format!("FROM REGISTRY/{image}:1.{minor}\nRUN true\nRUN true\n");
    IMAGES.iter().zip(minors).map(stage).collect()
}

async fn happens(house: &House, what: &Happening, minors: &mut [u8; 3], told: &mut Told) {
    let github = &house.world.github;
    let chosen = |index: &usize| -> Option<PullView> {
        let open = house.open();
        (!open.is_empty()).then(|| open[index % open.len()].clone())
    };
    match what {
        Happening::Push(image, minor) => {
            minors[*image] = *minor;
            house.push("Dockerfile", &dockerfile(minors));
        }
        Happening::Tag(image) => {
            told.newest[*image] += 1;
            house.world.registry.push(IMAGES[*image], &format!("1.{}", 3 + told.newest[*image]));
        }
        Happening::Checks(pull, passed) => {
            if let Some(pull) = chosen(pull) {
                house.repo.conclude_checks(&pull.head_sha, if *passed { "success" } else { "failure" });
            }
        }
        Happening::Status(pull, passed) => {
            if let Some(pull) = chosen(pull) {
                house.repo.set_status(&pull.head_sha, "deploy", if *passed { "success" } else { "failure" });
            }
        }
        Happening::Comment(pull, command) => comment(house, chosen(pull), COMMANDS[*command], told),
        Happening::Close(pull) => {
            if let Some(pull) = chosen(pull) {
                house.repo.close_pull(pull.number);
                told.refused.insert(pull.title);
            }
        }
        Happening::Merge(pull) => {
            if let Some(pull) = chosen(pull).filter(|pull| !told.theirs.contains_key(&pull.head)) {
                house.repo.merge_pull_if_clean(pull.number);
            }
        }
        Happening::Commit(pull) => {
            if let Some(pull) = chosen(pull) {
                let sha = house.repo.commit_as_person(&pull.head, &[("mine.txt", "mine")], "mine");
                told.theirs.insert(pull.head, sha);
            }
        }
        Happening::Lose(count) => github.lose_next(*count),
        Happening::Double(count) => github.double_next(*count),
        Happening::Reverse(on) => github.deliver_in(if *on { Order::Reversed } else { Order::AsHappened }),
        Happening::Fail(what, how) => {
            let (method, path) =
                [("POST", "/git/refs"), ("POST", "/pulls"), ("PUT", "/merge"), ("PATCH", "/pulls")][*what];
            let fault = [Fault::Status(502), Fault::LoseAnswer, Fault::CloseConnection][*how].clone();
            github.fail_next(Matcher::new(method, path), fault, 1);
        }
        Happening::Minutes(minutes) => house.world.clock().advance(Duration::from_secs(minutes * 60)),
    }
}

fn comment(house: &House, pull: Option<PullView>, command: &str, told: &mut Told) {
    let Some(pull) = pull else { return };
    house.repo.comment(pull.number, "mona", &format!("/restow {command}"));
    match command {
        // Only the branch of this pull request is given back.
        "recreate" => drop(told.theirs.remove(&pull.head)),
        // What is proposed again may be what was refused.
        "unignore" => told.refused.clear(),
        _ => {}
    }
}

/// What must hold at any time.
fn check(house: &House, told: &mut Told) -> Result<(), TestCaseError> {
    let open = house.open();
    let heads: BTreeSet<&str> = open.iter().map(|pull| pull.head.as_str()).collect();
    prop_assert_eq!(heads.len(), open.len(), "a pull request is doubled: {:?}", open);
    prop_assert!(open.len() <= OPEN_LIMIT, "{} are open", open.len());
    for pull in &open {
        prop_assert!(!told.refused.contains(&pull.title), "{} was refused", pull.title);
    }
    let branches: BTreeSet<String> = house.repo.branches().into_iter().collect();
    // Whoever merged or closed it may have taken the branch with it.
    told.theirs.retain(|branch, _| branches.contains(branch));
    for (branch, sha) in &told.theirs {
        let head = house.repo.head(branch);
        prop_assert_eq!(head.as_deref(), Some(sha.as_str()), "a person's commit on {} was overwritten", branch);
    }
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
    let rules = "automerge: true\nlimits: {open: 2, per_hour: 1000}\n";
    let mut minors = [0; 3];
    let house = House::with(&[("Dockerfile", &dockerfile(&minors)), (".github/restow.yml", rules)]).await;
    for image in IMAGES {
        house.world.registry.push_all(image, &["1.0", "1.1", "1.2", "1.3"]);
    }
    house.repo.collaborator("mona", "write");
    rest(&house).await;
    let mut told = Told::default();
    for one in &happenings {
        happens(&house, one, &mut minors, &mut told).await;
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
    let findings = house.world.github.findings();
    let findings: Vec<_> = findings.into_iter().filter(|one| !one.starts_with("unread comment")).collect();
    prop_assert_eq!(findings, Vec::<String>::new());
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold(happenings in prop::collection::vec(happening(), 4..16)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(play(happenings))?;
    }
}
