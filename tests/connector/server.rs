//! A server that answers byte for byte what a test tells it to, and remembers byte for byte what it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What a server does with a request.
pub enum Act {
    /// Sends these bytes and closes the connection.
    Say(Vec<u8>),
    /// Closes the connection without a word.
    Drop,
    /// Never answers.
    Hang,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Got {
    pub line: String,
    pub head: String,
    pub body: String,
}

impl Got {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Got>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// A server that answers the n-th request (from 0) with `answer(n, request)`.
    pub async fn start(answer: impl Fn(usize, &Got) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                open.spawn(async move { serve(stream, &*answer, &kept).await });
            }
        });
        Self { address, requests, task }
    }

    /// A server that answers in this order, and hangs afterwards.
    pub async fn script(acts: impl IntoIterator<Item = Act>) -> Self {
        let acts = Mutex::new(acts.into_iter().collect::<std::collections::VecDeque<_>>());
        Self::start(move |_, _| acts.lock().unwrap().pop_front().unwrap_or(Act::Hang)).await
    }

    pub fn requests(&self) -> Vec<Got> {
        self.requests.lock().unwrap().clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: &(impl Fn(usize, &Got) -> Act + ?Sized), kept: &Mutex<Vec<Got>>) {
    let Some(got) = read(&mut stream).await else { return };
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(got.clone());
        kept.len() - 1
    };
    match answer(number, &got) {
        Act::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Act::Drop => {}
        Act::Hang => std::future::pending().await,
    }
}

async fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut got = Got { line: head.lines().next()?.to_owned(), head, body: String::new() };
    let length: usize = got.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    got.body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
    Some(got)
}

/// An answer with its length.
pub fn say(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Say(
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into(),
    )
}

/// A JSON answer with status 200.
pub fn json(body: &serde_json::Value) -> Act {
    say(200, "content-type: application/json\r\n", &body.to_string())
}

/// An answer that promises more than it sends.
pub fn broken_off(body: &str) -> Act {
    let length = body.len() + 10;
    Act::Say(format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}").into())
}
