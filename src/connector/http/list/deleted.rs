//! The feed of deleted records.

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::{
    super::{HttpConnector, calls::Wanted, extract},
    bad,
    ending::Answered,
    spot::Spot,
};
use crate::{
    connector::{CallError, DeletedFeed, List, Page, PullCursor, RemoteRecord, Resource},
    record::RecordId,
};

impl HttpConnector {
    /// Who was deleted: ids only, each with the mark that it is gone.
    pub(super) async fn pull_deleted(
        &self,
        resource: &Resource,
        list: &List,
        cursor: &PullCursor,
        page: Option<String>,
    ) -> Result<Page, CallError> {
        let Some(feed) = &list.deleted else { return Err(CallError::PageExpired) };
        if self.is_out_of_reach(feed, cursor) {
            tracing::debug!(resource = resource.name, "the feed of deletions does not reach back so far");
            return Ok(Page::default());
        }
        let spot = Spot::Page { window: None, inner: page };
        let request = self.listing(&feed.list, cursor, &spot, None)?;
        let wanted = Wanted { missing: feed.list.empty.as_ref(), ..Wanted::default() };
        let (reply, read) = self.read(&request.target, &request.headers, &[304], &wanted).await?;
        let server_time = reply.server_time();
        let Some(mut read) = read else { return Ok(Page { server_time, ..Page::default() }) };
        let fail = |message: &str| bad(&reply, &request.target, message);
        let path = &feed.list.records;
        let items = extract::take_array(path, &mut read.body)
            .ok_or_else(|| fail(&self.no_records(&read.body, path.as_str())))?;
        let answered = Answered {
            connector: self,
            resource,
            request: &request,
            reply: &reply,
            body: &read.body,
            count: items.len(),
            last: items.last(),
        };
        let next = answered.next(&feed.list, spot.inner()).map_err(|message| fail(&message))?;
        let mut records = Vec::with_capacity(items.len());
        for item in &items {
            if feed.when.as_ref().is_some_and(|when| !when.fits(reply.status, Some(item), "")) {
                continue;
            }
            let id = feed.id.find(item).and_then(extract::id_of).and_then(|id| last_part(&id));
            let id = id.ok_or_else(|| fail(&format!("a record has no id at `{}`", feed.id.as_str())))?;
            records.push(gone(id));
        }
        tracing::debug!(resource = resource.name, deleted = records.len());
        let next = next.map(|inner| Spot::Deleted(Some(inner)).to_string());
        Ok(Page { records, next, server_time, ..Page::default() })
    }

    fn is_out_of_reach(&self, feed: &DeletedFeed, cursor: &PullCursor) -> bool {
        let reaches = feed.reaches.and_then(|reaches| TimeDelta::from_std(reaches).ok());
        reaches.zip(cursor.since).is_some_and(|(reaches, since)| self.shared.clock.now() - since > reaches)
    }
}

/// A record of which nothing is known but that it is gone.
fn gone(id: RecordId) -> RemoteRecord {
    let body = Value::Object(Map::new());
    RemoteRecord { label: String::new(), gone: true, body, id, updated_at: None, version: None, merged_into: None }
}

/// Of an address its last part; an id as it is.
pub(in crate::connector::http) fn last_part(id: &RecordId) -> Option<RecordId> {
    let text = id.as_str();
    if !text.contains('/') {
        return Some(id.clone());
    }
    let path = text.split(['?', '#']).next()?.trim_end_matches('/');
    path.rsplit('/').next().filter(|part| !part.is_empty()).map(RecordId::from)
}
