//! Lookup tables.

use std::{collections::BTreeMap, sync::Arc};

use crate::config::{
    Table,
    diagnostic::Report,
    source::Span,
    written::{At, Named, TableW},
};

/// A table, and whether it leads back.
#[derive(Clone, Debug)]
pub(crate) struct KnownTable {
    /// The table.
    pub table: Arc<Table>,
    /// Two keys with the same value, where there is no `reverse:` to decide between them.
    pub ambiguous: Option<(String, String, String)>,
    /// Where it is.
    pub span: Span,
}

impl KnownTable {
    /// Whether a field that uses the one would be the same with the other, where both are as they were read.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let Table { name, rows, reverse } = &*self.table;
        *name == other.table.name
            && *rows == other.table.rows
            && *reverse == other.table.reverse
            && self.ambiguous == other.ambiguous
    }

    /// Whether both are the very same thing.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table) && self.ambiguous == other.ambiguous
    }
}

/// Resolves a table.
pub(crate) fn table(name: &At<String>, written: &TableW, _report: &Report) -> KnownTable {
    let rows = pairs(written.rows.as_ref());
    let mut reverse = pairs(written.reverse.as_ref());
    let mut ambiguous = None;
    if written.reverse.is_none() {
        for (key, value) in &rows {
            if let Some(first) = reverse.insert(value.clone(), key.clone()) {
                ambiguous.get_or_insert((value.clone(), first, key.clone()));
            }
        }
        if ambiguous.is_some() {
            reverse.clear();
        }
    }
    let table = Arc::new(Table { name: name.value.clone(), rows, reverse });
    KnownTable { table, ambiguous, span: name.span }
}

fn pairs(named: Option<&Named<At<String>>>) -> BTreeMap<String, String> {
    named
        .into_iter()
        .flat_map(|named| &named.entries)
        .map(|entry| (entry.name.value.clone(), entry.value.value.clone()))
        .collect()
}
