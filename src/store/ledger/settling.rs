//! Records of remotes that show old copies for a while, and when they were written.

use super::{Ledger, keys::settling_key};
use crate::{
    config::ConnectionName,
    record::RecordId,
    store::{Key, Settling, Space, StoreError, frame},
};

impl Ledger {
    /// When these records were written, if that was lately.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn settling(
        &self,
        connection: &ConnectionName,
        resource: &str,
        ids: &[RecordId],
    ) -> Result<Vec<Option<Settling>>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| settling_key(connection, resource, id)).collect();
        self.read_below(Key::new(Space::Settling, &[connection.as_str(), resource]), &keys, frame::decode).await
    }

    /// Every record of a connection that was written lately, with its resource.
    ///
    /// # Errors
    ///
    /// When the store fails or a value is damaged.
    pub async fn list_settling(
        &self,
        connection: &ConnectionName,
    ) -> Result<Vec<(String, RecordId, Settling)>, StoreError> {
        let prefix = Key::new(Space::Settling, &[connection.as_str()]);
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let (page, next) = self.list::<Settling>(&prefix, after.as_ref(), frame::decode).await?;
            all.extend(page.into_iter().filter_map(|(parts, settling)| match <[String; 3]>::try_from(parts) {
                Ok([_, resource, id]) => Some((resource, RecordId::from(id), settling)),
                Err(_) => None,
            }));
            match next {
                Some(key) => after = Some(key),
                None => return Ok(all),
            }
        }
    }
}
