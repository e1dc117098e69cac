//! Writing records into a file of records kept by their ids.
//!
//! The file is read, changed in memory and put in place of the old one by a rename: whoever reads sees the old or the
//! new. A lock keeps other writers of this program out; one that does not know the lock is noticed by the file's stamp.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io::Write as _,
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    place::{Found, Stamp, bytes, failed},
    records, rows, text,
};
use crate::{
    connector::{
        Answer, CallError, FileFormat, FileTable, ItemAnswer, RemoteRecord, Resource, WriteKind, http::extract::id_of,
    },
    record::RecordId,
};

/// One record to write, as it stands in a prepared call.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::connector) struct Item {
    pub id: Option<String>,
    pub version: Option<String>,
    pub body: Value,
}

/// The records of a file in their order.
struct Shelf {
    columns: Vec<String>,
    records: Vec<Option<Value>>,
    places: HashMap<RecordId, usize>,
    changed: bool,
}

/// Carries out a call on a file.
///
/// # Errors
///
/// When nothing was done, or it is not known whether the new file is durable.
pub(super) fn write(
    resource: &Resource,
    table: &FileTable,
    path: &Path,
    kind: WriteKind,
    items: &[Item],
) -> Result<Answer, CallError> {
    let _lock = lock(path)?;
    let stamp = Stamp::of(path)?;
    let mut shelf = load(resource, table, path, stamp)?;
    let answers = items.iter().map(|item| match kind {
        WriteKind::Create => shelf.create(resource, table, &item.body),
        WriteKind::Update => shelf.update(resource, table, item),
        WriteKind::Delete => shelf.delete(item),
    });
    let answer = Answer { items: answers.collect() };
    if shelf.changed {
        let bytes = shelf.bytes(resource, table)?;
        if Stamp::of(path)? != stamp {
            return Err(CallError::NotDone(format!("{} changed while it was written", path.display())));
        }
        replace(path, &bytes)?;
    }
    Ok(answer)
}

/// Keeps other writers out for as long as it lives.
fn lock(path: &Path) -> Result<File, CallError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".lock");
    let at = path.with_file_name(name);
    let file = File::options().create(true).truncate(false).write(true).open(&at);
    let file = file.map_err(|error| failed("make the lock", &at, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(CallError::NotDone(format!("somebody else writes to {} now", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed("lock", &at, &error)),
    }
}

fn load(resource: &Resource, table: &FileTable, path: &Path, stamp: Option<Stamp>) -> Result<Shelf, CallError> {
    let mut shelf =
        Shelf { columns: table.columns.clone(), records: Vec::new(), places: HashMap::new(), changed: false };
    let Some(stamp) = stamp else { return Ok(shelf) };
    let name = path.display().to_string();
    let wrong = |why: String| CallError::NotDone(format!("{name}: {why}"));
    let rows = rows::read(table, &bytes(&Found { path: path.to_owned(), stamp })?).map_err(wrong)?;
    if matches!(table.format, FileFormat::Csv { .. }) {
        shelf.columns.clone_from(&rows.columns);
    }
    let contents = records::read(resource, table, &name, rows).map_err(wrong)?;
    if let Some(unread) = contents.unread.first() {
        let text = format!("{}: {}; correct it first, it would be lost", unread.place, unread.reason);
        return Err(CallError::NotDone(text));
    }
    for record in contents.records {
        shelf.places.insert(record.id, shelf.records.len());
        shelf.records.push(Some(record.body));
    }
    Ok(shelf)
}

impl Shelf {
    fn find(&self, id: &RecordId) -> Option<&Value> {
        self.records.get(*self.places.get(id)?)?.as_ref()
    }

    /// A record of the same id is this one if it holds the same: the call came before and its answer was lost.
    fn create(&mut self, resource: &Resource, table: &FileTable, body: &Value) -> ItemAnswer {
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
                self.places.insert(id, self.records.len());
                self.records.push(Some(body.clone()));
                self.changed = true;
                written(resource, body)
            }
        }
    }

    fn update(&mut self, resource: &Resource, table: &FileTable, item: &Item) -> ItemAnswer {
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
        if let Some(place) = self.places.get(&id).and_then(|at| self.records.get_mut(*at)) {
            *place = Some(changed.clone());
            self.changed = true;
        }
        written(resource, changed)
    }

    fn delete(&mut self, item: &Item) -> ItemAnswer {
        let id = RecordId::from(item.id.clone().unwrap_or_default());
        if let Some(there) = self.find(&id) {
            if item.version.as_ref().is_some_and(|version| *version != records::version(there)) {
                let message = format!("the record `{id}` was changed meanwhile");
                return ItemAnswer::Refused { message, duplicate: false, stale: true };
            }
            if let Some(place) = self.places.remove(&id).and_then(|at| self.records.get_mut(at)) {
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

    /// The record as it is read again: what CSV cannot say is refused, and every column has a value.
    fn complete(&self, resource: &Resource, table: &FileTable, body: &Value) -> Result<Value, String> {
        if !matches!(table.format, FileFormat::Csv { .. }) {
            return Ok(body.clone());
        }
        let mut read = Map::new();
        for name in body.as_object().into_iter().flat_map(Map::keys) {
            if !self.columns.contains(name) {
                return Err(format!("the file has no column `{name}`"));
            }
        }
        for (name, text) in self.columns.iter().zip(self.texts(resource, table, body)?) {
            let field = resource.fields.fields.get(name);
            read.insert(name.clone(), text::read(table, field, Value::String(text))?);
        }
        Ok(Value::Object(read))
    }

    fn texts(&self, resource: &Resource, table: &FileTable, body: &Value) -> Result<Vec<String>, String> {
        let text = |name: &String| {
            let value = body.get(name).unwrap_or(&Value::Null);
            text::write(table, resource.fields.fields.get(name), value).map_err(|why| format!("{name}: {why}"))
        };
        self.columns.iter().map(text).collect()
    }

    fn bytes(&self, resource: &Resource, table: &FileTable) -> Result<Vec<u8>, CallError> {
        let FileFormat::Csv { delimiter } = table.format else {
            let lines = self.records.iter().flatten().map(|record| format!("{record}\n"));
            return Ok(lines.collect::<String>().into_bytes());
        };
        let failed = |error: csv::Error| CallError::NotDone(error.to_string());
        let mut out = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
        if table.head {
            out.write_record(&self.columns).map_err(failed)?;
        }
        for record in self.records.iter().flatten() {
            out.write_record(self.texts(resource, table, record).map_err(CallError::NotDone)?).map_err(failed)?;
        }
        let text = out.into_inner().map_err(|error| CallError::NotDone(error.to_string()))?;
        if table.encoding == encoding_rs::UTF_8 {
            return Ok(text);
        }
        let (bytes, _, lost) = table.encoding.encode(std::str::from_utf8(&text).unwrap_or_default());
        if lost {
            let text = format!("a value holds a character that {} cannot say", table.encoding.name());
            return Err(CallError::NotDone(text));
        }
        Ok(bytes.into_owned())
    }
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

/// Puts a new file in the place of the old one. Whatever fails before the rename changed nothing.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), CallError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = (|| {
        let mut new = tempfile::Builder::new().prefix(".").suffix(".new").tempfile_in(folder)?;
        new.write_all(bytes)?;
        if let Ok(old) = fs::metadata(path) {
            new.as_file().set_permissions(old.permissions())?;
        }
        new.as_file().sync_all()?;
        Ok(new)
    })();
    let new = made.map_err(|error| failed("write beside", path, &error))?;
    new.persist(path).map_err(|error| failed("replace", path, &error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| {
        CallError::Unknown(format!("{} was replaced, and the disk did not say for good: {error}", path.display()))
    })
}
