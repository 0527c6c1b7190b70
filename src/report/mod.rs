//! Every text a person reads on GitHub: titles, bodies, comments, commit messages.

mod alternatives;
mod command;
mod comment;
mod configuration;
mod convention;
mod dashboard;
mod dates;
mod evidence;
mod findings;
mod markdown;
mod notes;
mod onboarding;
mod pull;
mod verdict;
mod vex;
mod vulnerabilities;

pub use alternatives::{Choice, choices};
pub use command::{command_help, explanation, not_allowed, onboarding_answer};
pub use comment::{LEFT_ALONE_MARKER, STANDING_MARKER, Withdrawal, answer, left_alone, standing_comment, withdrawn};
pub use configuration::{
    CONFIGURATION_MARKER, MISTAKES_ISSUE_TITLE, configuration_comment, foresight_summary, foresight_title,
    mistakes_summary,
};
pub use convention::conventional;
pub use dashboard::{DASHBOARD_MARKER, DASHBOARD_TITLE, Dashboard, OpenPull, TickedBox, ticked};
pub use notes::{ReleaseNote, release_source, releases_between};
pub use onboarding::{ONBOARDING_TITLE, STARTER, onboarding_body};
pub use pull::{Place, commit_message, pull_body, pull_title};
pub use vulnerabilities::{
    Fullness, Markup, vulnerabilities, vulnerability_change, vulnerability_changes, vulnerability_overview,
};
