//! Any file: no panic, and every span lies in the file, on whole characters.

#![no_main]

mod file;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((path, content)) = file::parse(data) else { return };
    let Some(inventory) = file::read(&path, content) else { return };
    for site in inventory.sites {
        for span in site.spans.iter().filter(|span| span.path.is_none()) {
            let bytes = content.get(span.start..span.end);
            assert!(bytes.is_some_and(|bytes| std::str::from_utf8(bytes).is_ok()), "{site:?}");
        }
    }
});
