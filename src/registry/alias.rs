//! Mirrors: a registry that serves another registry's images under names of its own.

use std::fmt;
use std::str::FromStr;

use crate::image::ImageName;

/// `mirror.corp/hub` serves what `docker.io` has: `mirror.corp/hub/library/nginx` is `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// A registry, or a folder of it, as images name it.
    written: String,
    /// The registry, or the folder of it, whose images these are.
    upstream: String,
}

/// A text that is no alias.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no alias: expected a mirror and its upstream, such as mirror.example.com/hub=docker.io")]
pub struct InvalidAlias(String);

impl Alias {
    /// Both sides as images name them, without a slash at the end.
    ///
    /// # Errors
    /// A side is no registry, or no folder of one; both are the same.
    pub fn new(written: &str, upstream: &str) -> Result<Self, InvalidAlias> {
        let invalid = || InvalidAlias(format!("{written}={upstream}").chars().take(200).collect());
        let normal = |side: &str| {
            let side = side.trim_end_matches('/');
            let host = side.split('/').next().unwrap_or_default();
            let named = host == "localhost" || host.contains(['.', ':']);
            let probe = ImageName::parse(&format!("{side}/probe")).ok().filter(|_| named)?;
            Some(probe.to_string().trim_end_matches("/probe").trim_end_matches("/library").to_owned())
        };
        let (Some(written), Some(upstream)) = (normal(written), normal(upstream)) else { return Err(invalid()) };
        if written == upstream { Err(invalid()) } else { Ok(Self { written, upstream }) }
    }

    fn upstream_of(&self, image: &str) -> Option<ImageName> {
        let rest = image.strip_prefix(&self.written)?.strip_prefix('/')?;
        ImageName::parse(&format!("{}/{rest}", self.upstream)).ok()
    }
}

impl Alias {
    fn mirror_of(&self, image: &str) -> Option<ImageName> {
        let rest = image.strip_prefix(&self.upstream)?.strip_prefix('/')?;
        ImageName::parse(&format!("{}/{rest}", self.written)).ok()
    }
}

/// The names under which mirrors serve `image`.
pub(super) fn mirrors(aliases: &[Alias], image: &ImageName) -> Vec<ImageName> {
    let name = image.to_string();
    aliases.iter().filter_map(|alias| alias.mirror_of(&name)).collect()
}

/// The image whose content `image` is, by the longest alias that names it.
pub(super) fn upstream(aliases: &[Alias], image: &ImageName) -> Option<ImageName> {
    let name = image.to_string();
    let mut fitting: Vec<(&Alias, ImageName)> =
        aliases.iter().filter_map(|alias| Some((alias, alias.upstream_of(&name)?))).collect();
    fitting.sort_by_key(|(alias, _)| alias.written.len());
    fitting.pop().map(|(_, upstream)| upstream)
}

impl FromStr for Alias {
    type Err = InvalidAlias;

    fn from_str(text: &str) -> Result<Self, InvalidAlias> {
        let (written, upstream) = text.split_once('=').ok_or_else(|| InvalidAlias(text.chars().take(200).collect()))?;
        Self::new(written.trim(), upstream.trim())
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.written, self.upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(aliases: &[&str], image: &str, expected: Option<&str>) {
        let aliases: Vec<Alias> = aliases.iter().map(|alias| alias.parse().expect("an alias")).collect();
        let found = upstream(&aliases, &image.parse().expect("an image"));
        assert_eq!(found.map(|image| image.to_string()).as_deref(), expected, "{image}");
    }

    #[test]
    fn a_mirror_serves_its_upstreams_images() {
        let hub = ["mirror.corp/hub=docker.io", "mirror.corp/hub/acme=ghcr.io/acme"];
        check(&hub, "mirror.corp/hub/library/nginx", Some("docker.io/library/nginx"));
        check(&hub, "mirror.corp/hub/nginx", Some("docker.io/library/nginx"));
        check(&hub, "mirror.corp/hub/grafana/loki", Some("docker.io/grafana/loki"));
        check(&hub, "mirror.corp/hub/acme/shop", Some("ghcr.io/acme/shop"));
        check(&hub, "mirror.corp/hubs/nginx", None);
        check(&hub, "nginx", None);
        check(&["mirror.corp:5000=docker.io"], "mirror.corp:5000/nginx", Some("docker.io/library/nginx"));
    }

    #[test]
    fn an_images_mirrors_are_known() {
        let hub: Vec<Alias> = ["mirror.corp/hub=docker.io", "other.corp=docker.io/library", "x.corp=ghcr.io"]
            .iter()
            .map(|alias| alias.parse().expect("an alias"))
            .collect();
        let found: Vec<String> =
            mirrors(&hub, &"nginx".parse().expect("an image")).iter().map(ToString::to_string).collect();
        assert_eq!(found[0], "mirror.corp/hub/library/nginx");
        assert!(mirrors(&hub, &"quay.io/a/b".parse().expect("an image")).is_empty());
    }

    #[test]
    fn what_is_no_alias_is_refused() {
        for text in ["", "mirror", "mirror.corp", "hub=docker.io", "mirror.corp=mirror.corp/", "mirror.corp= "] {
            assert!(text.parse::<Alias>().is_err(), "{text}");
        }
    }
}
