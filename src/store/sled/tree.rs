//! Groups and values of any size on sled's tree, by single inserts alone.
//!
//! sled writes single inserts to its log in the order they were made, and recovers a prefix of that order. That is
//! the cheapest thing it does: `apply_batch` rolls a write buffer twice a batch and costs up to four times the CPU
//! (`docs/decisions/0003-sled-as-it-was-measured.md`). Three trees share that log:
//!
//! * the default tree: our keys, each with its value and a tag byte behind it;
//! * `journal`: groups of several keys are written there first, as one text, then key by key, then the journal is
//!   taken away. A journal found at opening was interrupted and is done again: all its keys take effect, or, if the
//!   journal itself did not reach the disk, none;
//! * `pieces`: a value longer than [`PIECE`] is cut up and stored there first; then the value at its key only names
//!   the pieces. sled would put a page of long values into a file of its own, which it does not make durable
//!   (`pagecache/blob_io.rs` of 0.34.7 never syncs).
//!
//! They are apart because sled writes a whole page anew for every ten changes in it.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    ops::Bound,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ::sled::{Config, Db, IVec};

use crate::store::{Group, Key, StoreError};

/// Longest value stored in one piece. A leaf of sled's tree holds up to about 27 entries, and at more than a quarter
/// of [`SEGMENT`] it would become a file of its own.
pub(super) const PIECE: usize = 12 << 10;

/// sled's unit of writing. Fixed when a store is made: sled refuses to open it with another.
const SEGMENT: usize = 2 << 20;

/// Bytes of groups that share a journal entry.
const JOURNAL_BYTES: usize = PIECE;

/// Behind a value: it is all there.
const WHOLE: u8 = 0;
/// Behind a value: it is a [`Pointer`].
const IN_PIECES: u8 = 1;

/// A thread of sled may hold the file, and with it the lock, for a moment after the store was closed.
const LOCK_WAIT: Duration = Duration::from_millis(500);

type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// An open tree. Groups take effect one by one, so whoever reads must be kept out during a commit: see `SledStore`.
pub(super) struct Tree {
    db: Db,
    journal: ::sled::Tree,
    pieces: ::sled::Tree,
    /// sled's data file, opened a second time to make it durable.
    file: Arc<File>,
    next_pieces: u64,
}

impl Tree {
    /// Opens the tree, finishes an interrupted commit, and drops pieces that no value names.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, ::sled::Error> {
        let config = Config::new().path(dir).cache_capacity(cache_bytes).segment_size(SEGMENT);
        let started = Instant::now();
        let db = loop {
            match config.open() {
                Err(error) if is_locked(&error) && started.elapsed() < LOCK_WAIT => thread::sleep(LOCK_WAIT / 50),
                result => break result?,
            }
        };
        let file = Arc::new(File::open(dir.join("db"))?);
        let (journal, pieces) = (db.open_tree("journal")?, db.open_tree("pieces")?);
        let next_pieces = pieces.last()?.map_or(0, |(key, _)| Pointer::id_of(&key) + 1);
        let tree = Self { db, journal, pieces, file, next_pieces };
        tree.redo()?;
        tree.sweep()?;
        Ok(tree)
    }

    /// What makes everything committed before durable. Blocks, and may run beside reads and commits.
    pub(super) fn flusher(&self) -> impl FnOnce() -> Result<(), ::sled::Error> + Send + 'static + use<> {
        let (db, file) = (self.db.clone(), Arc::clone(&self.file));
        move || {
            db.flush()?;
            // On Linux sled's flush is `sync_file_range` (`pagecache/iobuf.rs`), which leaves out the file's length and
            // the drive's cache: a power cut could take what it "flushed".
            Ok(file.sync_data()?)
        }
    }

    pub(super) fn size_on_disk(&self) -> Result<u64, ::sled::Error> {
        self.db.size_on_disk()
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.db.get(key.as_bytes()).map_err(|error| StoreError::failed("read", error))?;
        found.map(|stored| self.value(key, &stored)).transpose()
    }

    pub(super) fn scan(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(prefix.as_bytes()),
        };
        let mut found = Vec::new();
        for entry in self.db.range::<&[u8], _>((from, Bound::Unbounded)).take(limit) {
            let (key, stored) = entry.map_err(|error| StoreError::failed("scan", error))?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            let key = Key::from_bytes(key.to_vec());
            let value = self.value(&key, &stored)?;
            found.push((key, value));
        }
        Ok(found)
    }

    /// Commits groups in order.
    pub(super) fn commit(&mut self, groups: Vec<Group>) -> Result<(), ::sled::Error> {
        let mut together = Writes::new();
        let mut bytes = 0;
        for group in groups {
            let alone = group.writes.len() == 1 && together.is_empty();
            for (key, value) in group.writes {
                let key = key.into_bytes();
                let stored = value.map(|value| self.stored(&key, value)).transpose()?;
                bytes += key.len() + stored.as_ref().map_or(0, Vec::len);
                let unwritten = together.insert(key, stored).flatten();
                if let Some(pointer) = unwritten.as_deref().and_then(Pointer::of_stored) {
                    self.forget_pieces(pointer.id)?;
                }
            }
            if alone {
                // One insert is atomic by itself.
                self.write(std::mem::take(&mut together))?;
            }
            if alone || bytes >= JOURNAL_BYTES {
                self.write_together(std::mem::take(&mut together))?;
                bytes = 0;
            }
        }
        self.write_together(together)
    }

    fn write_together(&self, writes: Writes) -> Result<(), ::sled::Error> {
        if writes.len() <= 1 {
            return self.write(writes);
        }
        let text = journal::encode(&writes);
        // The first part goes last: it holds length and checksum, so that a journal without it counts as none.
        for (part, bytes) in text.chunks(PIECE).enumerate().rev() {
            self.journal.insert(journal_key(part), bytes)?;
        }
        self.write(writes)?;
        for part in 0..text.len().div_ceil(PIECE) {
            self.journal.remove(journal_key(part))?;
        }
        Ok(())
    }

    /// In key order, which sled likes best.
    fn write(&self, writes: Writes) -> Result<(), ::sled::Error> {
        for (key, stored) in writes {
            let now = stored.as_deref().and_then(Pointer::of_stored);
            let before = match stored {
                Some(stored) => self.db.insert(key, stored)?,
                None => self.db.remove(key)?,
            };
            // A commit that is done again meets its own pointers: their pieces are in use.
            let before = before.as_deref().and_then(Pointer::of_stored);
            if let Some(pointer) = before.filter(|before| now.is_none_or(|now| now.id != before.id)) {
                self.forget_pieces(pointer.id)?;
            }
        }
        Ok(())
    }

    /// The bytes to store for a value; a long one's pieces are written here.
    fn stored(&mut self, key: &[u8], mut value: Vec<u8>) -> Result<Vec<u8>, ::sled::Error> {
        if value.len() <= PIECE {
            value.push(WHOLE);
            return Ok(value);
        }
        let pointer = Pointer { id: self.next_pieces, len: value.len() as u64 };
        self.next_pieces += 1;
        // Piece 0 names the owner, for the sweep.
        self.pieces.insert(pointer.piece(0), key)?;
        for (piece, bytes) in (1..).zip(value.chunks(PIECE)) {
            self.pieces.insert(pointer.piece(piece), bytes)?;
        }
        Ok(pointer.stored())
    }

    fn value(&self, key: &Key, stored: &IVec) -> Result<Vec<u8>, StoreError> {
        let damaged = |reason: &str| StoreError::Damaged { key: format!("{key:?}"), reason: reason.into() };
        if let Some(pointer) = Pointer::of_stored(stored) {
            let mut value = Vec::new();
            for entry in self.pieces.range(pointer.piece(1)..pointer.end()) {
                let (_, piece) = entry.map_err(|error| StoreError::failed("read", error))?;
                value.extend_from_slice(&piece);
            }
            if value.len() as u64 != pointer.len {
                return Err(damaged("pieces of it are missing"));
            }
            return Ok(value);
        }
        match stored.split_last() {
            Some((&WHOLE, value)) => Ok(value.to_vec()),
            _ => Err(damaged("it is not stored in a way this program knows")),
        }
    }

    fn forget_pieces(&self, id: u64) -> Result<(), ::sled::Error> {
        let pointer = Pointer { id, len: 0 };
        for key in self.pieces.range(pointer.piece(0)..pointer.end()).keys() {
            self.pieces.remove(key?)?;
        }
        Ok(())
    }

    /// Finishes the commit that a crash interrupted, if one is found.
    fn redo(&self) -> Result<(), ::sled::Error> {
        let mut text = Vec::new();
        for entry in &self.journal {
            let (key, part) = entry?;
            if text.is_empty() && key != journal_key(0) {
                // Its first part never reached the disk, or is already gone: there is nothing to do again.
                break;
            }
            text.extend_from_slice(&part);
        }
        if !text.is_empty() {
            let writes = journal::decode(&text)
                .ok_or_else(|| ::sled::Error::ReportableBug("the journal of the last commit is damaged".into()))?;
            self.write(writes)?;
        }
        for key in self.journal.iter().keys() {
            self.journal.remove(key?)?;
        }
        Ok(())
    }

    /// Drops pieces that no value names: those of a commit that never came to its end.
    fn sweep(&self) -> Result<(), ::sled::Error> {
        let mut from = 0;
        while let Some(entry) = self.pieces.range(Pointer { id: from, len: 0 }.piece(0)..).next() {
            let (key, owner) = entry?;
            let id = Pointer::id_of(&key);
            let named = *key == Pointer { id, len: 0 }.piece(0)
                && self.db.get(owner)?.as_deref().and_then(Pointer::of_stored).is_some_and(|pointer| pointer.id == id);
            if !named {
                self.forget_pieces(id)?;
            }
            from = id + 1;
        }
        Ok(())
    }
}

fn journal_key(part: usize) -> [u8; size_of::<usize>()] {
    part.to_be_bytes()
}

/// Whether another process, or a store of this one, holds the folder. sled 0.34.7 has no kind of its own for this
/// (`config.rs`, `try_lock`).
pub(super) fn is_locked(error: &::sled::Error) -> bool {
    let ::sled::Error::Io(error) = error else { return false };
    error.kind() == io::ErrorKind::WouldBlock || error.to_string().starts_with("could not acquire lock")
}

/// Where a long value is.
#[derive(Clone, Copy)]
struct Pointer {
    id: u64,
    len: u64,
}

impl Pointer {
    fn stored(self) -> Vec<u8> {
        [&self.id.to_le_bytes()[..], &self.len.to_le_bytes(), &[IN_PIECES]].concat()
    }

    fn of_stored(stored: &[u8]) -> Option<Self> {
        let (&IN_PIECES, rest) = stored.split_last()? else { return None };
        let (id, rest) = rest.split_first_chunk()?;
        let (len, []) = rest.split_first_chunk()? else { return None };
        Some(Self { id: u64::from_le_bytes(*id), len: u64::from_le_bytes(*len) })
    }

    fn piece(self, piece: u64) -> Vec<u8> {
        [self.id.to_be_bytes(), piece.to_be_bytes()].concat()
    }

    /// Behind the last piece.
    fn end(self) -> Vec<u8> {
        Self { id: self.id + 1, len: 0 }.piece(0)
    }

    fn id_of(piece_key: &[u8]) -> u64 {
        piece_key.first_chunk().map_or(0, |id| u64::from_be_bytes(*id))
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;

/// Writes as one text: checksum and length, then for each its key and its value.
mod journal {
    use super::Writes;

    const DELETE: u32 = u32::MAX;

    pub(super) fn encode(writes: &Writes) -> Vec<u8> {
        let mut text = vec![0; 8];
        for (key, stored) in writes {
            put(&mut text, key.len());
            match stored {
                Some(stored) => put(&mut text, stored.len()),
                None => text.extend(DELETE.to_le_bytes()),
            }
            text.extend(key);
            text.extend(stored.iter().flatten());
        }
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        text[4..8].copy_from_slice(&len.to_le_bytes());
        let checksum = crc32fast::hash(&text[4..]);
        text[..4].copy_from_slice(&checksum.to_le_bytes());
        text
    }

    /// Lengths fit: a stored value has at most `PIECE` bytes and a tag, a group at most `Group::MAX` of them.
    fn put(text: &mut Vec<u8>, len: usize) {
        text.extend(u32::try_from(len).unwrap_or(DELETE - 1).to_le_bytes());
    }

    /// `None` when the text is not what was written. Older parts behind its end do not matter.
    pub(super) fn decode(text: &[u8]) -> Option<Writes> {
        let (checksum, _) = text.split_first_chunk()?;
        let len = u32::from_le_bytes(*text.get(4..)?.first_chunk()?);
        let text = text.get(4..usize::try_from(len).ok()?)?;
        if crc32fast::hash(text) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let mut writes = Writes::new();
        let mut rest = text.get(4..)?;
        while !rest.is_empty() {
            let (key_len, after) = rest.split_first_chunk()?;
            let (value_len, after) = after.split_first_chunk()?;
            let (key, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*key_len)).ok()?)?;
            let value_len = u32::from_le_bytes(*value_len);
            let (value, after) = if value_len == DELETE {
                (None, after)
            } else {
                let (value, after) = after.split_at_checked(usize::try_from(value_len).ok()?)?;
                (Some(value.to_vec()), after)
            };
            writes.insert(key.to_vec(), value);
            rest = after;
        }
        Some(writes)
    }
}
