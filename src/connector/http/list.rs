//! Reading a listing, page by page.
//!
//! A page is asked for (`request`), read, and says how the listing goes on (`ending`). Four things can lie around
//! that: windows of dates that the listing is cut into, an answer so large that its records are read in portions
//! (`shelf`), a second read for each record of a thin list (`detail`), and a listing per record of another resource
//! (`children`). A feed of deleted records (`deleted`) is one more page at the end.

use serde_json::Value;

use self::{ending::Answered, spot::Spot};
use super::{
    HttpConnector, address,
    body::Parts,
    calls::Wanted,
    extract::{self, take_array},
    messages,
    transport::Reply,
};
use crate::connector::{CallError, Detail, List, Page, PullCursor, RemoteRecord, Resource, SincePlace};

mod children;
mod deleted;
mod detail;
mod ending;
mod request;
mod shelf;
mod spot;

pub(super) use self::{deleted::last_part, request::static_query, shelf::Shelf};

impl HttpConnector {
    pub(super) async fn pull_page(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        let Some(list) = &resource.list else {
            return Err(CallError::NotDone(format!("`{}` has no `list`", resource.name)));
        };
        let spot = Spot::parse(cursor.page.as_deref());
        let mut page = match (&spot, &list.parents) {
            (Spot::Deleted(inner), _) => return self.pull_deleted(resource, list, cursor, inner.clone()).await,
            // A portion is one of the parents' list then: those of a list of children are read where it is listed.
            (_, Some(parents)) => self.pull_children(resource, list, parents, cursor).await?,
            (Spot::Portion { ticket, from }, None) => self.pull_portion(resource, ticket, *from).await?,
            (Spot::Page { .. }, None) => self.list_page(resource, list, cursor, &spot, None).await?,
        };
        if list.changed_since.as_ref().is_some_and(|changed| changed.place == SincePlace::NewestFirst)
            && let Some(since) = cursor.since
        {
            let listed = page.records.len();
            page.records.retain(|record| record.updated_at.is_none_or(|at| at >= since));
            if page.records.len() < listed {
                page.next = None;
            }
        }
        if let Some(detail) = &list.detail {
            page.records = self.in_detail(resource, detail, std::mem::take(&mut page.records)).await?;
        }
        // A record that was read by itself has them already.
        if resource.reads_more() && !matches!(list.detail, Some(Detail::One)) {
            self.with_also(resource, &mut page.records).await?;
        }
        if page.next.is_none() && cursor.since.is_some() && list.deleted.is_some() {
            page.next = Some(Spot::Deleted(None).to_string());
        }
        Ok(page)
    }

    /// One page of the list itself; of the children of one parent, where one is given.
    async fn list_page(
        &self,
        resource: &Resource,
        list: &List,
        cursor: &PullCursor,
        spot: &Spot,
        parent: Option<&str>,
    ) -> Result<Page, CallError> {
        let request = self.listing(list, cursor, spot, parent)?;
        // "Nothing has changed" can only be the answer to that question.
        let conditional = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("if-modified-since"));
        let other: &[u16] = if conditional && spot.is_first() { &[304] } else { &[] };
        let wanted =
            Wanted { records: Some(&list.records), expired: list.expired.as_ref(), missing: list.empty.as_ref() };
        let (reply, read) = self.read(&request.target, &request.headers, other, &wanted).await?;
        let server_time = reply.server_time();
        let Some(read) = read else {
            let next = request.window.as_ref().and_then(|window| window.after(None));
            return Ok(Page { records: Vec::new(), next, server_time, ..Page::default() });
        };
        let fail = |message: String| {
            let page = spot.inner().unwrap_or("first");
            let message = format!("`GET {}`, page {page}: {message}", address::path_only(&request.target));
            CallError::BadAnswer(reply.scrub(&message))
        };
        let (mut body, parts) = (read.body, read.parts);
        let listed = match &parts {
            Some(parts) => Listed::Parts(parts),
            None => match take_array(&list.records, &mut body) {
                Some(items) => Listed::Items(items),
                None if self.is_empty_list(&list.records, &body) => Listed::Items(Vec::new()),
                None => return Err(fail(self.no_records(&body, list.records.as_str()))),
            },
        };
        let final_one = listed.last().map_err(fail)?;
        let answered = Answered {
            connector: self,
            resource,
            request: &request,
            reply: &reply,
            body: &body,
            count: listed.len(),
            last: final_one.as_ref(),
        };
        let next = answered.next(list, spot.inner()).map_err(fail)?;
        let next = match &request.window {
            Some(window) => window.after(next),
            None => next,
        };
        match listed {
            Listed::Items(items) => {
                let records = self.records_of(resource, items).map_err(fail)?;
                Ok(Page { records, next, server_time, ..Page::default() })
            }
            Listed::Parts(_) => {
                let Some(parts) = parts else {
                    return Ok(Page { records: Vec::new(), next, server_time, ..Page::default() });
                };
                let ticket = self.shared.shelf.keep(parts, next, server_time);
                self.pull_portion(resource, &ticket, 0).await
            }
        }
    }

    fn records_of(&self, resource: &Resource, items: Vec<Value>) -> Result<Vec<RemoteRecord>, String> {
        let codec = self.codec(resource);
        let records = items.into_iter().enumerate().map(|(position, item)| {
            extract::record(resource, &codec, item).map_err(|message| format!("record {} {message}", position + 1))
        });
        records.collect()
    }

    /// Whether an XML answer has no list because there is nothing in it: `<Clients />`, where no rule says that this
    /// is a list. An answer without the element says nothing.
    fn is_empty_list(&self, records: &crate::record::Path, body: &Value) -> bool {
        self.shared.connection.manifest.bodies.read == crate::connector::BodyKind::Xml
            && records.find(body).is_some_and(|found| found.as_str().is_some_and(|text| text.trim().is_empty()))
    }

    pub(super) fn no_records(&self, body: &Value, path: &str) -> String {
        let words = messages::of(&self.shared.connection.manifest.error_messages, body);
        let words = words.map_or_else(String::new, |words| format!("; it says: {words}"));
        format!("there is no usable `{path}` in it{words}")
    }
}

/// The records of an answer, read or only found.
enum Listed<'p> {
    Items(Vec<Value>),
    Parts(&'p Parts),
}

impl Listed<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::Items(items) => items.len(),
            Self::Parts(parts) => parts.len(),
        }
    }

    /// The last record, as the wire has it.
    fn last(&self) -> Result<Option<Value>, String> {
        match self {
            Self::Items(items) => Ok(items.last().cloned()),
            Self::Parts(parts) => Ok(parts.read(parts.len().saturating_sub(1), 1)?.pop()),
        }
    }
}

/// Where the scrubbed words of a failed read go.
fn bad(reply: &Reply, target: &str, message: &str) -> CallError {
    CallError::BadAnswer(reply.scrub(&format!("`GET {}`: {message}", address::path_only(target))))
}
