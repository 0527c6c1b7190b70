//! How subcommands talk: data on standard output, progress and messages on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Whether this run colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// Yes.
    Color,
    /// No.
    Plain,
}

impl ColorChoice {
    /// Decides for standard output.
    pub(super) fn paint(self) -> Paint {
        match self {
            Self::Always => Paint::Color,
            Self::Never => Paint::Plain,
            Self::Auto if no_color() || !io::stdout().is_terminal() => Paint::Plain,
            Self::Auto => Paint::Color,
        }
    }
}

/// [no-color.org](https://no-color.org): set and not empty.
fn no_color() -> bool {
    crate::settings::variable("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Writes one line or more to standard output; a reader that went away is no error.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// `1 file`, `2 files`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A spinner on standard error, where that is a terminal.
pub(super) fn progress(message: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
