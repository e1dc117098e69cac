//! The second read of a thin list.

use std::collections::HashMap;

use super::{
    super::{HttpConnector, address, calls::Wanted, extract::take_array},
    bad,
    request::static_query,
};
use crate::connector::{CallError, Detail, RemoteRecord, Resource};

impl HttpConnector {
    /// Reads each record in full. One that is gone by now is left out: the next listing will lack it, too.
    pub(super) async fn in_detail(
        &self,
        resource: &Resource,
        detail: &Detail,
        thin: Vec<RemoteRecord>,
    ) -> Result<Vec<RemoteRecord>, CallError> {
        let mut whole = Vec::with_capacity(thin.len());
        match detail {
            Detail::One => {
                for record in thin {
                    if record.gone {
                        whole.push(record);
                    } else if let Some(mut found) = self.get_one(resource, &record.id).await? {
                        found.updated_at = found.updated_at.or(record.updated_at);
                        whole.push(found);
                    }
                }
            }
            Detail::Many { path, param, max, records } => {
                for chunk in thin.chunks((*max).max(1)) {
                    let ids: Vec<&str> =
                        chunk.iter().filter(|record| !record.gone).map(|record| record.id.as_str()).collect();
                    let mut found = if ids.is_empty() {
                        HashMap::new()
                    } else {
                        self.read_many(resource, path, (param, &ids.join(",")), records).await?
                    };
                    let given = found.len();
                    for record in chunk {
                        if record.gone {
                            whole.push(record.clone());
                            continue;
                        }
                        // What the answer leaves out may be gone, or the remote gives fewer at once than it was asked for.
                        let read = match take(&mut found, record.id.as_str()) {
                            None if resource.get.is_some() => self.get_one(resource, &record.id).await?,
                            None => {
                                let asked = ids.len();
                                let message = format!("`GET {path}`: asked for {asked} records, it gave {given}");
                                return Err(CallError::BadAnswer(message));
                            }
                            read => read,
                        };
                        if let Some(mut read) = read {
                            read.updated_at = read.updated_at.or(record.updated_at);
                            whole.push(read);
                        }
                    }
                }
            }
        }
        Ok(whole)
    }

    async fn read_many(
        &self,
        resource: &Resource,
        path: &str,
        ids: (&str, &str),
        records: &crate::record::Path,
    ) -> Result<HashMap<String, RemoteRecord>, CallError> {
        let connection = &self.shared.connection;
        let path = address::fill_path(path, connection)
            .ok_or_else(|| CallError::NotDone(format!("`{path}` needs a setting that is not given")))?;
        let mut query = static_query(connection);
        query.push((ids.0.to_owned(), ids.1.to_owned()));
        let target = address::with_query(&path, &query);
        let (reply, read) = self.read(&target, &[], &[], &Wanted::default()).await?;
        let Some(mut read) = read else { return Ok(HashMap::new()) };
        let items = take_array(records, &mut read.body)
            .ok_or_else(|| bad(&reply, &target, &self.no_records(&read.body, records.as_str())))?;
        let read = self.records_of(resource, items).map_err(|message| bad(&reply, &target, &message))?;
        Ok(read.into_iter().map(|record| (record.id.as_str().to_owned(), record)).collect())
    }
}

/// The record of this id, in whatever case the answer writes it.
fn take(found: &mut HashMap<String, RemoteRecord>, id: &str) -> Option<RemoteRecord> {
    found.remove(id).or_else(|| {
        let written = found.keys().find(|key| key.eq_ignore_ascii_case(id))?.clone();
        found.remove(&written)
    })
}
