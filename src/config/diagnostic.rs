//! Diagnostics: a mistake, where it is, why it is one, and what would be right.

use std::cell::{Cell, RefCell};

use serde::Serialize;

use super::{
    source::{Place, Sources, Span},
    templates::Origins,
    tree::Node,
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The thing it is in does not run.
    Error,
    /// Worth knowing; nothing is left out because of it.
    Warning,
}

/// One mistake. `code` is stable; the texts are for people and may improve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable code, as `config::unknown_key`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where; `None` only where no file is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Said at the place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Other places that have to do with it, with what they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<(Place, String)>,
}

impl Diagnostic {
    /// Whether it is an error.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error)
    }

    /// The file it is in, if it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.file.as_str())
    }

    /// `file:line:column`, or nothing.
    #[must_use]
    pub fn position(&self) -> Option<String> {
        self.place.as_ref().map(|place| format!("{}:{}:{}", place.file, place.line, place.column))
    }
}

/// A diagnostic as it is found: places are spans, resolved when the report is closed.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    code: &'static str,
    severity: Severity,
    message: String,
    help: Option<String>,
    span: Option<Span>,
    label: String,
    related: Vec<(Span, String)>,
}

impl Finding {
    /// What would be right.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What would be right, where something is known.
    #[must_use]
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Said at the place.
    #[must_use]
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Another place that has to do with it.
    #[must_use]
    pub(crate) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub(crate) const fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

/// An error with this code at this place.
pub(crate) fn error(code: &'static str, span: Span, message: impl Into<String>) -> Finding {
    Finding {
        code,
        severity: Severity::Error,
        message: message.into(),
        help: None,
        span: Some(span),
        label: String::new(),
        related: Vec::new(),
    }
}

/// An error that concerns no place in a file.
pub(crate) fn error_nowhere(code: &'static str, message: impl Into<String>) -> Finding {
    Finding { span: None, ..error(code, Span::default(), message) }
}

/// Where findings are gathered. Shared by reference, so that a decoder can go on after a mistake.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: RefCell<Vec<Finding>>,
    /// Errors beyond [`MOST`].
    dropped: Cell<usize>,
    /// Errors found again, where an alias or a variant brings the same place in twice.
    repeated: Cell<usize>,
    /// Findings of any kind, also those that are there already.
    added: Cell<usize>,
    /// How many findings were there when every file was read, and whether others were dropped by then.
    read: Cell<(usize, bool)>,
}

/// Most findings that are kept: nobody reads more, and a file full of mistakes must not cost more than reading it.
const MOST: usize = 500;

impl Report {
    /// Adds a finding, unless the very same is there already (an alias is decoded once per use).
    pub(crate) fn add(&self, finding: Finding) {
        self.added.set(self.added.get() + 1);
        let mut findings = self.findings.borrow_mut();
        let known =
            findings.iter().any(|f| f.code == finding.code && f.span == finding.span && f.message == finding.message);
        if known {
            // Said once, but whoever asks whether this very place is sound must hear that it is not.
            self.repeated.set(self.repeated.get() + usize::from(finding.severity == Severity::Error));
            return;
        }
        if findings.len() < MOST {
            findings.push(finding);
        } else if finding.severity == Severity::Error {
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// How many errors were found by now, those that were found before included.
    pub(crate) fn errors(&self) -> usize {
        self.findings.borrow().iter().filter(|f| f.severity == Severity::Error).count()
            + self.dropped.get()
            + self.repeated.get()
    }

    /// How often something was found by now, warnings and what was found before included.
    pub(crate) const fn added(&self) -> usize {
        self.added.get()
    }

    /// Runs `work` and tells whether it found an error.
    pub(crate) fn watch<T>(&self, work: impl FnOnce() -> T) -> (T, bool) {
        let before = self.errors();
        let result = work();
        (result, self.errors() > before)
    }

    /// What is wrong was said elsewhere (a table with mistakes, say); whoever asks whether this place is sound must hear that
    /// it is not.
    pub(crate) fn was_said(&self) {
        self.repeated.set(self.repeated.get() + 1);
    }

    /// Every file is read: what was found by now was in texts that could be read no further, or not as they are meant.
    pub(crate) fn all_is_read(&self) {
        self.read.set((self.findings.borrow().len(), self.dropped.get() > 0));
    }

    /// How many mistakes were found in the text of a value, or about its key, when its file was read. Something of it was
    /// dropped there, a key that is given twice for one, so that the value is not what was meant.
    pub(crate) fn misread(&self, key: Span, value: &Node) -> usize {
        let (read, dropped) = self.read.get();
        if read == 0 {
            return usize::from(dropped);
        }
        let findings = self.findings.borrow();
        let here = |span: &Span| *span == key || value.holds(*span);
        let found = findings.iter().take(read).filter(|finding| {
            let places = finding.span.iter().chain(finding.related.iter().map(|(span, _)| span));
            finding.severity == Severity::Error && places.into_iter().any(here)
        });
        found.count() + usize::from(dropped)
    }

    /// Closes the report: places are looked up, and diagnostics ordered by file and place.
    pub(crate) fn close(self, sources: &Sources, origins: &Origins) -> Vec<Diagnostic> {
        let mut all: Vec<Diagnostic> = self
            .findings
            .into_inner()
            .into_iter()
            .map(|mut finding| {
                let beside = finding.span.and_then(|span| origins.beside(span));
                finding
                    .related
                    .extend(beside.filter(|(span, _)| finding.related.iter().all(|(known, _)| known != span)));
                finding
            })
            .map(|finding| Diagnostic {
                code: finding.code,
                severity: finding.severity,
                message: finding.message,
                help: finding.help,
                place: finding.span.map(|span| sources.place(span)),
                label: finding.label,
                related: finding.related.into_iter().map(|(span, text)| (sources.place(span), text)).collect(),
            })
            .collect();
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        // What several connectors extend is read once for each of them.
        all.dedup();
        if self.dropped.get() > 0 {
            all.push(Diagnostic {
                code: "config::more",
                severity: Severity::Error,
                message: format!("and {} more errors", self.dropped.get()),
                help: Some("mend these first".to_owned()),
                place: None,
                label: String::new(),
                related: Vec::new(),
            });
        }
        all
    }
}

fn order(diagnostic: &Diagnostic) -> (Option<(&str, usize)>, &str) {
    (diagnostic.place.as_ref().map(|place| (place.file.as_str(), place.offset)), diagnostic.code)
}
