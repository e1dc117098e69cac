//! Serving HTTP to whoever comes, within limits.
//!
//! Both ports, the public one and the console's, meet people who say nothing, say it slowly, or come in crowds. None of
//! them may use up the daemon's files: calls to systems and the store need those, too.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::response::Response;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// How long the end waits for answers under way, and a failed accept for others to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// What a port bears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Its name in the log.
    pub name: &'static str,
    /// Visitors served at once; more wait to be accepted.
    pub visitors: usize,
    /// How long the head of a request may take, also of the next one on a connection.
    pub head: Duration,
    /// Most bytes of a head; at least 8192.
    pub head_bytes: usize,
}

/// Has `answer` answer every request, until `stop` is done; answers under way come to their end.
pub(crate) async fn serve<A, F>(listener: TcpListener, limits: Limits, answer: A, stop: impl Future<Output = ()>)
where
    A: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let mut visitors = JoinSet::new();
    let places = Arc::new(Semaphore::new(limits.visitors));
    let (ending, _) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = async {
                // Never closed, so there is a place sooner or later.
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (place, listener.accept().await)
            } => accepted,
            Some(_) = visitors.join_next() => continue,
        };
        match accepted {
            (place, Ok((stream, from))) => {
                let (answer, ending) = (answer.clone(), ending.subscribe());
                visitors.spawn(async move {
                    let _place = place;
                    connection((stream, from), limits, answer, ending).await;
                });
            }
            (_, Err(error)) => {
                // Out of file descriptors, mostly: others must end first.
                tracing::warn!(event = "listener.accept_failed", listener = limits.name, %error);
                tokio::time::sleep(FAREWELL).await;
            }
        }
    }
    drop(listener);
    ending.send_replace(true);
    let _ = tokio::time::timeout(FAREWELL, async { while visitors.join_next().await.is_some() {} }).await;
}

/// Serves one connection, request after request.
async fn connection<A, F>(
    (stream, from): (TcpStream, SocketAddr),
    limits: Limits,
    answer: A,
    mut ending: watch::Receiver<bool>,
) where
    A: Fn(Request<Incoming>, SocketAddr) -> F,
    F: Future<Output = Result<Response, Infallible>>,
{
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(request, from)));
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
        tracing::debug!(event = "listener.visitor_lost", listener = limits.name, from = %from.ip(), %error);
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMITS: Limits = Limits { name: "test", visitors: 2, head: Duration::from_millis(100), head_bytes: 8 << 10 };

    #[tokio::test]
    async fn those_who_say_nothing_or_not_all_of_it_make_room_for_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = |_: Request<Incoming>, _| async { Ok(Response::new(Body::from("here"))) };
        tokio::spawn(serve(listener, LIMITS, answer, std::future::pending()));
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        third.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        // It is served, and sent away as it says nothing more.
        let mut told = String::new();
        let said = third.read_to_string(&mut told);
        tokio::time::timeout(Duration::from_secs(60), said).await.expect("there is no room for it").unwrap();
        assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("here"), "{told}");
        for gone in [&mut silent, &mut slow] {
            // With a word (408) or without one.
            let _ = gone.read_to_end(&mut Vec::new()).await;
        }
    }
}
