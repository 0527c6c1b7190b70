//! Every setting, once: its name, default and meaning. The documentation is made from this table.

use crate::advisory::{Exports, Feeds, Osv};

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in the TOML file; in the environment `RESTOW_` and the name in upper case.
    pub name: &'static str,
    /// What holds where it is not set; empty where it must be set.
    pub default: &'static str,
    /// What it is, for a person.
    pub meaning: &'static str,
}

const fn field(name: &'static str, default: &'static str, meaning: &'static str) -> Field {
    Field { name, default, meaning }
}

/// Every setting of the server.
pub const FIELDS: &[Field] = &[
    field("app_id", "", "The App's id, a number, from the App's page on GitHub."),
    field("private_key", "", "The App's private key, PEM text. Either this or `private_key_file`."),
    field("private_key_file", "", "A file with the App's private key, readable by its owner only (`chmod 600`)."),
    field(
        "webhook_secrets",
        "",
        "The webhook's secrets; several while one is replaced. This, `webhook_secret_files`, or both.",
    ),
    field("webhook_secret_files", "", "Files with one webhook secret each, readable by their owner only."),
    field("github_url", "https://github.com", "GitHub's web address; for GitHub Enterprise Server `https://HOST`."),
    field(
        "github_api_url",
        "derived from `github_url`",
        "GitHub's REST address, where it is not `https://api.github.com` or `https://HOST/api/v3`.",
    ),
    field("listen", "127.0.0.1:8080", "The address and port that webhooks, health and metrics are served on."),
    field("database_url", "sqlite:restow.db", "`sqlite:FILE` or `postgres://user:password@host/database`."),
    field("workers", "4", "Jobs run at once, 1 to 64."),
    field("role", "all", "`web` receives webhooks, `worker` works on the queue, `all` does both."),
    field("insecure_registries", "none", "Registries (`host:port`) that are asked by plain HTTP."),
    field(
        "allowed_private_addresses",
        "none",
        "Private addresses that a registry may have: hosts, addresses or networks (`10.0.0.0/8`). All others are refused.",
    ),
    field(
        "registry_credentials",
        "none",
        "A list of tables with `host`, `username` and `password` or `password_file`; with `owners = [\"acme\"]` only the \
         repositories of these owners are read for with it. `provider = \"ecr\"`, `\"gar\"` or `\"acr\"` in the place of user and \
         password takes the cloud's own identity.",
    ),
    field(
        "registry_aliases",
        "none",
        "A table of mirrors and their upstreams, `\"mirror.corp/hub\" = \"docker.io\"`: tags are known from upstream, and \
         only what the mirror has is proposed, under its name.",
    ),
    field(
        "registry_hosts",
        "`docker.io` at `registry-1.docker.io`",
        "A table of registries that another host serves than the one that images name, `\"docker.io\" = \"hub.corp\"`; \
         credentials are still named by the registry.",
    ),
    field(
        "registry_realms",
        "none",
        "A table of registries and the host of a token server that may see their credentials, `\"registry.corp\" = \
         \"auth.corp\"`. Without it credentials go only to the registry's own host and to the token servers of well-known \
         registries.",
    ),
    field(
        "docker_hub_url",
        "https://hub.docker.com",
        "Docker Hub's own interface, which tells dates and platforms without counting a pull.",
    ),
    field("registry_ca_files", "none", "PEM files with private certificate authorities, trusted beside the system's."),
    field(
        "registry_client_certificates",
        "none",
        "A list of tables with `host`, `certificate_file` and `key_file`, for registries that want a client certificate.",
    ),
    field(
        "advisories_url",
        Osv::PUBLIC,
        "Who is asked for known vulnerabilities: a server that answers as OSV's API does. It is told names and versions of packages, never images. `none` asks nobody.",
    ),
    field(
        "advisories_mirror",
        "none",
        "Ecosystems of OSV (`Debian`, `Alpine`) whose exports are mirrored into the database: their packages are matched here, and nobody is asked for them.",
    ),
    field("advisories_exports_url", Exports::PUBLIC, "Where OSV's exports are, or a copy of them."),
    field("kev_url", Feeds::KEV, "CISA's catalogue of what is exploited, or a copy of it; `none` brings none."),
    field("epss_url", Feeds::EPSS, "FIRST's daily scores, or a copy of them; `none` brings none."),
    field(
        "endoflife_url",
        "none",
        "When the support of products ends: endoflife.date's `https://endoflife.date/api/v1/products/full`, or a copy of it. Without it Restow knows the ends of Debian, Ubuntu, Alpine and Fedora.",
    ),
    field(
        "debian_tracker_url",
        Feeds::TRIAGE,
        "What Debian's security team decided (`no-dsa`, `postponed`, `ignored`), or a copy of it; about 60 MB, brought once a day. `none` brings none.",
    ),
    field(
        "vex_repositories",
        "none",
        "VEX repositories that are mirrored, each by the address below which its `index.json` is; whose statements count is said by the rule `vex`.",
    ),
    field(
        "scanner",
        "none",
        "`trivy` or `grype`: images are scanned by this program, which must be installed, in the place of Restow's own look.",
    ),
    field("scanner_server", "none", "The address of Trivy's server; without it the program scans by itself."),
    field(
        "scanner_environment",
        "none",
        "Variables of Restow's own environment that the scanner gets besides `PATH`, `HOME`, `TMPDIR`, `XDG_*_HOME`, `DOCKER_CONFIG`, `SSL_CERT_*` and the proxies: `TRIVY_USERNAME`, `GRYPE_DB_UPDATE_URL`.",
    ),
    field(
        "advisory_interval",
        "21600",
        "Seconds after which exports and feeds are brought again, and images in use are held against the advisories again.",
    ),
    field(
        "default_rules_file",
        "none",
        "A file in the form of `.github/restow.yml` with what holds for all repositories whose organisation and own file say nothing else.",
    ),
    field(
        "docker_config",
        "none",
        "Docker's `config.json`: its `auths` and credential helpers serve the registries that `registry_credentials` does not name.",
    ),
    field(
        "registry_hooks",
        "none",
        "Tables by a name of yours with `kind`, `secret` or `secret_file` and, for some kinds, `registry`: where registries \
         tell that an image was pushed; see [Push instead of poll](operations.md#push-instead-of-poll).",
    ),
    field(
        "log_format",
        "human",
        "`human` or `json`; what is logged is set by `RUST_LOG`, for example `info` or `restow=debug`.",
    ),
    field(
        "tag_list_interval",
        "1800",
        "Seconds that an image's list of tags is good for, for all repositories together.",
    ),
    field("plan_interval", "21600", "Seconds after which a repository is planned again without a push."),
    field(
        "reconcile_interval",
        "86400",
        "Seconds after which all repositories are compared with GitHub again, in case webhooks were lost; it is also done \
         at start.",
    ),
    field("lease", "60", "Seconds that a job stays claimed without a sign of life, 5 to 3600."),
    field(
        "write_spacing",
        "1000",
        "Milliseconds between two writes to GitHub of one installation, 0 to 60000; github.com wants a second.",
    ),
];

/// The table of `docs/configuration.md`.
pub fn fields_table() -> String {
    let mut table = "| setting | environment | default | meaning |\n|---|---|---|---|\n".to_owned();
    for field in FIELDS {
        let default = match field.default {
            "" => "—".to_owned(),
            text if text.contains(' ') || text == "none" => text.to_owned(),
            text => format!("`{text}`"),
        };
        let environment = format!("RESTOW_{}", field.name.to_ascii_uppercase());
        table.push_str(&format!("| `{}` | `{environment}` | {default} | {} |\n", field.name, field.meaning));
    }
    table
}
