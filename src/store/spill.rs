//! A long row of items that one run makes and reads again, in bounded memory.

use std::{
    fs::File,
    io::Write,
    iter,
    marker::PhantomData,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{Pack, StoreError};

/// So many items stay in memory …
const ITEMS_IN_MEMORY: usize = 2_000;
/// … if they have no more bytes than this.
const BYTES_IN_MEMORY: usize = 1 << 20;
/// Once a file is in use, what is written to it at once.
const BUFFER: usize = 64 << 10;

/// Items that are appended, then read in order, as often as needed. A few stay in memory; more go to a file without
/// a name in the given folder, which is gone with the `Spill` or the process. Nothing in it outlives a run.
pub struct Spill<T> {
    dir: PathBuf,
    file: Option<File>,
    /// Bytes in the file.
    written: u64,
    /// What follows the file: each item as its length (4 bytes LE) and its compact form.
    buffer: Vec<u8>,
    /// The item that is being appended.
    scratch: Vec<u8>,
    len: usize,
    items: PhantomData<fn() -> T>,
}

impl<T: Pack> Spill<T> {
    /// An empty row. `dir` is touched only when it grows long.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        let (buffer, scratch) = (Vec::new(), Vec::new());
        Self { dir: dir.to_owned(), file: None, written: 0, buffer, scratch, len: 0, items: PhantomData }
    }

    /// Appends an item.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] when the disk is full or fails. The row is then as before.
    pub fn push(&mut self, item: &T) -> Result<(), StoreError> {
        self.scratch.clear();
        item.pack(&mut self.scratch);
        let len = u32::try_from(self.scratch.len()).map_err(|error| StoreError::failed("spill", error))?;
        let full = match self.file {
            None => self.len >= ITEMS_IN_MEMORY || self.buffer.len() + 4 + self.scratch.len() > BYTES_IN_MEMORY,
            Some(_) => self.buffer.len() >= BUFFER,
        };
        if full {
            self.write_out().map_err(|error| StoreError::failed("spill", error))?;
        }
        self.buffer.extend(len.to_le_bytes());
        self.buffer.extend_from_slice(&self.scratch);
        self.scratch.shrink_to(BUFFER);
        self.len += 1;
        Ok(())
    }

    /// Items so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was appended yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a file is in use.
    #[must_use]
    pub const fn is_on_disk(&self) -> bool {
        self.file.is_some()
    }

    /// The items in their order, `n` at a time (the last fewer; `n` of 0 counts as 1). Ends after an error.
    pub fn chunks(&self, n: usize) -> impl Iterator<Item = Result<Vec<T>, StoreError>> + '_ {
        let mut at = Reader {
            spill_file: self.file.as_ref(),
            end: self.written,
            tail: &self.buffer,
            offset: 0,
            block: Vec::new(),
            used: 0,
            item: Vec::new(),
        };
        let mut left = self.len;
        iter::from_fn(move || {
            let count = left.min(n.max(1));
            if count == 0 {
                return None;
            }
            let chunk: Result<Vec<T>, StoreError> = iter::repeat_with(|| at.next()).take(count).collect();
            left = if chunk.is_ok() { left - count } else { 0 };
            Some(chunk)
        })
    }

    /// The items in their order, one at a time.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, StoreError>> + '_ {
        self.chunks(256).flat_map(|chunk| match chunk {
            Ok(items) => items.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    fn write_out(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.dir)?),
        };
        // At its own offset, so that what a failed attempt left is overwritten by the next.
        file.write_all_at(&self.buffer, self.written)?;
        file.flush()?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(2 * BUFFER);
        Ok(())
    }
}

/// Reads the file block by block, then the tail in memory.
struct Reader<'a> {
    spill_file: Option<&'a File>,
    end: u64,
    tail: &'a [u8],
    offset: u64,
    block: Vec<u8>,
    used: usize,
    /// The item that is being read.
    item: Vec<u8>,
}

impl Reader<'_> {
    fn next<T: Pack>(&mut self) -> Result<T, StoreError> {
        let failed = |error: std::io::Error| StoreError::failed("read what was spilled", error);
        let mut len = [0; 4];
        self.read(&mut len).map_err(failed)?;
        let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX);
        let mut item = std::mem::take(&mut self.item);
        item.resize(len, 0);
        let read = self.read(&mut item);
        self.item = item;
        read.map_err(failed)?;
        T::unpack_all(&self.item).map_err(|error| StoreError::failed("read what was spilled", error))
    }

    fn read(&mut self, mut into: &mut [u8]) -> std::io::Result<()> {
        while !into.is_empty() {
            if self.used == self.block.len() {
                self.fill()?;
            }
            let rest = self.block.get(self.used..).unwrap_or_default();
            let count = rest.len().min(into.len());
            let (now, later) = into.split_at_mut(count);
            now.copy_from_slice(&rest[..count]);
            self.used += count;
            into = later;
        }
        Ok(())
    }

    fn fill(&mut self) -> std::io::Result<()> {
        self.used = 0;
        if let Some(file) = self.spill_file.filter(|_| self.offset < self.end) {
            let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
            self.block.resize(left.min(BUFFER), 0);
            file.read_exact_at(&mut self.block, self.offset)?;
            self.offset += self.block.len() as u64;
            return Ok(());
        }
        self.block = std::mem::take(&mut self.tail).to_vec();
        if self.block.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check(count: usize, size: usize, chunk: usize, on_disk: bool) {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(dir.path());
        let item = |n: usize| (n, "ü".repeat(size / 2));
        for n in 0..count {
            spill.push(&item(n)).unwrap();
        }
        assert_eq!((spill.len(), spill.is_empty(), spill.is_on_disk()), (count, count == 0, on_disk));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
        for _ in 0..2 {
            let chunks: Vec<_> = spill.chunks(chunk).collect::<Result<_, _>>().unwrap();
            assert_eq!(chunks.len(), count.div_ceil(chunk.max(1)));
            assert!(chunks.into_iter().flatten().eq((0..count).map(item)));
        }
        assert!(spill.iter().map(Result::unwrap).eq((0..count).map(item)));
    }

    #[test]
    fn items_come_back_in_order_as_often_as_asked() {
        check(0, 0, 10, false);
        check(1, 10, 1, false);
        check(1_999, 10, 100, false);
        check(2_000, 10, 7, false);
        check(2_001, 10, 100, true);
        check(30, 100_000, 4, true);
        check(2, 1_500_000, 0, true);
        check(9_000, 300, 1_000, true);
    }

    #[test]
    fn memory_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(dir.path());
        for n in 0..20_000 {
            spill.push(&(n, "x".repeat(500))).unwrap();
            assert!(spill.buffer.len() <= BYTES_IN_MEMORY);
        }
        assert!(spill.buffer.capacity() <= 2 * BUFFER + 1_000 && spill.written > 9_000_000);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_only_when_it_is_needed() {
        let mut spill = Spill::new(Path::new("/nowhere at all"));
        for n in 0..ITEMS_IN_MEMORY {
            spill.push(&n).unwrap();
        }
        assert!(matches!(spill.push(&0), Err(StoreError::Failed { action: "spill", .. })));
        assert_eq!(spill.iter().map(Result::unwrap).count(), ITEMS_IN_MEMORY, "the row is as before");
    }

    #[test]
    fn an_error_ends_the_reading() {
        let mut spill: Spill<String> = Spill::new(Path::new("/"));
        spill.push(&"a".to_owned()).unwrap();
        spill.push(&"b".to_owned()).unwrap();
        let end = spill.buffer.len() - 1;
        spill.buffer.truncate(end);
        let read: Vec<_> = spill.chunks(1).collect();
        assert!(matches!(&read[..], [Ok(_), Err(StoreError::Failed { .. })]));
    }
}
