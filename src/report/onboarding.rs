//! The pull request that asks a repository whether Restow may work there.

use std::collections::BTreeMap;

use super::markdown::code;
use super::pull::pull_title;
use crate::formats::Inventory;
use crate::plan::{ChangeSet, Hold};

/// Its title.
pub const ONBOARDING_TITLE: &str = "Keep container images up to date with Restow";

/// The file to start with.
pub const STARTER: &str = "# Restow keeps the container images of this repository up to date.
# What can stand here: `restow check --schema`, or the documentation of your Restow.
enabled: true

# Leave files or images alone:
# ignore:
#   paths: [legacy/]
#   images: [ghcr.io/acme/*]

# Merge small updates once this repository's own checks have passed:
# rules:
#   - match: {kinds: [digest, patch]}
#     automerge: true
";

/// Rows that are shown of each table.
const MOST_ROWS: usize = 50;

/// The body: what was found, what would happen, how to say no.
pub fn onboarding_body(inventory: &Inventory, sets: &[ChangeSet], holds: &[Hold]) -> String {
    let mut images: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for site in &inventory.sites {
        let place = || format!("{}:{}", site.path, site.line);
        images.entry(site.reference.to_string()).or_insert_with(|| (0, place())).0 += 1;
    }
    let mut text = format!(
        "Restow found {} in {} of this repository. **Merge this pull request, and it keeps them up to date** by the rules \
         in `.github/restow.yml`; until then it opens no other. Close it, and Restow leaves the repository alone.\n\n",
        counted(images.len(), "image"),
        counted(inventory.sites.len(), "place"),
    );
    text.push_str("**What would happen first**\n\n");
    if sets.is_empty() {
        text.push_str("Nothing: everything is up to date, or waits.\n");
    }
    for set in sets.iter().take(MOST_ROWS) {
        text.push_str(&format!("- {}\n", code(&pull_title(set))));
    }
    more(&mut text, sets.len());
    if !holds.is_empty() {
        text.push_str(&format!(
            "\n{} would wait or be left alone, each with its reason.\n",
            counted(holds.len(), "move")
        ));
    }
    text.push_str("\n<details><summary>What was found</summary>\n\n| Image | Places | First |\n|---|---|---|\n");
    for (image, (count, place)) in images.iter().take(MOST_ROWS) {
        text.push_str(&format!("| {} | {count} | {} |\n", code(image), code(place)));
    }
    more(&mut text, images.len());
    text.push_str("\n</details>\n");
    for problem in inventory.problems.iter().take(10) {
        text.push_str(&format!(
            "\n- Could not be read: {} ({})\n",
            code(problem.path.as_str()),
            code(&problem.message)
        ));
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn more(text: &mut String, count: usize) {
    if let Some(more) = count.checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        text.push_str(&format!("\nand {more} more\n"));
    }
}
