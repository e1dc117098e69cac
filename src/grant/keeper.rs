//! The one owner of every grant: gives sessions, renews tokens, and carries out what people decide.

mod leave;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::PkceCodeVerifier;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Mutex as Turn, MutexGuard};
use url::Url;

pub use leave::Leaving;

use super::{
    Account, ConnectionNow, ConnectionState, Consented, GrantError, Session, Vault, VaultError, accounts, captured,
    exchange::{self, NoTokens, Tokens},
    kept::{self, Access, End, Kept, WHOLE},
};
use crate::{
    clock::Clock,
    config::{Auth, Connection, Grant, GrantFlow},
    store::Store,
};

/// Tokens are renewed at the latest so long before they run out.
const EARLY: TimeDelta = TimeDelta::minutes(5);
/// How long a person may take to consent.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);
/// After a failure that passes, the remote is left alone so long.
const REST: Duration = Duration::from_secs(10);
/// When a login that ends unless it is used is told to people.
const WARN: TimeDelta = TimeDelta::days(14);
/// How long a look waits for somebody who speaks to the remote.
const LOOK: Duration = Duration::from_millis(500);
/// Most consents that are waited for at once.
const WAITING: usize = 64;

/// What is known of a grant in this process.
#[derive(Default)]
struct Held {
    loaded: bool,
    kept: Option<Kept>,
    /// What is known is not durable yet: until it is, nothing of it is used.
    unsaved: bool,
    /// Not asked again before then, with what went wrong.
    rest: Option<(Duration, String)>,
}

/// A consent that is waited for.
struct Waiting {
    grant: Arc<Grant>,
    verifier: PkceCodeVerifier,
    redirect: Url,
    /// The connection that is to come back, if it was disconnected.
    back: Option<String>,
    until: DateTime<Utc>,
}

/// Keeps every grant of a process. Only one process may keep the grants of a store.
pub struct Keeper {
    store: RwLock<Arc<dyn Store>>,
    vault: Vault,
    clock: Clock,
    held: Mutex<BTreeMap<String, Arc<Turn<Held>>>>,
    waiting: Mutex<BTreeMap<String, Waiting>>,
    renewals: Mutex<BTreeMap<String, Renewals>>,
}

/// How often a login was renewed, or was not, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewals {
    /// New tokens came.
    pub renewed: u64,
    /// The remote ended the login: somebody has to consent again.
    pub ended: u64,
    /// It did not work, and is tried again.
    pub failed: u64,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

impl Keeper {
    /// A keeper that seals with this vault and keeps in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, vault: Vault, clock: Clock) -> Self {
        let (held, waiting, renewals) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { store: RwLock::new(store), vault, clock, held, waiting, renewals }
    }

    /// From now on everything is kept in this store, which takes the place of one that failed.
    pub fn use_store(&self, store: Arc<dyn Store>) {
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = store;
    }

    /// Where this process keeps what must not be lost.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(&self, grant: &Grant) -> Arc<Turn<Held>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(held.entry(grant.name.to_string()).or_default())
    }

    async fn load(&self, grant: &Grant, held: &mut Held) -> Result<(), GrantError> {
        if !held.loaded {
            held.kept = kept::load(self.store().as_ref(), &self.vault, grant.name.as_str()).await?;
            held.loaded = true;
        }
        Ok(())
    }

    /// Makes what is known durable.
    async fn save(&self, grant: &Grant, held: &mut Held) -> Result<(), GrantError> {
        let Some(kept) = &held.kept else { return Ok(()) };
        held.unsaved = true;
        kept::save(self.store().as_ref(), &self.vault, grant.name.as_str(), kept).await?;
        held.unsaved = false;
        Ok(())
    }

    /// What a request of this connection logs in with.
    ///
    /// # Errors
    ///
    /// When a person has to do something, or it does not work now.
    pub async fn session(&self, grant: &Grant, connection: &Connection) -> Result<Session, GrantError> {
        let turn = self.of(grant);
        let mut held = turn.lock().await;
        self.load(grant, &mut held).await?;
        if held.unsaved {
            self.save(grant, &mut held).await?;
        }
        if held.kept.is_none() && grant.flow == GrantFlow::ClientCredentials {
            held.kept = Some(Kept::default());
        }
        let name = connection.name.as_str();
        let kept = held.kept.as_ref().ok_or_else(|| person(grant, "nobody has consented yet"))?;
        match &kept.end {
            Some(End::Disconnected) => return Err(person(grant, "it was disconnected")),
            Some(End::Broken(words)) => return Err(person(grant, &broken(words))),
            None if kept.left.contains(name) => {
                let text = format!("`{name}` was disconnected; `reconciled connect {name}`");
                return Err(GrantError::Person(text));
            }
            None => {}
        }
        let now = self.clock.now();
        let usable = |access: &Access| access.until.is_none_or(|until| now < until);
        if !kept.access.as_ref().is_some_and(usable) {
            self.renew(grant, &mut held).await?;
        }
        let account = self.account(grant, connection, &mut held).await?;
        let access = held.kept.as_ref().and_then(|kept| kept.access.as_ref());
        let access = access.ok_or_else(|| person(grant, "nobody has consented yet"))?;
        let token = SecretString::from(access.token.clone());
        let host = held.kept.as_ref().and_then(|kept| Url::parse(kept.host.as_deref()?).ok());
        Ok(Session { token, scheme: grant.login.scheme.clone(), account: account.map(|account| account.id), host })
    }

    /// The remote did not take this token: if nobody has renewed it meanwhile, the next session does.
    pub async fn refused(&self, grant: &Grant, token: &SecretString) {
        let turn = self.of(grant);
        let mut held = turn.lock().await;
        if let Some(kept) = &mut held.kept
            && kept.access.as_ref().is_some_and(|access| access.token == token.expose_secret())
        {
            kept.access = None;
        }
    }

    /// How often logins were renewed, by grant.
    #[must_use]
    pub fn renewals(&self) -> BTreeMap<String, Renewals> {
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gets new tokens. Whoever calls has the turn, so there is one at a time.
    async fn renew(&self, grant: &Grant, held: &mut MutexGuard<'_, Held>) -> Result<(), GrantError> {
        let outcome = self.renew_once(grant, held).await;
        let ended = held.kept.as_ref().is_some_and(|kept| kept.end.is_some());
        let mut renewals = self.renewals.lock().unwrap_or_else(PoisonError::into_inner);
        let count = renewals.entry(grant.name.to_string()).or_default();
        match outcome {
            Ok(()) => count.renewed += 1,
            Err(_) if ended => count.ended += 1,
            Err(_) => count.failed += 1,
        }
        outcome
    }

    async fn renew_once(&self, grant: &Grant, held: &mut MutexGuard<'_, Held>) -> Result<(), GrantError> {
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
            Err(NoTokens::Dead(words)) => Err(self.ended(grant, held, &words).await?),
            Err(NoTokens::Refused(words)) => {
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

    /// The account that a connection speaks to: the one it always spoke to, unless its `tenant` names another.
    async fn account(
        &self,
        grant: &Grant,
        connection: &Connection,
        held: &mut Held,
    ) -> Result<Option<Account>, GrantError> {
        // An app that logs in by itself belongs to one account.
        if !grant.login.names_accounts() || grant.flow == GrantFlow::ClientCredentials {
            return Ok(None);
        }
        let Some(kept) = &mut held.kept else { return Ok(None) };
        let (name, wanted) = (connection.name.as_str(), connection.tenant.as_deref());
        let found = choose(kept, name, wanted).map_err(|why| person(grant, &why))?;
        if kept.chosen.get(name) != Some(&found) {
            kept.chosen.insert(name.to_owned(), found.clone());
            self.save(grant, held).await?;
        }
        Ok(Some(found))
    }

    /// Where a person consents; their way back leads to `redirect`. A connection that was disconnected by itself comes
    /// back only if it is named.
    ///
    /// # Errors
    ///
    /// When nothing could be kept, or the grant is not set up for it.
    pub async fn begin(&self, grant: &Arc<Grant>, redirect: Url, back: Option<String>) -> Result<Url, GrantError> {
        self.vault.check().await?;
        if grant.flow != GrantFlow::Code {
            let text = format!("`{}` logs in by itself: nobody has to consent", grant.name);
            return Err(GrantError::Person(text));
        }
        let ask = exchange::ask(grant, &redirect)?;
        let now = self.clock.now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, waiting| waiting.until > now);
        if waiting.len() >= WAITING {
            return Err(GrantError::Passes("too many consents are waited for; try again in 15 minutes".to_owned()));
        }
        let entry = Waiting { grant: Arc::clone(grant), verifier: ask.verifier, redirect, back, until: now + PATIENCE };
        waiting.insert(ask.state, entry);
        Ok(ask.url)
    }

    /// The person came back, with what the remote put into the address.
    ///
    /// # Errors
    ///
    /// When they said no, came too late, or the remote gives no tokens.
    pub async fn finish(&self, parameters: &[(String, String)]) -> Result<Consented, GrantError> {
        let of = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let not_waited_for = || {
            GrantError::Person(
                "this consent is not waited for (any more): begin again with `reconciled connect`".into(),
            )
        };
        let state = of("state").ok_or_else(not_waited_for)?;
        let found = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&state);
        let waiting = found.filter(|waiting| waiting.until > self.clock.now()).ok_or_else(not_waited_for)?;
        let grant = waiting.grant;
        if let Some(error) = of("error") {
            let words = of("error_description").unwrap_or(error);
            return Err(GrantError::Person(format!("the consent was not given: {words}")));
        }
        let code = of("code").ok_or_else(not_waited_for)?;
        let turn = self.of(&grant);
        let mut held = turn.lock().await;
        // What was kept under another key makes way for the new. What cannot be read now does not: who was disconnected, and
        // which account each connection speaks to, must outlive the consent.
        match self.load(&grant, &mut held).await {
            Ok(()) | Err(GrantError::Vault(VaultError::OtherKey)) => {}
            Err(error) => return Err(error),
        }
        let server = captured::server(&grant.login, parameters).map_err(GrantError::Person)?;
        let at = (&*grant, server.as_deref());
        let tokens = exchange::redeem(at, &waiting.redirect, code, waiting.verifier).await;
        let tokens = tokens.map_err(|no| {
            let (NoTokens::Dead(words) | NoTokens::Refused(words) | NoTokens::Lost(words) | NoTokens::NotSent(words)) =
                no;
            GrantError::Person(format!("`{}` gave no tokens: {words}; begin again", grant.name))
        })?;
        let host = captured::host(&grant.login, &tokens.rest).map_err(GrantError::Person)?;
        let named = captured::account(&grant.login, parameters, (&tokens.access, &tokens.rest))
            .transpose()
            .map_err(GrantError::Person)?;
        let token = SecretString::from(tokens.access.clone());
        let former = held.kept.take().unwrap_or_default();
        let (mut left, mut partings) = (former.left, former.partings);
        if matches!(former.end, Some(End::Disconnected)) {
            left.clear();
        }
        if let Some(back) = &waiting.back {
            left.remove(back);
        }
        partings.retain(|name, _| left.contains(name));
        let mut kept =
            Kept { chosen: former.chosen, accounts: former.accounts, left, partings, host, server, ..Kept::default() };
        take(&mut kept, tokens, self.clock.now());
        (held.kept, held.loaded, held.rest) = (Some(kept), true, None);
        self.save(&grant, &mut held).await?;
        let accounts = match named {
            Some(account) => Ok(vec![account]),
            None => accounts::list(&grant, &token).await,
        };
        let accounts = accounts.map_err(|why| GrantError::Passes(format!("connected, but {why}; connect again")))?;
        if let Some(kept) = &mut held.kept {
            kept.accounts.clone_from(&accounts);
        }
        self.save(&grant, &mut held).await?;
        tracing::info!(event = "grant.connected", grant = %grant.name, accounts = accounts.len());
        Ok(Consented { grant: grant.name.to_string(), accounts })
    }

    /// The id of the account that a connection speaks to, as far as that is known.
    pub async fn account_of(&self, grant: &Grant, connection: &Connection) -> Option<String> {
        let turn = self.of(grant);
        // Whoever asks cannot wait until a slow remote has renewed the login.
        let mut held = turn.try_lock().ok()?;
        self.load(grant, &mut held).await.ok()?;
        let kept = held.kept.as_ref()?;
        choose(kept, connection.name.as_str(), connection.tenant.as_deref()).ok().map(|account| account.id)
    }

    /// How a connection stands; `None` if it does not log in by a grant.
    pub async fn look(&self, connection: &Connection) -> Option<ConnectionNow> {
        let Auth::Grant(grant) = &connection.auth else { return None };
        let turn = self.of(grant);
        let Ok(mut held) = tokio::time::timeout(LOOK, turn.lock()).await else {
            let todo = "nothing: the login is being renewed, and the remote takes its time";
            return Some(ConnectionNow {
                connection: connection.name.clone(),
                grant: grant.name.to_string(),
                state: ConnectionState::Connected,
                account: None,
                todo: Some(todo.to_owned()),
                expires: None,
                parted: None,
            });
        };
        let loaded = self.load(grant, &mut held).await;
        let name = connection.name.as_str();
        let (mut state, mut todo) = (ConnectionState::Connected, None);
        let again = format!("`reconciled connect {}`", grant.name);
        let kept = held.kept.as_ref();
        let (mut account, mut expires, mut parted) = (None, None, None);
        match (loaded, kept) {
            (Err(error), _) => (state, todo) = (ConnectionState::Broken, Some(error.to_string())),
            (Ok(()), None) if grant.flow == GrantFlow::ClientCredentials => {}
            (Ok(()), None) => {
                (state, todo) = (ConnectionState::NeedsConsent, Some(format!("have its owner consent: {again}")));
            }
            (Ok(()), Some(kept)) => {
                account = kept.chosen.get(name).map(|account| account.name.clone());
                match &kept.end {
                    Some(End::Broken(words)) => {
                        (state, todo) = (ConnectionState::Broken, Some(format!("{}: {again}", broken(words))));
                    }
                    Some(End::Disconnected) => {
                        (state, todo) = (ConnectionState::Disconnected, Some(again));
                        parted = kept.partings.get(WHOLE).or_else(|| kept.partings.get(name)).cloned();
                    }
                    None if kept.left.contains(name) => {
                        (state, todo) = (ConnectionState::Disconnected, Some(format!("`reconciled connect {name}`")));
                        parted = kept.partings.get(name).cloned();
                    }
                    None => {
                        if grant.login.names_accounts()
                            && grant.flow == GrantFlow::Code
                            && let Err(why) = choose(kept, name, connection.tenant.as_deref())
                        {
                            let lost = kept.chosen.contains_key(name);
                            state = if lost { ConnectionState::Broken } else { ConnectionState::NeedsConsent };
                            todo = Some(why);
                        }
                        let lives = grant.login.refresh_lives.and_then(|lives| TimeDelta::from_std(lives).ok());
                        expires = kept.renewed.zip(lives).map(|(renewed, lives)| renewed + lives);
                        if let Some(expires) = expires.filter(|expires| *expires - self.clock.now() < WARN) {
                            let day = expires.format("%-d %B %Y");
                            todo.get_or_insert(format!("the login ends on {day} unless it is used before: {again}"));
                        }
                        if let Some((_, words)) = &held.rest {
                            todo.get_or_insert(words.clone());
                        }
                    }
                }
            }
        }
        let (connection, grant) = (connection.name.clone(), grant.name.to_string());
        Some(ConnectionNow { connection, grant, state, account, todo, expires, parted })
    }
}

/// Takes tokens. The access token is renewed after nine tenths of its life at the latest, some earlier than others, so that
/// not everybody comes at once.
fn take(kept: &mut Kept, tokens: Tokens, now: DateTime<Utc>) {
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

/// The account of a connection among those that the login covers.
fn choose(kept: &Kept, connection: &str, wanted: Option<&str>) -> Result<Account, String> {
    let is = |account: &Account, wanted: &str| account.id == wanted || account.name.eq_ignore_ascii_case(wanted);
    if let Some(chosen) = kept.chosen.get(connection).filter(|chosen| wanted.is_none_or(|wanted| is(chosen, wanted))) {
        let found = kept.accounts.iter().find(|account| account.id == chosen.id);
        let gone =
            || format!("the login does not cover `{}` any more: have somebody consent who may use it", chosen.name);
        return found.cloned().ok_or_else(gone);
    }
    let mut fitting = kept.accounts.iter().filter(|account| wanted.is_none_or(|wanted| is(account, wanted)));
    let names = || {
        let names: Vec<String> = kept.accounts.iter().map(|a| format!("`{}` ({})", a.name, a.id)).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    match (fitting.next(), fitting.next(), wanted) {
        (Some(only), None, _) => Ok(only.clone()),
        (Some(_), Some(_), _) => Err(format!(
            "the login covers several accounts: give `{connection}` the id of one as `tenant`: {}",
            names()
        )),
        (None, ..) => Err(format!(
            "the login does not cover the account `{}`: give `{connection}` another `tenant`, or have somebody consent who may use it; it covers {}",
            wanted.unwrap_or_default(),
            names()
        )),
    }
}

fn broken(words: &str) -> String {
    format!("the login broke (the remote said: {words}); somebody has to authorise again")
}

fn person(grant: &Grant, why: &str) -> GrantError {
    GrantError::Person(format!("{why}; `reconciled connect {}`", grant.name))
}
