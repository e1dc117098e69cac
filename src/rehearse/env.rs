//! What placeholders stand for in a test, which needs no secret and asks nothing of the machine it runs on.

use std::collections::BTreeMap;

use crate::config::EnvSource;

/// Values that a test gives, and an address made of its name for every other variable that is needed.
#[derive(Clone, Debug, Default)]
pub struct StandIns(BTreeMap<String, String>);

impl StandIns {
    /// Those given by a file of tests.
    #[must_use]
    pub fn new(given: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(given.into_iter().collect())
    }
}

impl EnvSource for StandIns {
    fn var(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// An address will do as a text as well; nobody answers at a name that ends in `.invalid` (RFC 2606).
    fn stand_in(&self, name: &str) -> Option<String> {
        Some(format!("https://{}.invalid", name.to_lowercase().replace('_', "-")))
    }
}
