//! The one owner of every grant: gives sessions, renews tokens, and carries out what people decide.

mod leave;
mod names;
mod renew;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::PkceCodeVerifier;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::Mutex as Turn, task::JoinHandle};
use url::Url;

pub use leave::Leaving;

use super::{
    Account, ConnectionNow, ConnectionState, Consented, GrantError, Session, Vault, VaultError, accounts, captured,
    exchange::{self, NoTokens},
    kept::{self, Access, End, Kept, WHOLE},
};
use crate::{
    clock::Clock,
    config::{Auth, Connection, Grant, GrantFlow},
    store::Store,
};

/// How long a person may take to consent.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);
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
        self.named(grant.name.as_str())
    }

    fn named(&self, grant: &str) -> Arc<Turn<Held>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(held.entry(grant.to_owned()).or_default())
    }

    /// The consents that are waited for.
    fn consents(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub async fn session(self: &Arc<Self>, grant: &Arc<Grant>, connection: &Connection) -> Result<Session, GrantError> {
        let mut held = self.of(grant).lock_owned().await;
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
            held = self.renew(grant, held).await?;
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

    /// Returns when no login is being given or renewed: what was asked for before a stop is kept before the end.
    pub async fn settled(&self) {
        let all: Vec<_> = self.held.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for turn in all {
            drop(turn.lock().await);
        }
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

    /// Takes back that somebody disconnected an app that logs in by itself, as a consent does where a person logs in.
    /// `None` where nothing of it is to be taken back, or a person has to consent.
    ///
    /// # Errors
    ///
    /// When it cannot be kept: then it is as it was.
    pub async fn take_back(&self, grant: &Grant, back: Option<&str>) -> Result<Option<Consented>, GrantError> {
        if grant.flow != GrantFlow::ClientCredentials {
            return Ok(None);
        }
        let turn = self.of(grant);
        let mut held = turn.lock().await;
        self.load(grant, &mut held).await?;
        let former = (held.kept.clone(), held.unsaved);
        let Some(kept) = &mut held.kept else { return Ok(None) };
        if kept.end.is_none() && back.is_none_or(|back| !kept.left.contains(back)) {
            return Ok(None);
        }
        kept.come_back(back);
        if let Err(error) = self.save(grant, &mut held).await {
            (held.kept, held.unsaved) = former;
            return Err(error);
        }
        tracing::info!(event = "grant.connected", grant = %grant.name, "it logs in by itself again");
        Ok(Some(Consented { grant: grant.name.to_string(), accounts: Vec::new() }))
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
        let mut waiting = self.consents();
        waiting.retain(|_, waiting| waiting.until > now);
        if waiting.len() >= WAITING {
            return Err(GrantError::Passes("too many consents are waited for; try again in 15 minutes".to_owned()));
        }
        let entry = Waiting { grant: Arc::clone(grant), verifier: ask.verifier, redirect, back, until: now + PATIENCE };
        waiting.insert(ask.state, entry);
        Ok(ask.url)
    }

    /// The person came back, with what the remote put into the address. It comes to its end also when whoever asked is
    /// dropped, as a browser that was closed is: a code is good once.
    ///
    /// # Errors
    ///
    /// When they said no, came too late, or the remote gives no tokens.
    pub async fn finish(self: &Arc<Self>, parameters: &[(String, String)]) -> Result<Consented, GrantError> {
        let (keeper, parameters) = (Arc::clone(self), parameters.to_vec());
        to_its_end(tokio::spawn(async move { keeper.finish_once(&parameters).await })).await
    }

    async fn finish_once(&self, parameters: &[(String, String)]) -> Result<Consented, GrantError> {
        let of = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let not_waited_for = || {
            GrantError::Person(
                "this consent is not waited for (any more): begin again with `reconciled connect`".into(),
            )
        };
        let state = of("state").ok_or_else(not_waited_for)?;
        let found = self.consents().remove(&state);
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
        let mut former = held.kept.take().unwrap_or_default();
        former.come_back(waiting.back.as_deref());
        let Kept { chosen, accounts, left, partings, .. } = former;
        let mut kept = Kept { accounts, chosen, host, server, left, partings, ..Kept::default() };
        renew::take(&mut kept, tokens, self.clock.now());
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
                covers: Vec::new(),
            });
        };
        let loaded = self.load(grant, &mut held).await;
        let name = connection.name.as_str();
        let (mut state, mut todo) = (ConnectionState::Connected, None);
        let again = format!("`reconciled connect {}`", grant.name);
        let kept = held.kept.as_ref();
        let (mut account, mut expires, mut parted, mut covers) = (None, None, None, Vec::new());
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
                            covers.clone_from(&kept.accounts);
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
        Some(ConnectionNow { connection, grant, state, account, todo, expires, parted, covers })
    }
}

/// Waits for work that goes on without whoever waits.
async fn to_its_end<T>(work: JoinHandle<Result<T, GrantError>>) -> Result<T, GrantError> {
    work.await.unwrap_or_else(|error| Err(GrantError::Passes(format!("a mistake in the program: {error}"))))
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
    // Not which: this is told to everybody who may see this connection, and others may be the accounts of other clients.
    match (fitting.next(), fitting.next(), wanted) {
        (Some(only), None, _) => Ok(only.clone()),
        (Some(_), Some(_), _) => Err(format!(
            "the login covers several accounts: give `{connection}` the id of one as `tenant`; `reconciled connections` lists them"
        )),
        (None, ..) => Err(format!(
            "the login does not cover the account `{}`: give `{connection}` another `tenant`, or have somebody consent who may use it; `reconciled connections` lists those that it covers",
            wanted.unwrap_or_default(),
        )),
    }
}

fn broken(words: &str) -> String {
    format!("the login broke (the remote said: {words}); somebody has to authorise again")
}

fn person(grant: &Grant, why: &str) -> GrantError {
    GrantError::Person(format!("{why}; `reconciled connect {}`", grant.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, name: &str) -> Account {
        Account { id: id.to_owned(), name: name.to_owned(), handle: None }
    }

    #[test]
    fn an_account_is_the_one_that_was_always_meant_or_named_and_is_never_guessed() {
        let mut kept = Kept { accounts: vec![account("1", "Kea")], ..Kept::default() };
        let id = |kept: &Kept, wanted: Option<&str>| choose(kept, "books", wanted).map(|account| account.id);
        assert_eq!(id(&kept, None).as_deref(), Ok("1"), "there is no other");
        kept.accounts = vec![account("1", "Kea"), account("2", "Tui")];
        assert!(id(&kept, None).unwrap_err().contains("covers several accounts"));
        assert_eq!(id(&kept, Some("tui")).as_deref(), Ok("2"));
        assert!(id(&kept, Some("Moa")).unwrap_err().contains("does not cover the account `Moa`"));
        // Somebody consents who may use another account as well, or alone.
        kept.chosen.insert("books".to_owned(), account("2", "Tui"));
        assert_eq!(id(&kept, None).as_deref(), Ok("2"), "it speaks to the one it spoke to before");
        assert_eq!(id(&kept, Some("1")).as_deref(), Ok("1"), "unless another is named");
        kept.accounts = vec![account("1", "Kea")];
        assert!(id(&kept, None).unwrap_err().contains("does not cover `Tui` any more"), "nor to whichever is left");
    }
}
