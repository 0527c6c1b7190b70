//! What a file is for, by its path.

use super::site::PathClass;
use crate::repo::FilePath;

const VENDORED: [&str; 6] = ["vendor", "node_modules", "third_party", "third-party", "bower_components", "external"];
const TEST: [&str; 12] = [
    "test",
    "tests",
    "testing",
    "__tests__",
    "testdata",
    "test-data",
    "test_data",
    "fixtures",
    "__fixtures__",
    "e2e",
    "spec",
    "specs",
];
const EXAMPLE: [&str; 8] = ["example", "examples", "sample", "samples", "demo", "demos", "docs", "doc"];

/// The class of a path: by its folders, the most telling first.
pub(super) fn class(path: &FilePath) -> PathClass {
    let within = |names: &[&str]| {
        path.folder().split('/').any(|folder| names.iter().any(|name| folder.eq_ignore_ascii_case(name)))
    };
    if within(&VENDORED) {
        PathClass::Vendored
    } else if within(&TEST) {
        PathClass::Test
    } else if within(&EXAMPLE) {
        PathClass::Example
    } else {
        PathClass::Ordinary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: PathClass) {
        assert_eq!(class(&FilePath::parse(path).expect("a path")), expected);
    }

    #[test]
    fn folders_tell() {
        check("Dockerfile", PathClass::Ordinary);
        check("deploy/test.yaml", PathClass::Ordinary);
        check("src/tests/Dockerfile", PathClass::Test);
        check("Examples/a/compose.yaml", PathClass::Example);
        check("vendor/x/tests/Dockerfile", PathClass::Vendored);
        check("contest/Dockerfile", PathClass::Ordinary);
    }
}
