//! What to say when YAML does not parse: mostly one of a few well-known traps.

use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use super::{
    diagnostic::{Finding, error},
    source::Span,
};

/// The finding for a text that the parser refuses.
pub(crate) fn syntax(file: u32, text: &str, offset: usize, failure: &ScanError) -> Finding {
    let offset = offset.min(text.len());
    let line_start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line_end = text.get(offset..).and_then(|after| after.find('\n')).map_or(text.len(), |at| offset + at);
    let line = text.get(line_start..line_end).unwrap_or_default();
    let span = |from: usize, to: usize| Span { file, start: line_start + from, end: line_start + to };
    let here = Span { file, start: offset, end: (offset + 1).min(text.len()).max(offset) };

    if matches!(failure.kind(), ErrorKind::UnknownAnchor | ErrorKind::MissingAnchorOrAliasName) {
        return error("config::yaml_alias", here, "text that begins with `*` is an alias to YAML")
            .label("read as an alias, and nothing has that name")
            .help(format!("put it in quotes: {}", quoted_value(line)));
    }
    if let Some(at) = indenting_tab(text, line_start) {
        return error(
            "config::yaml_tab",
            Span { file, start: at, end: at + 1 },
            "a tab stands where YAML wants spaces",
        )
        .label("a tab")
        .help("indent with spaces");
    }
    if let Some(at) = open_quote(line) {
        return error("config::yaml_quote", span(at, at + 1), "a quote on this line is not closed")
            .label("the last one opened")
            .help("close the quote, or put the whole text into quotes of the other kind");
    }
    // The parser may notice a trap only on a later line than the one it is on; look a little back.
    for (start, line) in lines_back(text, line_start, line).take(3) {
        let place = |(from, to): (usize, usize)| Span { file, start: start + from, end: start + to };
        if let Some(at) = unquoted(line, "${") {
            return error("config::yaml_placeholder", place(at), "a placeholder between braces needs quotes")
                .label("`{` begins a map here")
                .help(format!("write \"{}\"", placeholder(line.get(at.0..).unwrap_or_default())));
        }
        if let Some(at) = unquoted(line, "$.").filter(|at| line.get(at.0..).is_some_and(|rest| rest.contains('['))) {
            return error("config::yaml_path", place(at), "a path with `[` between brackets or braces needs quotes")
                .label("`[` begins a list here")
                .help(format!("write \"{}\"", path(line.get(at.0..).unwrap_or_default())));
        }
    }
    if let Some((at, bracket)) = open_bracket(text, line_start) {
        let close = if bracket == '[' { ']' } else { '}' };
        return error(
            "config::yaml_bracket",
            Span { file, start: at, end: at + 1 },
            format!("this `{bracket}` is not closed"),
        )
        .label("opened here")
        .help(format!("close it with `{close}`"));
    }
    error("config::yaml", here, format!("this is not YAML: {}", failure.info())).help(remedy(failure.kind()))
}

/// What most often helps.
fn remedy(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::UnexpectedCharacter { character } => {
            format!("text that begins with `{}` needs quotes", character.escape_default())
        }
        ErrorKind::MappingValueNotAllowed => "text with `: ` in it needs quotes".to_owned(),
        ErrorKind::ExpectedBlockMappingKey => {
            "keys of one map begin in the same column; check the indentation of this line and those before".to_owned()
        }
        ErrorKind::SimpleKeyExpected => "a key is followed by a colon and a space: `key: value`".to_owned(),
        _ => "check indentation and quotes on this line and the one before".to_owned(),
    }
}

/// The last bracket that is open at the end of the line before, where it was opened not far away.
fn open_bracket(text: &str, line_start: usize) -> Option<(usize, char)> {
    let mut open = Vec::new();
    let mut quote = None;
    let from = lines_back(text, line_start, "").take(6).last().map_or(0, |(start, _)| start);
    let mut previous = ' ';
    let mut comment = false;
    for (at, c) in text.get(from..line_start)?.char_indices() {
        match (quote, c) {
            (_, '\n') => (quote, comment) = (None, false),
            (Some(mark), c) if c == mark && !comment => quote = None,
            _ if comment || quote.is_some() => {}
            (_, '"' | '\'') if !previous.is_alphanumeric() => quote = Some(c),
            (_, '#') if previous == ' ' => comment = true,
            (_, '[' | '{') => open.push((from + at, c)),
            (_, ']' | '}') => drop(open.pop()),
            _ => {}
        }
        previous = c;
    }
    open.pop()
}

/// A tab in the indentation of this line or one of the next two, where the parser noticed only what came of it.
fn indenting_tab(text: &str, line_start: usize) -> Option<usize> {
    let mut start = line_start;
    for line in text.get(line_start..)?.split_inclusive('\n').take(3) {
        let indentation = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line.get(..indentation).and_then(|blank| blank.find('\t')) {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}

/// The last double quote of a line on which their number is odd.
fn open_quote(line: &str) -> Option<usize> {
    let code = line.split(" #").next().unwrap_or_default();
    let odd = code.replace("\\\"", "").matches('"').count() % 2 == 1;
    odd.then(|| code.rfind('"')).flatten()
}

fn lines_back<'t>(text: &'t str, start: usize, line: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    std::iter::successors(Some((start, line)), move |(start, _)| {
        let end = start.checked_sub(1)?;
        let before = text.get(..end)?;
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        Some((begin, before.get(begin..)?))
    })
}

/// `mark` in a line outside quotes and inside brackets or braces: where, up to the end of the word.
fn unquoted(line: &str, mark: &str) -> Option<(usize, usize)> {
    let (mut quote, mut depth) = (None, 0_u32);
    let mut previous = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if depth > 0 && line.get(at..).is_some_and(|rest| rest.starts_with(mark)) => {
                let rest = line.get(at..).unwrap_or_default();
                let length = rest.find([' ', ',']).unwrap_or(rest.len());
                return Some((at, at + length));
            }
            None => match c {
                '"' | '\'' if !previous.is_alphanumeric() => quote = Some(c),
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                '#' if previous == ' ' => return None,
                _ => {}
            },
        }
        previous = c;
    }
    None
}

fn placeholder(rest: &str) -> String {
    rest.find('}').and_then(|end| rest.get(..=end)).unwrap_or(rest).to_owned()
}

/// The path at the beginning of `rest`, brackets balanced.
fn path(rest: &str) -> String {
    let mut depth = 0_i32;
    for (at, c) in rest.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            ']' | ' ' | ',' | '}' if depth == 0 => return rest.get(..at).unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    rest.to_owned()
}

fn quoted_value(line: &str) -> String {
    let value = line.split_once(": ").map_or(line, |(_, value)| value);
    format!("\"{}\"", value.trim().trim_end_matches(['}', ' ']))
}
