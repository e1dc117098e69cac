//! Lists: pages, filters, order and the header that asks for changes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{
    contacts::Contact,
    envelope::{Paging, malformed},
    filter::{Filter, sort},
    invoices::Invoice,
    org::{Kind, Org},
    shelf::{Row, Shelf},
    text::{fold, parse_since},
    view::{Depth, Look},
};
use crate::sandbox::call::{Answer, Call};

const DEFAULT_SIZE: usize = 100;
const MAX_SIZE: usize = 1000;
/// An answer may not hold more rows (Xero accounting docs, invoices and contacts).
const MAX_ROWS: usize = 100_000;

/// What a list is asked for.
#[derive(Debug, Default)]
pub(crate) struct Query {
    paging: Option<(usize, usize)>,
    pub(crate) since: Option<i64>,
    pub(crate) filter: Option<Filter>,
    order: Option<String>,
    archived: bool,
    summary: bool,
    pub(crate) unit_places: u32,
    search: Option<String>,
    ids: Option<BTreeSet<Uuid>>,
    numbers: Option<BTreeSet<String>>,
    contacts: Option<BTreeSet<Uuid>>,
    statuses: Option<BTreeSet<String>>,
}

impl Query {
    /// Reads a request; unknown parameters are ignored, as Xero does.
    pub(crate) fn read(kind: Option<Kind>, call: &Call) -> Result<Self, Answer> {
        let mut query = Self { unit_places: 2, ..Self::default() };
        let (mut page, mut size, mut forced) = (None, DEFAULT_SIZE, false);
        for (name, value) in call.parameters() {
            let flag = value.eq_ignore_ascii_case("true");
            match name.to_lowercase().as_str() {
                "page" => page = Some(value.parse::<i64>().map_or(1, |page| usize::try_from(page.max(1)).unwrap_or(1))),
                "pagesize" => {
                    let asked = value.parse::<i64>().map_or(DEFAULT_SIZE, |n| usize::try_from(n.max(1)).unwrap_or(1));
                    size = asked.min(MAX_SIZE);
                }
                "where" if !value.is_empty() => {
                    let filter = Filter::parse(&value).map_err(|message| unreadable(&message))?;
                    query.filter = Some(filter);
                }
                "order" if !value.is_empty() => query.order = Some(value),
                "includearchived" => query.archived = flag,
                "summaryonly" => {
                    query.summary = flag;
                    forced |= flag;
                }
                "searchterm" if !value.is_empty() => query.search = Some(fold(&value)),
                "unitdp" if value == "4" => query.unit_places = 4,
                "ids" => query.ids = Some(ids(&value)),
                "contactids" => query.contacts = Some(ids(&value)),
                "invoicenumbers" => query.numbers = Some(value.split(',').map(fold).collect()),
                "statuses" => {
                    query.statuses = Some(value.split(',').map(str::to_owned).collect());
                    forced |= kind == Some(Kind::Invoices);
                }
                _ => {}
            }
        }
        if page.is_some() || forced {
            query.paging = Some((page.unwrap_or(1), size));
        }
        query.since = call.header("if-modified-since").and_then(parse_since).map(|at| at.timestamp_millis());
        Ok(query)
    }

    /// All records on one page, archived ones included.
    pub(crate) fn everything() -> Self {
        Self { paging: Some((1, usize::MAX)), archived: true, unit_places: 4, ..Self::default() }
    }

    /// Whether more must be looked at than the order of updates.
    fn is_plain(&self) -> bool {
        self.filter.is_none()
            && self.order.is_none()
            && self.search.is_none()
            && self.ids.is_none()
            && self.numbers.is_none()
            && self.contacts.is_none()
            && self.statuses.is_none()
    }

    fn depth(&self) -> Depth {
        match (self.summary, self.paging) {
            (true, _) => Depth::Summary,
            (false, Some(_)) => Depth::Paged,
            (false, None) => Depth::Unpaged,
        }
    }
}

fn ids(text: &str) -> BTreeSet<Uuid> {
    text.split(',').filter_map(|id| id.trim().parse().ok()).collect()
}

/// 400 for a `where` or `order` that cannot be read.
pub(crate) fn unreadable(message: &str) -> Answer {
    malformed(16, "QueryParseException", message)
}

/// What only one kind of record can be asked for.
trait Special: Row {
    fn admitted(&self, query: &Query) -> bool;
}

impl Special for Contact {
    fn admitted(&self, query: &Query) -> bool {
        let found = |term: &String| {
            ["Name", "FirstName", "LastName", "ContactNumber", "CompanyNumber", "EmailAddress"]
                .iter()
                .any(|name| fold(self.text(name)).contains(term))
        };
        query.search.as_ref().is_none_or(found)
    }
}

impl Special for Invoice {
    fn admitted(&self, query: &Query) -> bool {
        query.numbers.as_ref().is_none_or(|numbers| numbers.contains(&fold(&self.number)))
            && query.contacts.as_ref().is_none_or(|contacts| contacts.contains(&self.contact))
            && query.statuses.as_ref().is_none_or(|statuses| statuses.contains(self.status.text()))
            && query
                .search
                .as_ref()
                .is_none_or(|term| fold(&self.number).contains(term) || fold(&self.reference).contains(term))
    }
}

impl Special for super::payments::Payment {
    fn admitted(&self, _query: &Query) -> bool {
        true
    }
}

/// The rows of one page and the number of all rows.
fn rows<'a, T: Special>(shelf: &'a Shelf<T>, query: &Query) -> Result<(Vec<&'a T>, usize), Answer> {
    let (skip, take) = match query.paging {
        Some((page, size)) => ((page - 1).saturating_mul(size), size),
        None => (0, usize::MAX),
    };
    if query.is_plain() {
        let total = match query.since {
            None => shelf.count(query.archived),
            Some(_) => shelf.in_order(query.archived, query.since).count(),
        };
        return Ok((shelf.in_order(query.archived, query.since).skip(skip).take(take).collect(), total));
    }
    let mut found = Vec::new();
    let named: Option<Vec<&T>> = query.ids.as_ref().map(|ids| ids.iter().filter_map(|id| shelf.get(*id)).collect());
    let candidates: Box<dyn Iterator<Item = &T>> = match named {
        Some(mut named) => {
            named.retain(|row| query.archived || !row.hidden());
            named.retain(|row| query.since.is_none_or(|since| row.updated().timestamp_millis() >= since));
            named.sort_by_key(|row| (row.updated(), row.id()));
            Box::new(named.into_iter())
        }
        None => Box::new(shelf.in_order(query.archived, query.since)),
    };
    for row in candidates {
        let passes = match &query.filter {
            Some(filter) => filter.admits(row).map_err(|message| unreadable(&message))?,
            None => true,
        };
        if passes && row.admitted(query) {
            found.push(row);
        }
    }
    if let Some(order) = &query.order {
        sort(&mut found, order).map_err(|message| unreadable(&message))?;
    }
    let total = found.len();
    Ok((found.into_iter().skip(skip).take(take).collect(), total))
}

impl Org {
    /// A list as its views, with its place among the pages.
    pub(crate) fn list(
        &self,
        kind: Kind,
        query: &Query,
        now: DateTime<Utc>,
    ) -> Result<(Vec<Value>, Option<Paging>), Answer> {
        let look = Look { depth: query.depth(), now, unit_places: query.unit_places };
        let (views, total): (Vec<Value>, usize) = match kind {
            Kind::Contacts => {
                let (rows, total) = rows(&self.contacts, query)?;
                (rows.into_iter().map(|row| self.view_contact(row, look)).collect(), total)
            }
            Kind::Invoices => {
                let (rows, total) = rows(&self.invoices, query)?;
                (rows.into_iter().map(|row| self.view_invoice(row, look)).collect(), total)
            }
            Kind::Payments => {
                let (rows, total) = rows(&self.payments, query)?;
                (rows.into_iter().map(|row| self.view_payment(row, look)).collect(), total)
            }
        };
        if query.paging.is_none() && total > MAX_ROWS {
            return Err(malformed(16, "QueryParseException", "The result has too many rows: ask for pages"));
        }
        Ok((views, query.paging.map(|(page, size)| Paging { page, size, total })))
    }
}
