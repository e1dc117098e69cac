//! News: records that a system told of by itself, until somebody has looked at them.

use super::{Atomic, Ledger};
use crate::{
    config::ConnectionName,
    record::RecordId,
    store::{Key, Space, StoreError, frame},
};

/// A record that a system told of. Each telling stands by itself, so that what comes while an earlier one is looked at is
/// not forgotten with that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct News {
    key: Key,
    /// The record.
    pub id: RecordId,
}

impl Atomic {
    /// Remembers that a system told of a record, as number `arrival`, which is sortable and of this telling alone.
    pub fn news(&mut self, connection: &ConnectionName, resource: &str, arrival: &str, id: &RecordId) {
        let key = Key::new(Space::News, &[connection.as_str(), resource, arrival, id.as_str()]);
        self.0.put(key, frame::encode(&()));
    }

    /// Forgets news that were looked at.
    pub fn forget_news(&mut self, news: &News) {
        self.0.delete(news.key.clone());
    }
}

impl Ledger {
    /// What a system told of a resource, oldest first, so many at most.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn news(
        &self,
        connection: &ConnectionName,
        resource: &str,
        most: usize,
    ) -> Result<Vec<News>, StoreError> {
        let prefix = Key::new(Space::News, &[connection.as_str(), resource]);
        let entries = self.store().scan(&prefix, None, most).await?;
        let news = entries.into_iter().filter_map(|(key, _)| {
            let id = RecordId::from(key.parts().get(3)?.clone());
            Some(News { key, id })
        });
        Ok(news.collect())
    }
}
