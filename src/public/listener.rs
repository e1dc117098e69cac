//! Accepting, reading, handing to a door, answering.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, header},
    response::Response,
};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use super::{Door, PublicError, Reply, Visit};
use crate::serving::{self, Limits};

/// What the port bears.
const LIMITS: Limits = Limits { name: "public", visitors: 256, head: Duration::from_secs(10), head_bytes: 16 << 10 };
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(20);

/// The doors of a listener.
#[derive(Clone)]
pub struct Doors {
    by_name: Arc<BTreeMap<&'static str, Arc<dyn Door>>>,
    /// The path of the public address, without a slash at its end: a proxy may leave it on.
    prefix: Arc<str>,
    /// How long the body of a request may take.
    patience: Duration,
}

impl Doors {
    /// These doors below the path of the public address, `/` if it has none.
    #[must_use]
    pub fn new(doors: Vec<Arc<dyn Door>>, prefix: &str) -> Self {
        let by_name = doors.into_iter().map(|door| (door.name(), door)).collect();
        Self { by_name: Arc::new(by_name), prefix: prefix.trim_end_matches('/').into(), patience: BODY }
    }

    /// As these, for bodies that take no longer than this.
    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The door of a path, and what of the path is left for it.
    fn find<'p>(&self, path: &'p str) -> Option<(&Arc<dyn Door>, &'p str)> {
        let below = path.strip_prefix(&*self.prefix).filter(|rest| rest.starts_with('/')).unwrap_or(path);
        let path = below.strip_prefix('/')?;
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        self.by_name.get(name).map(|door| (door, rest))
    }

    async fn answer(&self, request: Request<Incoming>, from: IpAddr) -> Response {
        let began = Instant::now();
        let Some((door, rest)) = self.find(request.uri().path()).map(|(door, rest)| (door, rest.to_owned())) else {
            tracing::debug!(event = "public.nothing_there", %from);
            return Reply::empty(404).response();
        };
        let (name, reply) = (door.name(), visit(door.as_ref(), (request, self.patience), rest, from).await);
        let took = began.elapsed();
        tracing::info!(event = "public.answered", door = name, status = reply.status, ?took, %from);
        reply.response()
    }
}

/// Reads a request, whose body may take so long, and has it answered.
async fn visit(
    door: &dyn Door,
    (request, patience): (Request<Incoming>, Duration),
    rest: String,
    from: IpAddr,
) -> Reply {
    let (parts, body) = request.into_parts();
    let most = door.max_body();
    let too_large = || Reply::text(413, format!("a body may have at most {most} bytes")).with("connection", "close");
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: usize| bytes > most) {
        return too_large();
    }
    let body = match tokio::time::timeout(patience, to_bytes(Body::new(body), most)).await {
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
        let answer = move |request, from: SocketAddr| {
            let doors = doors.clone();
            async move { Ok(doors.answer(request, from.ip()).await) }
        };
        serving::serve(self.listener, LIMITS, answer, stop).await;
    }
}
