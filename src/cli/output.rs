//! Where words go: data to standard output, talk and progress to standard error.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::text::{Paint, count, number};
use crate::{daemon::protocol::Progress, engine::Reading};

/// Where there is no terminal, no more lines of progress than one in this time: the first comes after it.
const LINE_EVERY: Duration = Duration::from_secs(2);

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

    /// Shows that work goes on: on one line of a terminal, else line by line, now and then.
    #[must_use]
    pub fn spinner(&self, what: &str) -> Spinner {
        let (what, lines) = (what.to_owned(), Mutex::new((Instant::now(), String::new())));
        if !io::stderr().is_terminal() {
            return Spinner { what, bar: ProgressBar::hidden(), lines: Some(lines) };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(what.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        Spinner { what, bar, lines: None }
    }
}

/// Work under way; gone from the screen when dropped.
#[derive(Debug)]
pub struct Spinner {
    what: String,
    bar: ProgressBar,
    /// Where there is no terminal: when the last line was printed, and which.
    lines: Option<Mutex<(Instant, String)>>,
}

impl Spinner {
    /// Tells how far a run is.
    pub fn show(&self, progress: &Progress) {
        let text = match progress {
            Progress::Queued => "waits for another run on the same connection".to_owned(),
            Progress::Started { .. } => "started".to_owned(),
            Progress::Working { requests, reading } => {
                let calls = requests.iter().map(|(_, made)| made.reads + made.writes).sum();
                how_far(reading, calls)
            }
            // Nothing new.
            Progress::Alive | Progress::Listed(_) => return,
        };
        let text = format!("{}: {text}", self.what);
        match &self.lines {
            None => self.bar.set_message(text),
            Some(lines) => {
                let mut last = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if last.0.elapsed() >= LINE_EVERY && last.1 != text {
                    // A reader that went away is no error.
                    let _ = writeln!(io::stderr(), "{text}");
                    *last = (Instant::now(), text);
                }
            }
        }
    }
}

/// Pages read, records planned and done, and the calls it took.
fn how_far(reading: &Reading, calls: u64) -> String {
    let Reading { pages, records, planned, done } = *reading;
    let mut parts = vec![format!("{} read ({})", count(pages, "page", "pages"), count(records, "record", "records"))];
    if planned > 0 {
        parts.push(format!("{} planned, {} of them done", number(planned), number(done)));
    }
    parts.push(count(calls, "call", "calls"));
    parts.join(", ")
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
