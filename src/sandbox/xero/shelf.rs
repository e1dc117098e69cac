//! Records of one kind, in Xero's default order, with the lookups that its rules need, and a way back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::filter::Cell;

/// What a shelf must know of a record.
pub(crate) trait Row: Clone {
    fn id(&self) -> Uuid;
    fn updated(&self) -> DateTime<Utc>;
    /// Whether lists leave it out unless asked for archived ones.
    fn hidden(&self) -> bool;
    /// Lookup keys: which index, and the value.
    fn keys(&self) -> Vec<(u8, String)>;
    /// The value that `where` and `order` see at a path; `None` for a path that does not exist.
    fn cell(&self, path: &str) -> Option<Cell>;
}

/// The records of one kind.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    records: BTreeMap<Uuid, T>,
    order: BTreeSet<(i64, Uuid)>,
    listed: BTreeSet<(i64, Uuid)>,
    keys: BTreeSet<(u8, Box<str>, Uuid)>,
    journal: Vec<(Uuid, Option<T>)>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            records: BTreeMap::new(),
            order: BTreeSet::new(),
            listed: BTreeSet::new(),
            keys: BTreeSet::new(),
            journal: Vec::new(),
        }
    }
}

impl<T: Row> Shelf<T> {
    pub(crate) fn get(&self, id: Uuid) -> Option<&T> {
        self.records.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Ids under a key, in the order of the ids.
    pub(crate) fn with_key<'a>(&'a self, index: u8, value: &str) -> impl Iterator<Item = Uuid> + use<'a, T> {
        let value: Box<str> = value.into();
        let until = (index, value.clone(), Uuid::max());
        self.keys.range((index, value, Uuid::nil())..=until).map(|(_, _, id)| *id)
    }

    /// How many records a list would show, without any filter.
    pub(crate) fn count(&self, archived: bool) -> usize {
        if archived { self.order.len() } else { self.listed.len() }
    }

    /// Records in order of update, then id.
    pub(crate) fn in_order(&self, archived: bool, since: Option<i64>) -> impl Iterator<Item = &T> {
        let index = if archived { &self.order } else { &self.listed };
        let from = (since.unwrap_or(i64::MIN), Uuid::nil());
        index.range(from..).filter_map(|(_, id)| self.records.get(id))
    }

    /// Puts a record in, in place of the one with its id.
    pub(crate) fn put(&mut self, row: T) {
        let id = row.id();
        let old = self.take(id);
        self.add(row);
        self.journal.push((id, old));
    }

    /// Where the journal stands, to come back to.
    pub(crate) fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Undoes everything since `mark`.
    pub(crate) fn back_to(&mut self, mark: usize) {
        while self.journal.len() > mark {
            let Some((id, old)) = self.journal.pop() else { return };
            self.take(id);
            if let Some(old) = old {
                self.add(old);
            }
        }
    }

    /// Makes everything so far final.
    pub(crate) fn settle(&mut self) {
        self.journal.clear();
    }

    fn add(&mut self, row: T) {
        let at = (row.updated().timestamp_millis(), row.id());
        self.order.insert(at);
        if !row.hidden() {
            self.listed.insert(at);
        }
        for (index, value) in row.keys() {
            self.keys.insert((index, value.into(), row.id()));
        }
        self.records.insert(row.id(), row);
    }

    fn take(&mut self, id: Uuid) -> Option<T> {
        let row = self.records.remove(&id)?;
        let at = (row.updated().timestamp_millis(), id);
        self.order.remove(&at);
        self.listed.remove(&at);
        for (index, value) in row.keys() {
            self.keys.remove(&(index, value.into(), id));
        }
        Some(row)
    }
}
