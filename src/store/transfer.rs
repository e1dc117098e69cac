//! A whole store as text, to keep, to move and to go back with.
//!
//! JSON Lines: what it is, one line per entry in key order within its space, and a last line by which a file that
//! was cut off or changed is told:
//!
//! ```text
//! {"format":1,"lineage":"5f0c…","exported_at":"2026-03-01T10:00:00Z"}
//! {"space":"link","key":["clients","42"],"value":{…}}
//! {"space":"match-key","key":["clients","t","0","jane@x.example","7"]}
//! {"entries":1,"crc32":"9ae0daaf"}
//! ```
//!
//! Entries about the store itself ([`Space::Meta`]) stay out, but for what people decided and what is under way
//! (`carried.rs`): a store keeps its own format and lineage, and remembers what it was restored from
//! ([`restored_from`]), because whoever imports an old export meets systems that have moved on. The file holds people's
//! data: it is made for its owner only (mode 0600).

mod carried;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::{Client, Group, Intent, Key, Ledger, Pack, Space, Store, StoreError, frame, lineage_key};
use crate::sync::{Fresh, Link};

/// The format of the export that this program writes.
const FORMAT: u32 = 1;
/// How the names of unfinished exports begin.
pub(super) const TEMPORARY: &str = ".reconciled-export-";
/// Entries read or written at once.
const PAGE: usize = 500;

/// Why an export or import was not done.
#[derive(Debug, Error)]
pub enum TransferError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A line of the file is not what an export holds. Nothing was imported.
    #[error("{}, line {line}: {reason}; nothing was imported", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The store holds entries that an import would mix with its own.
    #[error(
        "the store is not empty; import into a new state folder, or say with `--replace` that its content shall be replaced"
    )]
    NotEmpty,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    lineage: String,
    exported_at: String,
    /// Only of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    space: String,
    key: Vec<String>,
    /// Left out where the key says it all, as in an index.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    value: Option<serde_json::Value>,
}

/// A value that is written is one, also `null`.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(from).map(Some)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer {
    entries: u64,
    crc32: String,
}

/// What a store was imported from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The lineage of the store that was exported; empty if it had none.
    pub lineage: String,
    /// When, as the exporter wrote it.
    pub exported_at: String,
}

/// Writes the whole store to `file`, which is replaced at once when all of it is durable, and gives the number of
/// entries. `exported_at` is the present time as text, for people. Entries written meanwhile may be missing: export
/// while nothing runs.
///
/// # Errors
///
/// When the store or the disk fails or a value is damaged; `file` is then as it was.
pub async fn export(store: &dyn Store, file: &Path, exported_at: &str) -> Result<u64, TransferError> {
    export_while(store, file, exported_at, &|| Ok(())).await
}

/// As [`export`], of one client alone, without tokens: to be handed over. It cannot be imported.
///
/// # Errors
///
/// As [`export`].
pub async fn export_client(
    store: &dyn Store,
    file: &Path,
    exported_at: &str,
    client: &Client,
) -> Result<u64, TransferError> {
    write_out(store, file, (exported_at, Some(client)), &|| Ok(())).await
}

/// As [`export`], asking before every page whether to go on.
///
/// # Errors
///
/// As [`export`], and what `go_on` gives.
pub async fn export_while(
    store: &dyn Store,
    file: &Path,
    exported_at: &str,
    go_on: &(dyn Fn() -> io::Result<()> + Sync),
) -> Result<u64, TransferError> {
    write_out(store, file, (exported_at, None), go_on).await
}

async fn write_out(
    store: &dyn Store,
    file: &Path,
    (exported_at, client): (&str, Option<&Client>),
    go_on: &(dyn Fn() -> io::Result<()> + Sync),
) -> Result<u64, TransferError> {
    let failed = |source| TransferError::File { action: "write", path: file.to_owned(), source };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(failed)?;
    let mut writer = Writer { out: BufWriter::new(temporary), checksum: crc32fast::Hasher::new() };
    let lineage = read_meta(store, &lineage_key()).await?.unwrap_or_default();
    let of = client.map(|client| client.name.to_string());
    let header = Header { format: FORMAT, lineage, exported_at: exported_at.to_owned(), client: of };
    writer.line(&header).map_err(failed)?;

    let mut entries = 0;
    for space in Space::ALL {
        let prefix = Key::new(space, &[]);
        let mut after = None;
        loop {
            go_on().map_err(failed)?;
            let page = store.scan(&prefix, after.as_ref(), PAGE).await?;
            for (key, bytes) in &page {
                let wanted = match client {
                    Some(client) => !matches!(space, Space::Grant | Space::Meta) && client.owns(space, key, bytes)?,
                    None => space != Space::Meta || carried::is_carried(key),
                };
                if !wanted {
                    continue;
                }
                writer.line(&entry(space, key, bytes)?).map_err(failed)?;
                entries += 1;
            }
            crate::crash::point("export-page");
            let Some((last, _)) = page.into_iter().next_back() else { break };
            after = Some(last);
            tokio::task::yield_now().await;
        }
    }
    let crc32 = format!("{:08x}", writer.checksum.clone().finalize());
    writer.line(&Footer { entries, crc32 }).map_err(failed)?;

    let temporary = writer.out.into_inner().map_err(|error| failed(error.into_error()))?;
    let (folder, target) = (folder.to_owned(), file.to_owned());
    let moved = tokio::task::spawn_blocking(move || {
        temporary.as_file().sync_all()?;
        crate::crash::point("export-written");
        temporary.persist(target).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    });
    moved.await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)?;
    Ok(entries)
}

/// Reads an export into the store and gives the number of entries. The whole file is checked before anything is
/// written. With `replace`, what the store holds is removed first; without, a store that holds anything is refused. Its
/// logins and pauses stay in any case, and those of the file are taken where there is none: a token of an earlier time
/// was used since, and what a person paused starts when a person says so.
/// What both sides agreed on is believed as it was: only for a store that nothing has happened to since, as when it
/// moves to another machine. Should a crash interrupt the writing, [`is_unfinished`] tells.
///
/// # Errors
///
/// When the file cannot be read or is not a whole export, the store is not empty, or the store fails.
pub async fn import(store: &dyn Store, file: &Path, replace: bool) -> Result<u64, TransferError> {
    let entries = fill(store, file, replace).await?;
    finish(store).await?;
    Ok(entries)
}

/// As [`import`], and every pipeline begins as on a first run ([`Ledger::begin_anew`]). The import is unfinished until
/// that is done as well: half a beginning would believe agreements of another time.
///
/// # Errors
///
/// As [`import`].
pub async fn import_anew(
    store: &Arc<dyn Store>,
    file: &Path,
    replace: bool,
    now: DateTime<Utc>,
) -> Result<u64, TransferError> {
    let entries = fill(store.as_ref(), file, replace).await?;
    crate::crash::point("import-filled");
    Ledger::new(Arc::clone(store)).begin_anew(now).await?;
    crate::crash::point("import-begun-anew");
    finish(store.as_ref()).await?;
    Ok(entries)
}

/// The store is whole from now on.
async fn finish(store: &dyn Store) -> Result<(), StoreError> {
    put_meta::<()>(store, unfinished_key(), None).await
}

/// Reads an export into the store, which counts as unfinished from then on.
async fn fill(store: &dyn Store, file: &Path, replace: bool) -> Result<u64, TransferError> {
    let (path, checked) = (
        file.to_owned(),
        tokio::task::spawn_blocking({
            let path = file.to_owned();
            move || check(&path)
        }),
    );
    let checked = checked.await.map_err(|error| TransferError::File {
        action: "read",
        path: path.clone(),
        source: io::Error::other(error),
    })?;
    let (mut reader, header, entries) = checked?;
    if let Some(client) = header.client {
        return Err(
            reader.wrong(format!("this export is of `{client}` alone, to be handed over; it cannot be imported"))
        );
    }
    if !replace && !is_empty(store).await? {
        return Err(TransferError::NotEmpty);
    }
    put_meta(store, unfinished_key(), Some(&true)).await?;
    remove_all(store).await?;
    crate::crash::point("import-emptied");

    let has_run = carried::has_run(store).await?;
    let mut written = 0;
    let mut groups = Vec::new();
    while written < entries {
        let Some(Line::Entry(key, value)) = reader.next()? else {
            return Err(reader.wrong("the file changed while it was read"));
        };
        if !carried::stays(store, &key, has_run).await? {
            let mut group = Group::default();
            group.put(key, value.map(|value| frame::encode(&value)).unwrap_or_default());
            groups.push(group);
        }
        written += 1;
        if groups.len() == PAGE || written == entries {
            store.commit(std::mem::take(&mut groups)).await?;
            crate::crash::point("import-page");
            tokio::task::yield_now().await;
        }
    }
    let restored = Restored { lineage: header.lineage, exported_at: header.exported_at };
    put_meta(store, restored_key(), Some(&restored)).await?;
    Ok(entries)
}

/// Whether an import into this store was interrupted: it holds a part only and must be imported again, with `replace`.
///
/// # Errors
///
/// When the store fails.
pub async fn is_unfinished(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(read_meta(store, &unfinished_key()).await?.unwrap_or(false))
}

/// What this store was imported from, `None` if it never was.
///
/// # Errors
///
/// When the store fails.
pub async fn restored_from(store: &dyn Store) -> Result<Option<Restored>, StoreError> {
    read_meta(store, &restored_key()).await
}

/// There from the first change of an import to its end.
pub(super) fn unfinished_key() -> Key {
    Key::new(Space::Meta, &["import-unfinished"])
}

fn restored_key() -> Key {
    Key::new(Space::Meta, &["restored-from"])
}

async fn read_meta<T: serde::de::DeserializeOwned>(store: &dyn Store, key: &Key) -> Result<Option<T>, StoreError> {
    let found = store.get(std::slice::from_ref(key)).await?.pop().flatten();
    found.map(|bytes| frame::decode(key, &bytes)).transpose()
}

async fn put_meta<T: Serialize + Sync>(store: &dyn Store, key: Key, value: Option<&T>) -> Result<(), StoreError> {
    store.commit(vec![Group { writes: vec![(key, value.map(frame::encode))] }]).await?;
    store.flush().await
}

async fn is_empty(store: &dyn Store) -> Result<bool, StoreError> {
    for space in Space::ALL.into_iter().filter(|space| *space != Space::Meta) {
        if !store.scan(&Key::new(space, &[]), None, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    // A part of an import may be an empty part.
    Ok(!is_unfinished(store).await?)
}

async fn remove_all(store: &dyn Store) -> Result<(), StoreError> {
    let spaces = Space::ALL.into_iter().filter(|space| !matches!(space, Space::Meta | Space::Grant));
    for prefix in spaces.map(|space| Key::new(space, &[])).chain(carried::of_records()) {
        loop {
            let page = store.scan(&prefix, None, PAGE).await?;
            if page.is_empty() {
                break;
            }
            store.commit(page.into_iter().map(|(key, _)| Group { writes: vec![(key, None)] }).collect()).await?;
        }
    }
    Ok(())
}

fn entry(space: Space, key: &Key, bytes: &[u8]) -> Result<Entry, StoreError> {
    let parts = key.parts();
    if Key::from_parts(space, &parts) != *key {
        let reason = "its key is not a row of texts".to_owned();
        return Err(StoreError::Damaged { key: format!("{key:?}"), reason });
    }
    let value = if bytes.is_empty() { None } else { Some(value(space, key, bytes)?) };
    Ok(Entry { space: space.name().to_owned(), key: parts, value })
}

/// A value as JSON. What is stored in a compact form is JSON in an export: it is for people and other versions, too.
fn value(space: Space, key: &Key, bytes: &[u8]) -> Result<serde_json::Value, StoreError> {
    fn json<T: Pack + Serialize + serde::de::DeserializeOwned>(
        key: &Key,
        bytes: &[u8],
    ) -> Result<serde_json::Value, StoreError> {
        let value: T = frame::unpack(key, bytes)?;
        serde_json::to_value(value).map_err(|error| StoreError::failed("export", error))
    }
    match (space, bytes.first()) {
        (Space::Link, Some(&frame::PACKED)) => json::<Link>(key, bytes),
        (Space::Seen, Some(&frame::PACKED)) => json::<Fresh>(key, bytes),
        (Space::Intent, Some(&frame::PACKED)) => json::<Intent>(key, bytes),
        _ => frame::decode(key, bytes),
    }
}

struct Writer {
    out: BufWriter<NamedTempFile>,
    checksum: crc32fast::Hasher,
}

impl Writer {
    fn line<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.checksum.update(&line);
        self.out.write_all(&line)
    }
}

enum Line {
    Entry(Key, Option<serde_json::Value>),
    Footer(Footer, u32),
}

struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
    number: u64,
    checksum: crc32fast::Hasher,
}

impl Reader {
    /// The file's header, and the reader behind it.
    fn open(path: &Path) -> Result<(Self, Header), TransferError> {
        let failed = |source| TransferError::File { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let lines = BufReader::new(file);
        Self { path: path.to_owned(), lines, number: 0, checksum: crc32fast::Hasher::new() }.begin()
    }

    fn begin(mut self) -> Result<(Self, Header), TransferError> {
        let text = self.text()?;
        self.checksum = crc32fast::Hasher::new();
        self.checksum.update(&text);
        let header: Header = serde_json::from_slice(&text)
            .map_err(|error| self.wrong(format!("this is not an export of reconciled: {error}")))?;
        if header.format != FORMAT {
            return Err(self.wrong(format!(
                "the export has format {}, this version of reconciled knows {FORMAT}; import it with the version that \
                 wrote it",
                header.format
            )));
        }
        Ok((self, header))
    }

    /// The next line with its end; empty at the end of the file.
    fn text(&mut self) -> Result<Vec<u8>, TransferError> {
        let mut text = Vec::new();
        let read = self.lines.read_until(b'\n', &mut text);
        read.map_err(|source| TransferError::File { action: "read", path: self.path.clone(), source })?;
        self.number += 1;
        if !text.is_empty() && !text.ends_with(b"\n") {
            return Err(self.wrong("the export is cut off in the middle of this line"));
        }
        Ok(text)
    }

    /// `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Line>, TransferError> {
        let before = self.checksum.clone().finalize();
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        self.checksum.update(&text);
        if text.starts_with(br#"{"entries":"#) {
            let footer = serde_json::from_slice(&text).map_err(|error| self.wrong(error.to_string()))?;
            return Ok(Some(Line::Footer(footer, before)));
        }
        let entry: Entry = serde_json::from_slice(&text).map_err(|error| self.wrong(error.to_string()))?;
        let space = Space::from_name(&entry.space);
        let space = space.ok_or_else(|| self.wrong(format!("there is no space {:?}", entry.space)))?;
        let key = Key::from_parts(space, &entry.key);
        if space == Space::Meta && !carried::is_carried(&key) {
            return Err(self.wrong(format!("{key:?} is of the store itself, and in no export")));
        }
        Ok(Some(Line::Entry(key, entry.value)))
    }

    fn wrong(&self, reason: impl Into<String>) -> TransferError {
        TransferError::Line { path: self.path.clone(), line: self.number, reason: reason.into() }
    }
}

/// Reads the whole file once; gives a reader at its first entry, its header, and how many entries there are.
fn check(path: &Path) -> Result<(Reader, Header, u64), TransferError> {
    let (mut reader, _) = Reader::open(path)?;
    let mut entries = 0;
    let mut previous: Option<Key> = None;
    let footer = loop {
        match reader.next()? {
            Some(Line::Entry(key, _)) => {
                let same_space = previous.as_ref().is_some_and(|previous| previous.space() == key.space());
                if same_space && previous.as_ref() >= Some(&key) {
                    return Err(reader.wrong(format!("{key:?} is not in its place: twice, or moved")));
                }
                previous = Some(key);
                entries += 1;
            }
            Some(Line::Footer(footer, checksum)) => break (footer, checksum),
            None => return Err(reader.wrong("the export is cut off: its last line is missing")),
        }
    };
    let (footer, checksum) = footer;
    if footer.entries != entries {
        return Err(reader.wrong(format!("the export should have {} entries, it has {entries}", footer.entries)));
    }
    if footer.crc32 != format!("{checksum:08x}") {
        return Err(reader.wrong("the checksum does not match: a line was changed after the export"));
    }
    if reader.next()?.is_some() {
        return Err(reader.wrong("there is something behind the export's last line"));
    }
    let failed = |source| TransferError::File { action: "read", path: path.to_owned(), source };
    reader.lines.rewind().map_err(failed)?;
    reader.number = 0;
    let (reader, header) = reader.begin()?;
    Ok((reader, header, entries))
}

#[cfg(test)]
mod tests;
