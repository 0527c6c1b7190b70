//! What is known of the world beyond a list of tags: the releases of distributions, in order, with their dates, and the
//! release lines of products that have long support.
//!
//! The data stands in `knowledge.json` with its sources; `scripts/refresh-releases` refreshes it. Only tags that name a
//! release by its codename and images named there depend on it: any other image is read from its tags alone.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::image::ImageName;
use crate::repo::Moment;

const TEXT: &str = include_str!("knowledge.json");

static KNOWLEDGE: LazyLock<Knowledge> =
    LazyLock::new(|| Knowledge::read(TEXT).expect("impossible: knowledge.json is read by a test"));

/// A release of a distribution, by its place in the order of releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Release {
    /// The distribution's place in the data.
    pub(super) family: u8,
    /// The release's place among those of the distribution, from the oldest.
    pub(super) ordinal: u16,
}

#[derive(Debug, Deserialize)]
struct Distribution {
    name: String,
    releases: Vec<ReleaseFacts>,
}

/// What is known of a release.
#[derive(Debug, Deserialize)]
pub(super) struct ReleaseFacts {
    /// The codename.
    pub(super) name: String,
    /// The number.
    pub(super) version: String,
    /// The day it came out; `None`: not yet.
    released: Option<jiff::civil::Date>,
    /// The last day of its free support.
    ends: Option<jiff::civil::Date>,
    /// Whether it has long support, where the distribution has releases with and without.
    #[serde(default)]
    pub(super) lts: Option<bool>,
}

impl ReleaseFacts {
    /// Whether it had come out by `now`.
    pub(super) fn released_by(&self, now: Moment) -> bool {
        self.released.is_some_and(|day| starts(day) <= now)
    }

    /// The day its support ended, where that lies before `now`.
    pub(super) fn ended_by(&self, now: Moment) -> Option<jiff::civil::Date> {
        self.ends.filter(|day| starts(*day) < now)
    }
}

fn starts(day: jiff::civil::Date) -> Moment {
    let midnight = jiff::tz::TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
    midnight.map_or(Moment(i64::MAX), |time| Moment(time.as_millisecond()))
}

/// A product whose release lines are not all alike: some have long support.
#[derive(Debug, Deserialize)]
pub(super) struct Product {
    pub(super) name: String,
    /// Ends of image names, whatever stands before them: a mirror's host and project.
    images: Vec<String>,
    #[serde(default)]
    lines: Vec<Line>,
    /// Which number tells by being even that a line is stable.
    even: Option<Even>,
    /// What the other lines are called.
    #[serde(default = "without_long_support")]
    other: String,
}

fn without_long_support() -> String {
    "without long support".to_owned()
}

/// A release line with long support.
#[derive(Debug, Deserialize)]
struct Line {
    /// The numbers that its versions begin with.
    line: String,
    /// The day from which it has long support.
    since: jiff::civil::Date,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Even {
    Minor,
}

/// Which kind of line a version is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Support {
    Long,
    Other,
    /// The version names too few numbers to tell.
    Unknown,
}

impl Product {
    /// Why nobody on `from` is offered `to`: it leaves the lines with long support.
    pub(super) fn refusal(&self, from: &[u64], to: &[u64], now: Moment) -> Option<String> {
        let leaves = self.support(from, now) == Support::Long && self.support(to, now) == Support::Other;
        leaves.then(|| format!("this line of {} is {}, the current one has long support", self.name, self.other))
    }

    fn support(&self, version: &[u64], now: Moment) -> Support {
        if let Some(Even::Minor) = self.even {
            return version
                .get(1)
                .map_or(Support::Unknown, |minor| if minor % 2 == 0 { Support::Long } else { Support::Other });
        }
        let mut support = Support::Other;
        for line in &self.lines {
            let numbers = line.line.split('.').map(|number| number.parse::<u64>().ok());
            let agree = numbers.clone().zip(version).all(|(number, of_version)| number == Some(*of_version));
            match (agree, version.len() >= numbers.count()) {
                (true, true) if starts(line.since) <= now => return Support::Long,
                (true, false) => support = Support::Unknown,
                _ => {}
            }
        }
        support
    }
}

/// Java's release lines, where a word names a build of it: `openjdk`, `temurin`, `jdk17`.
pub(super) fn java(word: &str) -> Option<&'static Product> {
    const BUILDS: [&str; 12] = [
        "java",
        "jdk",
        "jre",
        "openjdk",
        "temurin",
        "corretto",
        "zulu",
        "semeru",
        "liberica",
        "sapmachine",
        "adoptopenjdk",
        "ibmjava",
    ];
    let named = BUILDS.iter().any(|build| build.eq_ignore_ascii_case(word));
    KNOWLEDGE.products.iter().find(|product| named && product.name == "Java")
}

/// The product that the image's name tells, behind any mirror: `mirror.gcr.io/library/node` is `library/node`.
pub(super) fn product(image: &ImageName) -> Option<&'static Product> {
    let repository = image.repository();
    let names = |known: &String| {
        let short = known.strip_prefix("library/").filter(|short| *short == repository);
        short.is_some()
            || repository.strip_suffix(known.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    KNOWLEDGE.products.iter().find(|product| product.images.iter().any(names))
}

/// The day on which the support of a distribution's release ended, where that lies before `now`: `alpine`, 3 18.
pub(super) fn support_ended(distribution: &str, version: &[u64], now: Moment) -> Option<jiff::civil::Date> {
    release_of(distribution, version)?.ended_by(now)
}

/// The last day of the support of a distribution's release, by the names of `os-release`: `debian`, `12.5`.
pub fn end_of(distribution: &str, version: &str) -> Option<Moment> {
    let numbers: Vec<u64> = version.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    let release = (1..=numbers.len()).rev().find_map(|count| release_of(distribution, &numbers[..count]))?;
    release.ends.map(starts)
}

/// What is known of a distribution's release by its number.
pub(super) fn release_of(distribution: &str, version: &[u64]) -> Option<&'static ReleaseFacts> {
    let known = KNOWLEDGE.distributions.iter().find(|known| known.name == distribution)?;
    let is = |release: &&ReleaseFacts| {
        release
            .version
            .split('.')
            .map(|number| number.parse::<u64>().ok())
            .eq(version.iter().map(|number| Some(*number)))
    };
    known.releases.iter().find(is)
}

#[derive(Debug, Deserialize)]
struct Written {
    distributions: Vec<Distribution>,
    products: Vec<Product>,
}

#[derive(Debug)]
struct Knowledge {
    distributions: Vec<Distribution>,
    products: Vec<Product>,
    codenames: HashMap<String, Release>,
    windows: Option<u8>,
}

impl Knowledge {
    fn read(text: &str) -> serde_json::Result<Self> {
        let Written { distributions, products } = serde_json::from_str(text)?;
        let mut codenames = HashMap::new();
        for (family, distribution) in (0..).zip(&distributions) {
            for (ordinal, release) in (0..).zip(&distribution.releases) {
                codenames.insert(release.name.clone(), Release { family, ordinal });
            }
        }
        let windows = (0..).zip(&distributions).find(|(_, d)| d.name == "windows").map(|(family, _)| family);
        Ok(Self { distributions, products, codenames, windows })
    }
}

/// The release of this codename: `bookworm`, `jammy`, `ltsc2022`.
pub(super) fn codename(chunk: &str) -> Option<Release> {
    KNOWLEDGE.codenames.get(chunk).copied()
}

/// The Windows release of this number, as it stands behind `windowsservercore` or `nanoserver`: `1809`.
pub(super) fn windows_release(chunk: &str) -> Option<Release> {
    codename(chunk).filter(|release| Some(release.family) == KNOWLEDGE.windows)
}

/// What is known of a release.
pub(super) fn facts(release: Release) -> Option<&'static ReleaseFacts> {
    KNOWLEDGE.distributions.get(usize::from(release.family))?.releases.get(usize::from(release.ordinal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_read() {
        let knowledge = Knowledge::read(TEXT).expect("knowledge.json");
        assert!(knowledge.codenames.len() > 60);
        assert!(knowledge.windows.is_some());
    }

    #[test]
    fn releases_are_in_the_order_of_their_days() {
        let knowledge = Knowledge::read(TEXT).expect("knowledge.json");
        for distribution in &knowledge.distributions {
            let days: Vec<_> = distribution.releases.iter().filter_map(|release| release.released).collect();
            assert!(days.is_sorted(), "{}", distribution.name);
        }
    }

    #[test]
    fn codenames() {
        let bookworm = codename("bookworm").expect("a release");
        assert_eq!(facts(bookworm).expect("facts").version, "12");
        assert!(codename("bullseye").expect("a release") < bookworm);
        assert_eq!(codename("ubuntu"), None);
        assert!(windows_release("1809").is_some());
        assert_eq!(windows_release("bookworm"), None);
    }

    #[test]
    fn the_end_of_a_release_is_known_by_its_number() {
        let check = |distribution: &str, version: &str, expected: Option<&str>| {
            let found = end_of(distribution, version).map(|at| at.to_string().chars().take(10).collect::<String>());
            assert_eq!(found.as_deref(), expected, "{distribution} {version}");
        };
        check("debian", "10", Some("2024-06-30"));
        check("debian", "12.5", Some("2028-06-30"));
        check("alpine", "3.21.3", Some("2026-11-01"));
        check("ubuntu", "25.04", Some("2026-01-15"));
        check("debian", "99", None);
        check("debian", "", None);
        check("wolfi", "20230201", None);
    }

    #[test]
    fn a_release_comes_out_and_ends() {
        let moment = |text| Moment::parse_rfc3339(text).expect("a moment");
        let trixie = facts(codename("trixie").expect("a release")).expect("facts");
        assert!(!trixie.released_by(moment("2025-08-01T00:00:00Z")));
        assert!(trixie.released_by(moment("2025-08-10T00:00:00Z")));
        assert!(
            !facts(codename("forky").expect("a release")).expect("facts").released_by(moment("2026-11-23T00:00:00Z"))
        );
        assert!(
            facts(codename("buster").expect("a release"))
                .expect("facts")
                .ended_by(moment("2026-11-23T00:00:00Z"))
                .is_some()
        );
    }
}
