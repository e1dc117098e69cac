//! Integrations that a person paused, remembered over restarts.

use crate::{
    config::IntegrationName,
    store::{Group, Key, Ledger, Space, StoreError},
};

fn key(integration: &IntegrationName) -> Key {
    Key::new(Space::Meta, &["paused", integration.as_str()])
}

/// Remembers that an integration is paused, or is no longer. Durable when it returns.
///
/// # Errors
///
/// When the store fails.
pub async fn remember(ledger: &Ledger, integration: &IntegrationName, paused: bool) -> Result<(), StoreError> {
    let mut group = Group::default();
    if paused {
        group.put(key(integration), Vec::new());
    } else {
        group.delete(key(integration));
    }
    ledger.store().commit(vec![group]).await?;
    ledger.flush().await
}

/// Every paused integration, by name, whether or not it is still configured.
///
/// # Errors
///
/// When the store fails.
pub async fn all(ledger: &Ledger) -> Result<Vec<IntegrationName>, StoreError> {
    const PAGE: usize = 1_000;
    let prefix = Key::new(Space::Meta, &["paused"]);
    let (mut names, mut after) = (Vec::new(), None::<Key>);
    loop {
        let page = ledger.store().scan(&prefix, after.as_ref(), PAGE).await?;
        names.extend(page.iter().filter_map(|(key, _)| IntegrationName::parse(key.parts().last()?).ok()));
        match page.into_iter().last() {
            Some((key, _)) => after = Some(key),
            None => return Ok(names),
        }
    }
}
