//! The HTTP front of a practice system: reads a request, logs it, lets a fault strike, and answers.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use super::{
    call::{Answer, Call},
    faults::{Fault, Faults},
    log::{Keep, RequestLog},
    wire::{CutListener, Line},
};
use crate::clock::Clock;

/// The most a body may hold; Xero's documented maximum, and plenty for the website.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// What a practice system does with a request; everything else about serving is the same for all.
pub(crate) trait System: Send + Sync + 'static {
    /// Applies the request and answers it.
    fn answer(&self, call: &Call) -> Answer;

    /// Words a refusal that a fault asks for; nothing is applied.
    fn refuse(&self, status: u16, retry_after: Option<u64>) -> Answer;

    /// Hears that a fault put `answer` in place of the system's own.
    fn replaced(&self, call: &Call, answer: &Answer);
}

/// A practice system that is served: what all of them have, whatever they are.
#[derive(Debug)]
pub(crate) struct Served<S> {
    /// The system itself, for the hand of tests.
    pub(crate) system: Arc<S>,
    pub(crate) log: RequestLog,
    pub(crate) faults: Faults,
    server: Server,
}

/// How a practice system is served.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// The `Date` header follows this clock.
    pub(crate) clock: Clock,
    /// Drives the faults that strike by probability.
    pub(crate) seed: u64,
    /// What the log keeps.
    pub(crate) keep: Keep,
}

impl<S: System> Served<S> {
    /// Binds, and serves `system` on the current tokio runtime.
    pub(crate) async fn start(system: S, serving: Serving) -> io::Result<Self> {
        let Serving { listen, clock, seed, keep } = serving;
        let (system, log, faults) = (Arc::new(system), RequestLog::new(keep), Faults::new(seed));
        let server = Server::start(listen, Arc::clone(&system), clock, log.clone(), faults.clone()).await?;
        Ok(Self { system, log, faults, server })
    }

    /// Where it listens, as a base URL without a slash at its end.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Stops listening and waits for open requests.
    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

struct Front<S> {
    system: Arc<S>,
    clock: Clock,
    log: RequestLog,
    faults: Faults,
    in_flight: AtomicUsize,
}

/// A running server. Dropping it closes the listener and ends idle connections.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds `listen` and serves `system` on the current tokio runtime.
    pub(crate) async fn start<S: System>(
        listen: SocketAddr,
        system: Arc<S>,
        clock: Clock,
        log: RequestLog,
        faults: Faults,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let front = Arc::new(Front { system, clock, log, faults, in_flight: AtomicUsize::new(0) });
        let app = Router::new().fallback(handle::<S>).with_state(front);
        let app = app.into_make_service_with_connect_info::<Line>();
        let (stop, stopped) = oneshot::channel();
        let serving = axum::serve(CutListener(listener), app).with_graceful_shutdown(async move {
            // A dropped sender means the same as a sent word: the owner is gone.
            let _ = stopped.await;
        });
        let task = tokio::spawn(async move {
            // axum retries failed accepts itself, so serving ends only when told.
            let _ = serving.await;
        });
        Ok(Self { address, stop: Some(stop), task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn stop(mut self) {
        self.stop.take();
        // An aborted or panicked server has stopped as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
    }
}

/// Counts a request as in flight until dropped.
struct InFlight<S>(Arc<Front<S>>);

impl<S> Drop for InFlight<S> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn handle<S: System>(
    State(front): State<Arc<Front<S>>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Result<Response, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Ok(respond(&front.system.refuse(413, None), &front.clock));
    };
    let in_flight = front.in_flight.fetch_add(1, Ordering::AcqRel) + 1;
    let guard = InFlight(Arc::clone(&front));
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        in_flight,
    };
    let fault = front.faults.strike(call.method.as_str(), &call.path, &call.body);
    let number = front.log.arrived(&call, front.clock.now(), fault.as_ref());
    if fault.is_none() && front.faults.delay().is_zero() {
        let answer = front.system.answer(&call);
        front.log.answered(number, call.method.is_safe(), &answer);
        drop(guard);
        return Ok(respond(&answer, &front.clock));
    }
    // A real system goes on working when its client hangs up, so the work must not end with the connection's task.
    let work = tokio::spawn(async move {
        let response = struck(&front, &line, &call, number, fault).await;
        drop(guard);
        response
    });
    Ok(work.await.unwrap_or_else(|_| Response::new(Body::empty())))
}

/// Serves one request under a fault, or under the delay for all.
async fn struck<S: System>(front: &Front<S>, line: &Line, call: &Call, number: u64, fault: Option<Fault>) -> Response {
    let system = &front.system;
    let replace = |answer: Answer| {
        system.replaced(call, &answer);
        answer
    };
    let answer = match &fault {
        Some(Fault::Status(status)) => replace(system.refuse(*status, None)),
        Some(Fault::StatusRetryAfter(status, seconds)) => replace(system.refuse(*status, Some(*seconds))),
        Some(Fault::DropBefore) => Answer::empty(500),
        Some(Fault::SlowBefore(wait)) => {
            tokio::time::sleep(*wait).await;
            system.answer(call)
        }
        Some(Fault::SlowAfter(wait)) => {
            let answer = system.answer(call);
            tokio::time::sleep(*wait).await;
            answer
        }
        Some(Fault::ApplyThenStatus(status)) => {
            system.answer(call);
            replace(system.refuse(*status, None))
        }
        Some(Fault::Twice) => {
            system.answer(call);
            system.answer(call)
        }
        Some(Fault::ReverseBatch) => reshape(system.answer(call), |items| items.reverse()),
        Some(Fault::ShortBatch(missing)) => {
            reshape(system.answer(call), |items| items.truncate(items.len().saturating_sub(*missing)))
        }
        Some(Fault::Truncate) => {
            let mut answer = system.answer(call);
            answer.body.truncate(answer.body.len() / 2);
            answer
        }
        Some(Fault::HtmlPage) => {
            system.answer(call);
            let body = "<!doctype html><title>Please sign in</title><p>Please sign in to continue.</p>";
            Answer { content_type: "text/html", ..Answer::json(200, body, 0) }
        }
        Some(Fault::DropAfter | Fault::CloseMidBody) | None => system.answer(call),
    };
    let delay = front.faults.delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match fault {
        Some(Fault::DropBefore | Fault::DropAfter) => {
            line.cut();
            Response::new(Body::empty())
        }
        Some(Fault::CloseMidBody) => {
            front.log.answered(number, call.method.is_safe(), &answer);
            close_mid_body(&answer, &front.clock)
        }
        _ => {
            front.log.answered(number, call.method.is_safe(), &answer);
            respond(&answer, &front.clock)
        }
    }
}

fn respond(answer: &Answer, clock: &Clock) -> Response {
    let body = Body::from(answer.body.clone());
    dress(answer, body, clock)
}

/// Promises the whole length, sends half, and ends the connection.
fn close_mid_body(answer: &Answer, clock: &Clock) -> Response {
    let half = answer.body.slice(..answer.body.len() / 2);
    let chunks = [Ok::<Bytes, io::Error>(half), Err(io::ErrorKind::ConnectionReset.into())];
    let mut response = dress(answer, Body::from_stream(stream::iter(chunks)), clock);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    response
}

fn dress(answer: &Answer, body: Body, clock: &Clock) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !answer.body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    let date = clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for (name, value) in answer.headers.iter().map(|(name, value)| (*name, value)).chain([("date", &date)]) {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Changes the array of records in an answer; an answer without one stays as it is.
fn reshape(answer: Answer, change: impl FnOnce(&mut Vec<Value>)) -> Answer {
    let Ok(Value::Object(mut body)) = serde_json::from_slice(&answer.body) else { return answer };
    let Some(items) = body.values_mut().find_map(Value::as_array_mut) else { return answer };
    change(items);
    let items = items.len();
    Answer { body: Value::Object(body).to_string().into(), items, ..answer }
}
