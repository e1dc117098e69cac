//! The rows of a file while it is changed. Each keeps what it stood there as, so that what nobody changed stays as it is:
//! another program may understand `1` and not `true`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    super::{
        place::{Found, bytes},
        records,
        rows::{self, Manner},
        text,
    },
    Item,
};
use crate::{
    connector::{
        CallError, FileFormat, FileTable, ItemAnswer, RemoteRecord, Resource, WireFormat, http::extract::id_of,
    },
    record::RecordId,
};

/// The records of a file in their order.
pub(super) struct Shelf {
    columns: Vec<String>,
    /// The head line, if the file is there and has one.
    head: Option<Vec<u8>>,
    manner: Manner,
    rows: Vec<Option<Row>>,
    places: HashMap<RecordId, usize>,
    pub(super) changed: bool,
}

struct Row {
    body: Value,
    /// `None` of a new one.
    original: Option<Original>,
}

/// A row as it was found.
struct Original {
    body: Value,
    /// The values before they were understood.
    cells: Map<String, Value>,
    /// Without the end of its line.
    raw: Vec<u8>,
}

impl Shelf {
    /// Reads a file, if there is one.
    ///
    /// # Errors
    ///
    /// When something in it cannot be read, and would be lost.
    pub(super) fn load(resource: &Resource, table: &FileTable, found: Option<&Found>) -> Result<Self, CallError> {
        let mut shelf = Self {
            columns: table.columns.clone(),
            head: None,
            manner: Manner::new(table),
            rows: Vec::new(),
            places: HashMap::new(),
            changed: false,
        };
        let Some(found) = found else { return Ok(shelf) };
        let name = found.path.display().to_string();
        let wrong = |why: String| CallError::NotDone(format!("{name}: {why}"));
        let bytes = bytes(found)?;
        shelf.manner = Manner::of(table, &bytes).map_err(wrong)?;
        let mut rows = rows::read(table, &bytes).map_err(wrong)?;
        if matches!(table.format, FileFormat::Csv { .. }) {
            shelf.columns.clone_from(&rows.columns);
            shelf.head = table.head.then(|| std::mem::take(&mut rows.head));
        }
        let originals: Vec<(Vec<u8>, Map<String, Value>)> =
            rows.rows.iter().map(|row| (row.raw.clone(), row.values.clone().unwrap_or_default())).collect();
        let contents = records::read(resource, table, &name, rows).map_err(wrong)?;
        if let Some(unread) = contents.unread.first() {
            let text = format!("{}: {}; correct it first, it would be lost", unread.place, unread.reason);
            return Err(CallError::NotDone(text));
        }
        if contents.records.len() != originals.len() {
            return Err(wrong("a row of it is no record of its own, and would be lost".to_owned()));
        }
        for (record, (raw, cells)) in contents.records.into_iter().zip(originals) {
            let original = Some(Original { body: record.body.clone(), cells, raw });
            shelf.places.insert(record.id, shelf.rows.len());
            shelf.rows.push(Some(Row { body: record.body, original }));
        }
        Ok(shelf)
    }

    fn find(&self, id: &RecordId) -> Option<&Value> {
        self.rows.get(*self.places.get(id)?)?.as_ref().map(|row| &row.body)
    }

    /// A record of the same id is this one if it holds the same: the call came before and its answer was lost.
    pub(super) fn create(&mut self, resource: &Resource, table: &FileTable, body: &Value) -> ItemAnswer {
        let Some(id) = resource.id.find(body).and_then(id_of) else {
            return refused(format!("a new record needs `{}`", resource.id.as_str()));
        };
        let body = match self.complete(resource, table, body) {
            Ok(body) => body,
            Err(why) => return refused(why),
        };
        match self.find(&id) {
            Some(there) if *there == body => written(resource, body),
            Some(_) => ItemAnswer::Refused {
                message: format!("there is a record `{id}` already"),
                duplicate: true,
                stale: false,
            },
            None => {
                self.places.insert(id, self.rows.len());
                self.rows.push(Some(Row { body: body.clone(), original: None }));
                self.changed = true;
                written(resource, body)
            }
        }
    }

    pub(super) fn update(&mut self, resource: &Resource, table: &FileTable, item: &Item) -> ItemAnswer {
        let id = RecordId::from(item.id.clone().unwrap_or_default());
        let Some(there) = self.find(&id) else { return refused(format!("there is no record `{id}` any more")) };
        let mut changed = there.clone();
        lay_over(&mut changed, &item.body);
        let changed = match self.complete(resource, table, &changed) {
            Ok(changed) => changed,
            Err(why) => return refused(why),
        };
        // Also where the call came before and its answer was lost.
        if changed == *there {
            return written(resource, changed);
        }
        if item.version.as_ref().is_some_and(|version| *version != records::version(there)) {
            return ItemAnswer::Refused {
                message: format!("the record `{id}` was changed meanwhile"),
                duplicate: false,
                stale: true,
            };
        }
        if resource.id.find(&changed).and_then(id_of).as_ref() != Some(&id) {
            return refused(format!("the id `{id}` cannot be changed"));
        }
        if let Some(Some(row)) = self.places.get(&id).and_then(|at| self.rows.get_mut(*at)) {
            row.body = changed.clone();
            self.changed = true;
        }
        written(resource, changed)
    }

    pub(super) fn delete(&mut self, item: &Item) -> ItemAnswer {
        let id = RecordId::from(item.id.clone().unwrap_or_default());
        if let Some(there) = self.find(&id) {
            if item.version.as_ref().is_some_and(|version| *version != records::version(there)) {
                let message = format!("the record `{id}` was changed meanwhile");
                return ItemAnswer::Refused { message, duplicate: false, stale: true };
            }
            if let Some(place) = self.places.remove(&id).and_then(|at| self.rows.get_mut(at)) {
                *place = None;
                self.changed = true;
            }
        }
        let record = RemoteRecord {
            label: id.as_str().to_owned(),
            id,
            body: Value::Object(Map::new()),
            updated_at: None,
            version: None,
            gone: true,
            merged_into: None,
        };
        ItemAnswer::Written { record: Box::new(record), body: true }
    }

    /// The record as it is read again: what the file cannot say is refused, and in CSV every column has a value.
    fn complete(&self, resource: &Resource, table: &FileTable, body: &Value) -> Result<Value, String> {
        let members = body.as_object();
        let names: Vec<&String> = match table.format {
            FileFormat::JsonLines => members.into_iter().flat_map(Map::keys).collect(),
            FileFormat::Csv { .. } => self.columns.iter().collect(),
        };
        let unknown = members.into_iter().flat_map(Map::keys).find(|name| !names.contains(name));
        if let Some(name) = unknown {
            return Err(format!("the file has no column `{name}`"));
        }
        let mut read = Map::new();
        for name in names {
            let field = resource.fields.fields.get(name);
            let value = body.get(name).unwrap_or(&Value::Null);
            let wrong = |why: String| format!("{name}: {why}");
            let cell = match table.format {
                FileFormat::JsonLines => text::write_json(table, field, value),
                FileFormat::Csv { .. } => text::write(table, field, value).map(Value::String),
            };
            let cell = cell.map_err(wrong)?;
            self.check_characters(&cell).map_err(wrong)?;
            read.insert(name.clone(), text::read(table, field, cell).map_err(wrong)?);
        }
        Ok(Value::Object(read))
    }

    /// One record with a character that the file cannot hold holds up no other.
    fn check_characters(&self, cell: &Value) -> Result<(), String> {
        let encoding = self.manner.encoding;
        let text = cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
        let lost = |letter: &char| encoding.encode(letter.encode_utf8(&mut [0; 4])).2;
        match text.chars().find(lost) {
            Some(letter) => Err(format!("the file is {}, which has no `{letter}`", encoding.name())),
            None => Ok(()),
        }
    }

    /// The file as it is now.
    ///
    /// # Errors
    ///
    /// When there is a value that it cannot hold.
    pub(super) fn bytes(&self, resource: &Resource, table: &FileTable) -> Result<Vec<u8>, CallError> {
        let lines = self.lines(resource, table).map_err(CallError::NotDone)?;
        let end = self.manner.line_end.as_bytes();
        let text: Vec<u8> = lines.into_iter().flat_map(|line| [line, end.to_vec()]).flatten().collect();
        if self.manner.encoding == encoding_rs::UTF_8 {
            let mark: &[u8] = if self.manner.marked { b"\xEF\xBB\xBF" } else { b"" };
            return Ok([mark, &text].concat());
        }
        let text = String::from_utf8(text).map_err(|error| CallError::NotDone(error.to_string()))?;
        let (bytes, _, lost) = self.manner.encoding.encode(&text);
        if lost {
            let text = format!("a value holds a character that {} cannot say", self.manner.encoding.name());
            return Err(CallError::NotDone(text));
        }
        Ok(bytes.into_owned())
    }

    fn lines(&self, resource: &Resource, table: &FileTable) -> Result<Vec<Vec<u8>>, String> {
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        if let FileFormat::Csv { delimiter } = table.format
            && table.head
        {
            lines.push(match &self.head {
                Some(head) => head.clone(),
                None => csv_line(delimiter, &self.columns)?,
            });
        }
        for row in self.rows.iter().flatten() {
            let same = row.original.as_ref().filter(|original| original.body == row.body);
            lines.push(match (same, table.format) {
                (Some(original), _) => original.raw.clone(),
                (None, FileFormat::Csv { delimiter }) => csv_line(delimiter, &self.cells(resource, table, row)?)?,
                (None, FileFormat::JsonLines) => json_line(resource, table, row)?,
            });
        }
        Ok(lines)
    }

    /// The cells of a row that is new or changed; those that were not changed stay as they are.
    fn cells(&self, resource: &Resource, table: &FileTable, row: &Row) -> Result<Vec<String>, String> {
        let cell = |name: &String| {
            if let Some(Value::String(kept)) = row.unchanged(name) {
                return Ok(kept.clone());
            }
            let field = resource.fields.fields.get(name);
            let value = row.body.get(name).unwrap_or(&Value::Null);
            if let Value::Bool(yes) = value
                && field.is_none_or(|field| field.format != WireFormat::YesNo)
                && let Some(like) = self.sample(name)
            {
                return Ok(boolean_like(like, *yes));
            }
            text::write(table, field, value).map_err(|why| format!("{name}: {why}"))
        };
        self.columns.iter().map(cell).collect()
    }

    /// What stands in a column already.
    fn sample(&self, column: &str) -> Option<&str> {
        let cells = self.rows.iter().flatten().filter_map(|row| row.original.as_ref()?.cells.get(column)?.as_str());
        cells.map(str::trim).find(|cell| !cell.is_empty())
    }
}

impl Row {
    /// A value as it stands in the file, unless it was changed.
    fn unchanged(&self, name: &str) -> Option<&Value> {
        let original = self.original.as_ref()?;
        let same = original.body.get(name) == self.body.get(name);
        original.cells.get(name).filter(|_| same)
    }
}

/// A boolean in the words that a column has for it.
fn boolean_like(sample: &str, yes: bool) -> String {
    let pairs = [["1", "0"], ["yes", "no"], ["Yes", "No"], ["YES", "NO"], ["True", "False"], ["TRUE", "FALSE"]];
    let [true_word, false_word] = pairs.into_iter().find(|pair| pair.contains(&sample)).unwrap_or(["true", "false"]);
    if yes { true_word } else { false_word }.to_owned()
}

fn csv_line(delimiter: u8, cells: &[String]) -> Result<Vec<u8>, String> {
    let mut out = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    out.write_record(cells).map_err(|error| error.to_string())?;
    let mut line = out.into_inner().map_err(|error| error.to_string())?;
    line.pop();
    Ok(line)
}

fn json_line(resource: &Resource, table: &FileTable, row: &Row) -> Result<Vec<u8>, String> {
    let mut members = Map::new();
    for (name, value) in row.body.as_object().into_iter().flatten() {
        let stands = match row.unchanged(name) {
            Some(kept) => kept.clone(),
            None => text::write_json(table, resource.fields.fields.get(name), value)?,
        };
        members.insert(name.clone(), stands);
    }
    Ok(Value::Object(members).to_string().into_bytes())
}

fn refused(message: String) -> ItemAnswer {
    ItemAnswer::Refused { message, duplicate: false, stale: false }
}

fn written(resource: &Resource, body: Value) -> ItemAnswer {
    match records::remote(resource, body) {
        Some(record) => ItemAnswer::Written { record: Box::new(record), body: true },
        None => ItemAnswer::Unknown { reason: "the record lost its id".to_owned() },
    }
}

/// Objects are laid over each other, everything else takes the place of what was.
fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                lay_over(below.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}
