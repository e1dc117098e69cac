//! A person ends a connection, or a whole login.

use secrecy::SecretString;

use super::{
    super::{
        GrantError, Parting, VaultError, accounts, exchange,
        kept::{End, WHOLE},
    },
    Keeper,
};
use crate::config::Grant;

/// What a person ends.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// The one connection that is meant; `None` is the whole login.
    pub connection: Option<&'a str>,
    /// Every connection that logs in by this grant.
    pub others: &'a [String],
    /// Who ends it.
    pub by: &'a str,
}

impl Keeper {
    /// Disconnects one connection, and the whole grant where nobody is left or no connection is named: tokens are given
    /// back and erased. Says what was done.
    ///
    /// # Errors
    ///
    /// When it cannot be remembered, or the tokens of the others cannot be read: then nothing was done.
    pub async fn disconnect(&self, grant: &Grant, leaving: Leaving<'_>) -> Result<String, GrantError> {
        let Leaving { connection, others, by } = leaving;
        let turn = self.of(grant);
        let mut held = turn.lock().await;
        let readable = self.load(grant, &mut held).await;
        let alone = connection.is_none_or(|name| others.iter().all(|other| other == name));
        let readable = match readable {
            Ok(()) => true,
            // With another key nothing can be given back, but everything can be erased where all of it is to end.
            Err(GrantError::Vault(VaultError::OtherKey)) if alone => false,
            Err(error) => return Err(error),
        };
        let former = (held.loaded, held.kept.clone(), held.unsaved);
        held.loaded = true;
        let mut kept = held.kept.take().unwrap_or_default();
        kept.left.extend(connection.map(str::to_owned));
        let last = others.iter().all(|other| kept.left.contains(other));
        let whole = connection.is_none() || last;
        let account = connection.and_then(|name| kept.chosen.get(name).cloned());
        let shared = account.as_ref().is_some_and(|account| {
            others.iter().any(|other| !kept.left.contains(other) && kept.chosen.get(other) == Some(account))
        });
        let (access, refresh) = (kept.access.clone(), kept.refresh.clone());
        if whole {
            kept.end = Some(End::Disconnected);
            (kept.access, kept.refresh, kept.in_doubt) = (None, None, false);
        }
        let parting = Parting { by: by.to_owned(), at: self.clock.now() };
        kept.partings.insert(connection.unwrap_or(WHOLE).to_owned(), parting);
        let server = kept.server.clone();
        held.kept = Some(kept);
        // First the end of all use, durably; the remote is told after that.
        if let Err(error) = self.save(grant, &mut held).await {
            // Not done later without a word either.
            (held.loaded, held.kept, held.unsaved) = former;
            return Err(error);
        }
        tracing::warn!(event = "connection.disconnected", grant = %grant.name, connection, whole, by);
        let told = |outcome: Result<(), String>, done: &str| match outcome {
            Ok(()) => done.to_owned(),
            Err(why) => format!("{done} here, but the remote could not be told ({why}): end the access there, too"),
        };
        if whole {
            let token = refresh.or(access.map(|access| access.token)).map(SecretString::from);
            return Ok(match token {
                Some(token) => told(
                    exchange::revoke(grant, server.as_deref(), &token).await,
                    "the login was given back, and its tokens are erased",
                ),
                None if !readable => "its tokens, which could not be read, are erased here".to_owned(),
                None => "there were no tokens".to_owned(),
            });
        }
        let (Some(account), Some(access), false) = (account, access, shared) else {
            return Ok("disconnected here; others go on with the login".to_owned());
        };
        let token = SecretString::from(access.token);
        Ok(match accounts::remove(grant, &token, &account).await {
            Some(outcome) => told(outcome, &format!("`{}` was disconnected", account.name)),
            None => "disconnected here; the remote can only end the whole login, which others use".to_owned(),
        })
    }
}
