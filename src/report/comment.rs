//! Comments.

/// Marks the comment that says a branch is left alone, so that it is said once.
pub const LEFT_ALONE_MARKER: &str = "<!-- restow-comment: left-alone -->";

/// Marks the comment that says why Restow closed its pull request.
pub const WITHDRAWN_MARKER: &str = "<!-- restow-comment: withdrawn -->";

/// What is said once where a person works on a branch.
pub fn left_alone() -> String {
    format!(
        "There is a commit on this branch that Restow did not make, so Restow leaves the branch to you: it will not \
         push here again.\n\nTo hand it back, delete the branch; Restow then proposes the update anew.\n\n\
         {LEFT_ALONE_MARKER}\n"
    )
}

/// What is said where Restow closes its own pull request.
pub fn withdrawn() -> String {
    format!(
        "Restow closes this: the update is no longer wanted, because the files, the rules or the registry have \
         changed since. There is nothing left to do here.\n\n{WITHDRAWN_MARKER}\n"
    )
}
