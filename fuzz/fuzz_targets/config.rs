//! Any configuration: rules, or mistakes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(mistakes) = restow::config::parse(text) {
        assert!(!mistakes.is_empty());
    }
});
