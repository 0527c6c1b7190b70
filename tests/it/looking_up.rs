//! What a look-up costs: 900 references to 40 images, with nothing known, and with nothing changed.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use world::registry::Registry;

const IMAGES: usize = 40;
const REFERENCES: usize = 900;

/// Publishes 40 images, and writes 900 references to them: full versions, some floating tags, every fourth with its
/// digest.
fn publish(registry: &Registry, folder: &Path) {
    let host = registry.address();
    let mut digests = Vec::new();
    for image in 0..IMAGES {
        for tag in (0..30).map(|patch| format!("1.{}.{}", patch % 3, patch / 3)) {
            let digest = registry.push(&format!("team/image{image}"), &tag);
            digests.push((image, tag, digest));
        }
    }
    let mut text = String::new();
    for number in 0..REFERENCES {
        let (image, tag, digest) = &digests[number * 7 % digests.len()];
        let pinned = if number % 4 == 0 { format!("@{digest}") } else { String::new() };
        writeln!(text, "FROM {host}/team/image{image}:{tag}{pinned}").expect("a line");
    }
    for (number, lines) in text.lines().collect::<Vec<_>>().chunks(10).enumerate() {
        let file = folder.join(format!("service{number}"));
        std::fs::create_dir_all(&file).expect("a folder");
        std::fs::write(file.join("Dockerfile"), lines.join("\n")).expect("written");
    }
}

/// Lets the cache be eleven minutes older than it is.
async fn grow_older(cache: &Path) {
    let url = format!("sqlite:{}", cache.join("restow/registries.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the cache");
    for text in [
        "UPDATE tag_lists SET fetched_at = fetched_at - 660000",
        "UPDATE ledger SET last_seen = last_seen - 660000, first_seen = first_seen - 660000",
    ] {
        sqlx::query(text).execute(&pool).await.expect("older");
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_hundred_references_cost_a_request_for_each_image() {
    let registry = Registry::start().await.expect("a registry");
    registry.behave(|behaviour| behaviour.versions = true);
    let (folder, cache) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    publish(&registry, folder.path());
    let host = registry.address();
    let scan = || {
        registry.clear_requests();
        let run = Command::new(env!("CARGO_BIN_EXE_restow"))
            .args(["scan", &folder.path().display().to_string(), "--format", "json", "--evidence", "none"])
            .args(["--insecure-registry", &host, "--allow-private", "127.0.0.1"])
            .env("XDG_CACHE_HOME", cache.path())
            .env("HOME", cache.path())
            .output()
            .expect("it runs");
        assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
        let said: serde_json::Value = serde_json::from_slice(&run.stdout).expect("JSON");
        let sites = said["sites"].as_array().expect("sites").clone();
        let moves = sites.iter().filter(|site| !site["update"].is_null()).count();
        assert_eq!(sites.len(), REFERENCES);
        (moves, registry.count("", "/v2/"), registry.conditional())
    };
    let (moves, cold, _) = scan();
    assert!(moves > 800, "{moves}");
    assert!((IMAGES..=300).contains(&cold), "{cold} requests with nothing known");
    assert_eq!(scan(), (moves, 0, 0), "what was just said is not asked again");
    grow_older(cache.path()).await;
    let (same, warm, conditional) = scan();
    assert_eq!((same, warm), (moves, IMAGES), "one question for each image");
    assert_eq!(conditional, warm, "each would be content with the known version");
}
