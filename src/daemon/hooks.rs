//! The door for webhooks: systems tell which records changed.
//!
//! `/hooks/NAME`, where NAME is the grant or the connection that gives the `webhook_key`. Nothing that is told is believed:
//! the records it names are remembered durably as news before it is answered, and are read soon. So a delivery that comes
//! twice, late or in disorder does no harm, and one that does not come is made up for by the next poll.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::http::Method;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    digest::{SHA256, digest},
    hmac,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{
    control::{Handle, Shared},
    counts::Delivery,
    grants,
};
use crate::{
    config::{Auth, Config, Connection, ConnectionName, Secret},
    connector::{Signed, Told, Webhooks},
    engine::Engine,
    public::{Door, Reply, Visit},
    record::Side,
    store::{Changes, StoreError},
};

/// Xero gives up after five seconds.
const PATIENCE: Duration = Duration::from_secs(4);
/// Most news in one group of changes.
const AT_ONCE: usize = 40;

/// Tells tellings of one microsecond apart.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

/// Answers `/hooks/…`.
pub(super) struct HookDoor(pub Arc<Shared>);

#[async_trait]
impl Door for HookDoor {
    fn name(&self) -> &'static str {
        "hooks"
    }

    fn max_body(&self) -> usize {
        1 << 20
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn answer(&self, visit: Visit) -> Reply {
        let shared = &self.0;
        let engine = shared.engine();
        let (name, secret) = visit.rest.split_once('/').unwrap_or((&visit.rest, ""));
        let Some(hook) = Hook::named(&engine.config, name) else {
            // Anybody can ask for any name: it is no label.
            shared.counts.unknown_hook();
            return Reply::empty(404);
        };
        if visit.method != Method::POST {
            return Reply::empty(405).with("allow", "POST");
        }
        let key = match hook.key.reveal().await {
            Ok(key) => key,
            Err(error) => {
                tracing::error!(event = "hook.no_key", hook = name, error);
                shared.counts.hook(name, Delivery::Failed);
                return Reply::empty(503);
            }
        };
        let body: Option<Value> = serde_json::from_slice(&visit.body).ok();
        if !is_from_its_system(&hook.webhooks.signed, key.expose_secret(), (&visit, secret, body.as_ref())) {
            tracing::warn!(event = "hook.refused", hook = name, from = %visit.from);
            shared.counts.hook(name, Delivery::BadSignature);
            return Reply::empty(401);
        }
        let told = body.as_ref().map(|body| hook.webhooks.read(body));
        let news = match &told {
            Some(told) => sort(&engine, &hook.connections, told).await,
            // Somebody who may speak says something that cannot be read: everybody looks.
            None => hook.connections.iter().map(|connection| (connection.name.clone(), BTreeSet::new())).collect(),
        };
        let events = told.map_or(0, |told| told.len());
        match take(shared, news).await {
            Ok(remembered) => {
                tracing::info!(event = "hook.taken", hook = name, events, remembered);
                shared.counts.hook(name, Delivery::Accepted);
                Reply::empty(200)
            }
            Err(error) => {
                shared.health.failed(&error, shared.clock.now());
                shared.counts.hook(name, Delivery::Failed);
                Reply::empty(503).with("retry-after", "60")
            }
        }
    }
}

/// Whoever gives a key, and whom its deliveries concern.
struct Hook<'c> {
    key: &'c Secret,
    webhooks: &'c Webhooks,
    connections: Vec<&'c Arc<Connection>>,
}

impl<'c> Hook<'c> {
    /// The hook of a grant or, where there is no such grant, of a connection.
    fn named(config: &'c Config, name: &str) -> Option<Self> {
        let mut by_grant: Option<Self> = None;
        for connection in config.connections.values() {
            if let (Auth::Grant(grant), Some(webhooks)) = (&connection.auth, &connection.manifest.webhooks)
                && let (true, Some(key)) = (grant.name.as_str() == name, &grant.webhook_key)
            {
                let hook = by_grant.get_or_insert_with(|| Self { key, webhooks, connections: Vec::new() });
                hook.connections.push(connection);
            }
        }
        by_grant.or_else(|| {
            let connection = config.connections.values().find(|connection| connection.name.as_str() == name)?;
            let (key, webhooks) = (connection.webhook_key.as_ref()?, connection.manifest.webhooks.as_ref()?);
            Some(Self { key, webhooks, connections: vec![connection] })
        })
    }
}

/// What was told, by the connections whose account it is about, as far as a pipeline reads it.
async fn sort(
    engine: &Engine,
    connections: &[&Arc<Connection>],
    told: &BTreeSet<Told>,
) -> BTreeMap<ConnectionName, BTreeSet<Told>> {
    let keeper = grants::keeper(engine);
    let mut sorted: BTreeMap<ConnectionName, BTreeSet<Told>> = BTreeMap::new();
    for connection in connections {
        let account = match (&keeper, &connection.auth) {
            (Some(keeper), Auth::Grant(grant)) => keeper.account_of(grant, connection).await,
            _ => connection.tenant.clone(),
        };
        let read = read_resources(&engine.config, &connection.name);
        let own = told.iter().filter(|told| {
            // With no account to compare, the one that there is is meant.
            let meant = told.account.is_none() || account.is_none() || told.account == account;
            meant && read.contains(told.resource.as_str())
        });
        let own: BTreeSet<Told> = own.cloned().collect();
        if !own.is_empty() {
            sorted.insert(connection.name.clone(), own);
        }
    }
    sorted
}

/// Makes news durable, and has whoever they concern look. Gives their number.
async fn take(shared: &Shared, news: BTreeMap<ConnectionName, BTreeSet<Told>>) -> Result<usize, StoreError> {
    let concerned = news.keys().cloned().collect();
    let remembered = remember(shared, news).await?;
    shared.news(&concerned);
    Ok(remembered)
}

impl Handle {
    /// A system told that these records of its changed. As at the door, but that nobody shows who they are: gives how
    /// many were remembered as news.
    ///
    /// # Errors
    ///
    /// When the store fails: then nothing was taken.
    pub async fn told(&self, connection: &ConnectionName, told: &BTreeSet<Told>) -> Result<usize, StoreError> {
        let engine = self.shared.engine();
        let connections: Vec<_> = engine.config.connections.get(connection).into_iter().collect();
        let news = sort(&engine, &connections, told).await;
        take(&self.shared, news).await
    }
}

/// The names under which deliveries are taken: of grants and connections that give a key.
pub(super) fn names(config: &Config) -> BTreeSet<String> {
    let speaks = config.connections.values().filter(|connection| connection.manifest.webhooks.is_some());
    let names = speaks.flat_map(|connection| {
        let grant = match &connection.auth {
            Auth::Grant(grant) if grant.webhook_key.is_some() => Some(grant.name.to_string()),
            _ => None,
        };
        let own = connection.webhook_key.as_ref().map(|_| connection.name.to_string());
        grant.into_iter().chain(own)
    });
    names.collect()
}

/// The resources of a connection that some pipeline reads.
fn read_resources<'c>(config: &'c Config, connection: &ConnectionName) -> BTreeSet<&'c str> {
    let ends = config.pipelines().flat_map(|(_, pipeline)| {
        Side::BOTH.into_iter().filter(|side| pipeline.reads(*side)).map(|side| pipeline.end(side))
    });
    ends.filter(|end| end.connection.name == *connection).map(|end| end.resource.name.as_str()).collect()
}

/// Makes news durable, and gives their number.
async fn remember(shared: &Shared, news: BTreeMap<ConnectionName, BTreeSet<Told>>) -> Result<usize, StoreError> {
    let all: Vec<_> = news.iter().flat_map(|(name, told)| told.iter().map(move |told| (name, told))).collect();
    if all.is_empty() {
        return Ok(0);
    }
    let arrival = arrival(shared);
    let mut changes = Changes::new();
    for some in all.chunks(AT_ONCE) {
        changes.together(|atomic| {
            for (connection, told) in some {
                atomic.news(connection, &told.resource, &arrival, &told.id);
            }
        });
    }
    let ledger = shared.ledger();
    ledger.commit(changes).await?;
    ledger.flush().await?;
    Ok(all.len())
}

/// A number that sorts by time and that no other telling has.
fn arrival(shared: &Shared) -> String {
    let count = ARRIVALS.fetch_add(1, Ordering::Relaxed);
    format!("{:016x}-{count:016x}", shared.clock.now().timestamp_micros())
}

/// Whether a delivery shows the key, in the way of its system. Takes as long for a wrong one as for a right one.
fn is_from_its_system(signed: &Signed, key: &str, (visit, secret, body): (&Visit, &str, Option<&Value>)) -> bool {
    // An empty key is none, and would let everybody in.
    if key.is_empty() {
        return false;
    }
    match signed {
        Signed::Hmac { header, hex, prefix } => {
            let given = visit.header(header).and_then(|value| value.strip_prefix(prefix.as_str()));
            let given = given.and_then(|text| if *hex { unhex(text) } else { BASE64_STANDARD.decode(text).ok() });
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            given.is_some_and(|given| hmac::verify(&key, &visit.body, &given).is_ok())
        }
        Signed::Token(path) => {
            body.and_then(|body| path.find(body)).and_then(Value::as_str).is_some_and(|given| same(given, key))
        }
        Signed::SecretPath => same(secret.trim_end_matches('/'), key),
    }
}

/// Whether two texts are the same: their hashes are compared, which tells nothing about where they differ.
fn same(given: &str, key: &str) -> bool {
    digest(&SHA256, given.as_bytes()).as_ref() == digest(&SHA256, key.as_bytes()).as_ref()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::daemon::inbox::tests::bare;

    fn visit(header: &str, value: &str, body: &'static str) -> Visit {
        let mut headers = HeaderMap::new();
        headers.insert(axum::http::HeaderName::from_bytes(header.as_bytes()).unwrap(), value.parse().unwrap());
        let body = body.as_bytes().into();
        let from = [127, 0, 0, 1].into();
        Visit { method: Method::POST, rest: String::new(), query: String::new(), headers, body, from }
    }

    fn hmac(hex: bool, prefix: &str) -> Signed {
        Signed::Hmac { header: "x-sign".to_owned(), hex, prefix: prefix.to_owned() }
    }

    // The second test case of RFC 4231.
    const KEY: &str = "Jefe";
    const BODY: &str = "what do ya want for nothing?";
    const HEX: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const BASE64: &str = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";

    #[test]
    fn a_signature_is_taken_in_its_own_form_over_the_body_as_it_came() {
        let is = |signed: &Signed, value: &str, body: &'static str| {
            is_from_its_system(signed, KEY, (&visit("x-sign", value, body), "", None))
        };
        assert!(is(&hmac(false, ""), BASE64, BODY));
        assert!(is(&hmac(true, "sha256="), &format!("sha256={HEX}"), BODY));
        assert!(!is(&hmac(false, ""), BASE64, "what do ya want for nothing? "));
        assert!(!is(&hmac(true, ""), BASE64, BODY));
        assert!(!is(&hmac(true, "sha256="), HEX, BODY), "without what stands before it");
        for wrong in ["", "=", "€", &BASE64[..43], &HEX[..62], "zz"] {
            assert!(!is(&hmac(false, ""), wrong, BODY) && !is(&hmac(true, ""), wrong, BODY), "{wrong}");
        }
        assert!(!is_from_its_system(&hmac(false, ""), KEY, (&visit("x-other", BASE64, BODY), "", None)));
    }

    #[tokio::test]
    async fn a_delivery_is_answered_before_xero_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let (daemon, _) = bare("", &[], folder.path()).await;
        assert!(HookDoor(Arc::clone(&daemon.shared)).patience() < Duration::from_secs(5));
        daemon.stop().await;
    }

    #[test]
    fn tokens_and_secret_paths_are_compared_whole_and_an_empty_key_lets_nobody_in() {
        let token = Signed::Token(crate::record::Path::parse("$.token").unwrap());
        let body = serde_json::json!({ "token": KEY });
        let visit = visit("x-sign", "", "{}");
        assert!(is_from_its_system(&token, KEY, (&visit, "", Some(&body))));
        for other in ["Jef", "J", "Jefe2", "jefe"] {
            assert!(!is_from_its_system(&token, other, (&visit, "", Some(&body))), "{other}");
        }
        assert!(!is_from_its_system(&token, KEY, (&visit, "", None)));
        assert!(is_from_its_system(&Signed::SecretPath, KEY, (&visit, "Jefe", None)));
        for given in ["", "Jef", "Jefe2", "jefe"] {
            assert!(!is_from_its_system(&Signed::SecretPath, KEY, (&visit, given, None)), "{given}");
        }
        assert!(!is_from_its_system(&Signed::SecretPath, "", (&visit, "", None)));
    }
}
