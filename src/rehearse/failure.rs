//! What is not as a test says, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::Place;

/// One expectation that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The expectation, or the step.
    pub place: Place,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What was expected and what was found, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", content = "text", rename_all = "lowercase")]
pub enum Line {
    /// The same on both sides, or what both are about.
    Same(String),
    /// Expected, and not found.
    Expected(String),
    /// Found, and not expected.
    Found(String),
}

impl Failure {
    pub(super) fn new(place: &Place, message: impl Into<String>) -> Self {
        Self { place: place.clone(), message: message.into(), lines: Vec::new() }
    }

    pub(super) fn with(mut self, lines: impl IntoIterator<Item = Line>) -> Self {
        self.lines.extend(lines);
        self
    }

    /// The failure as text: its place, and what was expected (`-`) and found (`+`).
    #[must_use]
    pub fn render(&self) -> String {
        let Place { file, line, column, .. } = &self.place;
        let mut out = format!("{file}:{line}:{column}: {}\n", self.message);
        for line in &self.lines {
            let (mark, text) = match line {
                Line::Same(text) => (' ', text),
                Line::Expected(text) => ('-', text),
                Line::Found(text) => ('+', text),
            };
            // Writing to a string does not fail.
            let _ = writeln!(out, "    {mark} {text}");
        }
        out
    }
}
