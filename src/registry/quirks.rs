//! What is known of registries beyond the specification, as data. A registry that is not named here is asked as the
//! specification says, and oddities that show in its answers (no `Link`, a `Link` with another path, dates beside
//! tags) are met wherever they show.

/// What is known of the registries whose hosts match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quirk {
    /// What people call it.
    pub(super) name: &'static str,
    /// Hosts as images name them; `*` stands for any labels.
    pub(super) hosts: &'static [&'static str],
    /// Tags asked for in one page.
    pub(super) page_size: usize,
    /// Token servers on other hosts that may see the registry's credentials.
    pub(super) realms: &'static [&'static str],
    /// Where a tag's date comes from without reading its image.
    pub(super) dates: Dates,
    /// Whether reading a manifest is counted as a pull.
    pub(super) pulls: Pulls,
}

/// Where a tag's date comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// Only the image's own configuration has one.
    Image,
    /// Docker Hub's own interface tells when a tag was pushed, and for which platforms.
    DockerHub,
    /// The list of tags tells when each image was uploaded.
    List,
    /// Quay's own interface tells since when a tag points where it does.
    Quay,
}

/// Whether reading a manifest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulls {
    /// It is free.
    Free,
    /// A GET is a pull, a HEAD is none. Source: Docker's documentation of pull limits.
    Counted,
}

/// A registry that does what the specification says. The page size is the largest that none refuses.
const USUAL: Quirk =
    Quirk { name: "registry", hosts: &[], page_size: 1000, realms: &[], dates: Dates::Image, pulls: Pulls::Free };

/// The registries that are known to differ, or to need nothing special.
pub(super) const QUIRKS: &[Quirk] = &[
    Quirk {
        name: "Docker Hub",
        hosts: &["docker.io"],
        realms: &["auth.docker.io"],
        dates: Dates::DockerHub,
        pulls: Pulls::Counted,
        ..USUAL
    },
    Quirk { name: "GitHub Container Registry", hosts: &["ghcr.io"], ..USUAL },
    // Quay has refused more than 100.
    Quirk { name: "Quay", hosts: &["quay.io"], page_size: 100, dates: Dates::Quay, ..USUAL },
    Quirk {
        name: "Google Artifact Registry",
        hosts: &["*.pkg.dev", "gcr.io", "*.gcr.io"],
        dates: Dates::List,
        ..USUAL
    },
    // More than 1,000 is answered by 405.
    Quirk { name: "Amazon ECR", hosts: &["*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr.*.amazonaws.com.cn"], ..USUAL },
    Quirk { name: "Amazon ECR Public", hosts: &["public.ecr.aws"], ..USUAL },
    Quirk { name: "Azure Container Registry", hosts: &["*.azurecr.io", "*.azurecr.cn", "*.azurecr.us"], ..USUAL },
    Quirk { name: "Microsoft Artifact Registry", hosts: &["mcr.microsoft.com"], ..USUAL },
    Quirk { name: "GitLab", hosts: &["registry.gitlab.com"], realms: &["gitlab.com"], ..USUAL },
    Quirk { name: "Harbor", hosts: &["harbor.*", "demo.goharbor.io"], page_size: 100, ..USUAL },
    Quirk { name: "Artifactory", hosts: &["*.jfrog.io"], ..USUAL },
    Quirk { name: "Nexus", hosts: &["nexus.*"], ..USUAL },
    Quirk { name: "Chainguard", hosts: &["cgr.dev"], ..USUAL },
    // It redirects to Artifact Registry.
    Quirk { name: "Kubernetes", hosts: &["registry.k8s.io"], dates: Dates::List, ..USUAL },
    Quirk {
        name: "Red Hat",
        hosts: &["registry.access.redhat.com", "registry.redhat.io"],
        realms: &["sso.redhat.com"],
        ..USUAL
    },
    Quirk { name: "Elastic", hosts: &["docker.elastic.co"], realms: &["docker-auth.elastic.co"], ..USUAL },
];

/// What is known of a registry, by the host that images name.
pub(super) fn quirk(host: &str) -> &'static Quirk {
    QUIRKS.iter().find(|quirk| quirk.hosts.iter().any(|pattern| matches(pattern, host))).unwrap_or(&USUAL)
}

/// Whether `host` is of the pattern; `*` stands for one label or more.
fn matches(pattern: &str, host: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == host };
    let Some(rest) = host.strip_prefix(before) else { return false };
    if after.is_empty() {
        return !rest.is_empty();
    }
    let cuts = rest.char_indices().skip(1).map(|(at, _)| &rest[at..]);
    cuts.into_iter().any(|tail| matches(after, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, name: &str) {
        assert_eq!(quirk(host).name, name, "{host}");
    }

    #[test]
    fn registries_are_known_by_their_hosts() {
        check("docker.io", "Docker Hub");
        check("ghcr.io", "GitHub Container Registry");
        check("quay.io", "Quay");
        check("europe-west4-docker.pkg.dev", "Google Artifact Registry");
        check("eu.gcr.io", "Google Artifact Registry");
        check("gcr.io", "Google Artifact Registry");
        check("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "Amazon ECR");
        check("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "Amazon ECR");
        check("public.ecr.aws", "Amazon ECR Public");
        check("acme.azurecr.io", "Azure Container Registry");
        check("mcr.microsoft.com", "Microsoft Artifact Registry");
        check("registry.gitlab.com", "GitLab");
        check("harbor.acme.corp", "Harbor");
        check("acme.jfrog.io", "Artifactory");
        check("nexus.acme.corp:8083", "Nexus");
        check("cgr.dev", "Chainguard");
        check("registry.k8s.io", "Kubernetes");
        check("registry.access.redhat.com", "Red Hat");
    }

    #[test]
    fn a_lookalike_is_not_known() {
        for host in ["docker.io.evil.example", "evil-quay.io", "pkg.dev", "gcr.io.example", "dkr.ecr.amazonaws.com"] {
            check(host, "registry");
        }
        check("123.dkr.ecr.eu-west-1.amazonaws.com.evil.example", "registry");
    }

    #[test]
    fn no_page_is_larger_than_every_registry_takes() {
        assert!(QUIRKS.iter().all(|quirk| (1..=1000).contains(&quirk.page_size)));
    }
}
