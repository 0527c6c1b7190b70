//! Answers to commands.

use super::markdown::code;
use crate::command::{HELP, Parsed};

/// What can be said, and where something was not understood, what was probably meant.
pub fn command_help(unknown: Option<&Parsed>) -> String {
    let mut text = String::new();
    if let Some(Parsed::Unknown { written, nearest, why }) = unknown {
        text.push_str(&format!("{}: {why}.", code(&format!("/restow {written}"))));
        if let Some(nearest) = nearest {
            text.push_str(&format!(" Did you mean {}?", code(&format!("/restow {nearest}"))));
        }
        text.push_str("\n\n");
    }
    text.push_str("| A comment that says | does this |\n|---|---|\n");
    for (command, does) in HELP {
        text.push_str(&format!("| {} | {does} |\n", code(&format!("/restow {command}"))));
    }
    text.push_str("\nPeople who may push to this repository are obeyed. An edited comment does nothing.\n");
    text
}

/// How a pull request stands, for whoever asks.
pub fn explanation(standing: &str, terms: &[String]) -> String {
    let mut text = format!("{standing}\n\n");
    for term in terms {
        text.push_str(&format!("- {}\n", code(term)));
    }
    text
}

/// What is said where a person without permission gives a command.
pub fn not_allowed() -> String {
    "Restow obeys people who may push to this repository.".to_owned()
}

/// What is said where somebody gives a command to the pull request that brings the configuration.
pub fn onboarding_answer() -> String {
    "This pull request only asks whether Restow may work here, so commands do nothing in it. Merge it to say yes, close \
     it to say no; change the file first as you like."
        .to_owned()
}
