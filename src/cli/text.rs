//! Words, numbers, values and tables as people read them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::record::Cell;

/// Everything fits a line of this many columns.
pub const WIDTH: usize = 100;

/// Longest value shown; the rest is cut.
const LONGEST_VALUE: usize = 60;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Plain text: a file, a pipe, or `NO_COLOR`.
    Plain,
    /// A terminal.
    Colour,
}

impl Paint {
    fn dress(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// A heading or a name.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.dress("1", text)
    }

    /// Something of lesser weight.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.dress("2", text)
    }

    /// Good news.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.dress("32", text)
    }

    /// Something a person should look at.
    #[must_use]
    pub fn yellow(self, text: &str) -> String {
        self.dress("33", text)
    }

    /// Bad news.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.dress("31", text)
    }
}

/// A number with separators: `1,204`.
#[must_use]
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 record`, `1,204 records`.
#[must_use]
pub fn count(of: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(of), if of == 1 { one } else { many })
}

/// A value as a person would write it; blank is `nothing`.
#[must_use]
pub fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Absent | Cell::Value(Value::Null) => "nothing".to_owned(),
        Cell::Several(values) => format!("{values} values"),
        Cell::Value(Value::String(text)) if text.trim().is_empty() => format!("\"{text}\""),
        Cell::Value(Value::String(text)) => cut(&one_line(text), LONGEST_VALUE),
        Cell::Value(Value::Bool(true)) => "yes".to_owned(),
        Cell::Value(Value::Bool(false)) => "no".to_owned(),
        Cell::Value(Value::Array(items)) if items.is_empty() => "an empty list".to_owned(),
        // The parts of a joined value.
        Cell::Value(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let parts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            cut(&one_line(&parts.join(", ")), LONGEST_VALUE)
        }
        Cell::Value(other) => cut(&other.to_string(), LONGEST_VALUE),
    }
}

/// Text on one line, without anything that could drive a terminal: what a remote says is shown, never obeyed.
#[must_use]
pub fn one_line(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    spaced.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text of several lines, without anything that could drive a terminal.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// At most `width` columns; what is cut off is marked.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if kept.width() + c.to_string().width() >= width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// Breaks a text at spaces so that each line, indented, fits [`WIDTH`]. Lines after the first hang by two columns. What
/// stands between backticks is one piece, if a line can hold it: a command is there to be copied. Nothing in it can drive a
/// terminal; colours are put around it.
#[must_use]
pub fn wrap(text: &str, indent: usize) -> String {
    let room = |line: usize| WIDTH.saturating_sub(indent + if line == 0 { 0 } else { 2 }).max(20);
    let mut lines: Vec<String> = Vec::new();
    let mut pieces: Vec<String> = Vec::new();
    for word in one_line(text).split(' ').filter(|word| !word.is_empty()) {
        let is_open = |piece: &String| piece.matches('`').count() % 2 == 1;
        match pieces.last_mut().filter(|piece| is_open(piece) && piece.width() + 1 + word.width() <= room(1)) {
            Some(piece) => {
                piece.push(' ');
                piece.push_str(word);
            }
            None => pieces.push(word.to_owned()),
        }
    }
    for word in &pieces {
        let number = lines.len().saturating_sub(1);
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= room(number) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, room(lines.len()))),
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let margin = " ".repeat(indent);
    margin.clone() + &lines.join(&format!("\n{margin}  ")) + "\n"
}

/// A span in its largest useful unit: `45 s`, `12 min`, `3 h`, `2 days`.
#[must_use]
pub fn span(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago: `12 min ago`.
#[must_use]
pub fn ago(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    if now - at < TimeDelta::seconds(2) { "just now".to_owned() } else { format!("{} ago", span(now - at)) }
}

/// How long until: `in 12 min`.
#[must_use]
pub fn until(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    if at - now < TimeDelta::seconds(1) { "now".to_owned() } else { format!("in {}", span(at - now)) }
}

/// Rows under a heading, in columns. The last column takes the room that is left and is cut there.
#[derive(Debug)]
pub struct Table {
    heading: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; a name that ends in `#` holds numbers, which stand to the right.
    #[must_use]
    pub fn new(columns: &[&'static str]) -> Self {
        Self {
            heading: columns.iter().map(|name| name.trim_end_matches('#')).collect(),
            right: columns.iter().map(|name| name.ends_with('#')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Nothing in it can drive a terminal.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| harmless(cell).replace('\n', " ")).collect());
    }

    /// The table, indented, no wider than [`WIDTH`].
    #[must_use]
    pub fn render(&self, indent: usize, paint: Paint) -> String {
        let columns = self.heading.len();
        let mut widths: Vec<usize> = self.heading.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.width());
            }
        }
        let room = WIDTH.saturating_sub(indent + 2 * columns.saturating_sub(1));
        // The widest column gives way first, so that names and numbers stay whole.
        while widths.iter().sum::<usize>() > room {
            let Some(widest) = widths.iter_mut().max() else { break };
            *widest -= 1;
        }
        let mut out = String::new();
        let heading: Vec<String> = self.heading.iter().map(|name| (*name).to_owned()).collect();
        out.push_str(&paint.dim(&self.line(&heading, &widths, indent)));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&self.line(row, &widths, indent));
            out.push('\n');
        }
        out
    }

    fn line(&self, row: &[String], widths: &[usize], indent: usize) -> String {
        let mut line = " ".repeat(indent);
        for ((text, width), right) in row.iter().zip(widths).zip(&self.right) {
            let text = cut(text, *width);
            let padding = " ".repeat(width.saturating_sub(text.width()));
            if *right {
                line.push_str(&padding);
                line.push_str(&text);
            } else {
                line.push_str(&text);
                line.push_str(&padding);
            }
            line.push_str("  ");
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_stays_on_one_line() {
        let filler = "word ".repeat(17);
        let text = wrap(&format!("{filler}then `reconciled approve 738739`, or not"), 4);
        assert!(text.contains("\n      `reconciled approve 738739`, or not\n"), "{text}");
        // A backtick without its other half, or one around more than a line can hold, breaks as anything else.
        for text in [format!("a lonely ` {filler}{filler}"), format!("`{filler}{filler}` end")] {
            let wrapped = wrap(&text, 4);
            assert!(wrapped.lines().all(|line| line.width() <= WIDTH), "{wrapped}");
            assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_a_remote_says_drives_no_terminal() {
        let evil = "Acme\u{1b}[2J\u{7}\r\u{9b}31mLtd";
        let mut table = Table::new(&["NAME", "ID"]);
        table.row(vec![evil.to_owned(), "1".to_owned()]);
        for text in [wrap(evil, 0), table.render(0, Paint::Plain), harmless(evil)] {
            assert!(text.contains("Acme") && text.contains("Ltd"), "{text:?}");
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
        assert_eq!(harmless("one\ntwo"), "one\ntwo");
    }

    #[test]
    fn numbers_have_separators() {
        for (of, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(of), text);
        }
        assert_eq!(count(1, "record", "records"), "1 record");
        assert_eq!(count(0, "record", "records"), "0 records");
    }

    #[test]
    fn values_read_like_values() {
        let table = [
            (Cell::Absent, "nothing"),
            (Cell::Value(Value::Null), "nothing"),
            (Cell::from(""), "\"\""),
            (Cell::from("jane@example.com"), "jane@example.com"),
            (Cell::Value(json!(true)), "yes"),
            (Cell::Value(json!([])), "an empty list"),
            (Cell::Value(json!(["Jane", "Doe"])), "Jane, Doe"),
            (Cell::Value(json!(12.50)), "12.5"),
            (Cell::Several(2), "2 values"),
            (Cell::from("two\nlines\u{1b}[2J"), "two lines [2J"),
        ];
        for (value, text) in table {
            assert_eq!(cell(&value), text);
        }
    }

    #[test]
    fn spans_use_the_largest_useful_unit() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (600, "10 min"), (86_400, "24 h"), (172_800, "2 days")] {
            assert_eq!(span(TimeDelta::seconds(seconds)), text);
        }
    }

    #[test]
    fn a_table_never_passes_the_margin() {
        let mut table = Table::new(&["RECORD", "COUNT#", "MESSAGE"]);
        table.row(vec!["Jane Doe".to_owned(), "1,204".to_owned(), "long ".repeat(60)]);
        let text = table.render(2, Paint::Plain);
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert!(text.contains("  RECORD    COUNT  MESSAGE"), "{text}");
    }

    #[test]
    fn long_text_is_wrapped_at_spaces() {
        let text = wrap(&"word ".repeat(40), 4);
        assert!(text.lines().all(|line| line.width() <= WIDTH && line.trim_start().starts_with("word")), "{text}");
    }
}
