//! Rules applied: which images and paths are kept, which kinds of update are allowed, when, how many, and how.

mod branch;
mod kind;
mod pattern;
mod range;
mod rules;
mod schedule;
mod settings;
mod vex;
mod window;

pub use branch::{Base, BranchPattern};
pub use kind::UpdateKind;
pub use pattern::{ImagePattern, InvalidPattern, NamePattern, PathPattern};
pub use range::{InvalidRange, VersionRange};
pub use rules::{Allowed, Decision, Layer, LayerLimits, Limits, Matching, Rule, Rules, Said, Source, Terms};
pub use schedule::{InvalidSchedule, Schedule};
pub use settings::{Automerge, CommitStyle, Group, Method, Pin, Rebase, Settings, TagFilter, Urgency};
pub use vex::VexTrust;
