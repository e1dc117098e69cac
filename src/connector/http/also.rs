//! Members of a record that have a call of their own (`also:`).

use serde_json::{Map, Value};

use super::{HttpConnector, address, calls::Wanted, list::static_query};
use crate::connector::{Also, CallError, GetOne, RemoteRecord, Resource};

impl HttpConnector {
    /// Reads what `resource` still has under `also` into each record, a call each. A record that is gone has no such
    /// members any more.
    pub(super) async fn with_also(&self, resource: &Resource, records: &mut [RemoteRecord]) -> Result<(), CallError> {
        for record in records.iter_mut().filter(|record| !record.gone) {
            for (also, get) in resource.also.iter().filter_map(|also| Some((also, also.get.as_ref()?))) {
                let value = self.also(resource, (also, get), record).await?;
                if let Value::Object(members) = &mut record.body {
                    members.insert(also.member.clone(), value);
                }
            }
        }
        Ok(())
    }

    /// The decoded value of one such member; null where the remote has none.
    async fn also(
        &self,
        resource: &Resource,
        (also, get): (&Also, &GetOne),
        record: &RemoteRecord,
    ) -> Result<Value, CallError> {
        let connection = &self.shared.connection;
        let path = address::fill_path(&get.path, connection)
            .ok_or_else(|| CallError::NotDone(format!("`{}` needs a setting that is not given", get.path)))?;
        let path = address::with_id(&path, &record.id).map_err(CallError::NotDone)?;
        let target = address::with_query(&path, &static_query(connection));
        let wanted = Wanted { missing: get.missing.as_ref(), ..Wanted::default() };
        let (_, read) = self.read(&target, &[], &[404, 410], &wanted).await?;
        let found = read.and_then(|read| get.record.find(&read.body).cloned()).unwrap_or_default();
        let mut holder = Value::Object([(also.member.clone(), found)].into_iter().collect::<Map<_, _>>());
        self.codec(resource).decode(&mut holder);
        Ok(holder.get_mut(&also.member).map(Value::take).unwrap_or_default())
    }
}
