//! Clients from a table: every row of `shop.clients.csv` is a client of the template `shop`.
//!
//! The first row names the columns: `client`, and parameters of the template. An empty cell gives nothing. What comes out is the
//! tree of a file that defines integrations, each value at its place in the table; from there on it is a file as any other.

use std::{collections::BTreeMap, ops::Range};

use super::{
    diagnostic::{Report, error},
    source::{Sources, Span},
    tree::{Key, Map, Node, NodeValue, Scalar},
};

const SUFFIX: &str = ".clients.csv";
const FORM: &str = "the first row names the columns: client,site,tenant; each other row is a client";

/// The template whose clients a file of this name lists; `None` if it is no such file.
pub(crate) fn template_of(name: &str) -> Option<&str> {
    let stem = name.rsplit('/').next()?.strip_suffix(SUFFIX)?;
    Some(stem).filter(|stem| !stem.is_empty())
}

/// The integrations of a table. `None` where it cannot be read at all. A row that is no client shows none of its values:
/// which of them is a secret the template says to those that are.
pub(super) fn read(file: u32, text: &str, report: &Report, sources: &mut Sources) -> Option<Node> {
    let template = template_of(sources.name(file))?.to_owned();
    let table = Table { file, text, report };
    let rows = table.rows()?;
    let mut rows = rows.into_iter();
    let head = rows.next()?;
    for (at, column) in head.iter().enumerate().filter(|(_, column)| !column.text.is_empty()) {
        if let Some(first) = head.iter().take(at).find(|first| first.text == column.text) {
            report.add(
                error("config::duplicate_key", column.span, format!("two columns are called `{}`", column.text))
                    .also(first.span, "the first of them")
                    .help("remove one of the two"),
            );
            return None;
        }
    }
    let Some(own) = head.iter().position(|cell| cell.text == "client") else {
        report.add(
            error("config::missing_key", table.span(0..0), "no column is called `client`, which names each client")
                .label("the first row")
                .help(FORM),
        );
        return None;
    };
    let mut clients: Vec<(Key, Node)> = Vec::new();
    let mut known: BTreeMap<String, Span> = BTreeMap::new();
    for row in rows {
        let Some(name) = row.get(own).filter(|cell| !cell.text.is_empty()) else {
            for cell in &row {
                sources.hide(cell.span);
            }
            let span = row.first().map_or_else(|| table.span(0..0), |cell| cell.span);
            report.add(error("config::missing_key", span, "this row has no client's name").label("no name").help(FORM));
            continue;
        };
        if let Some(first) = known.insert(name.text.clone(), name.span) {
            for cell in row.iter().filter(|cell| cell.span != name.span) {
                sources.hide(cell.span);
            }
            report.add(
                error("config::duplicate_key", name.span, format!("`{}` is listed twice", name.text))
                    .also(first, "here it is first")
                    .help("remove one of the two rows"),
            );
            continue;
        }
        let given = head.iter().zip(&row).enumerate();
        let given = given.filter(|(at, (_, cell))| *at != own && !cell.text.is_empty());
        let with = given.map(|(_, (column, cell))| (column.key(), cell.node())).collect();
        let word = |text: &str| Key { text: text.to_owned(), span: name.span };
        let node = |value| Node { span: name.span, owner: None, value };
        // At one place for all of them: a template that is not there is told once.
        let template = Cell { text: template.clone(), span: table.span(0..0) }.node();
        let with = node(NodeValue::Map(Map { entries: with, flow: true }));
        let entries = vec![(word("template"), template), (word("with"), with)];
        clients.push((name.key(), node(NodeValue::Map(Map { entries, flow: true }))));
    }
    let whole = table.span(0..text.len());
    let node = |entries| Node { span: whole, owner: None, value: NodeValue::Map(Map { entries, flow: false }) };
    let key = Key { text: "integrations".to_owned(), span: table.span(0..0) };
    Some(node(vec![(key, node(clients))]))
}

/// One cell, without the blanks around it.
struct Cell {
    text: String,
    span: Span,
}

impl Cell {
    fn key(&self) -> Key {
        Key { text: self.text.clone(), span: self.span }
    }

    fn node(&self) -> Node {
        let scalar = Scalar { text: self.text.clone(), written: None, holes: Vec::new(), plain: true };
        Node { span: self.span, owner: None, value: NodeValue::Scalar(scalar) }
    }
}

struct Table<'t> {
    file: u32,
    text: &'t str,
    report: &'t Report,
}

impl Table<'_> {
    fn span(&self, at: Range<usize>) -> Span {
        Span { file: self.file, start: at.start, end: at.end }
    }

    /// Every row, the head first.
    fn rows(&self) -> Option<Vec<Vec<Cell>>> {
        // What spreadsheets write where the comma stands in numbers.
        let head = self.text.lines().next().unwrap_or_default();
        let delimiter = if head.contains(';') && !head.contains(',') { b';' } else { b',' };
        let mut builder = csv::ReaderBuilder::new();
        let mut reader =
            builder.has_headers(false).delimiter(delimiter).trim(csv::Trim::All).from_reader(self.text.as_bytes());
        let (mut rows, mut record) = (Vec::new(), csv::StringRecord::new());
        loop {
            let begins = usize::try_from(reader.position().byte()).unwrap_or_default();
            match reader.read_record(&mut record) {
                Ok(true) => {
                    let ends = usize::try_from(reader.position().byte()).unwrap_or_default();
                    rows.push(self.cells(&record, begins..ends));
                }
                Ok(false) => return Some(rows),
                Err(problem) => {
                    let at = problem.position().and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(begins);
                    let message = match problem.kind() {
                        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                            format!("this row has {len} cells, and the first row {expected_len}")
                        }
                        _ => format!("this row cannot be read: {problem}"),
                    };
                    self.report.add(error("config::csv", self.span(at..at), message).help(
                        "give each row as many cells as the first, and put a cell that holds the separator in quotes",
                    ));
                    return None;
                }
            }
        }
    }

    /// The cells of a row, each where its text is; one that is written otherwise (a quote in quotes) is what is left of it.
    fn cells(&self, record: &csv::StringRecord, row: Range<usize>) -> Vec<Cell> {
        let mut from = row.start;
        let cell = |text: &str| {
            let found = self.text.get(from..row.end).and_then(|rest| rest.find(text)).filter(|_| !text.is_empty());
            let span = match found {
                Some(at) => self.span(from + at..from + at + text.len()),
                None if text.is_empty() => self.span(from..from),
                None => return Cell { text: text.to_owned(), span: self.span(from..row.end) },
            };
            from = span.end;
            Cell { text: text.to_owned(), span }
        };
        record.iter().map(cell).collect()
    }
}
