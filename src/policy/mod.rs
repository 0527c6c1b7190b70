//! Rules applied: which images and paths are kept, which kinds of update are allowed, what is pinned.

mod kind;
mod rules;

pub use kind::UpdateKind;
pub use rules::{Decision, ImagePattern, InvalidPattern, PathPattern, Pin, Rule, Rules};
