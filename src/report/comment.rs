//! Comments.

use std::collections::BTreeSet;

use super::markdown::code;
use crate::plan::{ChangeSet, Plan, is_major_branch};
use crate::policy::Rules;
use crate::repo::{BranchName, PullNumber};

/// Marks the comment that says a branch is left alone, so that it is said once.
pub const LEFT_ALONE_MARKER: &str = "<!-- restow-comment: left-alone -->";

/// Marks the comment that says why Restow closed its pull request.
const WITHDRAWN_MARKER: &str = "<!-- restow-comment: withdrawn -->";

/// Marks the comment that says why a pull request is not merged.
pub const STANDING_MARKER: &str = "<!-- restow-comment: standing -->";

/// Why a pull request is not merged, where a person should know.
pub fn standing_comment(text: &str) -> String {
    format!("Restow does not merge this: {text}.\n\n{STANDING_MARKER}\n")
}

/// An answer to a comment, which it names so that it is said once.
pub fn answer(comment: u64, text: &str) -> String {
    format!("{}\n\n<!-- restow-comment: answer {comment} -->\n", text.trim_end())
}

/// What is said once where a person works on a branch.
pub fn left_alone() -> String {
    format!(
        "There is a commit on this branch that Restow did not make, so Restow leaves the branch to you: it will not \
         push here again.\n\nTo hand it back, delete the branch; Restow then proposes the update anew.\n\n\
         {LEFT_ALONE_MARKER}\n"
    )
}

/// Why Restow closes its own pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal(String);

impl Withdrawal {
    /// The reason, in Markdown.
    pub fn reason(&self) -> &str {
        &self.0
    }

    /// A newer version is proposed elsewhere, since a person's work lies here.
    pub fn replaced(by: PullNumber) -> Self {
        Self(format!(
            "a newer version is proposed in #{}. What was committed here stays on its branch; whoever opens this again \
             keeps it.",
            by.0
        ))
    }

    /// Its base branch is no longer brought up to date.
    pub fn of_base(base: Option<&BranchName>, rules: &Rules) -> Self {
        if !rules.enabled.value {
            return Self(format!("`enabled` is false ({}).", code(&rules.enabled.place())));
        }
        let base = base.map_or("the branch", BranchName::as_str);
        Self(format!("{} is no longer among the branches that Restow keeps up to date.", code(base)))
    }

    /// Finds out why what moved these images (as they are kept) on this branch is no longer wanted.
    pub fn of(
        (branch, images): (&BranchName, &BTreeSet<String>),
        plan: &Plan,
        rules: &Rules,
        sets: &[&ChangeSet],
        number: impl Fn(&ChangeSet) -> Option<PullNumber>,
    ) -> Self {
        if !rules.enabled.value {
            return Self(format!("`enabled` is false ({}).", code(&rules.enabled.place())));
        }
        if images.contains("onboarding") {
            return Self("the repository has a configuration now.".to_owned());
        }
        let moves = |set: &ChangeSet| set.images().iter().any(|one| images.contains(&one.to_string()));
        // A smaller step of the same image is no reason against a larger one, nor the other way round.
        let alike =
            |set: &ChangeSet| set.topic.image().is_none() || is_major_branch(&set.branch) == is_major_branch(branch);
        if let Some(set) = sets.iter().find(|set| moves(set) && alike(set)) {
            let place = number(set).map_or_else(|| code(set.branch.as_str()), |number| format!("#{}", number.0));
            let what = if images.len() > 1 { "what it moved" } else { "the image" };
            return Self(format!("{what} now moves in {place}."));
        }
        match plan.holds.iter().find(|hold| images.contains(&hold.site.reference.image().to_string())) {
            Some(hold) => Self(format!("{}.", code(&hold.reason))),
            None if images.len() > 1 => {
                Self("the files no longer name the images, or they stand there already.".to_owned())
            }
            None => Self("the files no longer name the image, or it stands there already.".to_owned()),
        }
    }
}

/// What is said where Restow closes its own pull request.
pub fn withdrawn(why: &Withdrawal) -> String {
    format!(
        "Restow closes this, since the update is no longer wanted: {}\n\nThere is nothing left to do \
         here.\n\n{WITHDRAWN_MARKER}\n",
        why.0
    )
}
