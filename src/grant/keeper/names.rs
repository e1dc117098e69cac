//! What becomes of a login when names of the configuration change, or are forgotten.

use super::{
    super::{GrantError, kept},
    Held, Keeper,
};
use crate::{config::Grant, store::StoreError};

impl Keeper {
    /// What people decided about a connection goes with it to its new name: that it is disconnected, and which account it
    /// speaks to. Done twice it is the same as once.
    ///
    /// # Errors
    ///
    /// When it cannot be read or kept. What could be read has the new name in this process all the same, and is kept before
    /// it is used.
    pub async fn rename(&self, grant: &Grant, from: &str, to: &str) -> Result<(), GrantError> {
        let turn = self.of(grant);
        let mut held = turn.lock().await;
        self.load(grant, &mut held).await?;
        if held.kept.as_mut().is_some_and(|kept| kept.rename(from, to)) {
            self.save(grant, &mut held).await?;
        }
        Ok(())
    }

    /// Nothing is known of this grant any more, in the store or here; nobody is told. A renewal that is under way comes to
    /// its end before: it would write the tokens back.
    ///
    /// # Errors
    ///
    /// When the store fails: then it can be done again.
    pub async fn forget(&self, grant: &str) -> Result<(), StoreError> {
        let turn = self.named(grant);
        let mut held = turn.lock().await;
        self.consents().retain(|_, waiting| waiting.grant.name.as_str() != grant);
        kept::erase(self.store().as_ref(), grant).await?;
        *held = Held::default();
        Ok(())
    }
}
