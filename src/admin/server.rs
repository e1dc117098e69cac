//! The port: who is let in at all, what every answer carries, and an end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, Utc};
use hyper::{body::Incoming, service::Service as _};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use super::{
    api,
    audit::Audit,
    health, hearing,
    metrics::{self, Facts},
    pages::{self, Previews},
    proof,
    session::Sessions,
    throttle::Throttle,
    visitor::Visitor,
};
use crate::{
    config::AdminSettings,
    daemon::{
        Handle,
        protocol::{Failure, Request as Asked, Response as Answer},
    },
    serving::{self, Limits},
};

/// What the port bears. Pages that are told of changes stay connected, so there must be room beside them.
const LIMITS: Limits = Limits { name: "console", visitors: 512, head: Duration::from_secs(10), head_bytes: 64 << 10 };
/// Most bytes of a body.
const BODY: usize = 256 << 10;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long after a failure the address is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// Passwords that are checked at once: each takes 19 MiB.
const CHECKS: usize = 2;
/// Pages that are told of changes at once.
const LISTENERS: usize = 384;

/// Why there is no console.
#[derive(Debug, Error)]
pub enum ConsoleError {
    /// The address cannot be had.
    #[error(
        "nothing can listen at {address} (`listen.admin`): {source}; give another address, or stop what listens there"
    )]
    Address {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it cannot.
        source: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error(transparent)]
    Randomness(#[from] proof::NoRandomness),
}

/// What everybody who answers shares.
pub(super) struct Lobby {
    pub daemon: Handle,
    pub settings: AdminSettings,
    pub sessions: Sessions,
    pub throttle: Throttle,
    pub audit: Audit,
    pub previews: Previews,
    /// The path below which everything is, without a slash at its end.
    pub base: String,
    /// The hash of a password that nobody has.
    pub nobody: String,
    pub verifying: Semaphore,
    /// Told about every change that is not the daemon's.
    pub stir: watch::Sender<u64>,
    /// Pages that are told of changes.
    pub listeners: Arc<Semaphore>,
}

impl Lobby {
    fn new(daemon: &Handle, settings: &AdminSettings) -> Result<Self, ConsoleError> {
        let base = settings.url.as_ref().map_or("", |url| url.path()).trim_end_matches('/').to_owned();
        Ok(Self {
            daemon: daemon.clone(),
            settings: settings.clone(),
            sessions: Sessions::default(),
            throttle: Throttle::default(),
            previews: Previews::default(),
            audit: Audit::at(&settings.audit),
            base,
            nobody: proof::hash_password(&proof::random()?)?,
            verifying: Semaphore::new(CHECKS),
            stir: watch::Sender::new(0),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
        })
    }

    /// The present, by the daemon's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.daemon.clock().now()
    }

    /// Whether browsers reach it over HTTPS.
    pub fn is_secure(&self) -> bool {
        self.settings.url.as_ref().is_some_and(|url| url.scheme() == "https")
    }
}

/// A console that listens.
#[derive(Debug)]
pub struct Console {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Console {
    /// Listens from now on, until the daemon begins to stop.
    ///
    /// # Errors
    ///
    /// When nothing can listen there.
    pub async fn open(daemon: &Handle, settings: &AdminSettings) -> Result<Self, ConsoleError> {
        let lobby = Arc::new(Lobby::new(daemon, settings)?);
        let failed = |source| ConsoleError::Address { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(event = "console.listening", %address);
        let task = tokio::spawn(serve(listener, lobby));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when it has ended.
    pub async fn ended(self) {
        // Whatever it ended by, nobody is served any more.
        let _ = self.task.await;
    }
}

/// Listens as soon as it can, and until the daemon begins to stop: a port that is taken stops no sync.
#[must_use]
pub fn begin(daemon: &Handle, settings: AdminSettings) -> JoinHandle<()> {
    let daemon = daemon.clone();
    tokio::spawn(async move {
        let clock = daemon.clock();
        loop {
            match Console::open(&daemon, &settings).await {
                Ok(console) => return console.ended().await,
                Err(error) => tracing::error!(event = "console.failed", "{error}"),
            }
            tokio::select! {
                () = daemon.stopping() => return,
                () = clock.sleep(AGAIN) => {}
            }
        }
    })
}

async fn serve(listener: TcpListener, lobby: Arc<Lobby>) {
    let daemon = lobby.daemon.clone();
    let base = lobby.base.clone();
    let app = TowerToHyperService::new(below_base(&base, router(lobby)));
    let answer = move |mut request: hyper::Request<Incoming>, from: SocketAddr| {
        request.extensions_mut().insert(ConnectInfo(from));
        app.call(request)
    };
    serving::serve(listener, LIMITS, answer, daemon.stopping()).await;
}

fn router(lobby: Arc<Lobby>) -> Router {
    Router::new()
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::ready))
        .route("/metrics", get(numbers))
        .merge(api::router())
        .merge(pages::router(&lobby))
        .layer(middleware::from_fn_with_state(Arc::clone(&lobby), guard))
        .with_state(lobby)
}

/// Takes the base path off, whether or not the proxy left it on.
fn below_base(base: &str, inner: Router) -> Router {
    if base.is_empty() {
        return inner;
    }
    Router::new().nest_service(base, inner.clone()).fallback_service(inner)
}

/// Refuses what no page or program of this console's own would send, and has browsers careful with every answer.
async fn guard(State(lobby): State<Arc<Lobby>>, request: Request, next: Next) -> Response {
    let url = lobby.settings.url.as_ref();
    // Whoever asks for health asks by any name.
    let anybody = request.uri().path().starts_with("/-/");
    let mut response = if !anybody && !hearing::is_own_host(request.headers(), request.uri(), url) {
        let text = "this console is not known by that name; say in reconciled.toml where people reach it: [listen] admin_url\n";
        (StatusCode::MISDIRECTED_REQUEST, text).into_response()
    } else if !hearing::is_own_origin(request.method(), request.headers(), url) {
        (StatusCode::FORBIDDEN, "this was sent by a page of another site\n").into_response()
    } else {
        match whole(request).await {
            Ok(request) => next.run(request).await,
            Err(refused) => refused,
        }
    };
    careful(response.headers_mut(), lobby.is_secure());
    response
}

/// The request with all of its body, which is short: nobody waits for one who sends it slowly, and keeps a place meanwhile.
async fn whole(request: Request) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    let refused =
        |status: StatusCode, text: &'static str| Err((status, [(header::CONNECTION, "close")], text).into_response());
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, bytes.into())),
        Ok(Err(_)) => refused(StatusCode::PAYLOAD_TOO_LARGE, "this is too long, or was not sent to its end\n"),
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "this took too long to send\n"),
    }
}

fn careful(headers: &mut HeaderMap, secure: bool) {
    const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                       form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let all = [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not `no-referrer`: browsers then send forms of our own pages with `Origin: null`.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ];
    for (name, value) in all {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What is shown is somebody's, and as of now.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
}

/// The numbers: for everybody on this machine, behind a proxy and elsewhere for whoever may look at everything.
async fn numbers(State(lobby): State<Arc<Lobby>>, request: Request) -> Result<Response, api::Refusal> {
    let here = lobby.settings.listen.ip().is_loopback() && lobby.settings.url.is_none();
    let accepts = hearing::text(request.headers(), "accept").unwrap_or_default().to_owned();
    if !here {
        use axum::extract::FromRequestParts as _;
        let (mut parts, _) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, &lobby).await?;
        if !visitor.scope.is_whole() {
            let kind = crate::daemon::protocol::FailureKind::NotPossible;
            return Err(Failure::new(kind, "the numbers are of all integrations; you may see only some").into());
        }
    }
    let daemon = &lobby.daemon;
    let status = match daemon.call(Asked::Status).await? {
        Answer::Status(status) => *status,
        _ => return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    };
    let (counts, requests, gauges) = (daemon.counts(), daemon.requests(), daemon.gauges().await);
    let facts = Facts { status, counts, requests, gauges };
    let format = metrics::Format::wanted(&accepts);
    Ok(([(header::CONTENT_TYPE, format.content_type())], format.text(metrics::families(&facts))).into_response())
}
