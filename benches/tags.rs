//! How long it takes to learn a long list of tags and to pick from it: at most 20 ms for 10,000 tags and 100 picks.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use restow::image::Tag;
use restow::repo::Moment;
use restow::tag::{ListedTag, Scheme};

/// Versions times variants, as a language's image has them.
fn tags() -> Vec<ListedTag> {
    const SUFFIXES: [&str; 20] = [
        "",
        "-alpine",
        "-alpine3.18",
        "-alpine3.19",
        "-alpine3.20",
        "-alpine3.21",
        "-slim",
        "-bookworm",
        "-bullseye",
        "-slim-bookworm",
        "-slim-bullseye",
        "-trixie",
        "-slim-trixie",
        "-rc1",
        "-rc2",
        "-windowsservercore",
        "-windowsservercore-1809",
        "-windowsservercore-ltsc2022",
        "-nanoserver-ltsc2022",
        "-rc1-alpine3.20",
    ];
    let versions =
        (10..20).flat_map(|major| (0..10).flat_map(move |minor| (0..5).map(move |patch| (major, minor, patch))));
    versions
        .flat_map(|(major, minor, patch)| SUFFIXES.map(|suffix| format!("{major}.{minor}.{patch}{suffix}")))
        .map(|name| ListedTag { name: Tag::parse(&name).expect("a tag"), digest: None, created: None })
        .collect()
}

fn learn_and_pick(criterion: &mut Criterion) {
    let tags = tags();
    assert_eq!(tags.len(), 10_000);
    let currents: Vec<Tag> = tags.iter().step_by(100).map(|tag| tag.name.clone()).collect();
    let now = Moment(1_790_000_000_000);
    criterion.bench_function("learn 10,000 tags", |bencher| bencher.iter(|| Scheme::learn(black_box(&tags))));
    criterion.bench_function("learn 10,000 tags, pick 100 times", |bencher| {
        bencher.iter(|| {
            let scheme = Scheme::learn(black_box(&tags));
            currents.iter().map(|current| scheme.pick(current, now)).filter(|picks| picks.patch.is_some()).count()
        });
    });
}

criterion_group!(benches, learn_and_pick);
criterion_main!(benches);
