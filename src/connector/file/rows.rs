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
}

/// The columns of a file, where it names them, and its rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

/// Takes a file apart.
///
/// # Errors
///
/// What makes the file as a whole worthless: nothing of it may be used then.
pub(super) fn read(table: &FileTable, bytes: &[u8]) -> Result<Rows, String> {
    let text = decoded(table.encoding, bytes)?;
    match table.format {
        FileFormat::Csv { delimiter } => csv(table, delimiter, &text),
        FileFormat::JsonLines => Ok(json_lines(&text)),
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

fn csv(table: &FileTable, delimiter: u8, bytes: &[u8]) -> Result<Rows, String> {
    if bytes.split(|byte| *byte == b'"').count() % 2 == 0 {
        return Err("a quote in it is never closed: its end may be missing".to_owned());
    }
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).has_headers(false).delimiter(delimiter).from_reader(bytes);
    let mut records = reader.byte_records();
    let columns = if table.head {
        let head = records.next().transpose().map_err(|error| error.to_string())?;
        head.map(|head| head.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect())
            .ok_or("it is empty: not even a head line with the names of the columns")?
    } else {
        table.columns.clone()
    };
    check_columns(&columns)?;
    let mut rows = Vec::new();
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(Row { line, values: values(&columns, &record) });
    }
    Ok(Rows { columns, rows })
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

fn json_lines(bytes: &[u8]) -> Rows {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1_u64..);
    let rows = lines.filter(|(bytes, _)| !bytes.trim_ascii().is_empty()).map(|(bytes, line)| Row {
        line,
        values: match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err("it is no JSON object".to_owned()),
            Err(error) => Err(format!("it is no JSON object: {error}")),
        },
    });
    Rows { columns: Vec::new(), rows: rows.collect() }
}
