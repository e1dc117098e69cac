//! Reading one record.

use super::{HttpConnector, address, calls::Wanted, extract, list::static_query};
use crate::{
    connector::{CallError, RemoteRecord, Resource},
    record::RecordId,
};

impl HttpConnector {
    pub(super) async fn get_one(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        let connection = &self.shared.connection;
        let Some(get) = &resource.get else {
            return Err(CallError::NotDone(format!("`{}` has no `get`", resource.name)));
        };
        let path = address::fill_path(&get.path, connection)
            .ok_or_else(|| CallError::NotDone(format!("`{}` needs a setting that is not given", get.path)))?;
        let path = address::with_id(&path, id).map_err(CallError::NotDone)?;
        let target = address::with_query(&path, &static_query(connection));
        let wanted = Wanted { missing: get.missing.as_ref(), ..Wanted::default() };
        let (reply, read) = self.read(&target, &[], &[404, 410], &wanted).await?;
        let Some(read) = read else { return Ok(None) };
        let fail = |message: String| {
            CallError::BadAnswer(reply.scrub(&format!("`GET {}`: {message}", address::path_only(&target))))
        };
        let found = get.record.read(&read.body).value().cloned();
        let found = found.ok_or_else(|| fail(self.no_records(&read.body, get.record.as_str())))?;
        let record = extract::record(resource, &self.codec(resource), found);
        let record = record.map_err(|message| fail(format!("the record {message}")))?;
        if !record.id.as_str().eq_ignore_ascii_case(id.as_str()) {
            return Err(fail(format!("it answered with the record {}", record.id)));
        }
        let version = record.version.or_else(|| extract::etag(resource, &reply));
        let mut record = RemoteRecord { version, ..record };
        self.with_also(resource, std::slice::from_mut(&mut record)).await?;
        Ok(Some(record))
    }
}
