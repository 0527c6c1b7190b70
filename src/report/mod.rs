//! Every text a person reads on GitHub: titles, bodies, comments, commit messages.

mod comment;
mod dates;
mod evidence;
mod markdown;
mod pull;

pub use comment::{LEFT_ALONE_MARKER, WITHDRAWN_MARKER, Withdrawal, left_alone, withdrawn};
pub use pull::{Place, commit_message, pull_body, pull_title};
