//! Writing records into a file of records kept by their ids.
//!
//! The file is read, changed in memory and put in place of the old one by a rename: whoever reads sees the old or the
//! new. A lock keeps other writers of this program out; one that does not know the lock is noticed by the file's stamp, and
//! waited for as by readers. What nobody changed stays as it is, to the byte (`shelf`); the new file belongs to whom the old
//! one did (`replace`).

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::replace::replace as replace_file;
use self::{replace::replace, shelf::Shelf};
use super::place::{Found, Ready, Stamp, failed, wait};
use crate::connector::{Answer, CallError, FileTable, Resource, WriteKind};

mod replace;
mod shelf;

/// One record to write, as it stands in a prepared call.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::connector) struct Item {
    pub id: Option<String>,
    pub version: Option<String>,
    pub body: Value,
}

/// Carries out a call on a file. Tells the stamp of the file that was made, if one was.
///
/// # Errors
///
/// When nothing was done, or it is not known whether the new file is durable.
pub(super) fn write(
    resource: &Resource,
    table: &FileTable,
    (path, ready): (&Path, Ready),
    kind: WriteKind,
    items: &[Item],
) -> Result<(Answer, Option<Stamp>), CallError> {
    let _lock = lock(path)?;
    let stamp = Stamp::of(path)?;
    // What somebody is in the middle of writing would be cut where we read it.
    let found = stamp.map(|stamp| Found { path: path.to_owned(), stamp });
    if let Some(why) = found.as_ref().and_then(|found| wait(found, table, ready)) {
        return Err(CallError::NotDone(why));
    }
    let mut shelf = Shelf::load(resource, table, found.as_ref())?;
    let answers = items.iter().map(|item| match kind {
        WriteKind::Create => shelf.create(resource, table, &item.body),
        WriteKind::Update => shelf.update(resource, table, item),
        WriteKind::Delete => shelf.delete(item),
    });
    let answer = Answer { items: answers.collect() };
    let mut made = None;
    if shelf.changed {
        let bytes = shelf.bytes(resource, table)?;
        if Stamp::of(path)? != stamp {
            return Err(CallError::NotDone(format!("{} changed while it was written", path.display())));
        }
        replace(path, &bytes)?;
        made = Stamp::of(path)?;
    }
    Ok((answer, made))
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
