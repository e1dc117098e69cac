//! Speaking HTTP as a manifest says.
//!
//! A call is prepared (`prepare`), made (`transport`: one request, exactly one host, no redirects, limits obeyed),
//! judged (`calls`: what may be tried again, and what is known when it failed), and its answer is read (`body`, then
//! `list`, `one` or `answer`) into records (`extract`, `decode`, `format`). A read is repeated until it is understood or four tries failed; a
//! write is made once, and whatever leaves its outcome open is called unknown, never failed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use thiserror::Error;

use self::{commons::Codecs, decode::Codec};
use super::{
    Answer, Budget, CallError, Connector, LimitRegistry, Limits, Page, PreparedCall, Priority, PullCursor,
    RemoteRecord, Requests, Resource, Traffic, WriteItem, WriteKind, traffic::TrafficCounter,
};
use crate::{clock::Clock, config::Connection, grant::Keeper, record::RecordId};

mod address;
mod also;
mod answer;
mod body;
mod calls;
mod commons;
mod decode;
pub(super) mod extract;
mod format;
mod list;
mod login;
mod member;
mod messages;
mod one;
mod prepare;
mod resolve;
mod sent;
mod tls;
mod transport;

pub use commons::Commons;
pub(super) use format::{from_wire, to_wire};

/// A client for an address outside of any connection: an authorization server.
///
/// # Errors
///
/// When the system's certificates cannot be read.
pub(crate) fn http_client(url: &url::Url) -> Result<reqwest::Client, String> {
    transport::client(url)
}

/// Largest body that is read, unless [`HttpConnector::with_max_body`] says otherwise: 64 MiB. XPM's whole-list
/// answers of about 50 MB are the largest known.
const MAX_BODY: usize = 64 << 20;

/// From this size on the records of a list are read in portions: a list of several MiB as values takes ten times
/// its size.
const LARGE: usize = 4 << 20;

/// Why a connection cannot be used at all.
#[derive(Debug, Error)]
#[error("connection `{connection}` cannot be used: {message}")]
pub struct HttpError {
    /// The connection.
    pub connection: String,
    /// The cause, with what to do.
    pub message: String,
}

/// One account on a system that is spoken to over HTTP. Cheap to clone; clones share everything but their priority.
#[derive(Clone, Debug)]
pub struct HttpConnector {
    shared: Arc<Shared>,
    limits: Limits,
    max_body: usize,
    large: usize,
    grants: Option<Arc<Keeper>>,
}

#[derive(Debug)]
struct Shared {
    connection: Arc<Connection>,
    clock: Clock,
    client: reqwest::Client,
    codecs: Arc<Codecs>,
    shelf: list::Shelf,
    jitter: Mutex<fastrand::Rng>,
    reads: AtomicU64,
    writes: AtomicU64,
    traffic: TrafficCounter,
}

impl HttpConnector {
    /// Makes a connector for a connection. Sends nothing, and reads no secret yet.
    ///
    /// # Errors
    ///
    /// When the base URL cannot be used, or the system's certificates cannot be read.
    pub fn new(connection: Arc<Connection>, clock: Clock, limits: &Arc<LimitRegistry>) -> Result<Self, HttpError> {
        Self::sharing(&Commons::default(), connection, clock, limits)
    }

    /// As [`HttpConnector::new`], of parts that it has in common with others.
    ///
    /// # Errors
    ///
    /// As [`HttpConnector::new`].
    pub fn sharing(
        commons: &Commons,
        connection: Arc<Connection>,
        clock: Clock,
        limits: &Arc<LimitRegistry>,
    ) -> Result<Self, HttpError> {
        let fail = |message: String| HttpError { connection: connection.name.as_str().to_owned(), message };
        let base = &connection.base_url;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(fail("its base URL must begin with `https://` or `http://` and name a host".to_owned()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(fail("its base URL holds a login; give it under `auth`, where it is kept secret".to_owned()));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(fail("its base URL has a part after `?` or `#`; requests go below the path only".to_owned()));
        }
        let literal = match base.host() {
            Some(url::Host::Ipv4(address)) => resolve::refusal(&address.to_string(), address.into()),
            Some(url::Host::Ipv6(address)) => resolve::refusal(&address.to_string(), address.into()),
            _ => None,
        };
        if let Some(reason) = literal {
            return Err(fail(format!("its base URL cannot be used: {reason}")));
        }
        let client = commons.client(base).map_err(|message| fail(format!("no HTTP client: {message}")))?;
        let codecs = commons.codecs(&connection.manifest);
        let limits = limits.of(&connection, Priority::Automatic);
        let shared = Shared {
            connection,
            clock,
            client,
            codecs,
            shelf: list::Shelf::default(),
            jitter: Mutex::new(fastrand::Rng::new()),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            traffic: TrafficCounter::default(),
        };
        Ok(Self { shared: Arc::new(shared), limits, max_body: MAX_BODY, large: LARGE, grants: None })
    }

    /// The same connector for calls of another priority.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        Self { limits: self.limits.with_priority(priority), ..self.clone() }
    }

    /// Logs in by what this keeper has, where the connection names a grant.
    #[must_use]
    pub fn with_grants(self, keeper: Arc<Keeper>) -> Self {
        Self { grants: Some(keeper), ..self }
    }

    /// Reads no body larger than this many bytes.
    #[must_use]
    pub fn with_max_body(&self, bytes: usize) -> Self {
        Self { max_body: bytes, ..self.clone() }
    }

    /// Reads the records of lists larger than this many bytes in portions.
    #[must_use]
    pub fn with_portions_above(&self, bytes: usize) -> Self {
        Self { large: bytes, ..self.clone() }
    }

    /// Makes the jitter of back-offs repeatable.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        self.shared.jitter.lock().unwrap_or_else(PoisonError::into_inner).seed(seed);
        self
    }

    fn codec(&self, resource: &Resource) -> Arc<Codec> {
        let known = self.shared.codecs.get(&resource.name).map(Arc::clone);
        let bodies = &self.shared.connection.manifest.bodies;
        known.unwrap_or_else(|| Arc::new(Codec::new(&resource.fields, bodies.read, bodies.write)))
    }
}

impl Shared {
    fn count(&self, write: bool) {
        if write { &self.writes } else { &self.reads }.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Connector for HttpConnector {
    fn resource(&self, name: &str) -> Option<&Resource> {
        self.shared.connection.manifest.resources.get(name).map(AsRef::as_ref)
    }

    async fn pull(&self, resource: &Resource, cursor: &PullCursor) -> Result<Page, CallError> {
        self.pull_page(resource, cursor).await
    }

    async fn get(&self, resource: &Resource, id: &RecordId) -> Result<Option<RemoteRecord>, CallError> {
        self.get_one(resource, id).await
    }

    fn prepare(
        &self,
        resource: &Resource,
        kind: WriteKind,
        items: &[WriteItem],
        key: &str,
    ) -> Result<PreparedCall, CallError> {
        prepare::prepare(&self.shared.connection, resource, &self.codec(resource), kind, items, key)
            .map_err(|message| CallError::NotDone(format!("`{}`: {message}", resource.name)))
    }

    async fn send(&self, resource: &Resource, call: &PreparedCall) -> Result<Answer, CallError> {
        self.send_prepared(resource, call).await
    }

    fn keeper(&self) -> Option<Arc<Keeper>> {
        self.grants.clone()
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.shared.traffic.read())
    }

    fn requests(&self) -> Requests {
        Requests {
            reads: self.shared.reads.load(Ordering::Relaxed),
            writes: self.shared.writes.load(Ordering::Relaxed),
        }
    }

    fn budgets(&self) -> Vec<Budget> {
        self.limits.budgets()
    }

    fn for_a_person(&self) -> Option<Arc<dyn Connector>> {
        Some(Arc::new(self.with_priority(Priority::Manual)))
    }
}
