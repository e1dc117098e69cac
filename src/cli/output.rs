//! Where words go: data to standard output, talk and progress to standard error.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::text::{Paint, count};
use crate::daemon::protocol::Progress;

/// How to speak.
#[derive(Clone, Debug)]
pub struct Output {
    /// JSON for programs.
    pub json: bool,
    /// Colours of standard output.
    pub paint: Paint,
    /// Colours of standard error.
    pub talk_paint: Paint,
}

#[allow(clippy::unused_self, reason = "callers speak to an output; that it is this process's own is its business")]
impl Output {
    /// Colours only on a terminal, and only without `NO_COLOR` (<https://no-color.org>).
    #[must_use]
    pub fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let paint = |terminal: bool| if terminal && wanted { Paint::Colour } else { Paint::Plain };
        Self { json, paint: paint(io::stdout().is_terminal()), talk_paint: paint(io::stderr().is_terminal()) }
    }

    /// Prints data. A reader that went away (`| head`) is no error.
    pub fn data(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints data as JSON.
    pub fn json<T: Serialize + ?Sized>(&self, value: &T) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.data(&format!("{text}\n")),
            Err(error) => self.talk(&format!("this cannot be shown as JSON: {error}")),
        }
    }

    /// Says something beside the data.
    pub fn talk(&self, text: &str) {
        let mut out = io::stderr().lock();
        let _ = writeln!(out, "{}", text.trim_end_matches('\n'));
    }

    /// Asks, beside the data; the answer comes on the same line.
    pub fn prompt(&self, text: &str) {
        let mut out = io::stderr().lock();
        // Where nobody can read it, nobody can answer either.
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }

    /// Shows that work goes on, on a terminal only.
    #[must_use]
    pub fn spinner(&self, what: &str) -> Spinner {
        if !io::stderr().is_terminal() {
            return Spinner { what: what.to_owned(), bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Spinner { what: what.to_owned(), bar }
    }
}

/// Work under way; gone from the screen when dropped.
#[derive(Debug)]
pub struct Spinner {
    what: String,
    bar: ProgressBar,
}

impl Spinner {
    /// Tells how far a run is.
    pub fn show(&self, progress: &Progress) {
        let text = match progress {
            Progress::Queued => "waits for another run on the same connection".to_owned(),
            Progress::Started { .. } => "started".to_owned(),
            Progress::Working { requests } => {
                count(requests.iter().map(|(_, made)| made.reads + made.writes).sum(), "call", "calls")
            }
        };
        self.bar.set_message(format!("{}: {text}", self.what));
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
