//! The command line as a user meets it: what it prints, what it changes, how it exits.

use std::path::Path;
use std::process::{Command, Output};

fn restow(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_restow"))
        .args(arguments)
        .env("XDG_CACHE_HOME", folder.join(".cache"))
        .current_dir(folder)
        .output()
        .expect("it runs")
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

const FILES: [(&str, &str); 3] = [
    ("docker/Dockerfile", "FROM nginx:1.25-alpine\n"),
    (
        "compose.yaml",
        "services:\n  a: {image: \"index.docker.io/library/nginx:${TAG}\"}\n  b: {build: ., image: own:1}\n",
    ),
    (".env", "TAG=1.25-alpine\n"),
];

#[test]
fn scan_prints_the_json_of_the_contract() {
    let folder = folder(&FILES);
    let run = restow(folder.path(), &["scan", "--offline", "--format", "json"]);
    assert_eq!(run.status.code(), Some(0));
    let scan: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
    assert_eq!((scan["version"].as_u64(), scan["root"].as_str()), (Some(1), Some(".")));
    let sites = scan["sites"].as_array().expect("sites");
    assert_eq!(sites.len(), 2, "{sites:#?}");
    let compose = &sites[0];
    assert_eq!(compose["written"], "index.docker.io/library/nginx:${TAG}");
    assert_eq!(
        (compose["image"].as_str(), compose["tag"].as_str()),
        (Some("docker.io/library/nginx"), Some("1.25-alpine"))
    );
    assert_eq!(compose["spans"][1], serde_json::json!({ "part": "tag", "start": 4, "end": 15, "path": ".env" }));
    let docker = &sites[1];
    assert_eq!((docker["line"].as_u64(), docker["column"].as_u64()), (Some(1), Some(6)));
    assert_eq!(docker["spans"], serde_json::json!([{ "part": "reference", "start": 5, "end": 22 }]));
    assert_eq!((&docker["update"], &docker["digest"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(scan["stats"]["images"], 1);
}

#[test]
fn scan_tells_people_and_scripts_what_it_found() {
    let folder = folder(&FILES);
    let human = restow(folder.path(), &["scan", "--offline"]);
    let table = text(&human.stdout);
    assert!(
        table.contains("nginx") && table.contains("docker/Dockerfile:1") && table.contains("2 references"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "no colour where no terminal is");
    assert_eq!(restow(folder.path(), &["scan", "--offline", "--exit-code"]).status.code(), Some(1));
    let sarif = restow(folder.path(), &["scan", "--offline", "--format", "sarif"]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&sarif.stdout).expect("JSON")["version"], "2.1.0");
    let missing = restow(folder.path(), &["scan", "--offline", "nowhere"]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(text(&missing.stderr).contains("nowhere"));
    assert_eq!(restow(folder.path(), &["scan", "--frob"]).status.code(), Some(2));
}

#[test]
fn update_moves_every_spelling_and_nothing_else() {
    let folder = folder(&FILES);
    let dry = restow(folder.path(), &["update", "--image", "nginx", "--to", "1.27-alpine", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", text(&dry.stderr));
    let diff = text(&dry.stdout);
    assert!(diff.contains("-TAG=1.25-alpine\n+TAG=1.27-alpine") && diff.contains("+FROM nginx:1.27-alpine"), "{diff}");
    let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).expect("a file");
    assert_eq!(read("docker/Dockerfile"), FILES[0].1, "a dry run changes nothing");
    let run =
        restow(folder.path(), &["update", "--image", "docker.io/nginx", "--to", "1.27-alpine", "--path", "docker/"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(read("docker/Dockerfile"), "FROM nginx:1.27-alpine\n");
    assert_eq!((read("compose.yaml").as_str(), read(".env").as_str()), (FILES[1].1, FILES[2].1));
}

#[test]
fn update_never_leaves_an_old_digest_beside_a_new_tag() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let folder = folder(&[("Dockerfile", &format!("FROM nginx:1.25@{digest}\n"))]);
    let run = restow(folder.path(), &["update", "--image", "nginx", "--to", "1.27"]);
    assert_eq!(run.status.code(), Some(3));
    assert!(text(&run.stderr).contains("a digest stands there"), "{}", text(&run.stderr));
    let other = format!("1.27@sha256:{}", "b".repeat(64));
    let run = restow(folder.path(), &["update", "--image", "nginx", "--to", &other]);
    assert_eq!(run.status.code(), Some(0));
    let content = std::fs::read_to_string(folder.path().join("Dockerfile")).expect("a file");
    assert_eq!(content, format!("FROM nginx:{other}\n"));
}

#[cfg(unix)]
#[test]
fn update_keeps_modes_and_follows_no_link_out() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let outside = folder(&[("Dockerfile", "FROM nginx:1\n")]);
    let inside = folder(&[("Dockerfile", "FROM nginx:1\n")]);
    symlink(outside.path(), inside.path().join("linked")).expect("a link");
    let own = inside.path().join("Dockerfile");
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let run = restow(inside.path(), &["update", "--image", "nginx", "--to", "2"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert_eq!(std::fs::metadata(&own).expect("it").permissions().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_to_string(own).expect("it"), "FROM nginx:2\n");
    assert_eq!(std::fs::read_to_string(outside.path().join("Dockerfile")).expect("it"), "FROM nginx:1\n");
}

#[test]
fn check_draws_mistakes_and_exits_with_two() {
    let good = folder(&[(".github/restow.yml", "pin: true\nignore: {images: [redis]}\n")]);
    let run = restow(good.path(), &["check"]);
    assert_eq!(run.status.code(), Some(0));
    assert!(text(&run.stdout).contains("image redis") && text(&run.stdout).contains("is valid"));
    let bad = folder(&[(".github/restow.yml", "ignroe: {}\n")]);
    let run = restow(bad.path(), &["check"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("did you mean `ignore`?"), "{}", text(&run.stderr));
    let none = folder(&[("x", "")]);
    assert!(text(&restow(none.path(), &["check"]).stdout).contains("the defaults apply"));
}

#[test]
fn the_rules_of_the_folder_hold_and_broken_ones_stop_the_command() {
    let files = |name, rules| [("Dockerfile", "FROM nginx:1.25\n"), (name, rules)];
    let valid = folder(&files(".github/restow.yaml", "enabled: false\n"));
    let run = restow(valid.path(), &["update"]);
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(0), "changed 0 references in 0 files\n".to_owned()));
    let broken = folder(&files(".github/restow.yml", "enabledd: false\n"));
    for command in ["scan", "update"] {
        let run = restow(broken.path(), &[command]);
        assert_eq!(run.status.code(), Some(2), "{command}");
        assert!(text(&run.stderr).contains("did you mean `enabled`?"), "{}", text(&run.stderr));
    }
    let both = folder(&[("Dockerfile", "FROM nginx:1.25\n"), (".github/restow.yml", ""), (".github/restow.yaml", "")]);
    let run = restow(both.path(), &["scan"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).contains("remove one of the two"), "{}", text(&run.stderr));
}

#[test]
fn serve_names_every_setting_that_is_missing() {
    let folder = folder(&[]);
    let run = Command::new(env!("CARGO_BIN_EXE_restow")).arg("serve").env_clear().current_dir(folder.path()).output();
    let run = run.expect("it runs");
    assert_eq!(run.status.code(), Some(2));
    let message = text(&run.stderr);
    for name in ["RESTOW_APP_ID", "RESTOW_PRIVATE_KEY", "RESTOW_WEBHOOK_SECRETS"] {
        assert!(message.contains(name), "{message}");
    }
}

/// What a registry said is remembered for the next run, unless that is not wanted.
#[tokio::test(flavor = "multi_thread")]
async fn registries_are_not_asked_twice() {
    let registry = world::registry::Registry::start().await.expect("a registry");
    registry.push_all("acme/web", &["1.0", "1.1"]);
    let host = registry.address();
    let dockerfile = format!("FROM {host}/acme/web:1.0@sha256:{}\n", "ab".repeat(32));
    let folder = folder(&[("Dockerfile", &dockerfile)]);
    let scan = |more: &[&str]| {
        registry.clear_requests();
        let usual = ["scan", "--insecure-registry", &host, "--allow-private", "127.0.0.1"];
        let run = restow(folder.path(), &[&usual, more].concat());
        assert!(text(&run.stdout).contains("minor 1.1@"), "{}{}", text(&run.stdout), text(&run.stderr));
        (registry.count("GET", "/tags/list"), registry.count("HEAD", "/manifests/"))
    };
    assert_eq!(scan(&["--no-cache"]), (1, 1), "nothing is kept");
    assert_eq!(scan(&[]), (1, 1), "nothing was kept");
    assert_eq!(scan(&[]), (0, 0), "all is remembered");
    assert_eq!(scan(&["--no-cache"]), (1, 1), "what is remembered is not used");
    let cache = folder.path().join(".cache/restow");
    let mode = std::fs::metadata(&cache).expect("the cache").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o700);
    std::fs::write(cache.join("registries.db"), "no database").expect("written");
    assert_eq!(scan(&[]), (1, 1), "a broken cache keeps nobody from working");
}

/// What Docker is logged in to: a password in its file, a helper, one that has nothing, one that fails.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_docker_are_used() {
    let registry = world::registry::Registry::start().await.expect("a registry");
    registry.push_all("acme/web", &["1.0", "1.1"]);
    registry.behave(|one| one.asks_for = world::registry::Credentials::Basic);
    let host = registry.address();
    let helper = |body: &str| format!("#!/bin/sh\ncat >/dev/null\n{body}\n");
    let folder = folder(&[
        (
            "docker-credential-good",
            &helper("echo '{\"ServerURL\":\"x\",\"Username\":\"world\",\"Secret\":\"secret\"}'"),
        ),
        ("docker-credential-empty", &helper("echo 'credentials not found in native keychain'; exit 1")),
        ("docker-credential-broken", &helper("echo 'the vault is sealed' >&2; exit 1")),
    ]);
    for name in ["good", "empty", "broken"] {
        let file = folder.path().join(format!("docker-credential-{name}"));
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("runnable");
    }
    let ask = |config: String| {
        std::fs::write(folder.path().join("config.json"), config).expect("written");
        let run = Command::new(env!("CARGO_BIN_EXE_restow"))
            .args(["explain", &format!("{host}/acme/web:1.0"), "--no-cache"])
            .args(["--insecure-registry", &host, "--allow-private", "127.0.0.1"])
            .env("DOCKER_CONFIG", folder.path())
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .output();
        let run = run.expect("it runs");
        (run.status.code(), text(&run.stdout), text(&run.stderr))
    };
    let works = |(code, out, errors): (Option<i32>, String, String)| {
        assert_eq!(code, Some(0), "{errors}");
        assert!(out.contains("minor   1.1"), "{out}");
    };
    let fails = |(code, _, errors): (Option<i32>, String, String), why: &str| {
        assert_eq!(code, Some(3), "{errors}");
        assert!(errors.contains(why), "{errors}");
        assert!(!errors.contains("secret") && !errors.contains("the vault is sealed"), "{errors}");
    };
    works(ask(format!(r#"{{"auths": {{"{host}": {{"auth": "d29ybGQ6c2VjcmV0"}}}}}}"#)));
    works(ask(format!(r#"{{"credHelpers": {{"{host}": "good"}}}}"#)));
    works(ask(r#"{"credsStore": "good"}"#.to_owned()));
    fails(
        ask(format!(r#"{{"auths": {{"{host}": {{"auth": "d29ybGQ6d3Jvbmc="}}}}}}"#)),
        "refuses the configured credentials",
    );
    fails(ask("{}".to_owned()), "needs credentials");
    fails(ask(r#"{"credsStore": "empty"}"#.to_owned()), "needs credentials");
    fails(ask(format!(r#"{{"credHelpers": {{"{host}": "broken"}}}}"#)), "gives no credential for");
    fails(ask(format!(r#"{{"credHelpers": {{"{host}": "absent"}}}}"#)), "cannot be run");
    fails(ask("not JSON".to_owned()), "no readable credentials");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_checked() {
    let registry = world::registry::Registry::start().await.expect("a registry");
    registry.push_all("acme/web", &["1.0", "1.1"]);
    let host = registry.address();
    let folder = folder(&[]);
    let check = |more: &[&str]| {
        let usual = ["registry", "check", &host, "--insecure-registry", &host, "--allow-private", "127.0.0.1"];
        let run = restow(folder.path(), &[&usual, more].concat());
        (run.status.code(), text(&run.stdout))
    };
    let (code, out) = check(&["--image", "acme/web"]);
    assert_eq!(code, Some(0), "{out}");
    let lines = [
        "it answers everybody",
        "none are configured",
        "2 tags in",
        "1 page, read to the end",
        "1.1 is sha256:",
        "dates        the registry says none",
        "by tags named",
        "none is named",
    ];
    for line in lines {
        assert!(out.contains(line), "{line}: {out}");
    }
    registry.behave(|one| one.asks_for = world::registry::Credentials::Basic);
    let (code, out) = check(&["--image", "acme/web"]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("asks for     basic") && out.contains("needs credentials"), "{out}");
    // Without an image's name its door tells as much.
    let (code, out) = check(&[]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("entry        not open without an image's name"), "{out}");
    let run = restow(folder.path(), &["registry", "check", "127.0.0.1:9"]);
    assert_eq!(run.status.code(), Some(3));
    assert!(text(&run.stdout).contains("has no public address"), "{}", text(&run.stdout));
}

/// What the server would see, by its settings: its credentials, and what a registry tells besides.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_checked_as_the_server_would_ask_it() {
    use std::os::unix::fs::PermissionsExt;
    let world = world::World::start().await;
    let (registry, folder) = (&world.registry, folder(&[("key.pem", world.github.app_private_key_pem())]));
    let key = folder.path().join("key.pem");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("the key's rights");
    registry.push_all("acme/web", &["1.0", "1.1"]);
    registry.tell_pushed("acme/web", "1.1", "2026-01-02T00:00:00Z");
    registry.behave(|one| {
        one.asks_for = world::registry::Credentials::Basic;
        one.with_headers = vec![("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")];
        one.referrers_api = true;
    });
    let address = registry.address();
    let check = |password: &str, more: &[&str]| {
        let file = folder.path().join("settings.toml");
        let written = format!(
            "app_id = 1\nprivate_key_file = '{}'\nwebhook_secrets = ['x']\ninsecure_registries = ['{address}']\n\
             allowed_private_addresses = ['127.0.0.1']\ndocker_hub_url = 'http://{address}'\n[registry_hosts]\n\
             'docker.io' = '{address}'\n[[registry_credentials]]\nhost = 'docker.io'\nusername = 'world'\n\
             password = '{password}'\n[[registry_credentials]]\nhost = '{address}'\nusername = 'world'\n\
             password = '{password}'\n",
            key.display()
        );
        std::fs::write(&file, written).expect("written");
        let file = file.display().to_string();
        let run = restow(folder.path(), &[&["registry", "check", "docker.io", "--settings", &file], more].concat());
        (run.status.code(), format!("{}{}", text(&run.stdout), text(&run.stderr)))
    };
    let (code, out) = check("secret", &["--image", "acme/web"]);
    assert_eq!(code, Some(0), "{out}");
    let lines = [
        "entry        open to these credentials",
        "Docker Hub says that 1.1 was pushed 2026-01-02",
        "76 of 100 pulls left, in 6 hours",
        "by OCI 1.1's API",
    ];
    for line in lines {
        assert!(out.contains(line), "{line}: {out}");
    }
    let (code, out) = check("wrong-password", &[]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("refuses the configured credentials") && !out.contains("wrong-password"), "{out}");
}

#[test]
fn colours_are_there_when_they_are_asked_for() {
    let folder = folder(&[("Dockerfile", "FROM nginx:1.25\n")]);
    let scan = |more: &[&str]| text(&restow(folder.path(), &[&["scan", "--offline"], more].concat()).stdout);
    assert!(scan(&["--color", "always"]).contains("\u{1b}["));
    assert!(!scan(&[]).contains("\u{1b}["));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_listed() {
    use restow::repo::{Moment, PullNumber, RepoId};
    let folder = folder(&[]);
    let url = format!("sqlite:{}", folder.path().join("restow.db").display());
    let clock = restow::clock::Clock::System;
    let store =
        restow::store::Store::open(&secrecy::SecretString::from(url.as_str()), clock.clone()).await.expect("a store");
    let entry = |act: &str, at: Moment| restow::store::AuditEntry {
        at,
        actor: "restow".to_owned(),
        act: act.to_owned(),
        repo: RepoId(1),
        repository: "acme/shop".to_owned(),
        image: "docker.io/library/nginx".to_owned(),
        from: "1.25".to_owned(),
        to: format!("1.27@sha256:{}", "a".repeat(64)),
        pull: Some(PullNumber(7)),
        rule: "a\u{1b}[31m rule".to_owned(),
        evidence: serde_json::json!({}),
        result: "minor".to_owned(),
    };
    let now = clock.now();
    store.record(&[entry("open", now.plus_ms(-10 * 86_400_000)), entry("merge", now)]).await.expect("recorded");
    store.close().await;
    let audit = |more: &[&str]| {
        let run = restow(folder.path(), &[&["audit", "--database", &url], more].concat());
        assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
        text(&run.stdout)
    };
    let all = audit(&[]);
    assert!(all.contains("open") && all.contains("merge") && all.contains("1.27@aaaaaaa"), "{all}");
    assert!(!all.contains('\u{1b}'), "{all:?}");
    let json: serde_json::Value = serde_json::from_str(&audit(&["--since", "7d", "--format", "json"])).expect("JSON");
    assert_eq!(json["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!((&json["entries"][0]["act"], &json["entries"][0]["pull"]), (&"merge".into(), &7.into()));
    assert_eq!(audit(&["--repo", "acme/other"]), "Nothing is recorded.\n");
    assert!(audit(&["--image", "nginx"]).contains("merge"), "by its short name");
    let run = restow(folder.path(), &["audit", "--database", &url, "--since", "soon"]);
    assert!(text(&run.stderr).contains("write, for example, 7d"), "{}", text(&run.stderr));
}
