//! Listings that do not get on, and would never end.

use std::{collections::HashSet, hash::Hasher as _};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{CallError, Page, Resource};

/// So many records in a row that are just as on the page before are no chance. Single ones may be: pages move while they
/// are read, and some systems list in no order.
const REPEATED: usize = 20;

/// The way that a listing has come.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Records of several parents may be the same ones.
    of_parents: bool,
    /// The pages that were named, by hash.
    named: HashSet<u64>,
    /// The ids of the last page, by hash.
    last: u64,
    /// How many records in a row were just as on the page before.
    repeated: usize,
}

impl Way {
    /// Before the first page of a resource.
    pub(crate) fn of(resource: &Resource) -> Self {
        let of_parents = resource.list.as_ref().is_some_and(|list| list.parents.is_some());
        Self { of_parents, ..Self::default() }
    }

    /// Takes note of a page.
    ///
    /// # Errors
    ///
    /// When the listing goes in a circle.
    pub(crate) fn page(&mut self, resource: &str, page: &Page) -> Result<(), CallError> {
        let fail = |what: &str| Err(CallError::BadAnswer(format!("the list of `{resource}` {what}")));
        let mut ids = Xxh3::new();
        for record in &page.records {
            ids.update(record.id.as_str().as_bytes());
            ids.update(&[0]);
        }
        let ids = ids.finish();
        self.repeated = if ids == self.last { self.repeated + page.records.len() } else { 0 };
        self.last = ids;
        if self.repeated >= REPEATED && !self.of_parents {
            return fail(
                "gives the same page again and again; is the parameter right by which its pages are asked for?",
            );
        }
        match &page.next {
            Some(next) if !self.named.insert(xxh3_64(next.as_bytes())) => {
                fail("goes in a circle: its next page is said to be one that was asked for before")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{connector::RemoteRecord, record::RecordId};

    fn page(ids: std::ops::Range<usize>, next: &str) -> Page {
        let record = |id: usize| RemoteRecord {
            id: RecordId::from(id.to_string()),
            body: Value::Null,
            label: String::new(),
            updated_at: None,
            version: None,
            gone: false,
            merged_into: None,
        };
        Page { records: ids.map(record).collect(), next: Some(next.to_owned()), ..Page::default() }
    }

    /// How many of these pages pass.
    fn pass(mut way: Way, pages: impl IntoIterator<Item = Page>) -> usize {
        pages.into_iter().take_while(|page| way.page("things", page).is_ok()).count()
    }

    #[test]
    fn the_same_page_again_and_again_is_noticed_and_a_few_records_that_come_twice_are_not() {
        let same = |many: usize| (0..50).map(move |at| page(0..many, &at.to_string()));
        assert_eq!(pass(Way::default(), same(100)), 1);
        assert_eq!(pass(Way::default(), same(5)), 4);
        assert_eq!(pass(Way::default(), same(1)), 20);
        assert_eq!(pass(Way::default(), same(0)), 50, "windows in which nothing is");
        let moving = (0..50).map(|at| page(at..at + 100, &at.to_string()));
        assert_eq!(pass(Way::default(), moving), 50);
        let of_parents = Way { of_parents: true, ..Way::default() };
        assert_eq!(pass(of_parents, same(100)), 50, "each has them");
    }

    #[test]
    fn a_page_that_was_named_before_is_a_circle_of_any_length() {
        let pages = ["a", "b", "c", "b"].into_iter().zip(0..).map(|(next, at)| page(at..at + 2, next));
        assert_eq!(pass(Way::default(), pages), 3);
    }
}
