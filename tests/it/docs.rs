//! Documents that could drift from the code.

use std::collections::BTreeSet;
use std::process::Command;

use restow::github::manifest::{EVENTS, PERMISSIONS};

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_dependency_has_its_line() {
    let document = read("docs/dependencies.md");
    for manifest in ["Cargo.toml", "tests/world/Cargo.toml"] {
        let text = read(manifest);
        let names = text
            .lines()
            .scan(false, |inside, line| {
                if line.starts_with('[') {
                    *inside = line == "[dependencies]" || line == "[dev-dependencies]";
                }
                Some((*inside, line))
            })
            .filter_map(|(inside, line)| line.split_once(" = ").filter(|_| inside).map(|(name, _)| name));
        for name in names {
            assert!(document.contains(&format!("| `{name}` |")), "{name} of {manifest} is not in docs/dependencies.md");
        }
    }
}

#[test]
fn links_lead_somewhere() {
    let mut files = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let docs = std::fs::read_dir("docs").expect("docs").flatten().map(|entry| entry.path().display().to_string());
    files.extend(docs.filter(|path| path.ends_with(".md")));
    for file in files {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in read(&file).split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let target = link.split('#').next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") {
                assert!(std::path::Path::new(folder).join(target).exists(), "{file}: {link}");
            }
        }
    }
}

#[test]
fn help_fits_eighty_columns() {
    let help = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_restow")).args(arguments).env("COLUMNS", "80").output();
        String::from_utf8(run.expect("it runs").stdout).expect("UTF-8")
    };
    let commands = ["serve", "scan", "update", "tag", "explain", "registry", "check", "jobs", "audit", "completions"];
    for command in commands {
        assert!(help(&["--help"]).contains(command), "{command} is listed");
        let text = help(&[command, "--help"]);
        assert!(text.contains("Usage: restow"), "{command}");
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
        assert_eq!(wide, Vec::<&str>::new(), "{command}");
    }
}

#[test]
fn app_yml_asks_for_what_the_code_says() {
    let manifest: serde_json::Value = serde_saphyr::from_str(&read("app.yml")).expect("YAML");
    let asked: BTreeSet<(&str, &str)> = manifest["default_permissions"]
        .as_object()
        .expect("permissions")
        .iter()
        .map(|(name, level)| (name.as_str(), level.as_str().expect("a level")))
        .collect();
    assert_eq!(asked, PERMISSIONS.iter().copied().collect());
    let events: Vec<&str> =
        manifest["default_events"].as_array().expect("events").iter().filter_map(|event| event.as_str()).collect();
    assert_eq!(events, EVENTS);
    assert_eq!(manifest["public"], false);
}

#[test]
fn the_image_runs_as_nobody_and_knows_its_health() {
    use parse_dockerfile::Instruction;
    let text = read("Dockerfile");
    let parsed = parse_dockerfile::parse(&text).expect("a Dockerfile");
    let last = parsed.stages().last().expect("a stage");
    assert!(last.from.image.value.ends_with(":nonroot"));
    assert!(last.instructions.iter().any(|one| matches!(one, Instruction::User(_))));
    assert!(last.instructions.iter().any(|one| matches!(one, Instruction::Healthcheck(_))));
}

/// Generated text in a document; `UPDATE_DOCS=1` writes it.
fn generated(path: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, expected).expect("written");
    }
    let written = read(path);
    let differs = written.lines().zip(expected.lines()).find(|(written, expected)| written != expected);
    assert!(written == expected, "{path} is old: run the tests with UPDATE_DOCS=1; the first difference: {differs:?}");
}

#[test]
fn the_schema_is_the_codes() {
    let schema = serde_json::to_string_pretty(&restow::config::schema()).expect("JSON");
    generated("docs/restow.schema.json", &format!("{schema}\n"));
}

/// The same for a part of a document, between `<!-- NAME -->` and `<!-- /NAME -->`.
pub(super) fn generated_part(path: &str, name: &str, expected: &str) {
    let text = read(path);
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&begin).expect("the mark");
    let (_, after) = rest.split_once(&end).expect("the end");
    generated(path, &format!("{before}{begin}{expected}{end}{after}"));
}

#[test]
fn the_settings_table_is_the_codes() {
    generated_part("docs/configuration.md", "settings", &restow::settings::fields_table());
}

#[test]
fn the_table_of_formats_is_the_codes() {
    generated_part("README.md", "formats", &restow::formats::table());
}

#[test]
fn every_command_of_a_comment_is_described() {
    let text = read("docs/pull-requests.md");
    for (command, _) in restow::command::HELP {
        let first = command.split(' ').next().expect("a word");
        assert!(text.contains(&format!("| `/restow {first}")), "{command}");
    }
}

#[test]
fn every_key_of_the_rules_is_described() {
    let text = read("docs/configuration.md");
    let schema = restow::config::schema();
    let top = schema["properties"].as_object().expect("properties").keys();
    for key in top.map(String::as_str).chain(["paths", "images", "match"]) {
        assert!(text.contains(&format!("| `{key}")) || text.contains(&format!(".{key}")), "{key}");
    }
}
