//! What an operator sees of right and wrong settings.

use std::io::Write;

use aws_lc_rs::encoding::AsDer;
use base64::Engine;
use secrecy::ExposeSecret;

use super::*;
use crate::registry::{Provider, Secret};

fn key() -> String {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).expect("its form");
    let text = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

fn load(environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::from_parts(None, environment, &Overrides::default())
}

fn minimal() -> Vec<(&'static str, String)> {
    vec![
        ("RESTOW_APP_ID", "7".to_owned()),
        ("RESTOW_PRIVATE_KEY", key()),
        ("RESTOW_WEBHOOK_SECRETS", "s1,s2".to_owned()),
    ]
}

fn load_with(more: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let minimal = minimal();
    let mut all: Vec<(&str, &str)> = minimal.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend(more);
    load(&all)
}

#[test]
fn three_settings_are_enough() {
    let settings = load_with(&[]).expect("valid");
    assert_eq!(settings.app_id, 7);
    assert_eq!(settings.webhook_secrets.len(), 2);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database_url.expose_secret(), "sqlite:restow.db");
    assert_eq!(settings.rest_url().as_str(), "https://api.github.com/");
    assert_eq!(settings.graphql_url().as_str(), "https://api.github.com/graphql");
}

#[test]
fn an_enterprise_server_has_its_own_paths() {
    let settings = load_with(&[("RESTOW_GITHUB_URL", "https://git.example.com")]).expect("valid");
    assert_eq!(settings.rest_url().as_str(), "https://git.example.com/api/v3");
    assert_eq!(settings.graphql_url().as_str(), "https://git.example.com/api/graphql");
}

#[test]
fn everything_missing_is_told_at_once() {
    let message = load(&[]).expect_err("nothing is set").to_string();
    for name in ["RESTOW_APP_ID", "RESTOW_PRIVATE_KEY", "RESTOW_WEBHOOK_SECRETS"] {
        assert!(message.contains(name), "{message}");
    }
}

#[track_caller]
fn check(name: &str, value: &str, expected: &str) {
    assert_eq!(load_with(&[(name, value)]).expect_err("a mistake").to_string(), expected);
}

#[test]
fn a_wrong_setting_is_one_message_that_names_it() {
    check("RESTOW_WORKERS", "0", "workers (RESTOW_WORKERS): 0 is not from 1 to 64");
    let listen = "listen (RESTOW_LISTEN): expected an address and a port, such as 127.0.0.1:8080 or [::]:8080";
    check("RESTOW_LISTEN", "8080", listen);
    check("RESTOW_APP_ID", "restow", "app_id (RESTOW_APP_ID): expected a number");
    check("RESTOW_WORKERS", "-1", "workers (RESTOW_WORKERS): expected a number");
    check("RESTOW_ROLE", "boss", "role (RESTOW_ROLE): expected one of web, worker, all");
    check("RESTOW_WROKERS", "2", "RESTOW_WROKERS: there is no such setting; did you mean workers?");
    check(
        "RESTOW_PRIVATE_KEY",
        "secret-text",
        "private_key (RESTOW_PRIVATE_KEY): it is no RSA private key in PEM form, as GitHub's App page gives it",
    );
    check(
        "RESTOW_GITHUB_URL",
        "github.com",
        "github_url (RESTOW_GITHUB_URL): expected an address such as https://github.example.com",
    );
}

#[test]
fn a_hook_has_a_kind_a_secret_and_where_needed_a_registry() {
    let check = |value: &str, expected: &str| check("RESTOW_REGISTRY_HOOKS", value, expected);
    let good = "{hub={kind=\"docker-hub\",secret=\"0123456789abcdef\"}}";
    let settings = load_with(&[("RESTOW_REGISTRY_HOOKS", good)]).expect("valid");
    assert_eq!(settings.registry_hooks[0].name, "hub");
    assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    check("{hub={kind=\"docker-hub\"}}", "registry_hooks.hub: set either secret or secret_file");
    check(
        "{hub={kind=\"docker-hub\",secret=\"0123456789abcde\"}}",
        "registry_hooks.hub: the secret has fewer than 16 characters; take one of `openssl rand -hex 32`",
    );
    check(
        "{h={kind=\"harbor\",secret=\"0123456789abcdef\"}}",
        "registry_hooks.h: harbor does not say by which host images name it: set registry",
    );
    check(
        "{h={kind=\"harbor\",secret=\"0123456789abcdef\",registry=\"https://harbor.example.com\"}}",
        "registry_hooks.h.registry: expected the host that images name, such as harbor.example.com or \
         registry.example.com:5000",
    );
    check(
        "{h={kind=\"nexus\",secret=\"0123456789abcdef\"}}",
        "registry_hooks.h.kind (RESTOW_REGISTRY_HOOKS): expected one of docker-hub, ghcr, harbor, quay, acr, gar, ecr, \
         gitlab, distribution",
    );
    check(
        "{UP={kind=\"acr\",secret=\"0123456789abcdef\"}}",
        "registry_hooks.UP: a hook's name is 1 to 64 of a-z, 0-9, - and _, for it is a part of an address",
    );
}

#[test]
fn a_hook_stands_in_the_file_with_its_secret_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let mut secret = tempfile::NamedTempFile::new().expect("a file");
    secret.write_all(b"0123456789abcdef\n").expect("written");
    std::fs::set_permissions(secret.path(), std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!(
        "app_id = 5\nwebhook_secrets = [\"a\"]\nprivate_key = '''\n{}'''\n\n[registry_hooks.harbor]\nkind = \"harbor\"\n\
         secret_file = \"{}\"\nregistry = \"Harbor.example.com\"\n",
        key(),
        secret.path().display()
    );
    file.write_all(text.as_bytes()).expect("written");
    let settings = Settings::from_parts(Some(file.path()), Vec::new(), &Overrides::default()).expect("valid");
    let hook = &settings.registry_hooks[0];
    assert_eq!((hook.name.as_str(), hook.secret.expose_secret()), ("harbor", "0123456789abcdef"));
    assert_eq!(hook.sender.kind().as_str(), "harbor");
}

#[test]
fn secrets_are_in_no_debug_and_no_message() {
    let settings = load_with(&[("RESTOW_DATABASE_URL", "postgres://u:hunter2@h/d")]).expect("valid");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("BEGIN") && !shown.contains("s1"), "{shown}");
}

#[test]
fn a_key_that_everybody_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(key().as_bytes()).expect("written");
    let path = file.path().to_str().expect("UTF-8").to_owned();
    let load = || load(&[("RESTOW_APP_ID", "7"), ("RESTOW_PRIVATE_KEY_FILE", &path), ("RESTOW_WEBHOOK_SECRETS", "s")]);
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    mode(0o644);
    assert!(load().expect_err("refused").to_string().contains(&format!("chmod 600 {path}")));
    mode(0o600);
    assert!(load().is_ok());
}

#[test]
fn a_file_is_read_and_the_environment_wins() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!(
        "app_id = 5\nwebhook_secrets = [\"a\"]\nworkers = 2\nprivate_key = '''\n{}'''\n\n[[registry_credentials]]\n\
         host = \"ghcr.io\"\nusername = \"u\"\npassword = \"p\"\n",
        key()
    );
    file.write_all(text.as_bytes()).expect("written");
    let environment = vec![("RESTOW_WORKERS".to_owned(), "9".to_owned())];
    let settings = Settings::from_parts(Some(file.path()), environment, &Overrides::default()).expect("valid");
    assert_eq!((settings.app_id, settings.workers), (5, 9));
    assert_eq!(settings.registry_credentials[0].host, "ghcr.io");
}

#[test]
fn an_unknown_key_of_the_file_is_refused() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"webhook_secret = \"a\"\n").expect("written");
    let message =
        Settings::from_parts(Some(file.path()), Vec::new(), &Overrides::default()).expect_err("refused").to_string();
    assert!(message.contains("did you mean webhook_secrets?"), "{message}");
}

#[test]
fn a_file_that_is_no_toml_names_the_place_and_shows_no_secret() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"app_id = 7\nwebhook_secrets = [\"hunter2\" \"hunter3\"]\n").expect("written");
    let message =
        Settings::from_parts(Some(file.path()), Vec::new(), &Overrides::default()).expect_err("refused").to_string();
    assert!(message.contains("line 2"), "{message}");
    assert!(!message.contains("hunter"), "{message}");
}

#[test]
fn a_wrong_type_in_the_file_shows_no_secret() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"webhook_secrets = \"hunter2\"\n").expect("written");
    let message =
        Settings::from_parts(Some(file.path()), Vec::new(), &Overrides::default()).expect_err("refused").to_string();
    assert!(message.starts_with("webhook_secrets (RESTOW_WEBHOOK_SECRETS): expected"), "{message}");
    assert!(!message.contains("hunter"), "{message}");
}

const CREDENTIALS: &str = "RESTOW_REGISTRY_CREDENTIALS";

#[test]
fn credentials_may_be_limited_to_owners_or_come_from_a_cloud() {
    let text = r#"[{host = "r.corp", owners = ["acme"], username = "u", password = "p"},
        {host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com", provider = "ecr"},
        {host = "europe-docker.pkg.dev", provider = "gar"}, {host = "acme.azurecr.io", provider = "acr"}]"#;
    let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), (CREDENTIALS, text)];
    let credentials = load_with(&keys).expect("valid").registry_credentials;
    assert_eq!(credentials[0].owners, ["acme"]);
    let Secret::Cloud(Provider::Ecr(aws)) = &credentials[1].secret else { panic!("{credentials:?}") };
    assert_eq!(aws.keys.as_ref().map(|keys| keys.id.as_str()), Some("AKIA"));
    assert!(matches!(credentials[2].secret, Secret::Cloud(Provider::Gar)));
    assert!(matches!(credentials[3].secret, Secret::Cloud(Provider::Acr(_))));
    assert!(!format!("{credentials:?}").contains("hunter2"));
}

#[test]
fn credentials_that_cannot_be_meant_are_refused() {
    let check = |text: &str, told: &str| {
        let message = load_with(&[(CREDENTIALS, text)]).expect_err("a mistake").to_string();
        assert!(message.contains(told), "{message}");
    };
    check(r#"[{host = "r.corp", provider = "ecr"}]"#, "no host of its provider's");
    check(r#"[{host = "acme.azurecr.io.evil.example", provider = "acr"}]"#, "no host of its provider's");
    check(r#"[{host = "gcr.io", provider = "gar", password = "p"}]"#, "set either provider or those");
    check(r#"[{host = "gcr.io", provider = "aws"}]"#, "expected one of");
    check(r#"[{host = "r.corp", password = "p"}]"#, "username is missing");
    check(r#"[{host = "r.corp", username = "u"}]"#, "set either password or password_file");
}

#[test]
fn mirrors_hosts_and_proxies() {
    let settings = load_with(&[
        ("RESTOW_REGISTRY_ALIASES", r#"{"mirror.corp/hub" = "docker.io"}"#),
        ("RESTOW_REGISTRY_HOSTS", r#"{"docker.io" = "hub.corp"}"#),
        ("RESTOW_REGISTRY_REALMS", r#"{"index.docker.io" = "Auth.corp:8443", "r.corp" = "auth.corp"}"#),
        ("https_proxy", "http://user:hunter2@proxy.corp:3128"),
        ("NO_PROXY", ".corp"),
    ])
    .expect("valid");
    assert_eq!(settings.registry_aliases[0].to_string(), "mirror.corp/hub=docker.io");
    assert_eq!(settings.registry_hosts["docker.io"], "hub.corp");
    assert!(settings.proxy.https.is_some() && settings.proxy.http.is_none());
    assert_eq!(settings.proxy.no_proxy.as_deref(), Some(".corp"));
    assert!(!format!("{settings:?}").contains("hunter2"));
    let message = load_with(&[("RESTOW_REGISTRY_ALIASES", r#"{"hub" = "docker.io"}"#)]).expect_err("no host");
    assert!(message.to_string().contains("is no alias"), "{message}");
    let pairs: Vec<_> = settings.registry_realms.iter().map(|pair| (&*pair.registry, &*pair.realm)).collect();
    assert_eq!(pairs, [("docker.io", "auth.corp:8443"), ("r.corp", "auth.corp")]);
    for wrong in [r#"{"r.corp" = "https://auth.corp/token"}"#, r#"{"r.corp" = ""}"#, r#"{"r.corp/x" = "auth.corp"}"#] {
        let message = load_with(&[("RESTOW_REGISTRY_REALMS", wrong)]).expect_err("no pair").to_string();
        assert!(
            message.contains("registry_realms (RESTOW_REGISTRY_REALMS)") && message.contains("two hosts"),
            "{message}"
        );
    }
    let message = load_with(&[("RESTOW_REGISTRY_CA_FILES", "/no/such/file")]).expect_err("no file");
    assert!(message.to_string().contains("cannot be read"), "{message}");
}

#[test]
fn a_scanner_gets_what_it_needs_of_the_environment_and_no_secret() {
    let environment = [
        ("RESTOW_SCANNER", "trivy"),
        ("RESTOW_SCANNER_SERVER", "http://trivy.example.com:4954"),
        ("RESTOW_SCANNER_ENVIRONMENT", "TRIVY_USERNAME"),
        ("RESTOW_ADVISORIES_URL", "none"),
        ("PATH", "/usr/bin"),
        ("TRIVY_USERNAME", "world"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let settings = load_with(&environment).expect("settings");
    let scanner = settings.advisories.expect("sources").scanner.expect("a scanner");
    assert_eq!(scanner.kind, crate::vulnerability::ScannerKind::Trivy);
    let names: Vec<&str> = scanner.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PATH", "TRIVY_USERNAME"]);
    let check = |more: &[(&str, &str)], expected: &str| {
        let text = load_with(more).expect_err("it is wrong").to_string();
        assert!(text.contains(expected), "{text}");
    };
    check(&[("RESTOW_SCANNER", "clair")], "scanner: \"clair\" is none; write trivy, grype or none");
    check(&[("RESTOW_SCANNER_SERVER", "http://x")], "scanner_server: set scanner to trivy too");
    check(&[("RESTOW_SCANNER", "grype"), ("RESTOW_SCANNER_SERVER", "http://x")], "grype has no server");
    check(&[("RESTOW_SCANNER", "trivy"), ("RESTOW_SCANNER_SERVER", "http://me:pw@x")], "without a user's name");
    check(&[("RESTOW_VEX_REPOSITORIES", "https://a.example,hub")], "vex_repositories: write an address");
    check(&[("RESTOW_ENDOFLIFE_URL", "endoflife")], "endoflife_url: write an address");
}
