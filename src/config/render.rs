//! Diagnostics as text with snippet and caret.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::{
    diagnostic::{Diagnostic, Severity},
    source::{Place, Sources},
};

/// Renders diagnostics one after the other, each with file, line, column, snippet, caret and remedy.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_width(110).with_context_lines(1);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let shown = Shown::new(diagnostic, sources);
        if handler.render_report(&mut out, &shown).is_err() {
            // Writing into a string does not fail; if miette cannot draw the snippet, the plain text must do.
            out.push_str(&diagnostic.message);
        }
        out.push('\n');
    }
    out
}

/// A diagnostic as miette sees it.
struct Shown<'d> {
    diagnostic: &'d Diagnostic,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    elsewhere: Vec<Elsewhere>,
}

/// A related place in another file.
#[derive(Debug)]
struct Elsewhere {
    text: String,
    source: NamedSource<String>,
    label: LabeledSpan,
}

fn labelled(place: &Place, text: &str) -> LabeledSpan {
    LabeledSpan::new((!text.is_empty()).then(|| text.to_owned()), place.offset, place.length)
}

impl<'d> Shown<'d> {
    fn new(diagnostic: &'d Diagnostic, sources: &Sources) -> Self {
        let named = |place: &Place| {
            let text = sources.shown(&place.file)?;
            // miette drops a caret at the very end of a text without a last line end.
            Some(NamedSource::new(&place.file, format!("{text}\n")))
        };
        let source = diagnostic.place.as_ref().and_then(named);
        let mut labels = Vec::new();
        let mut elsewhere = Vec::new();
        if let Some(place) = &diagnostic.place {
            let label = if diagnostic.label.is_empty() { "here" } else { &diagnostic.label };
            labels.push(LabeledSpan::new_primary_with_span(Some(label.to_owned()), (place.offset, place.length)));
        }
        for (place, text) in &diagnostic.related {
            if diagnostic.place.as_ref().is_some_and(|main| main.file == place.file) {
                labels.push(labelled(place, text));
            } else if let Some(source) = named(place) {
                elsewhere.push(Elsewhere { text: text.clone(), source, label: labelled(place, "here") });
            }
        }
        Self { diagnostic, source, labels, elsewhere }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty()).then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = _>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        (!self.elsewhere.is_empty()).then(|| {
            Box::new(self.elsewhere.iter().map(|other| other as &dyn miette::Diagnostic))
                as Box<dyn Iterator<Item = &dyn miette::Diagnostic>>
        })
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Elsewhere {}

impl miette::Diagnostic for Elsewhere {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone())))
    }
}
