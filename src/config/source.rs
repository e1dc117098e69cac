//! The texts that configuration came from, and places in them.

use serde::Serialize;

/// A piece of one of the texts, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    /// Index into [`Sources`].
    pub file: u32,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The piece `from..to` of this one, for a place inside a scalar.
    #[must_use]
    pub(crate) const fn at_offset(self, offset: usize) -> Self {
        let start = if self.start + offset < self.end { self.start + offset } else { self.start };
        Self { start, end: self.end, file: self.file }
    }

    /// Whether another piece lies in this one.
    pub(crate) const fn holds(self, other: Self) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }
}

/// A place for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Path of the file, relative to the configuration folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte offset in the file.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
}

/// One text.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Path relative to the configuration folder.
    pub name: String,
    /// The text, with literal secrets replaced by stars of the same length once the tree is known.
    pub shown: String,
}

/// Every text that was read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a text and gives its number.
    pub(crate) fn add(&mut self, name: String, text: &str) -> u32 {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(Source { name, shown: text.to_owned() });
        number
    }

    /// The name of a text, relative to the configuration folder.
    pub(crate) fn name(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("", |source| source.name.as_str())
    }

    /// Replaces a piece of a text by stars, so that no snippet shows it.
    pub(crate) fn hide(&mut self, span: Span) {
        let Some(source) = self.files.get_mut(span.file as usize) else { return };
        let Some(piece) = source.shown.get(span.start..span.end) else { return };
        let stars: String =
            piece.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { '*' }).collect();
        source.shown.replace_range(span.start..span.end, &stars);
    }

    /// Whether a piece of a text is replaced by stars.
    pub(crate) fn is_hidden(&self, span: Span) -> bool {
        let piece = self.files.get(span.file as usize).and_then(|source| source.shown.get(span.start..span.end));
        piece.is_some_and(|piece| {
            piece.bytes().any(|byte| byte == b'*') && piece.bytes().all(|byte| b"*\r\n".contains(&byte))
        })
    }

    /// The files, relative to the configuration folder.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|source| source.name.as_str())
    }

    /// The text of a file as it may be shown.
    #[must_use]
    pub fn shown(&self, file: &str) -> Option<&str> {
        self.files.iter().find(|source| source.name == file).map(|source| source.shown.as_str())
    }

    /// Line and column of a span.
    pub(crate) fn place(&self, span: Span) -> Place {
        let (name, text) =
            self.files.get(span.file as usize).map_or(("", ""), |source| (source.name.as_str(), source.shown.as_str()));
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = text.get(..start).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        // A snippet of one line is enough; the end of a whole block would drown the message.
        let line_end = text.get(start..).unwrap_or_default().find('\n').map_or(text.len(), |at| start + at);
        let end = span.end.clamp(start, line_end.max(start));
        Place { file: name.to_owned(), line, column, offset: start, length: end - start }
    }
}
