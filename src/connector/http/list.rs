//! Reading: a page of a listing, and one record.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use super::{
    HttpConnector, address,
    extract::{self, take_array},
    messages,
    transport::Reply,
};
use crate::{
    connector::{CallError, List, Page, PageEnd, Paging, PullCursor, RemoteRecord, Resource, SinceFormat, SincePlace},
    record::RecordId,
};

type Pairs = Vec<(String, String)>;

impl HttpConnector {
    pub(super) async fn pull_page(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        let Some(list) = &resource.list else {
            return Err(CallError::NotDone(format!("`{}` has no `list`", resource.name)));
        };
        let number = page_number(&list.paging, cursor)?;
        let (target, headers) = self.listing(list, cursor)?;
        // "Nothing has changed" can only be the answer to that question.
        let conditional = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("if-modified-since"));
        let other: &[u16] = if conditional && cursor.page.is_none() { &[304] } else { &[] };
        let (reply, body) = self.read(&target, &headers, other).await?;
        let server_time = reply.server_time();
        let Some(mut body) = body else { return Ok(Page { records: Vec::new(), next: None, server_time }) };

        let fail = |message: String| {
            let page = cursor.page.as_deref().unwrap_or("first");
            let message = format!("`GET {}`, page {page}: {message}", address::path_only(&target));
            CallError::BadAnswer(reply.scrub(&message))
        };
        let ends = self.ending(&list.paging, cursor, &body).map_err(fail)?;
        let Some(items) = take_array(&list.records, &mut body) else {
            return Err(fail(self.no_records(&body, list.records.as_str())));
        };
        let next = match ends {
            Ending::Known(next) => next,
            Ending::ShortPage(size) => {
                let short = items.is_empty() || size.is_some_and(|size| items.len() < size);
                (!short).then(|| (number + 1).to_string())
            }
        };
        let codec = self.codec(resource);
        let mut records = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            let record = extract::record(resource, &codec, item);
            records.push(record.map_err(|message| fail(format!("record {} {message}", position + 1)))?);
        }
        Ok(Page { records, next, server_time })
    }

    /// The request for a page.
    fn listing(&self, list: &List, cursor: &PullCursor) -> Result<(String, Pairs), CallError> {
        let connection = &self.shared.connection;
        let mut parameters = list.query.clone();
        let mut headers = Vec::new();
        match &list.paging {
            Paging::None => {}
            Paging::Number { param, size, .. } => {
                parameters.push((param.clone(), page_number(&list.paging, cursor)?.to_string()));
                parameters.extend(size.as_ref().map(|(name, value)| (name.clone(), value.to_string())));
            }
            Paging::Cursor { param, size, .. } => {
                parameters.extend(cursor.page.as_ref().map(|page| (param.clone(), page.clone())));
                parameters.extend(size.as_ref().map(|(name, value)| (name.clone(), value.to_string())));
            }
        }
        if let (Some(changed), Some(since)) = (&list.changed_since, cursor.since) {
            let text = written(since, changed.format);
            match &changed.place {
                SincePlace::Param(name) => parameters.push((name.clone(), text)),
                SincePlace::Header(name) => headers.push((name.clone(), text)),
            }
        }
        let path = address::fill_path(&list.path, connection)
            .ok_or_else(|| CallError::NotDone(format!("`{}` needs a setting that is not given", list.path)))?;
        let mut query = Vec::new();
        for (name, value) in connection.manifest.query.iter().chain(&parameters) {
            query.extend(address::fill(value, connection).map(|value| (name.clone(), value)));
        }
        Ok((address::with_query(&path, &query), headers))
    }

    /// How this page says whether there is another.
    fn ending(&self, paging: &Paging, cursor: &PullCursor, body: &Value) -> Result<Ending, String> {
        match paging {
            Paging::None => Ok(Ending::Known(None)),
            Paging::Number { end: PageEnd::ShortPage, size, .. } => {
                Ok(Ending::ShortPage(size.as_ref().and_then(|(_, size)| usize::try_from(*size).ok())))
            }
            Paging::Number { end: PageEnd::PageCount(path), .. } => {
                let pages = path.read(body).value().and_then(whole_number);
                let pages = pages.ok_or_else(|| self.no_records(body, path.as_str()))?;
                let number = cursor.page.as_deref().and_then(|page| page.parse::<u64>().ok()).unwrap_or(1);
                Ok(Ending::Known((number < pages).then(|| (number + 1).to_string())))
            }
            Paging::Cursor { next, .. } => {
                let next = match next.read(body).value() {
                    None | Some(Value::Null) => None,
                    Some(Value::String(text)) => (!text.is_empty()).then(|| text.clone()),
                    Some(Value::Number(number)) => Some(number.to_string()),
                    Some(_) => return Err(format!("`{}` is neither text nor a number", next.as_str())),
                };
                if next.is_some() && next == cursor.page {
                    return Err("the next page is said to be this very page".to_owned());
                }
                Ok(Ending::Known(next))
            }
        }
    }

    fn no_records(&self, body: &Value, path: &str) -> String {
        let words = messages::of(&self.shared.connection.manifest.error_messages, body);
        let words = words.map_or_else(String::new, |words| format!("; it says: {words}"));
        format!("there is no usable `{path}` in it{words}")
    }

    pub(super) async fn get_one(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        let connection = &self.shared.connection;
        let Some(get) = &resource.get else {
            return Err(CallError::NotDone(format!("`{}` has no `get`", resource.name)));
        };
        let path = address::fill_path(&get.path, connection)
            .ok_or_else(|| CallError::NotDone(format!("`{}` needs a setting that is not given", get.path)))?;
        let path = address::with_id(&path, id).map_err(CallError::NotDone)?;
        let query = static_query(connection);
        let target = address::with_query(&path, &query);
        let (reply, body) = self.read(&target, &[], &[404, 410]).await?;
        let Some(body) = body else { return Ok(None) };
        let record = self.one(resource, &get.record, &body, &reply);
        let record = record.map_err(|message| {
            CallError::BadAnswer(reply.scrub(&format!("`GET {}`: {message}", address::path_only(&target))))
        })?;
        if !record.id.as_str().eq_ignore_ascii_case(id.as_str()) {
            let message = format!("`GET {}`: it answered with the record {}", address::path_only(&target), record.id);
            return Err(CallError::BadAnswer(reply.scrub(&message)));
        }
        Ok(Some(record))
    }

    fn one(
        &self,
        resource: &Resource,
        path: &crate::record::Path,
        body: &Value,
        reply: &Reply,
    ) -> Result<RemoteRecord, String> {
        let found = path.read(body).value().cloned();
        let found = found.ok_or_else(|| self.no_records(body, path.as_str()))?;
        let record = extract::record(resource, &self.codec(resource), found);
        let record = record.map_err(|message| format!("the record {message}"))?;
        let version = record.version.or_else(|| extract::etag(resource, reply));
        Ok(RemoteRecord { version, ..record })
    }
}

/// How a page says whether there is another.
enum Ending {
    Known(Option<String>),
    ShortPage(Option<usize>),
}

/// The number of the page to ask for.
fn page_number(paging: &Paging, cursor: &PullCursor) -> Result<u64, CallError> {
    match (&cursor.page, paging) {
        (Some(page), Paging::Number { .. }) => page
            .parse()
            .map_err(|_| CallError::BadAnswer(format!("`{page}` is no page number; begin the listing again"))),
        _ => Ok(1),
    }
}

/// The query parameters that every request has.
pub(super) fn static_query(connection: &crate::config::Connection) -> Pairs {
    let fill = |(name, value): &(String, String)| Some((name.clone(), address::fill(value, connection)?));
    connection.manifest.query.iter().filter_map(fill).collect()
}

fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn written(since: DateTime<Utc>, format: SinceFormat) -> String {
    match format {
        SinceFormat::Rfc3339 => since.to_rfc3339_opts(SecondsFormat::Millis, true),
        SinceFormat::IsoSeconds => since.format("%Y-%m-%dT%H:%M:%S").to_string(),
        SinceFormat::EpochSeconds => since.timestamp().to_string(),
    }
}
