//! Any file, each of its sites moved: what is written is read again as what was meant, or the move is refused.

#![no_main]

mod file;

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use restow::formats;
use restow::image::{Digest, Tag};

const DIGEST: &str = "sha256:c5b1261d6d3e43071626931fc004f70149baeba2c8ec672bd4f27761f8e1ad6b";

fuzz_target!(|data: &[u8]| {
    let Some((path, content)) = file::parse(data) else { return };
    let Some(before) = file::read(&path, content) else { return };
    let files = BTreeMap::from([(path.clone(), content.to_vec())]);
    assert!(formats::rewrite(&files, &[]).is_ok_and(|changed| changed.is_empty()), "nothing moves, nothing changes");
    let tag = Tag::parse("9.9.9-restow").expect("a tag");
    let digest = Digest::parse(DIGEST).expect("a digest");
    for (number, site) in before.sites.iter().enumerate().take(20) {
        let to = site.reference.with(Some(tag.clone()), site.reference.digest().map(|_| digest.clone()));
        let Ok(changed) = formats::rewrite(&files, &[(site.clone(), to.clone())]) else { continue };
        let Some(after) = changed.get(&path) else { continue };
        let after = file::read(&path, after).expect("the same path");
        assert_eq!(after.sites.len(), before.sites.len());
        assert_eq!(after.sites[number].reference, to);
    }
});
