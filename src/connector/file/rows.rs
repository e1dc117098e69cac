//! The bytes of a file as rows with the numbers of their lines.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use serde_json::{Map, Value};

use crate::connector::{FileFormat, FileTable};

/// A row as it stands there.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// The number of its first line, from 1.
    pub line: u64,
    /// Its values by the names of their columns, or what is wrong with it.
    pub values: Result<Map<String, Value>, String>,
    /// What it stands there as, without the end of its line.
    pub raw: Vec<u8>,
}

/// The columns of a file, where it names them, and its rows.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub columns: Vec<String>,
    /// The head line as it stands there, if there is one.
    pub head: Vec<u8>,
    pub rows: Vec<Row>,
}

/// Takes a file apart.
///
/// # Errors
///
/// What makes the file as a whole worthless: nothing of it may be used then.
pub(super) fn read(table: &FileTable, bytes: &[u8]) -> Result<Sheet, String> {
    let text = decoded(table.encoding, bytes)?;
    match table.format {
        FileFormat::Csv { delimiter } => csv(table, delimiter, &text),
        FileFormat::JsonLines => Ok(json_lines(&text)),
    }
}

/// How a file is written: its characters, and what else there is around its rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub encoding: &'static Encoding,
    /// It begins with the mark of UTF-8.
    pub marked: bool,
    pub line_end: &'static str,
}

impl Manner {
    /// That of a file that is not there yet.
    pub fn new(table: &FileTable) -> Self {
        Self { encoding: table.encoding, marked: false, line_end: "\n" }
    }

    /// That of a file that is there.
    ///
    /// # Errors
    ///
    /// When nothing is written that way.
    pub fn of(table: &FileTable, bytes: &[u8]) -> Result<Self, String> {
        let marked = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
        if marked.is_some_and(|encoding| encoding != UTF_8) {
            return Err("it is UTF-16, which is read and not written; save it as UTF-8".to_owned());
        }
        let end = bytes.iter().position(|byte| *byte == b'\n').and_then(|at| bytes.get(at.checked_sub(1)?));
        Ok(Self {
            encoding: marked.unwrap_or(table.encoding),
            marked: marked.is_some(),
            line_end: if end == Some(&b'\r') { "\r\n" } else { "\n" },
        })
    }
}

/// UTF-8 stays bytes, so that one bad row is the only bad one.
fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let (encoding, rest) = match Encoding::for_bom(bytes) {
        Some((marked, length)) => (marked, bytes.get(length..).unwrap_or_default()),
        None => (encoding, bytes),
    };
    if encoding == UTF_8 {
        return Ok(rest.to_vec());
    }
    let (text, broken) = encoding.decode_without_bom_handling(rest);
    if broken {
        return Err(format!("it holds bytes that are no {} text; is `encoding` right?", encoding.name()));
    }
    Ok(match text {
        Cow::Borrowed(text) => text.as_bytes().to_vec(),
        Cow::Owned(text) => text.into_bytes(),
    })
}

fn csv(table: &FileTable, delimiter: u8, bytes: &[u8]) -> Result<Sheet, String> {
    check_quotes(delimiter, bytes)?;
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).has_headers(false).delimiter(delimiter).from_reader(bytes);
    let all: Vec<csv::ByteRecord> =
        reader.byte_records().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    // Each reaches to where the next begins; between them may be ends of lines, which belong to none.
    let begins = |record: &csv::ByteRecord| {
        record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(bytes.len())
    };
    let raw = |at: usize| {
        let begin = all.get(at).map_or(bytes.len(), begins);
        let end = all.get(at + 1).map_or(bytes.len(), begins);
        let raw = bytes.get(begin..end).unwrap_or_default();
        let ends = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let first = raw.iter().position(|byte| !ends(byte)).unwrap_or(raw.len());
        let last = raw.iter().rposition(|byte| !ends(byte)).map_or(first, |last| last + 1);
        raw.get(first..last).unwrap_or_default().to_vec()
    };
    let (columns, head) = if table.head {
        let names = all.first().ok_or("it is empty: not even a head line with the names of the columns")?;
        (names.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect(), raw(0))
    } else {
        (table.columns.clone(), Vec::new())
    };
    check_columns(&columns)?;
    let row = |(at, record): (usize, &csv::ByteRecord)| Row {
        line: record.position().map_or(0, csv::Position::line),
        values: values(&columns, record),
        raw: raw(at),
    };
    let rows = all.iter().enumerate().skip(usize::from(table.head)).map(row).collect();
    Ok(Sheet { columns, head, rows })
}

/// Refuses what lacks a quote or has one too many: rows of it would be a part of a value, and no row is sure to be one. The reader
/// takes it as it comes.
fn check_quotes(delimiter: u8, bytes: &[u8]) -> Result<(), String> {
    enum At {
        Begin,
        Plain,
        Quoted,
        Closed,
    }
    let (mut at, mut line, mut begun) = (At::Begin, 1_u64, 1_u64);
    for byte in bytes {
        at = match (at, *byte) {
            (At::Quoted, b'"') => At::Closed,
            // Two quotes in a value in quotes are one.
            (At::Quoted, _) | (At::Closed, b'"') => At::Quoted,
            (_, b'\r' | b'\n') => At::Begin,
            (_, byte) if byte == delimiter => At::Begin,
            (At::Begin, b'"') => {
                begun = line;
                At::Quoted
            }
            (At::Begin | At::Plain, _) => At::Plain,
            (At::Closed, _) => {
                return Err(format!(
                    "the value in quotes that begins in line {begun} goes on behind its closing quote in line {line}: a \
                     quote is missing, or one within the value is not doubled"
                ));
            }
        };
        line += u64::from(*byte == b'\n');
    }
    match at {
        At::Quoted => Err("a quote in it is never closed: its end may be missing".to_owned()),
        At::Begin | At::Plain | At::Closed => Ok(()),
    }
}

fn check_columns(columns: &[String]) -> Result<(), String> {
    let mut names: Vec<&String> = columns.iter().collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(format!("it has two columns named `{}`", pair.first().map_or("", |name| name.as_str()))),
        None => Ok(()),
    }
}

fn values(columns: &[String], record: &csv::ByteRecord) -> Result<Map<String, Value>, String> {
    if record.len() != columns.len() {
        return Err(format!("it has {} values, and there are {} columns", record.len(), columns.len()));
    }
    let value = |(name, bytes): (&String, &[u8])| match std::str::from_utf8(bytes) {
        Ok(text) => Ok((name.clone(), Value::String(text.to_owned()))),
        Err(_) => Err(format!("`{name}` is no UTF-8 text; is `encoding` right?")),
    };
    columns.iter().zip(record).map(value).collect()
}

fn json_lines(bytes: &[u8]) -> Sheet {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1_u64..);
    let rows = lines.filter(|(bytes, _)| !bytes.trim_ascii().is_empty()).map(|(bytes, line)| Row {
        line,
        values: match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err("it is no JSON object".to_owned()),
            Err(error) => Err(format!("it is no JSON object: {error}")),
        },
        raw: bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec(),
    });
    Sheet { rows: rows.collect(), ..Sheet::default() }
}
