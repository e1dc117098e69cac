//! New tokens for old ones, before they run out.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::OwnedMutexGuard;

use super::{
    super::{
        GrantError, captured,
        exchange::{self, NoTokens, Tokens},
        kept::{Access, End, Kept},
    },
    Held, Keeper, broken, person, to_its_end,
};
use crate::config::{Grant, GrantFlow};

/// Tokens are renewed at the latest so long before they run out.
const EARLY: TimeDelta = TimeDelta::minutes(5);
/// After a failure that passes, the remote is left alone so long.
const REST: Duration = Duration::from_secs(10);

impl Keeper {
    /// Gets new tokens. Whoever calls has the turn, so there is one at a time. It comes to its end also when whoever asked
    /// is dropped: with an answer that nobody keeps, a remote that takes a refresh token once has ended the login.
    pub(super) async fn renew(
        self: &Arc<Self>,
        grant: &Arc<Grant>,
        mut held: OwnedMutexGuard<Held>,
    ) -> Result<OwnedMutexGuard<Held>, GrantError> {
        let (keeper, grant) = (Arc::clone(self), Arc::clone(grant));
        let work = async move {
            let outcome = keeper.renew_once(&grant, &mut held).await;
            let ended = held.kept.as_ref().is_some_and(|kept| kept.end.is_some());
            let mut renewals = keeper.renewals.lock().unwrap_or_else(PoisonError::into_inner);
            let count = renewals.entry(grant.name.to_string()).or_default();
            match outcome {
                Ok(()) => count.renewed += 1,
                Err(_) if ended => count.ended += 1,
                Err(_) => count.failed += 1,
            }
            outcome.map(|()| held)
        };
        to_its_end(tokio::spawn(work)).await
    }

    async fn renew_once(&self, grant: &Grant, held: &mut Held) -> Result<(), GrantError> {
        if let Some((until, words)) = &held.rest
            && self.clock.monotonic() < *until
        {
            return Err(GrantError::Passes(words.clone()));
        }
        let refresh = held.kept.as_ref().and_then(|kept| kept.refresh.clone());
        let server = held.kept.as_ref().and_then(|kept| kept.server.clone());
        let mut answer = match (&refresh, grant.flow) {
            (_, GrantFlow::ClientCredentials) => exchange::own(grant).await,
            (None, GrantFlow::Code) => {
                return Err(self.ended(grant, held, "the login has ended, and cannot be renewed").await?);
            }
            (Some(refresh), GrantFlow::Code) => {
                if let Some(kept) = held.kept.as_mut().filter(|kept| !kept.in_doubt) {
                    kept.in_doubt = true;
                    // Durable before it is sent: after a crash nobody believes that the token was never used.
                    self.save(grant, held).await?;
                }
                exchange::renew(grant, server.as_deref(), refresh).await
            }
        };
        if let (Err(NoTokens::Lost(_)), Some(refresh)) = (&answer, &refresh) {
            // With a grace period the remote takes it once more; without one, the grant has ended already.
            tracing::warn!(event = "grant.answer_lost", grant = %grant.name);
            answer = exchange::renew(grant, server.as_deref(), refresh).await;
        }
        match answer {
            Ok(tokens) => {
                let now = self.clock.now();
                // One that may not be believed is left aside; the former one stays.
                let host = captured::host(&grant.login, &tokens.rest).ok().flatten();
                if let Some(kept) = &mut held.kept {
                    kept.host = host.or(kept.host.take());
                    take(kept, tokens, now);
                }
                held.rest = None;
                // Held in memory even if this fails: it is tried again before anything is used.
                self.save(grant, held).await?;
                tracing::info!(event = "grant.renewed", grant = %grant.name);
                Ok(())
            }
            Err(NoTokens::Dead(words)) if grant.flow == GrantFlow::Code => Err(self.ended(grant, held, &words).await?),
            // An app that logs in by itself was given nothing that could end: it asks again as it did.
            Err(NoTokens::Dead(words) | NoTokens::Refused(words)) => {
                if let Some(kept) = &mut held.kept {
                    kept.in_doubt = false;
                }
                let words = format!(
                    "the login `{}` cannot be renewed: {words}; check its `client_id` and `client_secret`",
                    grant.name
                );
                Err(self.rest(held, GrantError::Person(words)))
            }
            Err(NoTokens::Lost(words) | NoTokens::NotSent(words)) => {
                let words = format!("the login `{}` cannot be renewed now: {words}", grant.name);
                Err(self.rest(held, GrantError::Passes(words)))
            }
        }
    }

    fn rest(&self, held: &mut Held, error: GrantError) -> GrantError {
        held.rest = Some((self.clock.monotonic().saturating_add(REST), error.to_string()));
        error
    }

    /// The remote ended the grant.
    async fn ended(&self, grant: &Grant, held: &mut Held, words: &str) -> Result<GrantError, GrantError> {
        tracing::error!(event = "grant.broken", grant = %grant.name, words);
        if let Some(kept) = &mut held.kept {
            (kept.access, kept.refresh, kept.in_doubt) = (None, None, false);
            kept.end = Some(End::Broken(words.to_owned()));
        }
        self.save(grant, held).await?;
        Ok(person(grant, &broken(words)))
    }
}

/// Takes tokens. The access token is renewed after nine tenths of its life at the latest, some earlier than others, so that
/// not everybody comes at once.
pub(super) fn take(kept: &mut Kept, tokens: Tokens, now: DateTime<Utc>) {
    let until = tokens.lives.and_then(|lives| TimeDelta::from_std(lives).ok()).map(|lives| {
        let margin = (lives / 10).min(EARLY);
        let spread = margin * i32::from(fastrand::u8(..)) / 255 / 2;
        now + lives - margin - spread
    });
    kept.access = Some(Access { token: tokens.access, until });
    // Where tokens do not rotate, the former one goes on.
    if tokens.refresh.is_some() {
        kept.refresh = tokens.refresh;
    }
    (kept.in_doubt, kept.renewed, kept.end) = (false, Some(now), None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(refresh: Option<&str>, lives: Option<u64>) -> Tokens {
        let (access, refresh) = ("access".to_owned(), refresh.map(str::to_owned));
        Tokens { access, refresh, lives: lives.map(Duration::from_secs), rest: serde_json::Value::Null }
    }

    #[test]
    fn tokens_are_used_no_longer_than_nine_tenths_of_their_life_and_a_refresh_token_goes_on_where_no_other_comes() {
        let now = DateTime::UNIX_EPOCH;
        let mut kept = Kept { in_doubt: true, ..Kept::default() };
        take(&mut kept, tokens(Some("first"), Some(1_800)), now);
        let until = |kept: &Kept| kept.access.as_ref().unwrap().until;
        for _ in 0..100 {
            take(&mut kept, tokens(Some("second"), Some(1_800)), now);
            let lives = until(&kept).unwrap() - now;
            assert!(lives <= TimeDelta::seconds(1_620) && lives >= TimeDelta::seconds(1_530), "{lives}");
        }
        take(&mut kept, tokens(None, Some(86_400)), now);
        assert!(until(&kept).unwrap() - now <= TimeDelta::seconds(86_400 - 300), "five minutes are enough");
        assert_eq!(kept.refresh.as_deref(), Some("second"));
        take(&mut kept, tokens(None, None), now);
        assert_eq!((until(&kept), kept.in_doubt, kept.renewed), (None, false, Some(now)), "it did not say");
    }
}
