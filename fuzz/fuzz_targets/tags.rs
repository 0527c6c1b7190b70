//! Any list of tags, one a line: no panic, and what is picked is listed and is not the current tag.

#![no_main]

use libfuzzer_sys::fuzz_target;
use restow::image::Tag;
use restow::repo::Moment;
use restow::tag::{ListedTag, Scheme};

fuzz_target!(|text: &str| {
    let tags: Vec<ListedTag> = text
        .lines()
        .take(100)
        .filter_map(|line| Tag::parse(line).ok())
        .map(|name| ListedTag { name, digest: None, created: None })
        .collect();
    let scheme = Scheme::learn(&tags);
    for current in tags.iter().take(10) {
        let picks = scheme.pick(&current.name, Moment(1_790_000_000_000));
        for pick in [picks.patch, picks.minor, picks.major, picks.variant].into_iter().flatten() {
            assert!(tags.iter().any(|tag| tag.name == pick.tag));
            assert_ne!(pick.tag, current.name);
        }
    }
});
