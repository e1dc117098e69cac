//! What there is little of, read as a whole.

use super::Ledger;
use crate::store::{Key, StoreError};

/// Entries read at once.
const PAGE: usize = 500;

impl Ledger {
    /// Everything below a prefix, in the order of its keys. All of it is in memory then: for what the daemon remembers of its
    /// configuration, not for records.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn all_below(&self, prefix: &Key) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None::<Key>);
        loop {
            let page = self.store.scan(prefix, after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after = Some(last.clone());
            found.extend(page);
        }
    }
}
