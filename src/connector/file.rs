//! Files of records: CSV, or one JSON object a line.
//!
//! A file is found and waited for (`place`), taken apart into rows (`rows`), whose values become those of their fields
//! (`text`) and then records (`records`). A row that cannot be read is told with its line; a file that may be half
//! written is not read at all. A file that was taken may be put away (`away`). What became of the rows is written beside
//! (`results`). Records are written by replacing the file as a whole (`write`).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use thiserror::Error;
use uuid::Uuid;

use self::{
    place::{Files, Found, Ready, Stamp},
    results::Telling,
};
pub(super) use self::{
    records::{remote, sorted, version},
    text::read_text,
    write::Item,
};
use super::{
    Answer, CallError, Connector, FileTable, Holds, Outcome, Page, PreparedCall, PullCursor, RemoteRecord, Requests,
    Resource, Unread, WriteItem, WriteKind,
};
use crate::{clock::Clock, config::Connection, record::RecordId};

mod away;
mod place;
mod records;
mod results;
mod rows;
mod text;
mod write;

/// Records a page.
const PAGE: usize = 500;
/// Listings of a resource that are kept until somebody goes on with them.
const LISTINGS: usize = 8;

/// How long a call that may have been carried out is sent again. It does no harm at any time: a record that is there
/// already is recognised.
const KEY_LIVES: std::time::Duration = std::time::Duration::from_hours(1);

/// Why a connection to a folder cannot be used at all.
#[derive(Debug, Error)]
#[error("connection `{connection}` cannot be used: {message}")]
pub struct FileError {
    /// The connection.
    pub connection: String,
    /// The cause, with what to do.
    pub message: String,
}

/// A folder of files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FileConnector(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Arc<Connection>,
    folder: PathBuf,
    clock: Clock,
    /// What listings have not given out yet, by resource and page.
    shelves: Mutex<BTreeMap<(String, u64), Shelved>>,
    /// What was read last, for looks by id.
    known: Mutex<BTreeMap<String, Arc<Contents>>>,
    /// The sound files of every listing since some were last put away, by resource.
    listed: Mutex<BTreeMap<String, Vec<Found>>>,
    /// Files of which it is to be told what became of their rows, by resource.
    telling: Mutex<BTreeMap<String, Vec<Telling>>>,
    /// Writes come one after the other. What each left behind, by resource.
    writing: Mutex<BTreeMap<String, Stamp>>,
    pages: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
}

#[derive(Debug)]
struct Shelved {
    contents: Arc<Contents>,
    /// The first record that was not given out.
    at: usize,
}

/// Everything that the files of a resource hold.
#[derive(Debug, Default)]
struct Contents {
    files: Files,
    records: Vec<RemoteRecord>,
    places: HashMap<RecordId, usize>,
    unread: Vec<Unread>,
    /// Files in which everything could be read.
    sound: Vec<Found>,
    /// What each file holds, where it is told what became of that.
    held: Vec<Telling>,
}

impl FileConnector {
    /// Makes a connector for a folder. Reads nothing yet.
    ///
    /// # Errors
    ///
    /// When the connection names no folder.
    pub fn new(connection: Arc<Connection>, clock: Clock) -> Result<Self, FileError> {
        let folder = connection.base_url.to_file_path().map_err(|()| FileError {
            connection: connection.name.as_str().to_owned(),
            message: "its `base_url` is no folder; write base_url: /srv/till".to_owned(),
        })?;
        Ok(Self(Arc::new(Shared {
            connection,
            folder,
            clock,
            shelves: Mutex::default(),
            known: Mutex::default(),
            listed: Mutex::default(),
            telling: Mutex::default(),
            writing: Mutex::default(),
            pages: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        })))
    }

    /// Does something with the disk where it holds up nobody.
    async fn aside<T: Send + 'static>(
        &self,
        resource: &Resource,
        work: impl FnOnce(&Shared, &Resource, &FileTable) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let (shared, resource) = (Arc::clone(&self.0), resource.clone());
        let done = tokio::task::spawn_blocking(move || {
            let table = table(&resource)?;
            work(&shared, &resource, table)
        });
        done.await.map_err(|error| CallError::Unknown(format!("the work on the file broke off: {error}")))?
    }
}

impl Contents {
    /// Notes what a file holds, where it is told what became of that.
    fn hold(&mut self, table: &FileTable, folder: &Path, file: &Found, (ids, unread): (Vec<RecordId>, &[Unread])) {
        if table.results.is_some() {
            let name = away::taken_name(folder, table, &file.path);
            self.held.push(Telling { name, ids, unread: unread.to_vec() });
        }
    }
}

fn table(resource: &Resource) -> Result<&FileTable, CallError> {
    resource.file.as_ref().ok_or_else(|| CallError::NotDone(format!("`{}` is in no file", resource.name)))
}

impl Shared {
    /// Reads the files of a resource; what is known of them is not read again.
    fn contents(&self, resource: &Resource, table: &FileTable, done: bool) -> Result<Arc<Contents>, CallError> {
        let ours = self.writing.lock().unwrap_or_else(PoisonError::into_inner).get(&resource.name).copied();
        let ready = Ready { now: self.clock.now(), ours };
        let files = place::files(&self.folder, table, done, ready)?;
        place::check_size(&files.ready, table)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(contents) = known.get(&resource.name).filter(|contents| contents.files == files) {
            return Ok(Arc::clone(contents));
        }
        if let Some(why) = files.waits.as_ref().and_then(|found| place::wait(found, table, ready)) {
            tracing::info!(event = "file.waits", connection = %self.connection.name, %why, "those behind it wait, too");
        }
        let mut contents = Contents::default();
        for file in &files.ready {
            let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let bytes = place::bytes(file)?;
            let wrong = |why: String| CallError::BadAnswer(format!("{name}: {why}"));
            let read = rows::read(table, &bytes).and_then(|rows| records::read(resource, table, &name, rows));
            let read = match read {
                Ok(read) => read,
                // One file of many holds up none of the others.
                Err(why) if table.holds == Holds::Additions => {
                    let unread = Unread { place: name, reason: why };
                    contents.hold(table, &self.folder, file, (Vec::new(), std::slice::from_ref(&unread)));
                    contents.unread.push(unread);
                    continue;
                }
                Err(why) => return Err(wrong(why)),
            };
            if let Some(unread) = read.unread.first().filter(|_| table.write) {
                let text =
                    format!("{}: {}; a file that is written must be readable as a whole", unread.place, unread.reason);
                return Err(CallError::BadAnswer(text));
            }
            let ids = read.records.iter().map(|record| record.id.clone()).collect();
            contents.hold(table, &self.folder, file, (ids, &read.unread));
            contents.unread.extend(read.unread);
            // What stays here is read again, and would beat a later file that was put away.
            if contents.unread.is_empty() {
                contents.sound.push(file.clone());
            }
            for record in read.records {
                let earlier = contents.places.get(&record.id).and_then(|at| contents.records.get_mut(*at));
                if let Some(earlier) = earlier {
                    // A later file knows better.
                    *earlier = record;
                } else {
                    contents.places.insert(record.id.clone(), contents.records.len());
                    contents.records.push(record);
                }
            }
        }
        contents.files = files;
        let contents = Arc::new(contents);
        known.insert(resource.name.clone(), Arc::clone(&contents));
        Ok(contents)
    }

    /// The first listing of a process: it may have to be told what became of rows in files that were taken before. A folder
    /// that cannot be read is told by the next full read.
    fn expect_taken(&self, resource: &Resource, table: &FileTable) {
        let known =
            |shared: &Self| shared.telling.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&resource.name);
        if table.results.is_none() || known(self) {
            return;
        }
        let held = self.contents(resource, table, true).map(|contents| contents.held.clone()).unwrap_or_default();
        self.telling.lock().unwrap_or_else(PoisonError::into_inner).insert(resource.name.clone(), held);
    }

    /// The next records of a listing, and where it goes on.
    fn portion(&self, resource: &str, contents: Arc<Contents>, at: usize) -> (Vec<RemoteRecord>, Option<String>) {
        let records = contents.records.iter().skip(at).take(PAGE).cloned().collect();
        let at = at + PAGE;
        if at >= contents.records.len() {
            return (records, None);
        }
        let page = self.pages.fetch_add(1, Ordering::Relaxed);
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.insert((resource.to_owned(), page), Shelved { contents, at });
        let ours: Vec<_> = shelves.keys().filter(|(of, _)| of == resource).cloned().collect();
        // Nobody goes on with the oldest any more.
        for key in ours.iter().rev().skip(LISTINGS) {
            shelves.remove(key);
        }
        (records, Some(page.to_string()))
    }

    fn next(&self, resource: &str, token: &str) -> Result<Page, CallError> {
        let page = token.parse().map_err(|_| CallError::PageExpired)?;
        let shelved = self.shelves.lock().unwrap_or_else(PoisonError::into_inner).remove(&(resource.to_owned(), page));
        let shelved = shelved.ok_or(CallError::PageExpired)?;
        let (records, next) = self.portion(resource, shelved.contents, shelved.at);
        Ok(Page { records, next, ..Page::default() })
    }
}

#[async_trait]
impl Connector for FileConnector {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.0.connection.manifest.resources.get(name).map(AsRef::as_ref)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        if let Some(token) = &cursor.page {
            return self.0.next(&resource.name, token);
        }
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let everything = cursor.since.is_none();
        let (contents, partial) = self
            .aside(resource, move |shared, resource, table| {
                shared.expect_taken(resource, table);
                let contents = shared.contents(resource, table, everything)?;
                let mut listed = shared.listed.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(listed) = listed.get_mut(&resource.name) {
                    // Of another run, which may have ended before this one: what it has not listed it has delivered to nobody.
                    let here: HashSet<&Found> = contents.sound.iter().collect();
                    listed.retain(|file| here.contains(file));
                } else {
                    listed.insert(resource.name.clone(), contents.sound.clone());
                }
                let mut telling = shared.telling.lock().unwrap_or_else(PoisonError::into_inner);
                results::expect(telling.entry(resource.name.clone()).or_default(), &contents.held);
                Ok((contents, place::is_partial(table)))
            })
            .await?;
        let unread = contents.unread.clone();
        let (records, next) = self.0.portion(&resource.name, contents, 0);
        Ok(Page { records, next, server_time: None, partial, unread })
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let contents = self.aside(resource, |shared, resource, table| shared.contents(resource, table, true)).await?;
        let found = contents.places.get(id).and_then(|at| contents.records.get(*at));
        match (found, contents.unread.first()) {
            (None, Some(unread)) => {
                let text = format!("{}: {}; it may be the record that is looked for", unread.place, unread.reason);
                Err(CallError::BadAnswer(text))
            }
            (found, _) => Ok(found.cloned()),
        }
    }

    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        let table = table(resource)?;
        if resource.write(kind).is_none() {
            return Err(CallError::NotDone(format!("`{}` is only read", resource.name)));
        }
        let made = |(number, item): (usize, &WriteItem)| {
            let mut body = item.body.clone();
            if kind == WriteKind::Create && resource.id.find(&body).is_none() {
                // The same call makes the same id, so that sending it twice makes one record.
                let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{key}:{number}").as_bytes());
                if let (Some(members), [name]) = (body.as_object_mut(), resource.id.names().as_slice()) {
                    members.insert((*name).to_owned(), id.to_string().into());
                }
            }
            Item { id: item.id.as_ref().map(|id| id.as_str().to_owned()), version: item.version.clone(), body }
        };
        let made: Vec<Item> = items.iter().enumerate().map(made).collect();
        Ok(PreparedCall {
            resource: resource.name.clone(),
            kind,
            method: resource.write(kind).map(|write| write.method.clone()).unwrap_or_default(),
            target: table.path.clone(),
            headers: Vec::new(),
            body: serde_json::to_string(&made).map_err(|error| CallError::NotDone(error.to_string()))?,
            ids: items.iter().map(|item| item.id.clone()).collect(),
            key_lives: Some(KEY_LIVES),
        })
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        let (kind, body) = (call.kind, call.body.clone());
        self.aside(resource, move |shared, resource, table| {
            let items: Vec<Item> =
                serde_json::from_str(&body).map_err(|error| CallError::NotDone(error.to_string()))?;
            let mut written = shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let path = place::real(&shared.folder.join(&table.path))?;
            let ready = Ready { now: shared.clock.now(), ours: written.get(&resource.name).copied() };
            let (answer, stamp) = write::write(resource, table, (&path, ready), kind, &items)?;
            written.extend(stamp.map(|stamp| (resource.name.clone(), stamp)));
            Ok(answer)
        })
        .await
    }

    fn to_tell(&self, resource: &Resource) -> Vec<RecordId> {
        let telling = self.0.telling.lock().unwrap_or_else(PoisonError::into_inner);
        telling.get(&resource.name).into_iter().flatten().flat_map(|file| file.ids.iter().cloned()).collect()
    }

    async fn settled(&self, resource: &Resource, outcomes: &[Outcome]) {
        let outcomes = outcomes.to_vec();
        let put_away = move |shared: &Shared, resource: &Resource, table: &FileTable| {
            if let Some(results) = &table.results {
                let mut telling = shared.telling.lock().unwrap_or_else(PoisonError::into_inner);
                results::tell(
                    &shared.folder.join(results),
                    telling.entry(resource.name.clone()).or_default(),
                    &outcomes,
                )?;
            }
            // Only what was listed: a file that came since was delivered to nobody.
            let listed = shared.listed.lock().unwrap_or_else(PoisonError::into_inner).remove(&resource.name);
            for file in listed.iter().flatten().filter(|_| table.done.is_some()) {
                // Those behind one that stays do so, too: it is read again, and would beat them.
                away::put_away(&shared.folder, table, file, shared.clock.now())
                    .map_err(|error| place::failed("put away", &file.path, &error))?;
            }
            Ok(())
        };
        if let Err(error) = self.aside(resource, put_away).await {
            // It is read again, and found unchanged.
            tracing::warn!(event = "file.not_put_away", connection = %self.0.connection.name, %error);
        }
    }

    fn requests(&self) -> Requests {
        Requests { reads: self.0.reads.load(Ordering::Relaxed), writes: self.0.writes.load(Ordering::Relaxed) }
    }
}
