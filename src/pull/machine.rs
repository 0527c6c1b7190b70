//! What Restow writes into pull requests and commits for itself, so that it knows its own work even with an empty
//! database.
//!
//! ```text
//! <!-- restow: {"version":1,"image":"docker.io/library/nginx","line":"x.y-alpine","target":"1.27-alpine",…} -->
//! Restow-Fingerprint: 5c1e…
//! ```

use serde::{Deserialize, Serialize};

use crate::image::{Digest, ImageName, Tag};
use crate::plan::{ChangeSet, Move};

/// The key of the trailer in commit messages.
pub const FINGERPRINT_TRAILER: &str = "Restow-Fingerprint";
/// GitHub takes 65,536 characters; so many moves stay far below.
const MOST_MOVES: usize = 100;
const START: &str = "<!-- restow: ";
const END: &str = " -->";

/// The hidden block at the end of a pull request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineBlock {
    /// The form of the block; 1.
    pub version: u32,
    /// The image that moves, where it is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageName>,
    /// The line it follows, or the group's name.
    pub line: String,
    /// What it moves; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// The tags and digests it moves to.
    pub target: String,
    /// The content of the branch.
    pub fingerprint: String,
    /// Whether Restow still proposes it.
    pub standing: Standing,
}

/// Whether Restow proposes a pull request, or took it back itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is proposed; whoever closes it is a person.
    Proposed,
    /// Restow closed it.
    Withdrawn,
}

impl MachineBlock {
    /// The block of a change set.
    pub fn of(set: &ChangeSet) -> Self {
        Self {
            version: 1,
            image: set.topic.image().cloned(),
            line: set.topic.key().1,
            moves: set.moves().into_iter().take(MOST_MOVES).collect(),
            target: set.target(),
            fingerprint: set.fingerprint(),
            standing: Standing::Proposed,
        }
    }

    /// A block that proposes nothing.
    pub fn empty() -> Self {
        Self {
            version: 1,
            image: None,
            line: String::new(),
            moves: Vec::new(),
            target: String::new(),
            fingerprint: String::new(),
            standing: Standing::Withdrawn,
        }
    }

    /// Whether this very content is proposed.
    pub fn proposes(&self, fingerprint: &str) -> bool {
        self.fingerprint == fingerprint && self.standing == Standing::Proposed
    }

    /// The group of the rules; `None` where one image alone moves.
    pub fn group(&self) -> Option<String> {
        self.image.is_none().then(|| self.line.clone())
    }

    /// What was proposed; of an older block, which names no moves, as far as it tells.
    pub fn proposed(&self) -> Vec<Move> {
        if !self.moves.is_empty() {
            return self.moves.clone();
        }
        let Some(image) = &self.image else { return Vec::new() };
        let one = |target: &str| {
            let (tag, digest) = target.split_once('@').map_or((target, None), |(tag, digest)| (tag, Some(digest)));
            let digest = digest.and_then(|digest| Digest::parse(digest).ok());
            Move { image: image.clone(), line: self.line.clone(), tag: Tag::parse(tag).ok(), digest }
        };
        self.target.split(' ').map(one).collect()
    }

    /// The block in a pull request's body; the last one counts.
    pub fn find(body: &str) -> Option<Self> {
        let start = body.rfind(START)? + START.len();
        let length = body[start..].find(END)?;
        serde_json::from_str(&body[start..start + length]).ok()
    }

    /// The body with this block in place of the one it has, or behind its end.
    pub fn write_into(&self, body: &str) -> String {
        let text = match body.rfind(START) {
            Some(start) => &body[..start],
            None => body,
        };
        format!("{}\n\n{self}\n", text.trim_end())
    }
}

impl std::fmt::Display for MachineBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| std::fmt::Error)?;
        // A `>` inside a string could end the comment.
        write!(f, "{START}{}{END}", json.replace('>', "\\u003e"))
    }
}

/// The fingerprint in a commit's message.
pub fn fingerprint_of_message(message: &str) -> Option<String> {
    let trailer = message.lines().rev().find_map(|line| line.strip_prefix(FINGERPRINT_TRAILER))?;
    Some(trailer.strip_prefix(": ")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(line: &str) -> MachineBlock {
        MachineBlock {
            version: 1,
            image: Some("nginx".parse().expect("an image")),
            moves: Vec::new(),
            line: line.to_owned(),
            target: "1.27".to_owned(),
            fingerprint: "f".to_owned(),
            standing: Standing::Proposed,
        }
    }

    #[test]
    fn the_block_survives_a_body() {
        let written = block("x--> y").write_into("Text");
        assert!(written.starts_with("Text\n\n<!-- restow: "));
        assert_eq!(MachineBlock::find(&written), Some(block("x--> y")));
        assert_eq!(written.matches("-->").count(), 1);
    }

    #[test]
    fn writing_twice_leaves_one() {
        let body = block("a").write_into("Text");
        let again = block("b").write_into(&body);
        assert_eq!(again.matches("restow:").count(), 1);
        assert_eq!(MachineBlock::find(&again), Some(block("b")));
    }

    #[test]
    fn a_foreign_body_has_none() {
        assert_eq!(MachineBlock::find("<!-- restow: {} -->"), None);
        assert_eq!(MachineBlock::find("<!-- restow: "), None);
        assert_eq!(fingerprint_of_message("Title\n\nRestow-Fingerprint: abc\n").as_deref(), Some("abc"));
        assert_eq!(fingerprint_of_message("Title"), None);
    }
}
