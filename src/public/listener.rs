//! Accepting, reading, handing to a door, answering.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{Door, PublicError, Reply, Visit};

/// Visitors served at once; more wait to be accepted.
const VISITORS: usize = 256;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long its body may take.
const BODY: Duration = Duration::from_secs(20);
/// How long the end waits for answers under way.
const FAREWELL: Duration = Duration::from_secs(2);
/// Most bytes of the head of a request.
const HEAD_BYTES: usize = 16 << 10;

/// The doors of a listener.
#[derive(Clone)]
pub struct Doors {
    doors: Arc<BTreeMap<&'static str, Arc<dyn Door>>>,
    /// The path of the public address, without a slash at its end: a proxy may leave it on.
    prefix: Arc<str>,
}

impl Doors {
    /// These doors below the path of the public address, `/` if it has none.
    #[must_use]
    pub fn new(doors: Vec<Arc<dyn Door>>, prefix: &str) -> Self {
        let doors = doors.into_iter().map(|door| (door.name(), door)).collect();
        Self { doors: Arc::new(doors), prefix: prefix.trim_end_matches('/').into() }
    }

    /// The door of a path, and what of the path is left for it.
    fn find<'p>(&self, path: &'p str) -> Option<(&Arc<dyn Door>, &'p str)> {
        let below = path.strip_prefix(&*self.prefix).filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let path = below.strip_prefix('/')?;
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        self.doors.get(name).map(|door| (door, rest))
    }

    async fn answer(&self, request: Request<Incoming>, from: IpAddr) -> Response {
        let began = Instant::now();
        let Some((door, rest)) = self.find(request.uri().path()) else {
            tracing::debug!(event = "public.nothing_there", %from);
            return Reply::empty(404).response();
        };
        let (name, reply) = (door.name(), visit(door.as_ref(), rest.to_owned(), request, from).await);
        let took = began.elapsed();
        tracing::info!(event = "public.answered", door = name, status = reply.status, ?took, %from);
        reply.response()
    }
}

/// Reads a request and has it answered.
async fn visit(door: &dyn Door, rest: String, request: Request<Incoming>, from: IpAddr) -> Reply {
    let (parts, body) = request.into_parts();
    let most = door.max_body();
    let too_large = || Reply::text(413, format!("a body may have at most {most} bytes")).with("connection", "close");
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: usize| bytes > most) {
        return too_large();
    }
    let body = match tokio::time::timeout(BODY, to_bytes(Body::new(body), most)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return too_large(),
        Err(_) => return Reply::empty(408).with("connection", "close"),
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let visit = Visit { method: parts.method, rest, query, headers: parts.headers, body, from };
    let answer = tokio::time::timeout(door.patience(), door.answer(visit)).await;
    answer.unwrap_or_else(|_| Reply::text(503, "this takes too long; try again later").with("retry-after", "30"))
}

/// A bound listener.
#[derive(Debug)]
pub struct PublicListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl PublicListener {
    /// Binds the address; with port 0, the system chooses one.
    ///
    /// # Errors
    ///
    /// When nothing can listen there.
    pub async fn bind(address: SocketAddr) -> Result<Self, PublicError> {
        let failed = |source| PublicError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done; answers under way come to their end.
    pub async fn serve(self, doors: Doors, stop: impl Future<Output = ()>) {
        let mut visitors = JoinSet::new();
        let places = Arc::new(Semaphore::new(VISITORS));
        let (ending, _) = watch::channel(false);
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = async {
                    // Never closed, so there is a place sooner or later.
                    let place = Arc::clone(&places).acquire_owned().await.ok();
                    (place, self.listener.accept().await)
                } => accepted,
                Some(_) = visitors.join_next() => continue,
            };
            match accepted {
                (place, Ok((stream, from))) => {
                    let (doors, ending) = (doors.clone(), ending.subscribe());
                    visitors.spawn(async move {
                        let _place = place;
                        connection(doors, stream, from.ip(), ending).await;
                    });
                }
                (_, Err(error)) => {
                    // Out of file descriptors, mostly: others must end first.
                    tracing::warn!(event = "public.accept_failed", %error);
                    tokio::time::sleep(FAREWELL).await;
                }
            }
        }
        drop(self.listener);
        ending.send_replace(true);
        let _ = tokio::time::timeout(FAREWELL, async { while visitors.join_next().await.is_some() {} }).await;
    }
}

/// Serves one connection, request after request.
async fn connection(doors: Doors, stream: TcpStream, from: IpAddr, mut ending: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let doors = doors.clone();
        async move { Ok::<_, Infallible>(doors.answer(request, from).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        outcome = &mut serving => Some(outcome),
        // The sender outlives every visitor.
        _ = async { ending.wait_for(|ending| *ending).await.is_ok() } => None,
    };
    let outcome = if let Some(outcome) = ended {
        outcome
    } else {
        serving.as_mut().graceful_shutdown();
        serving.await
    };
    if let Err(error) = outcome {
        tracing::debug!(event = "public.visitor_lost", %from, %error);
    }
}
