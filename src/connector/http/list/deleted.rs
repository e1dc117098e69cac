//! The feed of deleted records.

use serde_json::{Map, Value};

use super::{
    super::{HttpConnector, address, calls::Wanted, extract},
    bad,
    request::{static_query, written},
};
use crate::{
    connector::{CallError, List, Page, PullCursor, RemoteRecord, Resource, SincePlace},
    record::RecordId,
};

impl HttpConnector {
    /// Who was deleted: ids only, each with the mark that it is gone.
    pub(super) async fn pull_deleted(
        &self,
        resource: &Resource,
        list: &List,
        cursor: &PullCursor,
    ) -> Result<Page, CallError> {
        let Some(feed) = &list.deleted else { return Err(CallError::PageExpired) };
        let connection = &self.shared.connection;
        let path = address::fill_path(&feed.path, connection)
            .ok_or_else(|| CallError::NotDone(format!("`{}` needs a setting that is not given", feed.path)))?;
        let (mut query, mut headers) = (static_query(connection), Vec::new());
        if let (Some((place, format)), Some(since)) = (&feed.changed_since, cursor.since) {
            match place {
                SincePlace::Param(name) => query.push((name.clone(), written(since, *format))),
                SincePlace::Header(name) => headers.push((name.clone(), written(since, *format))),
                SincePlace::Text | SincePlace::NewestFirst | SincePlace::Windows => {}
            }
        }
        let target = address::with_query(&path, &query);
        let (reply, read) = self.read(&target, &headers, &[304], &Wanted::default()).await?;
        let server_time = reply.server_time();
        let Some(mut read) = read else {
            return Ok(Page { records: Vec::new(), next: None, server_time, ..Page::default() });
        };
        let items = extract::take_array(&feed.records, &mut read.body)
            .ok_or_else(|| bad(&reply, &target, &self.no_records(&read.body, feed.records.as_str())))?;
        let mut records = Vec::with_capacity(items.len());
        for item in items {
            let id = feed.id.find(&item).and_then(extract::id_of).and_then(|id| last_part(&id));
            let id =
                id.ok_or_else(|| bad(&reply, &target, &format!("a record has no id at `{}`", feed.id.as_str())))?;
            let body = Value::Object(Map::new());
            records.push(RemoteRecord {
                label: String::new(),
                gone: true,
                body,
                id,
                updated_at: None,
                version: None,
                merged_into: None,
            });
        }
        tracing::debug!(resource = resource.name, deleted = records.len());
        Ok(Page { records, next: None, server_time, ..Page::default() })
    }
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
