//! When the support of an image's distribution and of its runtime ends: what Restow knows of distributions, and
//! endoflife.date, where it is mirrored.

use super::Lookups;
use crate::image::{ImageName, Tag};
use crate::jobs::JobError;
use crate::repo::Moment;
use crate::tag::end_of;
use crate::vulnerability::{ProductEnd, SupportEnd, line_of};

const DAY_MS: i64 = 86_400_000;

/// endoflife.date's names of distributions that it calls otherwise than `os-release` does.
const DISTRIBUTIONS: [(&str, &str); 8] = [
    ("alpine", "alpine-linux"),
    ("amzn", "amazon-linux"),
    ("ol", "oracle-linux"),
    ("rocky", "rocky-linux"),
    ("opensuse-leap", "opensuse"),
    ("mariner", "azure-linux"),
    ("azurelinux", "azure-linux"),
    ("sles", "sles"),
];

/// Its names of the runtimes that images of Docker Hub's `library` are of.
const RUNTIMES: [(&str, &str); 24] = [
    ("amazoncorretto", "amazon-corretto"),
    ("cassandra", "apache-cassandra"),
    ("eclipse-temurin", "eclipse-temurin"),
    ("elasticsearch", "elasticsearch"),
    ("golang", "go"),
    ("haproxy", "haproxy"),
    ("httpd", "apache-http-server"),
    ("kibana", "kibana"),
    ("mariadb", "mariadb"),
    ("memcached", "memcached"),
    ("mongo", "mongodb"),
    ("mysql", "mysql"),
    ("nginx", "nginx"),
    ("node", "nodejs"),
    ("perl", "perl"),
    ("php", "php"),
    ("postgres", "postgresql"),
    ("python", "python"),
    ("rabbitmq", "rabbitmq"),
    ("redis", "redis"),
    ("ruby", "ruby"),
    ("tomcat", "tomcat"),
    ("traefik", "traefik"),
    ("valkey", "valkey"),
];

impl Lookups {
    /// What is known of the ends, of now.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn support_ends(
        &self,
        distribution: Option<&str>,
        image: &ImageName,
        tag: Option<&Tag>,
    ) -> Result<Vec<SupportEnd>, JobError> {
        let now = self.clock.now();
        let mut ends = Vec::new();
        if let Some((id, version)) = distribution.and_then(|named| named.split_once(' ')) {
            let told = match end_of(id, version) {
                Some(day) => Some((version.to_owned(), Some(day), false)),
                None => {
                    let called = DISTRIBUTIONS.iter().find(|(own, _)| *own == id).map_or(id, |(_, called)| *called);
                    self.line(called, version).await?
                }
            };
            ends.extend(told.map(|(version, day, ended)| support_end(&format!("{id} {version}"), (day, ended), now)));
        }
        // Behind any mirror: `mirror.gcr.io/library/node`.
        let official =
            image.repository().rsplit_once("library/").filter(|(before, _)| before.is_empty() || before.ends_with('/'));
        let known = official.and_then(|(_, name)| RUNTIMES.iter().find(|(own, _)| *own == name));
        if let Some(((name, product), version)) = known.zip(tag.and_then(version_of)) {
            let told = self.line(product, version).await?;
            ends.extend(told.map(|(line, day, ended)| support_end(&format!("{name} {line}"), (day, ended), now)));
        }
        Ok(ends)
    }

    /// The line of a version, and its end.
    async fn line(&self, product: &str, version: &str) -> Result<Option<(String, Option<Moment>, bool)>, JobError> {
        let lines = self.brought.ends_of(product).await?;
        let told = |one: &ProductEnd| (one.cycle.clone(), one.day, one.ended);
        Ok(line_of(&lines, version).map(told))
    }
}

/// The numbers that a tag begins with: `3.12` of `3.12-slim`.
fn version_of(tag: &Tag) -> Option<&str> {
    let text = tag.as_str();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let version = text[..end].trim_end_matches('.');
    (!version.is_empty() && version.starts_with(|c: char| c.is_ascii_digit())).then_some(version)
}

/// The end as it stands now: its day is the last one with support; without a day the feed's own word counts.
fn support_end(what: &str, (day, ended): (Option<Moment>, bool), now: Moment) -> SupportEnd {
    let days_left = day.map(|day| day.0.div_euclid(DAY_MS) - now.0.div_euclid(DAY_MS));
    let ended = days_left.map_or(ended, |left| left < 0);
    SupportEnd { what: what.to_owned(), day, ended, days_left: days_left.filter(|_| !ended) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_has_support_still() {
        let at = |text: &str| Moment::parse_rfc3339(text).expect("a moment");
        let day = at("2026-06-30T00:00:00Z");
        let check = |now: &str, expected: (bool, Option<i64>)| {
            let found = support_end("x", (Some(day), false), at(now));
            assert_eq!((found.ended, found.days_left), expected, "{now}");
        };
        check("2026-06-29T10:00:00Z", (false, Some(1)));
        check("2026-06-30T10:00:00Z", (false, Some(0)));
        check("2026-07-01T00:00:00Z", (true, None));
        check("2026-05-20T23:00:00Z", (false, Some(41)));
        assert!(support_end("x", (None, true), day).ended);
        assert!(!support_end("x", (None, false), day).ended);
    }

    #[test]
    fn a_tag_names_a_version_where_it_begins_with_one() {
        let check = |tag: &str, expected: Option<&str>| {
            assert_eq!(version_of(&Tag::parse(tag).expect("a tag")), expected, "{tag}");
        };
        check("3.12-slim", Some("3.12"));
        check("18", Some("18"));
        check("latest", None);
        check("bookworm", None);
        check("3.", Some("3"));
    }
}
